"""Choosing patterns and agents: what is offered, what is kept of every run, and what a visitor sees."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from english import ENGLISH
from tiny import tiny_pattern_system

import recmas_core as rm
from recmas_core.records import Edit, Thought
from visualizers.panels.cards import cards_html, cast_html, links_note
from visualizers.panels.catalogue import Board, Catalogue, read_catalogue
from visualizers.panels.choose_handlers import SETTING, Choose
from visualizers.panels.explore_handlers import Explore
from visualizers.panels.pen import in_order
from visualizers.panels.shelf import Shelf
from visualizers.panels.stage import OUTPUTS, unchanged
from visualizers.panels.visitors import Asked, Visitor, Visitors

QUESTION = "s1 7 + 3"


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mixture and a distillation of random agents, as if they were shipped."""
    folder = tmp_path_factory.mktemp("assets")
    for name, world in (("mixture", "fields"), ("distillation", "formula")):
        system = tiny_pattern_system(rm.PATTERNS[name], task=rm.TASKS[world], trained_steps=(1, 8))
        system.title = system.pattern.title
        system.save(folder / name)
    return folder


@pytest.fixture(scope="module")
def catalogue(assets: Path) -> Catalogue:
    return read_catalogue(assets=assets)


@pytest.fixture(scope="module")
def shelf(catalogue: Catalogue) -> Shelf:
    return Shelf(catalogue)


class Page:
    """The handlers of a page, called as the page calls them."""

    def __init__(self, shelf: Shelf) -> None:
        self.visitors = Visitors(shelf.board)
        self.explore = Explore(shelf, self.visitors, ENGLISH)
        self.choose = Choose(shelf, self.explore)
        self.request: Any = gr.Request(session_hash="visitor")

    @property
    def visitor(self) -> Visitor:
        return self.visitors.get("visitor")

    def values(self, question: str = QUESTION, rounds: int = 2, mode: str = "latent") -> tuple[Any, ...]:
        return question, rounds, 2, 0, mode, "fast", True, True

    def run(self, **changes: Any) -> dict[str, Any]:
        """Press Run; the stage as it is at the end."""
        seen: dict[str, Any] = {}
        for outputs in self.explore.run(self.request, *self.values(**changes)):
            seen |= {name: value for name, value in zip(OUTPUTS, outputs, strict=True) if isinstance(value, str)}
        return seen

    def pick(self, system: str) -> dict[str, Any]:
        """Choose another pattern; the left side and the stage."""
        event: Any = SimpleNamespace(value=system, role="")
        return dict(zip((*SETTING, *OUTPUTS), self.choose.choose(event, self.request, *self.values()), strict=True))

    def cast(self, role: str, agent: str) -> dict[str, Any]:
        event: Any = SimpleNamespace(value=agent, role=role)
        return dict(zip((*SETTING, *OUTPUTS), self.choose.cast(event, self.request, *self.values()), strict=True))

    def settle(self) -> dict[str, Any]:
        """What comes once the agents are loaded."""
        outputs, _ = self.choose.settle(self.request, *self.values())
        return dict(zip(("trained", "cast", "toolnote", *OUTPUTS), outputs, strict=True))


@pytest.fixture
def page(shelf: Shelf) -> Page:
    return Page(shelf)


def test_every_shipped_system_is_offered_and_a_loop_of_ones_own(catalogue: Catalogue) -> None:
    assert [offer.name for offer in catalogue.offers] == ["mixture", "distillation", "loop"]
    assert catalogue.systems == ("mixture", "distillation", "loop2", "loop3", "loop4", "loop5")
    assert [len(catalogue.pattern(f"loop{n}").roles) for n in range(2, 6)] == [2, 3, 4, 5]


def test_the_system_to_show_first_is_first_and_may_be_a_folder(assets: Path, tmp_path: Path) -> None:
    assert read_catalogue("distillation", assets=assets).systems[0] == "distillation"
    shutil.copytree(assets / "mixture", tmp_path / "mine")
    found = read_catalogue(str(tmp_path / "mine"), assets=assets)
    assert found.systems[:2] == (str(tmp_path / "mine"), "mixture")
    assert found.is_own(found.lineup(str(tmp_path / "mine")))
    with pytest.raises(rm.SystemNotFound):
        read_catalogue(str(tmp_path / "nothing"), assets=assets)


def test_a_damaged_system_says_so_on_its_card_and_the_others_go_on(assets: Path, tmp_path: Path) -> None:
    shutil.copytree(assets, tmp_path / "assets")
    (tmp_path / "assets" / "mixture" / "system.json").write_text("{", encoding="utf-8")
    found = read_catalogue(assets=tmp_path / "assets")
    assert found.systems == ("distillation",)
    html = cards_html(found, "distillation", ENGLISH)
    assert 'aria-label="Mixture" disabled' in html
    assert "damaged" in html
    assert Shelf(found).entry(found.lineup("distillation")).system.name == "distillation"


