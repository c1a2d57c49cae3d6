"""The figures of a training: curves and the shared credit signal, and what they promise to the page."""

from __future__ import annotations

import json
import re

import pytest
from english import ENGLISH

import recmas_core as rm
from recmas_core.records import HeldOut, TrainStep
from visualizers.figures.credit import credit_html, number, shade
from visualizers.figures.curves import MOST, Mark, smoothed, training_curves

SEQUENTIAL = rm.PATTERNS["sequential"]
EDGES = [edge.key for edge in SEQUENTIAL.edges]


def step(
    n: int, *, lap: int = 0, loss: float = 1.0, window: int | None = None, held: tuple[HeldOut, ...] = ()
) -> TrainStep:
    return TrainStep("outer", n, 40, loss, 1e-3, window=window, lap=lap, laps=2, held_out=held)


def drawn(steps: list[TrainStep], **options: object) -> tuple[dict[str, dict], dict]:
    figure = json.loads(training_curves(steps, ENGLISH, titles={"outer": "Outer <b>loop"}, **options).to_json())  # type: ignore[arg-type]
    return {trace["name"]: trace for trace in figure["data"]}, figure["layout"]


def words(layout: dict, name: str) -> list[str]:
    return [note["text"] for note in layout["annotations"] if note["name"] == name]


def test_every_step_is_on_the_curve_and_the_axis_waits_for_those_to_come() -> None:
    traces, layout = drawn([step(n, loss=1 / n) for n in range(1, 11)])
    assert traces["loss"]["x"] == list(range(1, 11))
    assert traces["loss"]["y"] == pytest.approx([1 / n for n in range(1, 11)])
    assert layout["xaxis"]["range"][1] >= 40


def test_the_trend_begins_anew_with_every_stage() -> None:
    steps = [step(1, loss=4.0), step(2, loss=2.0), step(1, lap=1, loss=0.5)]
    assert smoothed(steps) == pytest.approx([4.0, 3.8, 0.5])


def test_held_out_accuracy_comes_with_its_interval() -> None:
    result = HeldOut(3, 90, 100)
    traces, layout = drawn([step(1), step(2, held=(result,))])
    trace = traces["held-out 3"]
    low, high = result.interval
    assert (trace["x"], trace["y"]) == ([2], [0.9])
    assert trace["error_y"]["array"] == pytest.approx([high - 0.9])
    assert trace["error_y"]["arrayminus"] == pytest.approx([0.9 - low])
    assert words(layout, "end") == ["3 rounds 0.90"]


def test_what_was_measured_before_the_first_step_stands_at_the_beginning() -> None:
    results = HeldOut(3, 27, 100), HeldOut(3, 90, 100)
    traces, layout = drawn([step(1), step(2, held=results[1:])], before=results[:1])
    assert (traces["held-out 3"]["x"], traces["held-out 3"]["y"]) == ([0, 2], [0.27, 0.9])
    assert words(layout, "end") == ["3 rounds 0.90"]
    assert words(drawn([], before=results[:1])[1], "end") == ["3 rounds 0.27"]


def test_windows_are_marked_where_they_lengthen_and_not_where_there_is_but_one() -> None:
    one = drawn([step(n, window=8) for n in range(1, 30)])[1]
    several = drawn([step(n, window=1 if n < 15 else 3) for n in range(1, 30)])[1]
    assert words(one, "mark") == []
    assert words(several, "mark") == ["1", "3"]


def test_stages_and_marks_are_named_and_nothing_is_taken_for_markup() -> None:
    layout = drawn([step(n) for n in range(1, 20)], marks=[Mark(10, "undone")])[1]
    assert words(layout, "stage") == ["Outer &lt;b&gt;loop"]
    assert words(layout, "mark") == ["undone"]


def test_a_long_course_is_drawn_with_few_points() -> None:
    traces, _ = drawn([step(n, loss=float(n)) for n in range(1, 4 * MOST)])
    assert len(traces["loss"]["x"]) <= MOST
    assert traces["loss"]["x"][-1] == 4 * MOST - 1


def test_a_loss_of_zero_can_be_drawn() -> None:
    assert drawn([step(1, loss=0.0)])[0]["loss"]["y"] == [0.0]
    assert drawn([])[0]["loss"]["x"] == []


def test_a_row_for_every_link_and_a_column_for_every_round() -> None:
    norms = {(1, EDGES[0]): 0.5, (2, EDGES[0]): 2e-6, (1, EDGES[1]): 31.0}
    table = credit_html(SEQUENTIAL, norms, ENGLISH, links=EDGES, rounds=3, distance={EDGES[0]: 0.034})
    rows = re.findall(r"<tr style.*?</tr>", table)
    assert len(rows) == len(EDGES)
    assert "Planner → Critic" in rows[0]
    assert re.findall(r">([^<>]*)</td>", rows[0]) == ["0.50", "2.0e−6", "·", "3.4 %"]
    assert re.findall(r">([^<>]*)</td>", rows[2]) == ["·", "·", "·", "–"]


def test_a_stage_without_rounds_fills_the_row_and_an_inner_link_is_named() -> None:
    table = credit_html(SEQUENTIAL, {(0, ("critic", "critic")): 1.5}, ENGLISH, links=[("critic", "critic")], rounds=3)
    assert "Critic, inner" in table
    assert 'colspan="3">1.5</td>' in table


def test_shades_grow_with_the_power_of_ten_and_stay_within_bounds() -> None:
    shades = [shade(10.0**power) for power in range(-12, 6)]
    assert shades == sorted(shades)
    assert (shades[0], shades[-1], shade(0.0), shade(float("inf"))) == (0.0, 1.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.0314, "0.031"), (0.99, "0.99"), (7.04, "7.0"), (212.3, "212"), (1.5e-7, "1.5e−7"), (2e5, "2.0e5"),
     (float("inf"), "∞")],
)  # fmt: skip
def test_norms_are_written_in_few_characters(value: float, text: str) -> None:
    assert number(value) == text
