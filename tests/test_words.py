"""The words of the page: every language says everything, and the code asks for nothing that no language says."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from visualizers.words import LANGUAGES, Words, read_words

ROOT = Path(__file__).resolve().parents[1]
ENGLISH = read_words("en")
_ASKED = re.compile(r"""\bwords(?P<count>\.count)?\(\s*(?P<f>f?)"(?P<key>[a-z0-9_.{}]+)\"""")


def asked() -> list[tuple[str, str, bool]]:
    """(file, the key's pattern, whether it is counted) of every text that the code asks for by a literal."""
    found = []
    for path in [ROOT / "app.py", *sorted((ROOT / "visualizers").rglob("*.py"))]:
        for hit in _ASKED.finditer(path.read_text(encoding="utf-8")):
            literal = re.escape(hit["key"])
            if hit["f"]:
                literal = re.sub(r"\\\{[^{}]*\\\}", "[A-Za-z0-9_-]+", literal)
            found.append((path.name, literal, bool(hit["count"])))
    return found


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_the_code_asks_for_texts_that_are_there() -> None:
    missing = []
    for file, literal, counted in asked():
        wanted = re.compile(literal + (r"\.(one|other)" if counted else ""))
        if not any(wanted.fullmatch(key) for key in ENGLISH.texts):
            missing.append((file, literal))
    assert asked()
    assert missing == []


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_every_language_has_the_same_texts_with_the_same_places(language: str) -> None:
    other = read_words(language)
    assert set(other.texts) == set(ENGLISH.texts)
    assert {key for key in other.texts if places(other.texts[key]) != places(ENGLISH.texts[key])} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty(language: str) -> None:
    assert [key for key, text in read_words(language).texts.items() if not text.strip()] == []


def test_a_text_is_filled_and_counted() -> None:
    words = Words("en", {"a.b": "{who} thinks", "n.one": "{n} round", "n.other": "{n} rounds"})
    assert words("a.b", who="The critic") == "The critic thinks"
    assert [words.count("n", n) for n in (0, 1, 2)] == ["0 rounds", "1 round", "2 rounds"]


def test_a_missing_text_or_value_is_an_error() -> None:
    words = Words("en", {"a": "{who} thinks"})
    with pytest.raises(KeyError):
        words("b")
    with pytest.raises(KeyError):
        words("a")


def test_numbers_are_written_as_the_language_does() -> None:
    english, german = read_words("en"), read_words("de")
    assert english.written("1,234.5 −0.25") == "1,234.5 −0.25"
    assert german.written("1,234.5 −0.25") == "1.234,5 −0,25"
    assert "0,82" in german("train.results.interval", low=0.82, high=0.9)
    assert "0.82" in english("train.results.interval", low=0.82, high=0.9)
    assert "2,4" in german("compare.paper.time", low=1.2, high=2.4)
    assert german("explore.meters.round_of", round=2, rounds=1234).endswith("1234")  # counts stay as they are