def test_a_system_that_fails_to_load_is_tried_again(assets: Path, tmp_path: Path) -> None:
    shutil.copytree(assets, tmp_path / "assets")
    weights = tmp_path / "assets" / "mixture" / "links" / "math-summarizer.safetensors"
    weights.rename(weights.with_suffix(".away"))
    found = read_catalogue(assets=tmp_path / "assets")
    shelf = Shelf(found)
    with pytest.raises(rm.RecmasError, match="math-summarizer"):
        shelf.entry(found.lineup("mixture"))
    assert shelf.entry(found.lineup("distillation")).system.name == "distillation"
    weights.with_suffix(".away").rename(weights)
    assert shelf.entry(found.lineup("mixture")).system.name == "mixture"


@pytest.mark.parametrize(
    ("system", "agents"),
    [("nothing", {}), ("mixture", {"planner": "embedded:math"}), ("mixture", {"math": "/etc"}), ("loop9", {})],
)
def test_what_is_not_offered_is_refused(catalogue: Catalogue, system: str, agents: dict[str, str]) -> None:
    with pytest.raises(rm.SystemNotFound):
        catalogue.lineup(system, agents)


def test_a_loop_is_cast_with_the_shipped_agents_and_knows_what_most_of_them_know(catalogue: Catalogue) -> None:
    lineup = catalogue.lineup("loop5")
    assert [key for _, key in lineup.agents][:4] == [agent.key for agent in catalogue.agents][:4]
    task = catalogue.task(lineup)
    assert task is not None
    assert task.name == "fields"
    assert not catalogue.is_own(lineup)


def test_thoughts_are_as_many_as_all_chosen_agents_were_taught() -> None:
    """The shipped planner was taught 3 to 7, the specialists 4: together they think 4."""
    shipped = read_catalogue()
    chain = {"agent1": "embedded:planner", "agent2": "embedded:critic"}
    assert shipped.thoughts(shipped.lineup("sequential")) == 3
    assert shipped.thoughts(shipped.lineup("mixture")) == 4
    assert shipped.thoughts(shipped.lineup("loop2", chain)) == 3
    assert shipped.thoughts(shipped.lineup("loop2", chain), wish=6) == 6
    mixed = shipped.lineup("loop3", {**chain, "agent3": "embedded:math"})
    assert shipped.thoughts(mixed) == 4
    assert shipped.thoughts(shipped.lineup("mixture", {"math": "embedded:planner"}), wish=7) == 4


def test_every_role_can_be_given_every_agent_its_own_first(catalogue: Catalogue) -> None:
    html = cast_html(catalogue, catalogue.lineup("mixture"), None, ENGLISH)
    assert html.count("<select") == 4
    assert html.count("<option") == 4 * len(catalogue.agents)
    first = html.split("<option")[1]
    assert "Math&#x27;s own" in first
    assert " selected" in first


def test_an_agent_from_elsewhere_leaves_links_untrained_and_the_page_names_them(shelf: Shelf) -> None:
    lineup = shelf.catalogue.lineup("mixture", {"math": "embedded:expert"})
    system = shelf.entry(lineup).system
    assert system.untrained == {("math", "summarizer"), ("summarizer", "math")}
    note = links_note(system, ENGLISH)
    assert "2 links were never trained" in note
    assert "Math → Summarizer, Summarizer → Math" in note
    assert 'data-send="train"' in note
    own = shelf.entry(shelf.catalogue.lineup("mixture")).system
    assert "never trained" not in links_note(own, ENGLISH)


def test_each_pattern_keeps_its_own_run_and_question(page: Page) -> None:
    first = page.run(question="s1 7 + 3")
    assert "answers:" in first["status"]
    left = page.pick("distillation")
    assert "carbon" in left["question"].value or left["question"].value != "s1 7 + 3"
    page.settle()
    assert "Ready" in page.settle()["status"]
    back = page.pick("mixture")
    assert back["question"].value == "s1 7 + 3"
    assert "answers:" in back["status"]
    assert back["strip"] == first["strip"]


def test_a_run_that_is_left_is_paused_and_goes_on_later(page: Page) -> None:
    page.settle()
    live = page.explore.run(page.request, *page.values(rounds=3))
    for _ in range(2):
        next(live)
    session = page.visitor.session
    made = len([e for e in session.moment.trace.events if isinstance(e, Thought)])
    page.pick("distillation")
    assert all(outputs == unchanged() for outputs in live)  # nothing is drawn over what the visitor looks at now
    assert session.running
    thoughts = len([e for e in session.moment.trace.events if isinstance(e, Thought)])
    assert thoughts <= made + 3  # at most the beat under way
    page.pick("mixture")
    assert page.visitor.session is session
    assert "answers:" in page.run(rounds=3)["status"]


