"""The Intervene tab without a browser: its handlers called as the page calls them."""

from __future__ import annotations

import json
import threading
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, parse_qsl

import gradio as gr
import pytest
from english import ENGLISH
from test_run import assert_same
from tiny import tiny_pattern_system

import recmas_core as rm
from recmas_core.storage import load_noted
from visualizers.panels.catalogue import read_catalogue
from visualizers.panels.explore_handlers import Explore
from visualizers.panels.intervene_branching import Branching
from visualizers.panels.intervene_change import Change
from visualizers.panels.intervene_handlers import Intervene
from visualizers.panels.intervene_share import ShareBranch
from visualizers.panels.intervene_view import OUTPUTS
from visualizers.panels.share_link import read_link
from visualizers.panels.shelf import Shelf
from visualizers.panels.visitors import Visitor, Visitors

QUESTION = "start 7 s1 + 3 s2 * 7"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    folder = tmp_path_factory.mktemp("assets")
    for name, world in (("sequential", "chain"), ("mixture", "fields")):
        system = tiny_pattern_system(rm.PATTERNS[name], task=rm.TASKS[world], trained_steps=(1, 8))
        system.title = system.pattern.title
        system.save(folder / name)
    return Shelf(read_catalogue(assets=folder))


class Page:
    """A visitor's page; `shown` is what its Intervene tab shows."""

    def __init__(self, shelf: Shelf) -> None:
        self.visitors = Visitors(shelf.board)
        self.explore = Explore(shelf, self.visitors, ENGLISH)
        self.intervene = Intervene(shelf, self.visitors, ENGLISH)
        self.branching = Branching(self.intervene)
        self.sharing = ShareBranch(self.intervene, shelf.catalogue)
        self.system = shelf.entry(shelf.first).system
        self.request: Any = gr.Request(session_hash="visitor")
        self.shown: dict[str, Any] = {}

    @property
    def visitor(self) -> Visitor:
        return self.visitors.get("visitor")

    def values(self, mode: str = "latent") -> tuple[Any, ...]:
        return QUESTION, 2, 2, 0, mode, "fast", True, True

    def take(self, outputs: Any) -> None:
        """What the page does with the values of one drawing."""
        for name, value in zip(OUTPUTS, outputs, strict=True):
            if value == gr.skip():
                continue
            self.shown[name] = value["interactive"] if isinstance(value, dict) and "interactive" in value else value

    def here(self, mode: str = "latent") -> None:
        for outputs in self.intervene.here(self.request, *self.values(mode)):
            self.take(outputs)

    def look(self) -> None:
        for outputs in self.intervene.look(self.request, ""):
            self.take(outputs)

    def run_on(self, **form: Any) -> None:
        for outputs in self.branching.run_on(self.request, json.dumps({"kind": "zero", "which": "all", **form})):
            self.take(outputs)

    def pick(self, turn: int, step: int = -1) -> None:
        event: Any = SimpleNamespace(turn=turn, step=step)
        for outputs in self.intervene.in_order(self.intervene.pick)(event, self.request, ""):
            self.take(outputs)


@pytest.fixture
def page(shelf: Shelf) -> Page:
    return Page(shelf)


def test_without_a_run_there_is_only_what_makes_one(page: Page) -> None:
    page.look()
    assert "recmas-i-empty" in page.shown["empty"]
    assert ENGLISH("intervene.empty.none") in page.shown["status"]
    assert page.shown["go"] is False


def test_once_the_question_has_run_here_one_can_run_on(page: Page) -> None:
    page.here()
    assert page.visitor.session.moment.finished
    assert (page.shown["empty"], page.shown["go"], page.shown["stop"]) == ("", True, False)
    answer = page.system.solve(QUESTION, rounds=2, latent_steps=2).answer
    assert page.visitor.intervening.moment.origin.trace.answer == answer  # type: ignore[union-attr]


def test_the_button_works_also_where_the_tab_was_looked_at_while_the_run_went_on(page: Page) -> None:
    drawings = page.intervene.here(page.request, *page.values())
    page.take(next(drawings))  # the page has not got this one yet: whoever draws next waits
    looking = threading.Thread(target=page.look)
    looking.start()
    for outputs in drawings:
        page.take(outputs)
    looking.join(20)
    assert not looking.is_alive()
    assert page.shown["go"] is True


def test_a_paused_run_is_gone_on_with_and_a_text_run_is_run_anew(page: Page) -> None:
    for outputs in page.explore.step(page.request, *page.values()):
        assert outputs
    first = page.visitor.session.moment.trace.thoughts[0]  # type: ignore[union-attr]
    page.look()
    assert ENGLISH("intervene.empty.unfinished") in page.shown["status"]
    page.here()
    assert page.visitor.session.moment.trace.thoughts[0] is first  # type: ignore[union-attr]
    for outputs in page.explore.run(page.request, *page.values("text")):
        assert outputs
    page.look()
    assert ENGLISH("intervene.empty.text") in page.shown["status"]
    page.here("text")
    assert page.visitor.session.moment.job.config.mode == "latent"  # type: ignore[union-attr]
    assert page.shown["go"] is True


def test_a_branch_is_the_engines_own_and_stands_beside_the_run(page: Page) -> None:
    page.here()
    page.pick(1)
    page.run_on(kind="scale", factor="-3")
    moment = page.visitor.intervening.moment
    run, branch = moment.origin.trace, moment.branch.trace  # type: ignore[union-attr]
    edits = [rm.Edit(1, "scale", value=-3.0)]
    made = page.system.drain(run.fork(1, edits=tuple(edits)))
    assert branch.answer == made.answer
    assert all((a.hidden == b.hidden).all() for a, b in zip(branch.thoughts, made.thoughts, strict=True))
    assert ENGLISH("intervene.turns.kept") in page.shown["turns"]
    assert "times −3" in page.shown["outcome"]
    assert page.shown["go"] is True
    assert page.shown["forget"] is True
    assert "Hollow" in page.shown["caption"]


