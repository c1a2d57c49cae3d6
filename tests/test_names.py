"""The page's names for patterns, roles, little worlds and tools: there in every language, and English as the core's."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from english import ENGLISH

from recmas_core.loading import assets_folder, embedded_systems
from recmas_core.manifest import read_manifest
from recmas_core.patterns import ALONE, MIXTURE, PATTERNS, Pattern, loop_pattern
from recmas_core.tasks import TASKS
from recmas_core.tasks.base import Reading
from recmas_core.tools import CorpusSearch, NoSearch, PythonTool, WebSearch
from visualizers.names import named_pattern, reading_text, role_title, system_title, task_names, tool_names
from visualizers.words import LANGUAGES, read_words

GERMAN = read_words("de")
ALL = [*PATTERNS.values(), ALONE]
SAME = {"Code"}  # what German and English call alike
TYPED = {
    "chain": ["start 7 s1 + 3", "7 + 3 * 7 - 4", "1 + 1 + 1 + 1", "7 * 2", "+".join("1" * 12), "hello"],
    "fields": ["s1 max [ 4 1 7 ]", "s1 max [ 4 1 7 ] s2 + 5", "s1 max [ 4 1 7 ] s2 * 2", "hello"],
    "formula": ["p1 3 carbon", "p1 3 carbon p2 2 oxygen", "p1 3 carbon p2 2 carbon", "hello"],
    "almanac": ["What is 37, plus 48?", "What is 37, plus 48, times 12?", "What is 37, plus 4?", "hello"],
}


@pytest.mark.parametrize("pattern", ALL, ids=lambda pattern: pattern.name)
def test_english_names_are_the_cores_own(pattern: Pattern) -> None:
    assert named_pattern(pattern, ENGLISH) == pattern


@pytest.mark.parametrize("pattern", ALL, ids=lambda pattern: pattern.name)
@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_every_pattern_and_role_has_a_name_in_every_language(pattern: Pattern, language: str) -> None:
    named = named_pattern(pattern, read_words(language))
    assert (named.name, named.stages, named.edges) == (pattern.name, pattern.stages, pattern.edges)
    pairs = [(named.title, pattern.title), (named.about, pattern.about)]
    for mine, own in zip(named.roles, pattern.roles, strict=True):
        pairs += [(mine.title, own.title), (mine.about, own.about)]
    assert [text for text, own in pairs if text == own and text not in SAME] == []


def test_a_pattern_the_page_does_not_know_keeps_its_names() -> None:
    court = dataclasses.replace(MIXTURE, name="court")
    assert named_pattern(court, GERMAN) is court


def test_a_loop_is_named_with_its_size() -> None:
    assert named_pattern(loop_pattern(4), GERMAN).title == "Schleife aus 4"


@pytest.mark.parametrize("name", embedded_systems(assets_folder()))
def test_shipped_systems_are_named(name: str) -> None:
    kept = read_manifest(assets_folder() / name)
    assert system_title(name, kept.title, ENGLISH) == kept.title
    assert system_title(name, kept.title, GERMAN) != kept.title
    role = kept.pattern.roles[0]
    assert role_title(name, role.name, role.title, GERMAN) == named_pattern(kept.pattern, GERMAN).roles[0].title


@pytest.mark.parametrize("name", TASKS)
def test_every_little_world_is_told_in_every_language(name: str) -> None:
    task = TASKS[name]
    english, german = task_names(task, ENGLISH), task_names(task, GERMAN)
    assert dataclasses.astuple(english) == (task.title, task.about, task.limit, task.placeholder)
    assert [a for a, b in zip(dataclasses.astuple(english), dataclasses.astuple(german), strict=True) if a == b] == []


@pytest.mark.parametrize(("name", "typed"), [(name, text) for name, texts in TYPED.items() for text in texts])
def test_every_reading_is_told_in_every_language(name: str, typed: str) -> None:
    task = TASKS[name]
    reading = task.read(typed)
    assert reading_text(reading, task, ENGLISH) == reading.note
    assert reading_text(reading, task, GERMAN) not in ("", reading.note)


def test_the_readings_typed_here_are_of_every_kind() -> None:
    found = {(name, TASKS[name].read(text).kind) for name, texts in TYPED.items() for text in texts}
    worlds = {tuple(key.split(".")[1:3]) for key in ENGLISH.texts if key.count(".") == 2 and "readings." in key}
    assert {pair for pair in worlds if pair[0] in TASKS} - found <= {("almanac", "long")}


def test_one_step_is_one_step() -> None:
    assert TASKS["chain"].read("7 + 3").note == "1 step: needs 1 round."
    assert reading_text(TASKS["chain"].read("7 + 3"), TASKS["chain"], GERMAN) == "1 Schritt: 1 Runde nötig."


def test_a_reading_of_no_kind_keeps_its_note() -> None:
    assert reading_text(Reading("q", None, "as it is"), TASKS["chain"], GERMAN) == "as it is"


def test_tools_are_told_in_every_language(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text('{"title": "a", "text": "b"}\n')
    for tool in (PythonTool(), CorpusSearch(corpus), NoSearch(), WebSearch("key")):
        assert tool_names(tool, ENGLISH) == (tool.about, tool.source)
        about, source = tool_names(tool, GERMAN)
        assert about != tool.about
        assert source != tool.source
