"""The Intervene tab's experiments without a browser: what they find is what the engine finds, and Stop ends them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from english import ENGLISH
from tiny import tiny_system

import recmas_core as rm
from recmas_core.influence import influence
from recmas_core.layers import layer_lens
from recmas_core.records import Trace
from visualizers.figures.influence import InfluenceRow, influence_html, nats, shade
from visualizers.figures.settling import SettlingLine, settling_lines
from visualizers.own_maps import OwnMaps
from visualizers.panels.atlas import Atlas
from visualizers.panels.choices import Choices
from visualizers.panels.entry import Entry
from visualizers.panels.intervene_experiments import Experiments
from visualizers.panels.intervene_found import INFLUENCE, LAYERS, PATCH, SETTLE
from visualizers.panels.intervene_handlers import Intervene
from visualizers.panels.intervene_session import InterveneSession
from visualizers.panels.intervene_view import OUTPUTS
from visualizers.panels.notes import Notes
from visualizers.panels.offers import Lineup
from visualizers.panels.pen import Pen
from visualizers.panels.session import Moment

QUESTION = "start 7 s1 + 3 s2 * 7 s3 - 4 s4 + 2"


@pytest.fixture(scope="module")
def system() -> rm.System:
    return tiny_system()


class Page:
    """A visitor's tab; `shown` is what it shows."""

    def __init__(self, system: rm.System, monkeypatch: pytest.MonkeyPatch) -> None:
        self.system = system
        job = Choices(QUESTION, 2, 2, 0, "latent").job(system)
        self.trace = system.drain(Trace(job.config, system.pattern.name))
        entry = Entry(system, Notes(system), Atlas({}))
        moment = Moment(job=job, trace=self.trace, own=OwnMaps())
        self.visitor: Any = SimpleNamespace(
            intervening=InterveneSession(), intervening_pen=Pen(), lineup=Lineup("tiny", ()), belongings=None,
            session=SimpleNamespace(moment=moment),
        )  # fmt: skip
        self.tab = Intervene(None, None, ENGLISH)  # type: ignore[arg-type]
        monkeypatch.setattr(self.tab, "visitor", lambda request: self.visitor)
        monkeypatch.setattr(self.tab, "entry", lambda visitor, lineup: entry)
        self.experiments = Experiments(self.tab)
        self.request: Any = gr.Request(session_hash="visitor")
        self.shown: dict[str, Any] = {}
        self.visitor.intervening.adopt(self.visitor.lineup, moment)

    def take(self, outputs: Any) -> None:
        changed = {name: value for name, value in zip(OUTPUTS, outputs, strict=True) if value != gr.skip()}
        self.shown |= changed

    def drain(self, drawings: Iterator[Any]) -> None:
        for outputs in drawings:
            self.take(outputs)

    def found(self, name: str) -> Any:
        return self.visitor.intervening.moment.found[name]


@pytest.fixture
def page(system: rm.System, monkeypatch: pytest.MonkeyPatch) -> Page:
    return Page(system, monkeypatch)


def test_influence_is_the_engines_for_the_true_answer(page: Page) -> None:
    page.drain(page.experiments.weigh(page.request, ""))
    truth = page.system.task.read(QUESTION).answer  # type: ignore[union-attr]
    made = influence(page.system, page.trace, truth)
    found = page.found(INFLUENCE)
    assert found.true
    assert np.allclose(found.result.drops, made.drops, atol=1e-5)
    assert page.shown["influence"].count('class="recmas-heat"') == made.drops.size + len(made.turns)
    assert ENGLISH("intervene.done.influence") in page.shown["status"]


