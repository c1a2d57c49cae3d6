"""The figure of accuracy by rounds: what is measured is where it is drawn, and nothing is told by colour alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

import pytest
from english import ENGLISH

from recmas_core.records import HeldOut
from visualizers.figures.rounds import LOOKS, Line, rounds_figure
from visualizers.theme import PAPER_DARK, PAPER_LIGHT, contrast


def line(way: str, rights: Sequence[int], *, level: bool = False) -> Line:
    return Line(way, way.title(), [(r + 1, HeldOut(r + 1, right, 100)) for r, right in enumerate(rights)], level)


def drawn(*lines: Line) -> dict[str, object]:
    figure = rounds_figure(lines, rounds=(1, 2, 3), words=ENGLISH, key="1")
    return json.loads(figure.to_json())


def test_points_and_intervals_are_those_measured() -> None:
    figure = drawn(line("text", (30, 60, 99)), line("latent", (31, 60, 98)))
    for trace, rights in zip(figure["data"], ((30, 60, 99), (31, 60, 98)), strict=True):  # type: ignore[call-overload]
        assert trace["y"] == [right / 100 for right in rights]
        assert [round(x) for x in trace["x"]] == [1, 2, 3]
        bounds = HeldOut(3, rights[-1], 100).interval
        assert trace["y"][-1] + trace["error_y"]["array"][-1] == pytest.approx(bounds[1])
        assert trace["y"][-1] - trace["error_y"]["arrayminus"][-1] == pytest.approx(bounds[0])
        assert f"{bounds[0]:.3f} to {bounds[1]:.3f}, 100 questions" in trace["text"][-1]


def test_equal_ways_stand_apart() -> None:
    text, latent = drawn(line("text", (50,)), line("latent", (50,)))["data"]  # type: ignore[misc]
    assert text["x"] != latent["x"]


def test_a_way_without_rounds_is_a_level_with_its_interval() -> None:
    band, level = drawn(line("single", (22,), level=True))["data"]  # type: ignore[misc]
    assert set(level["y"]) == {0.22}
    assert (min(band["y"]), max(band["y"])) == HeldOut(1, 22, 100).interval
    assert level["x"][0] < 1 < 3 < level["x"][-1]


def test_nothing_is_told_by_colour_alone_and_all_is_legible_on_both_grounds() -> None:
    looks = list(LOOKS.values())
    assert len({look.symbol for look in looks}) == len({look.dash for look in looks}) == len(looks)
    assert all(contrast(look.colour, ground) >= 3 for look in looks for ground in (PAPER_LIGHT, PAPER_DARK))


@pytest.mark.parametrize("shares", [(99, 100, 98), (0, 1, 2), (50, 51, 90), (100, 100, 100)])
def test_labels_never_lie_on_one_another(shares: tuple[int, int, int]) -> None:
    figure = drawn(*(line(way, (share,)) for way, share in zip(LOOKS, shares, strict=True)))
    notes = figure["layout"]["annotations"]  # type: ignore[index]
    places = sorted(note["y"] for note in notes)
    assert all(b - a >= 0.11 for a, b in pairwise(places))
    assert max(places) <= 1.03
    assert sorted(note["text"] for note in notes) == sorted(
        f"{way.title()}<br>{share / 100:.3f}" for way, share in zip(LOOKS, shares, strict=True)
    )


def test_before_anything_is_measured_the_axes_stand() -> None:
    figure = drawn(Line("text", "Text", ()), Line("latent", "Latent", ()))
    assert figure["data"] == []
    assert figure["layout"]["xaxis"]["tickvals"] == [1, 2, 3]  # type: ignore[index]
    assert figure["layout"]["meta"] == {"key": "1"}  # type: ignore[index]