def test_what_is_chosen_while_the_last_moment_is_drawn_is_drawn_after_it(page: Page) -> None:
    page.settle()
    session, event = page.visitor.session, SimpleNamespace(value="code")
    choose = in_order(page.explore.choose_map, lambda _: page.visitor.pen)
    sent: list[Any] = []

    def press() -> None:
        sent.extend(choose(event, page.request, *page.values()))

    pressed = None
    for outputs in page.explore.run(page.request, *page.values()):
        if pressed is None and session.moment.finished:
            pressed = threading.Thread(target=press)  # it comes while this screen is on its way
            pressed.start()
            pressed.join(0.2)
            assert pressed.is_alive(), "the drawing of the press waits until this one is sent"
        sent.append(outputs)
    assert pressed is not None
    pressed.join(10.0)
    maps = [shown for shown in (outputs[OUTPUTS.index("map")] for outputs in sent) if isinstance(shown, str)]
    assert json.loads(maps[-1])["layout"]["meta"]["key"] == "code.thoughts"


def test_another_agent_begins_a_desk_of_its_own_and_the_old_run_comes_back(page: Page) -> None:
    before = page.run()
    changed = page.cast("summarizer", "embedded:learner")
    assert 'value="embedded:learner" selected' in changed["cast"]
    assert "Ready" in page.settle()["status"]
    assert "answers:" in page.run()["status"]
    again = page.cast("summarizer", "embedded:summarizer")
    assert again["strip"] == before["strip"]


def test_a_bad_choice_is_a_message_and_changes_nothing(page: Page) -> None:
    before = page.visitor.lineup
    outputs = page.cast("math", "embedded:nobody")
    assert "recmas-error" in outputs["status"]
    assert page.visitor.lineup == before


def test_the_cut_run_is_the_engines_own_with_that_edge_zeroed(page: Page, shelf: Shelf) -> None:
    page.pick("distillation")
    screen = page.run(question="p1 3 carbon", rounds=3)
    moment = page.visitor.session.moment
    assert moment.cut == ("expert", "learner")
    system = shelf.entry(page.visitor.lineup).system
    cuts = tuple(Edit(turn, "zero", receiver="learner") for turn in (0, 2, 4))
    expected = system.solve("p1 3 carbon", rounds=3, latent_steps=2, edits=cuts)
    assert moment.twin is not None
    assert moment.twin.answer == expected.answer
    assert [t.hidden.tolist() for t in moment.twin.thoughts] == [t.hidden.tolist() for t in expected.thoughts]
    assert "without Expert" in screen["contrast"]
    figure = json.loads(screen["map"])
    shadows = next(trace for trace in figure["data"] if trace["name"] == "shadows")
    live = next(trace for trace in figure["data"] if trace["name"] == "thoughts")
    assert len(shadows["x"]) == len(live["x"]) > 0
    assert all(symbol.endswith("-open") for symbol in shadows["marker"]["symbol"])


def test_any_edge_can_be_cut_and_none(page: Page) -> None:
    page.run()
    assert page.visitor.session.moment.cut is None
    event: Any = SimpleNamespace(value="code>summarizer")
    *_, last = page.explore.cut(event, page.request, *page.values())
    twin = page.visitor.session.moment.twin
    assert twin is not None
    assert {(e.turn, e.receiver) for e in twin.config.edits} == {(1, "summarizer"), (5, "summarizer")}
    event.value = ""
    *_, last = page.explore.cut(event, page.request, *page.values())
    assert "shadows" not in dict(zip(OUTPUTS, last, strict=True))["map"]


def test_a_text_run_cannot_be_cut_and_says_so(page: Page) -> None:
    page.pick("distillation")
    screen = page.run(mode="text")
    assert "Only latent thoughts can be cut" in screen["contrast"]
    assert page.visitor.session.moment.twin is None


def test_visitors_are_bounded_and_old_ones_are_closed(catalogue: Catalogue, shelf: Shelf) -> None:
    now = [0.0]
    visitors = Visitors(Board(catalogue), limit=2, keep=100.0, clock=lambda: now[0])
    first = visitors.get("a")
    page = Page(shelf)
    page.visitors._visitors["visitor"] = first
    live = page.explore.run(page.request, *page.values())
    next(live)
    visitors.get("b")
    assert visitors.counts() == (2, 1)
    visitors.get("c")
    assert visitors.counts() == (2, 0)
    assert first.closed
    now[0] = 200.0
    visitors.get("d")
    assert visitors.counts() == (1, 0)
    visitors.close("d")
    visitors.close("d")
    assert visitors.counts() == (0, 0)


def test_a_visitor_keeps_what_was_typed_for_each_system(catalogue: Catalogue) -> None:
    visitor = Visitor(Board(catalogue))
    visitor.choose("loop", leaving=Asked("s1 4 + 4", 2, 3, 7))
    assert visitor.lineup.system == "loop4"
    visitor.choose("loop3")
    visitor.choose("mixture")
    assert visitor.asked() == Asked("s1 4 + 4", 2, 3, 7)
    visitor.choose("loop")
    assert visitor.lineup.system == "loop3"  # the size looked at last




def test_an_example_goes_into_the_question_and_leaves_its_field(page: Page) -> None:
    assert page.choose.example("start 1 s1 + 1") == ("start 1 s1 + 1", None)
    assert all(value["__type__"] == "update" and "value" not in value for value in page.choose.example(None))
