"""Errors in the page's language: recognised by their own words, and said in others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from english import ENGLISH

import recmas_core as rm
from recmas_core.errors import BadInput, RecmasError
from recmas_core.records import check_question
from visualizers.mishaps import in_words
from visualizers.panels.choices import number, whole
from visualizers.panels.intervene_change import Change, check_change
from visualizers.words import read_words

ROOT = Path(__file__).resolve().parents[1]
GERMAN = read_words("de")


def raised(function: Any, *arguments: Any) -> RecmasError:
    with pytest.raises(RecmasError) as caught:
        function(*arguments)
    return caught.value


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (raised(whole, "Rounds", "2.5", 1, 6), "Runden: 2.5 geht nicht. Eine ganze Zahl von 1 bis 6 wählen."),
        (raised(whole, "Seed", "x", 0, 9), "Startwert: 'x' geht nicht. Eine ganze Zahl von 0 bis 9 wählen."),
        (raised(whole, "Thoughts per turn", "", 1, 80), "Gedanken je Zug: fehlt. Eine ganze Zahl von 1 bis 80 wählen."),
        (raised(number, "factor", "-11", -10.0, 10.0), "Faktor: -11 geht nicht. Eine Zahl von -10 bis 10 wählen."),
        (raised(check_question, ""), "Frage: ist leer. Eine Frage eingeben oder ein Beispiel wählen."),
        (raised(check_question, "a\x00"),
         "Frage: enthält das Steuerzeichen U+0000. Entfernen und noch einmal versuchen."),
        (raised(check_change, Change(8, "zero"), rm.PATTERNS["sequential"], rm.RunConfig("start 7", rounds=3)),
         "Zug: Nummer 9 sendet nichts. Einen der Züge 1 bis 8 wählen: Sie senden Gedanken, der letzte antwortet."),
    ],
)  # fmt: skip
def test_what_a_visitor_meets_is_said_in_german(error: RecmasError, said: str) -> None:
    assert in_words(error, GERMAN) == said
    assert in_words(error, ENGLISH) == str(error)


def test_what_has_no_words_is_said_as_it_is() -> None:
    odd = rm.RecmasError("Rounds", "is damaged (code 'x')", "Choose a whole number from 1 to 6.")
    assert in_words(odd, GERMAN) == str(odd)
    other = BadInput("the moon", "is empty", "Type one.")
    assert in_words(other, GERMAN) == "the moon: ist leer. Bitte ausfüllen."


def test_every_entry_is_what_some_error_says() -> None:
    files = [path for name in ("recmas_core", "visualizers") for path in sorted((ROOT / name).rglob("*.py"))]
    code = "\n".join(path.read_text(encoding="utf-8") for path in files)
    entries = [text for key, text in ENGLISH.texts.items() if re.match(r"errors\.(where|what|todo)\.", key)]
    assert len(entries) > 80
    unsaid = [text for text in entries if not re.search(_literal(text), code)]
    assert unsaid == []


def _literal(template: str) -> str:
    """The text as it may stand in the code, its places filled with anything in braces."""
    pieces = re.split(r"\{[^{}]*\}", template)
    return "[\"']" + r"\{[^{}\n]*(?:\{[^{}\n]*\}[^{}\n]*)*\}".join(map(re.escape, pieces)) + "[\"']"