def test_a_patch_tells_what_should_follow_before_what_does(page: Page) -> None:
    page.take(page.experiments.draw(page.request, ""))
    donor, implied = page.found(PATCH).donor, page.found(PATCH).implied
    assert implied is not None
    assert f"should become {implied}" in page.shown["patch"]
    assert "It became" not in page.shown["patch"]
    page.drain(page.experiments.patch(page.request, json.dumps({"donor": donor})))
    other = page.system.solve(donor, rounds=2, latent_steps=2)
    branch = page.system.drain(page.trace.fork(0, edits=(rm.Edit(0, "swap", trace=other),)))
    assert page.found(PATCH).answer == branch.answer
    page.drain(page.experiments.patch_many(page.request, json.dumps({"donor": donor})))
    many = page.found(PATCH).many
    assert len(many.cases) == many.total.n == 20
    assert page.found(PATCH).donor == donor
    assert page.shown["patch"].count("<tr>") == 21


def test_layers_and_settling_are_the_engines(page: Page) -> None:
    page.drain(page.experiments.layers(page.request, json.dumps({"lens": "1"})))
    rows = layer_lens(page.system, page.trace, 0, 1)
    assert [said[0][0] for said in page.found(LAYERS).layers] == [row[0].text for row in rows]
    page.drain(page.experiments.settle(page.request, ""))
    found = page.found(SETTLE)
    longer = page.system.solve(QUESTION, rounds=6, latent_steps=2)
    assert found.trace.answer == longer.answer
    assert [each.round for each in found.answers] == [1, 2, 3, 4, 5, 6]
    lines = json.loads(page.shown["curves"])["data"]
    assert [len(line["x"]) for line in lines] == [5, 5, 4]


def test_stop_ends_an_experiment_and_what_is_there_stays(page: Page) -> None:
    work = page.experiments.settle(page.request, "")
    page.take(next(work))
    assert 'data-send="halt"' in page.shown["settle"]
    page.visitor.intervening.stop()
    page.drain(work)
    assert page.visitor.intervening.moment.work is None
    assert page.shown["go"] == gr.update(interactive=True)


def test_errors_of_an_experiment_stand_in_the_status_line(page: Page) -> None:
    page.drain(page.experiments.patch(page.request, json.dumps({"donor": ""})))
    assert "recmas-error" in page.shown["status"]
    page.drain(page.experiments.patch(page.request, json.dumps({"donor": QUESTION})))
    assert "own" in page.shown["status"]
    page.drain(page.experiments.layers(page.request, json.dumps({"lens": "99"})))
    assert "thought is 99" in page.shown["status"]
    page.drain(page.experiments.layers(page.request, json.dumps({"lens": "0"})))
    assert "recmas-error" not in page.shown["status"]


def test_nothing_is_written_as_minus_nothing_and_shades_go_with_the_drop() -> None:
    assert [nats(value) for value in (-0.004, 0.0, -0.5, 3.456)] == ["0.00", "0.00", "−0.50", "3.46"]
    assert [shade(value, 4.0) for value in (-1.0, 0.0, 2.0, 4.0)] == [0.0, 0.0, 0.5, 1.0]
    assert shade(0.0, 0.0) == 0.0
    row = InfluenceRow(3, 2, "Planner", "#2b83c4", (2.0, -0.001), 4.0)
    table = influence_html([row], ENGLISH, chosen=(3, 1))
    assert re.findall(r"--recmas-heat:(\d+)%", table) == ["25", "0", "50"]
    assert re.findall(r'data-turn="3"( data-step="\d")?', table) == [' data-step="0"', ' data-step="1"', ""]
    assert table.count('aria-pressed="true"') == 1
    assert "Planner, round 2, thought 2: 0.00 nats" in table


def test_the_lines_of_settling_mark_where_training_ended() -> None:
    line = SettlingLine("Planner", "#2b83c4", (2, 3), (0.5, 0.9), (0.4, 0.9), (0.7, 0.9))
    figure = settling_lines([line], ENGLISH, rounds=6, trained=5)
    assert [shape.x0 for shape in figure.layout.shapes] == [5.5]
    assert np.allclose(figure.data[0].error_y.array, [0.2, 0.0])
    assert np.allclose(figure.data[0].error_y.arrayminus, [0.1, 0.0])
    assert not settling_lines([line], ENGLISH, rounds=6).layout.shapes
