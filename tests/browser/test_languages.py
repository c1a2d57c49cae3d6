"""The page in German: it runs to its answer in German words, says its language, and leads to English and back."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.explorer import PATIENCE
from visualizers.words import read_words

GERMAN, ENGLISH = read_words("de"), read_words("en")
_PIECES = ("#recmas-cards", "#recmas-status", "#recmas-meters", "#recmas-strip", "#recmas-caption", "#recmas-contrast")


@pytest.fixture
def page(server: str, browser: Browser) -> Iterator[Page]:
    """The German page, its agents loaded."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(1000 * PATIENCE)
    page.goto(f"{server}/de")
    said = GERMAN("explore.status.ready")
    page.wait_for_function("said => document.querySelector('.recmas-status')?.innerText === said", arg=said)
    yield page
    context.close()


def _lang(page: Page, language: str) -> None:
    page.wait_for_function("language => document.documentElement.lang === language", arg=language)


def test_the_german_page_runs_to_its_answer_in_german(page: Page) -> None:
    _lang(page, "de")
    page.click("#recmas-run")
    page.wait_for_function("() => document.querySelector('.recmas-status').innerText.startsWith('Löser antwortet: ')")
    page.wait_for_function("() => document.querySelector('#recmas-meters').innerText.includes('richtig')")
    page.wait_for_function("() => document.querySelector('#recmas-caption').innerText.includes('Gesetzt durch')")
    shown = {piece: page.locator(piece).inner_text() for piece in _PIECES}
    assert GERMAN("explore.meters.round_of", round=3, rounds=3) in shown["#recmas-meters"]
    assert "richtig" in shown["#recmas-meters"]
    assert "Planer" in shown["#recmas-strip"]
    assert "Gesetzt durch" in shown["#recmas-caption"]
    meters = {key: text for key, text in ENGLISH.texts.items() if key.startswith("explore.meters.") and "{" not in text}
    english = {text for key, text in meters.items() if text != GERMAN.texts[key]}
    english |= {"Planner", "Critic", "Solver", "Each large mark", "Compare with", "answers"}
    found = {text for text in english for piece in shown.values() if re.search(rf"\b{re.escape(text)}\b", piece)}
    assert found == set()


def test_the_links_lead_to_english_and_back(page: Page) -> None:
    page.click(".recmas-languages a[lang=en]")
    page.wait_for_selector("#recmas-step:has-text('Step')")
    _lang(page, "en")
    page.click(".recmas-languages a[lang=de]")
    page.wait_for_selector("#recmas-step:has-text('Schritt')")
    _lang(page, "de")


def test_no_german_button_is_cut(page: Page) -> None:
    wide = "(b) => b.scrollWidth > b.clientWidth"
    cut = f"box => [...box.querySelectorAll('button')].filter({wide}).map((b) => b.innerText)"
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.locator("#recmas-transport").evaluate(cut) == []
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
