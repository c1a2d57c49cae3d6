"""The palette: legible on both grounds, stable, and one colour for one thing."""

from __future__ import annotations

import re

import pytest

from recmas_core.patterns import PATTERNS, Edge, Pattern, Role
from recmas_core.tasks.chain import VOCABULARY
from visualizers import theme

SIX = tuple(Role(f"r{i}", f"R{i}", "") for i in range(6))
WIDE = Pattern("wide", "Wide", "", SIX, (tuple(r.name for r in SIX),), (Edge("r0", "r1", feedback=True),), "r5")
WORDS = (*VOCABULARY, "", "Paris", " the", "▁the", "<eos>", "漢")


def test_contrast_is_the_wcag_ratio() -> None:
    assert theme.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert theme.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("ground", [theme.PAPER_LIGHT, theme.PAPER_DARK])
def test_every_colour_is_legible(ground: str) -> None:
    colours = {f"role {r.name}": theme.role_colour(WIDE, r.name) for r in SIX}
    colours |= {f"word {word!r}": theme.word_colour(word) for word in WORDS}
    colours["neutral"] = theme.NEUTRAL
    assert {name: c for name, c in colours.items() if theme.contrast(c, ground) < 3} == {}


def test_roles_have_colours_of_their_own() -> None:
    assert len({theme.role_colour(WIDE, role.name) for role in SIX}) == 6
    for pattern in PATTERNS.values():
        assert len({theme.role_colour(pattern, role.name) for role in pattern.roles}) == len(pattern.roles)
    with pytest.raises(ValueError, match="nobody"):
        theme.role_colour(WIDE, "nobody")


def test_known_words_differ_and_spaces_do_not_matter() -> None:
    digits_and_steps = [word for word in VOCABULARY if re.fullmatch(r"\d|s\d", word)]
    assert len({theme.word_colour(word) for word in digits_and_steps}) == len(digits_and_steps) == 19
    assert theme.word_colour(" 7") == theme.word_colour("▁7") == theme.word_colour("7")


def test_oklch_meets_known_values_and_stays_in_gamut() -> None:
    assert theme.oklch(1, 0, 0) == "#ffffff"
    assert theme.oklch(0, 0, 0) == "#000000"
    assert theme.oklch(0.62796, 0.25768, 29.234) == "#ff0000"
    assert re.fullmatch(r"#[0-9a-f]{6}", theme.oklch(0.9, 0.4, 264))


def test_layout_is_transparent_and_keeps_the_zoom() -> None:
    layout = theme.layout(height=300)
    assert layout["paper_bgcolor"] == layout["plot_bgcolor"] == "rgba(0,0,0,0)"
    assert layout["uirevision"]
    assert layout["height"] == 300
    assert "height" not in theme.layout()
