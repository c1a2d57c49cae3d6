"""The latent map: its contract with the page, and that it holds still."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from english import ENGLISH

from visualizers.figures.islands import Island, find_islands, legible
from visualizers.figures.latent_map import Cloud, MapPoint, latent_map
from visualizers.theme import word_colour

XY = np.array([[0, 0], [0.1, 0], [10, 10], [10.1, 10], [0, 10], [0.1, 10.1]], np.float32)
CLOUD = Cloud(XY, ("7", "7", "7", "7", "=", "="))


def point(x: float, y: float, turn: int = 0, step: int = 0, round_: int = 1, **changes: bool) -> MapPoint:
    return MapPoint(x, y, f"round {round_} · thought {step + 1}", "7 0.99", "#2b83c4", turn, round_, step, **changes)


def traces(**arguments: object) -> dict[str, dict]:
    figure = json.loads(latent_map(**arguments, words=ENGLISH).to_json())  # type: ignore[arg-type]
    return {trace["name"]: trace for trace in figure["data"]} | {"layout": figure["layout"]}


def test_live_points_are_one_trace_that_leads_back_to_the_thoughts() -> None:
    points = [point(1, 1, 0, 0), point(2, 2, 0, 1), point(3, 3, 3, 0, 2)]
    found = traces(points=points, cloud=CLOUD)["thoughts"]
    assert found["x"] == [1, 2, 3]
    assert found["y"] == [1, 2, 3]
    assert found["customdata"] == [[0, 0], [0, 1], [3, 0]]
    assert found["marker"]["symbol"][0] == found["marker"]["symbol"][1] != found["marker"]["symbol"][2]


def test_the_trace_is_there_before_the_first_thought_and_without_a_cloud() -> None:
    assert traces(points=[], cloud=None)["thoughts"]["x"] == []


def test_the_line_is_broken_between_turns() -> None:
    found = traces(points=[point(1, 1, 0, 0), point(2, 2, 0, 1), point(3, 3, 3, 0)], cloud=None)["order"]
    assert found["x"] == [1, 2, None, 3]
    assert found["connectgaps"] is False


def test_chosen_and_newest_are_ringed() -> None:
    found = traces(points=[point(1, 1, selected=True), point(2, 2), point(3, 3)], cloud=None)["rings"]
    assert found["x"] == [1, 3]
    assert found["marker"]["size"][0] > found["marker"]["size"][1]


def test_shadows_are_hollow_and_tied_to_the_thoughts_of_the_same_step() -> None:
    points = [point(1, 1, 0, 0), point(2, 2, 0, 1)]
    shadows = [point(5, 5, 0, 1), point(9, 9, 3, 0, 2)]
    found = traces(points=points, cloud=None, shadows=shadows)
    assert found["shadows"]["x"] == [5, 9]
    assert all(symbol.endswith("-open") for symbol in found["shadows"]["marker"]["symbol"])
    assert found["ties"]["x"] == [2, 5, None]  # the other shadow has no counterpart yet
    assert found["thoughts"]["x"] == [1, 2]
    assert found["layout"]["xaxis"]["range"][1] > 9
    assert "shadows" not in traces(points=points, cloud=None)


def test_nothing_hides_the_live_points() -> None:
    """SVG traces are drawn in order; plotly's WebGL canvas would lie over all of them."""
    figure = latent_map(points=[point(1, 1)], cloud=CLOUD, anchors=CLOUD, words=ENGLISH)
    assert [trace.type for trace in figure.data] == ["scatter"] * len(figure.data)
    assert figure.data[-1].name == "thoughts"


def test_axes_hold_still_until_a_point_lies_outside() -> None:
    def ranges(points: list[MapPoint]) -> tuple:
        layout = latent_map(points=points, cloud=CLOUD, words=ENGLISH).layout
        assert layout.yaxis.scaleanchor == "x"
        return layout.xaxis.range, layout.yaxis.range

    assert ranges([]) == ranges([point(5, 5)]) == ranges([point(5, 5), point(0, 10)])
    (x0, x1), (y0, y1) = ranges([point(30, 5)])
    assert x1 > 30
    assert (x0, y0, y1) == (ranges([])[0][0], *ranges([])[1])


def test_axes_hold_the_frame_of_the_whole_run_where_there_is_no_cloud() -> None:
    def across(count: int) -> tuple[float, ...]:
        points = [point(x, 1) for x in (0, 5, 10)[:count]]
        frame = np.array([[0, 0], [10, 2]], np.float32)
        return latent_map(points=points, cloud=None, words=ENGLISH, frame=frame).layout.xaxis.range

    assert across(0) == across(1) == across(3)


def test_zoom_survives_new_points_but_not_another_map() -> None:
    first = latent_map(points=[], cloud=CLOUD, title="planner", words=ENGLISH).layout.uirevision
    assert latent_map(points=[point(1, 1)], cloud=CLOUD, title="planner", words=ENGLISH).layout.uirevision == first
    assert latent_map(points=[], cloud=CLOUD, title="critic", words=ENGLISH).layout.uirevision != first


def test_words_and_method_are_shown_as_text_not_markup() -> None:
    evil = MapPoint(0, 0, "<b>x", "<script>", "#2b83c4", 0, 1, 0)
    found = traces(points=[evil], cloud=Cloud(XY, ("<i>",) * 6), title="<u>", method="<s>")
    assert found["thoughts"]["text"] == ["<b>&lt;b&gt;x</b><br>&lt;script&gt;"]
    assert "<i>" not in json.dumps(found)
    assert "<u>" not in found["layout"]["title"]["text"]
    assert [a["text"] for a in found["layout"]["annotations"]] == ["&lt;s&gt;"]


def test_each_island_is_written_once_in_its_words_colour() -> None:
    found = traces(points=[], cloud=CLOUD)["words"]
    assert sorted(found["text"]) == ["<b>7</b>", "<b>7</b>", "<b>=</b>"]
    assert set(found["textfont"]["color"]) == {word_colour("7"), word_colour("=")}


def test_anchors_are_crosses_with_their_words() -> None:
    anchors = Cloud(np.array([[5, 5]], np.float32), ("done",))
    found = traces(points=[], cloud=CLOUD, anchors=anchors)
    assert found["tokens"]["text"] == ["done"]
    assert "<b>done</b>" in found["words"]["text"]


def test_islands_join_near_points_of_one_word_only() -> None:
    islands = find_islands(XY, CLOUD.words)
    assert [(island.word, island.size) for island in islands] == [("7", 2), ("7", 2), ("=", 2)]
    assert math.isclose(islands[0].x, 0.05, abs_tol=1e-6)
    assert find_islands(np.zeros((0, 2), np.float32), ()) == ()
    assert len(find_islands(np.zeros((3, 2), np.float32), ("a", "a", "a"))) == 1


@pytest.mark.parametrize(("word", "x", "kept"), [("b", 0.02, 1), ("b", 0.04, 2), ("a", 0.04, 1), ("a", 0.07, 2)])
def test_labels_that_would_collide_are_dropped(word: str, x: float, kept: int) -> None:
    assert len(legible([Island("a", 0, 0, 9), Island(word, x, 0, 3)], 1.0)) == kept