def test_a_shared_branch_is_the_same_for_whoever_opens_its_link(shelf: Shelf, page: Page) -> None:
    page.here()
    page.pick(1, step=1)
    page.run_on(kind="set", which="some", text="s1 = 3", **{"thought-1": True})
    query = unescape(page.sharing.link(page.request).split('data-query="')[1].split('"')[0])
    linked = read_link(parse_qsl(query), shelf.catalogue)
    assert linked is not None
    assert linked.change == Change(1, "set", positions=(1,), text="s1 = 3")
    other = Page(shelf)
    other.here()
    other.visitor.intervening.plan(linked.change)
    for tabs, *outputs in other.branching.arrived(other.request):
        assert tabs == gr.skip() or tabs.selected == "intervene"
        other.take(outputs)
    mine, theirs = (one.visitor.intervening.moment.branch for one in (page, other))
    assert_same(mine.trace, theirs.trace)  # type: ignore[union-attr]
    assert 'value="s1 = 3"' in other.shown["form"]
    assert 'data-turn-chosen="1"' in other.shown["form"]
    other.look()  # the tab is shown by the page's own doing, before it has a form to send
    assert other.visitor.intervening.moment.filled.text == "s1 = 3"
    again = list(other.branching.arrived(other.request))  # it is made once
    assert again == [tuple(gr.skip() for _ in range(len(OUTPUTS) + 1))]


def test_a_branch_is_downloaded_as_a_trace(page: Page) -> None:
    page.here()
    page.run_on(kind="noise", strength="2")
    file, note = page.sharing.trace(page.request)
    assert "branch-1.npz" in note
    assert_same(rm.Trace.load(file["value"]), page.visitor.intervening.moment.branch.trace)  # type: ignore[union-attr]
    assert parse_qs(load_noted(file["value"])[1]) == {  # whose run it is
        "system": ["sequential"], "question": [QUESTION], "rounds": ["2"], "thoughts": ["2"], "seed": ["0"],
    }  # fmt: skip


def test_without_a_branch_there_is_nothing_to_share(page: Page) -> None:
    page.here()
    assert "branch is not there yet" in page.sharing.link(page.request)
    assert page.sharing.trace(page.request)[0]["value"] is None


def test_a_planned_change_that_does_not_fit_is_said(page: Page) -> None:
    page.here()
    page.visitor.intervening.plan(Change(9, "zero"))
    for _, *outputs in page.branching.arrived(page.request):
        page.take(outputs)
    assert "sends nothing" in page.shown["status"]
    assert not page.visitor.intervening.moment.branches


def test_the_answering_turn_cannot_be_chosen(page: Page) -> None:
    page.here()
    page.pick(3)
    assert 'data-turn-chosen="3"' in page.shown["form"]
    page.pick(5)
    assert ENGLISH("intervene.says.answers", turn=6) in page.shown["status"]
    assert page.visitor.intervening.moment.turn == 3


def test_a_thought_that_is_picked_is_the_one_that_is_ticked(page: Page) -> None:
    page.here()
    page.pick(3, 1)
    filled = page.visitor.intervening.moment.filled
    assert (filled.which, filled.ticked) == ("some", frozenset({1}))
    page.pick(0)
    assert page.visitor.intervening.moment.filled.which == "all"


def test_errors_stand_in_the_status_line_and_the_tab_lives_on(page: Page) -> None:
    page.here()
    page.run_on(kind="set", text="elephants")
    assert "recmas-error" in page.shown["status"]
    assert page.shown["go"] is True
    page.run_on(kind="noise", strength="many")
    assert "strength" in page.shown["status"]
    page.run_on()
    assert "recmas-error" not in page.shown["status"]
    assert len(page.visitor.intervening.moment.branches) == 1


def test_stop_ends_a_branch_and_what_was_begun_is_not_kept(page: Page) -> None:
    page.here()
    drawings = page.branching.run_on(page.request, json.dumps({"kind": "zero"}))
    page.take(next(drawings))
    assert page.shown["stop"] is True
    stopping = threading.Thread(target=lambda: page.intervene.stop(page.request, ""))
    stopping.start()
    stopping.join(20)
    for outputs in drawings:
        page.take(outputs)
    assert page.visitor.intervening.moment.branches == ()
    assert ENGLISH("intervene.says.stopped") in page.shown["status"]
    assert page.shown["go"] is True


def test_a_new_run_in_explore_makes_the_branches_of_the_old_one_forgotten(page: Page) -> None:
    page.here()
    page.run_on()
    assert page.visitor.intervening.moment.branches
    for outputs in page.explore.reset(page.request, *page.values()):
        assert outputs is not None
    page.run_on()
    assert "recmas-error" in page.shown["status"]
    assert "recmas-i-empty" in page.shown["empty"]
    assert page.visitor.intervening.moment.branches == ()


def test_only_one_receiver_is_changed_where_one_is_chosen(shelf: Shelf, tmp_path: Path) -> None:
    page = Page(shelf)
    page.visitor.choose("mixture")
    page.here()
    pattern = rm.PATTERNS["mixture"]
    turn = next(place.turn for place in pattern.schedule(2) if place.role == "summarizer")
    page.pick(turn)
    assert ENGLISH("intervene.form.everybody") in page.shown["form"]
    page.run_on(receiver="code")
    sent = page.visitor.intervening.moment.branch.trace.turns[turn].sent  # type: ignore[union-attr]
    assert {receiver for receiver, vectors in sent.items() if not vectors.any()} == {"code"}
