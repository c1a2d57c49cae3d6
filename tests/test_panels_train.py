"""Training on the page: a visitor's session, what the form asks for, and that nothing of one reaches another."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from html import escape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny import tiny_pattern_system

import recmas_core as rm
from recmas_core.errors import BadInput, Diverged, RecmasError
from recmas_core.records import TrainStep
from recmas_core.training.rounds import all_links
from visualizers.panels.cards import links_html
from visualizers.panels.catalogue import Lineup, read_catalogue
from visualizers.panels.choose_handlers import SETTING, Choose
from visualizers.panels.explore_handlers import Explore
from visualizers.panels.gate import Gate
from visualizers.panels.result_handlers import Results
from visualizers.panels.shelf import Shelf
from visualizers.panels.train_choices import TrainForm, offered_courses
from visualizers.panels.train_form import Filled, form_html, read_form
from visualizers.panels.train_handlers import Train
from visualizers.panels.train_moment import TrainMoment
from visualizers.panels.train_results import pack, result_of
from visualizers.panels.train_session import TrainSession
from visualizers.panels.train_view import OUTPUTS, notice, train_panels
from visualizers.panels.train_ways import plan_of
from visualizers.panels.visitors import Visitors

PATIENCE = 60.0
SHORT = TrainForm(course="stage:outer", begin="as they are", rounds=1, windows=False, laps=({"steps": 2, "batch": 2},))


class Steps:
    """A course in name only: its steps come when they are let, and it says what was done with it."""

    def __init__(self, count: int, *, then: Exception | None = None, free: bool = True) -> None:
        self.system = self.before = SimpleNamespace()  # type: ignore[assignment]
        self._count, self._then, self.done, self.undone, self.closed = count, then, 0, 0, False
        self.allowed = threading.Semaphore(10**6 if free else 0)

    def __next__(self) -> TrainStep:
        if self.done >= self._count:
            raise self._then or StopIteration
        assert self.allowed.acquire(timeout=PATIENCE)
        self.done += 1
        return TrainStep("outer", self.done, self._count, 1.0, 1e-3, {(1, ("planner", "critic")): 1.0})

    def undo(self) -> bool:
        self.undone += 1
        return self.undone == 1

    def distance(self) -> dict[tuple[str, str], float]:
        return {}

    def close(self) -> None:
        self.closed = True


def plan_for(lineup: Lineup | None = None, form: TrainForm = SHORT) -> Any:
    return form.plan(lineup or Lineup("sequential", ()))


def until(session: TrainSession, condition: Callable[[TrainMoment], Any]) -> TrainMoment:
    seen = -1
    for _ in range(int(PATIENCE * 5)):
        if condition(session.moment):
            return session.moment
        seen = session.wait(seen, 0.2)
    raise AssertionError(f"waited in vain; {session.moment}")


def test_a_course_runs_to_its_end_and_every_step_is_known() -> None:
    session, course = TrainSession(Gate(1)), Steps(5)
    session.begin(plan_for(), lambda: course)
    moment = until(session, lambda m: m.phase == "done")
    assert [step.step for step in moment.steps] == [1, 2, 3, 4, 5]
    assert [bool(step.grad_norms) for step in moment.steps] == [False] * 4 + [True]
    assert moment.has_links


def test_a_pause_holds_and_continue_goes_on_with_the_same_course() -> None:
    session, course = TrainSession(Gate(1)), Steps(6, free=False)
    session.begin(plan_for(), lambda: course)
    course.allowed.release(3)
    until(session, lambda m: len(m.steps) == 3)
    session.pause()
    course.allowed.release(10)
    with session.between_steps():  # the step under way when pausing is done by now
        held = course.done
    assert held <= 4
    assert session.moment.phase == "paused"
    session.go_on()
    moment = until(session, lambda m: m.phase == "done")
    assert [step.step for step in moment.steps] == [1, 2, 3, 4, 5, 6]


def test_stop_closes_the_course_and_keeps_its_links() -> None:
    session, course = TrainSession(Gate(1)), Steps(100, free=False)
    session.begin(plan_for(), lambda: course)
    course.allowed.release(2)
    until(session, lambda m: len(m.steps) == 2)
    course.allowed.release(1)
    session.stop()
    assert course.closed
    assert session.moment.phase == "stopped"
    assert session.moment.has_links
    session.go_on()
    assert session.moment.phase == "stopped"


def test_undo_pauses_and_is_marked_and_says_when_there_is_nothing_further_back() -> None:
    session, course = TrainSession(Gate(1)), Steps(100, free=False)
    session.begin(plan_for(), lambda: course)
    course.allowed.release(2)
    until(session, lambda m: len(m.steps) == 2)
    course.allowed.release(1)
    assert session.undo()
    assert session.moment.phase == "paused"
    assert [mark.text for mark in session.moment.marks] == ["undone"]
    assert not session.undo()


def test_a_run_that_diverges_says_so_and_offers_a_way_out() -> None:
    session, error = TrainSession(Gate(1)), Diverged("stage 'outer', step 3", "has the loss nan", "Lower the rate.")
    session.begin(plan_for(), lambda: Steps(2, then=error))
    moment = until(session, lambda m: m.phase == "diverged")
    assert moment.error == str(error)
    assert moment.has_links
    assert 'data-value="gentle"' in notice(moment)
    way = plan_of("gentle", plan_for())
    assert way.laps[0].config.lr == pytest.approx(plan_for().laps[0].config.lr / 10)


def test_a_stall_is_said_with_ways_out_until_the_run_moves_again() -> None:
    class Stalling(Steps):
        def __next__(self) -> TrainStep:
            step = super().__next__()
            note = "Stalled: nothing moves." if step.step == 2 else ""
            return replace(step, accuracy=0.2 if step.step < 4 else 0.4, note=note)

    session, course = TrainSession(Gate(1)), Stalling(4, free=False)
    session.begin(plan_for(), lambda: course)
    course.allowed.release(3)
    shown = notice(until(session, lambda m: len(m.steps) == 3))
    assert "Stalled: nothing moves." in shown
    assert all(f'data-value="{way}"' in shown for way in ("teach", "fresh", "undo"))
    course.allowed.release(1)
    assert notice(until(session, lambda m: m.phase == "done")) == ""


def test_what_cannot_be_trained_is_said_and_the_next_start_works() -> None:
    session = TrainSession(Gate(1))

    def refuse() -> Steps:
        raise BadInput("system", "has no questions", "Choose another.")

    session.begin(plan_for(), refuse)
    assert until(session, lambda m: m.phase == "failed").error == "system has no questions. Choose another."
    session.begin(plan_for(), lambda: Steps(1))
    assert until(session, lambda m: m.phase == "done").error == ""


def test_a_visitor_who_has_to_wait_is_told_their_place_and_comes_in_turn() -> None:
    gate = Gate(1)
    first, second, third = (TrainSession(gate) for _ in range(3))
    course = Steps(100, free=False)
    first.begin(plan_for(), lambda: course)
    course.allowed.release(1)
    until(first, lambda m: m.steps)
    second.begin(plan_for(), lambda: Steps(2))
    until(second, lambda m: m.place == 1)
    third.begin(plan_for(), lambda: Steps(2))
    until(third, lambda m: m.place == 2)
    assert "number 2 in the queue" in train_panels(third.moment, rm.PATTERNS["sequential"]).status
    course.allowed.release(1)
    first.pause()  # a paused training takes no place
    until(second, lambda m: m.phase == "done")
    until(third, lambda m: m.phase == "done")


def test_two_visitors_train_at_once_each_on_their_own_course() -> None:
    gate = Gate(2)
    courses = [Steps(3, free=False), Steps(4, free=False)]
    sessions = [TrainSession(gate) for _ in courses]
    for session, course in zip(sessions, courses, strict=True):
        session.begin(plan_for(), lambda course=course: course)  # type: ignore[misc]
    for session, course in zip(sessions, courses, strict=True):
        course.allowed.release(1)
        until(session, lambda m: len(m.steps) == 1)
    for course in courses:
        course.allowed.release(10)
    assert [len(until(session, lambda m: m.phase == "done").steps) for session in sessions] == [3, 4]


def test_whoever_goes_ends_their_training_and_frees_the_place() -> None:
    gate, course = Gate(1), Steps(100, free=False)
    gone, next_one = TrainSession(gate), TrainSession(gate)
    gone.begin(plan_for(), lambda: course)
    course.allowed.release(1)
    until(gone, lambda m: m.steps)
    gone.close()
    course.allowed.release(1)
    next_one.begin(plan_for(), lambda: Steps(1))
    until(next_one, lambda m: m.phase == "done")
    until(gone, lambda m: course.closed)
    with pytest.raises(BadInput, match="is over"):
        gone.begin(plan_for(), lambda: Steps(1))


# the form


def test_the_form_as_drawn_asks_for_a_repair_of_the_first_system() -> None:
    page = form_html(read_catalogue(), None, Filled())
    assert '<option value="repair" selected>' in page
    assert '<option value="damaged" selected>' in page
    assert read_form("") == Filled()


def test_every_stage_says_in_the_form_what_it_does_and_whether_it_is_the_papers() -> None:
    from recmas_core.training import STAGES

    for key, offered in offered_courses().items():
        page = form_html(read_catalogue(), None, Filled("sequential", TrainForm(course=key)))
        infos = [STAGES[lap.stage] for lap in offered.laps]
        assert all(escape(info.title) in page and escape(info.about) in page for info in infos)
        assert page.count("beyond the paper") == sum(info.beyond_paper for info in infos)


def test_another_course_brings_its_own_settings_along() -> None:
    sent = {"system": "mixture", "course": "from nothing", "drawn_for": "repair", "begin": "damaged", "seed": "4",
            "lap.0.steps": "7"}  # fmt: skip
    filled = read_form(json.dumps(sent))
    assert (filled.system, filled.form.begin, filled.form.seed, filled.form.laps) == ("mixture", "random", "4", ())
    kept = read_form(json.dumps(sent | {"drawn_for": "from nothing"}))
    assert kept.form.laps[0]["steps"] == "7"


def test_what_is_typed_decides_the_plan() -> None:
    form = TrainForm(
        course="from nothing", begin="random", rounds="2", seed="5", inner=True, supervise="every", windows=False,
        laps=({"steps": "3"}, {}, {"lr": "0.002", "batch": "8"}),
    )  # fmt: skip
    inner, teach, outer = (lap.config for lap in form.plan(Lineup("sequential", ())).laps)
    assert inner.steps == 3
    assert teach.steps == offered_courses()["from nothing"].laps[1].config.steps
    assert (outer.lr, outer.batch, outer.rounds) == (0.002, 8, 2)
    assert (outer.seed, outer.inner, outer.supervise, outer.windows) == (5, True, "every", False)


@pytest.mark.parametrize(
    ("changes", "name"),
    [({"seed": "-1"}, "Seed"), ({"rounds": "9"}, "Rounds"), ({"laps": ({"steps": "0"},)}, "Steps"),
     ({"laps": ({"lr": "many"},)}, "Rate"), ({"laps": ({"batch": "2.5"},)}, "Batch"), ({"course": "?"}, "Course"),
     ({"begin": "?"}, "Start from"), ({"begin": "damaged", "sigma": "nan"}, "Noise"), ({"laps": ("x",)}, "stage"),
     ({"supervise": "none"}, "supervise")],
)  # fmt: skip
def test_what_cannot_be_trained_with_is_named(changes: dict[str, Any], name: str) -> None:
    with pytest.raises(BadInput, match=f"^{name}"):
        replace(SHORT, **changes).plan(Lineup("sequential", ()))


# with real, tiny systems


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    folder = tmp_path_factory.mktemp("assets")
    system = tiny_pattern_system(rm.PATTERNS["sequential"], task=rm.TASKS["chain"], trained_steps=(1, 8))
    system.title = "Sequential"
    system.save(folder / "sequential")
    return Shelf(read_catalogue(assets=folder))


class Page:
    """The handlers of a page and two visitors who call them."""

    def __init__(self, shelf: Shelf) -> None:
        self.visitors = Visitors(shelf.catalogue)
        self.explore = Explore(shelf, self.visitors)
        self.choose = Choose(shelf, self.explore)
        self.train = Train(shelf, self.visitors)
        self.results = Results(self.train, self.choose)
        self.me: Any = SimpleNamespace(session_hash="me")
        self.other: Any = SimpleNamespace(session_hash="other")

    values = ("start 7 s1 + 3", 1, 2, 0, "latent", "fast", True, True)

    def trained(self, **changes: str) -> Lineup:
        """Press Start and follow the training to its end."""
        sent = {
            "system": "sequential", "course": "stage:outer", "drawn_for": "stage:outer", "begin": "as they are",
            "rounds": "1", "windows": False, "lap.0.steps": "2", "lap.0.batch": "2", "lap.0.lr": "0.01",
        }  # fmt: skip
        *_, last = self.train.start(self.me, json.dumps(sent | changes))
        assert len(last) == len(OUTPUTS) + 3
        visitor = self.visitors.get("me")
        assert visitor.training.moment.phase == "done", visitor.training.moment.error
        return visitor.lineup


@pytest.fixture
def page(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A page whose trainings learn from few questions."""
    monkeypatch.setattr("visualizers.panels.train_choices.EXAMPLES", 20)
    monkeypatch.setattr("visualizers.panels.train_choices.HELD_OUT", 2)
    made = Page(shelf)
    yield made
    for name in ("me", "other"):
        made.visitors.close(name)


def weights(system: rm.System) -> dict[tuple[str, str], torch.Tensor]:
    return {key: torch.cat([p.flatten() for p in link.parameters()]) for key, link in all_links(system).items()}


def test_training_changes_only_the_visitors_own_links(page: Page, shelf: Shelf) -> None:
    shared = shelf.entry(shelf.first).system
    before = {key: value.clone() for key, value in weights(shared).items()}
    page.trained()
    session = page.visitors.get("me").training
    plan = session.moment.plan
    assert plan is not None
    with session.between_steps() as course:
        result = result_of(course, plan)
    assert all(torch.equal(value, before[key]) for key, value in weights(shared).items())
    moved = {key for key, value in weights(result).items() if not torch.equal(value, before[key])}
    assert moved == {edge.key for edge in shared.pattern.edges if not edge.feedback}  # one round uses no feedback
    assert page.visitors.get("other").training.moment.phase == "idle"


def test_what_was_trained_runs_in_explore_plainly_labelled_and_can_be_left_again(page: Page) -> None:
    page.trained()
    outputs = page.results.use(page.me, *page.values)
    said = dict(zip(("tabs", *SETTING), outputs, strict=False))
    assert 'value="sequential" data-send="choose"' in said["cards"]
    assert said["tabs"].selected == "explore"
    assert "trained here: outer loop" in said["links"]
    visitor = page.visitors.get("me")
    assert visitor.lineup.links
    mine = page.explore.shelf(visitor).entry(visitor.lineup).system
    shared = page.train.everybodys.entry(page.train.everybodys.first).system
    key = ("planner", "critic")
    assert not torch.equal(weights(mine)[key], weights(shared)[key])
    event: Any = SimpleNamespace(value="", role="")
    page.choose.links(event, page.me, *page.values)
    assert visitor.lineup.links == ""
    assert "trained here" in links_html(visitor.belongings, visitor.lineup)


def test_nobody_else_can_run_a_visitors_links(page: Page) -> None:
    page.trained()
    page.results.use(page.me, *page.values)
    name = page.visitors.get("me").lineup.links
    event: Any = SimpleNamespace(value=name, role="")
    outputs = page.choose.links(event, page.other, *page.values)
    assert any("are not kept" in str(value) for value in outputs)
    assert page.visitors.get("other").lineup.links == ""
    with pytest.raises(RecmasError, match="not kept"):
        page.explore.shelf(page.visitors.get("other")).entry(page.visitors.get("me").lineup)


def test_one_can_go_on_from_the_links_just_trained(page: Page) -> None:
    page.trained()
    with page.visitors.get("me").training.between_steps() as course:
        first = weights(course.system)
    page.trained(begin="trained")
    with page.visitors.get("me").training.between_steps() as course:
        assert all(torch.equal(value, first[key]) for key, value in weights(course.before).items())


def test_a_download_is_a_system_that_loads_to_the_same_links(page: Page, tmp_path: Path) -> None:
    page.trained()
    session = page.visitors.get("me").training
    plan = session.moment.plan
    assert plan is not None
    with session.between_steps() as course:
        result = result_of(course, plan)
    from recmas_core.bundles import unpack_system

    again = rm.load_system(str(unpack_system(pack(result, tmp_path, "mine"), tmp_path / "unpacked")))
    assert all(torch.equal(value, weights(result)[key]) for key, value in weights(again).items())


def test_an_upload_is_offered_to_its_visitor_alone(page: Page, shelf: Shelf, tmp_path: Path) -> None:
    zipped = pack(shelf.entry(shelf.first).system, tmp_path, "mine")
    said, cards, form, *_ = page.results.upload(str(zipped), page.me, "")
    assert "to you alone" in said
    assert "(yours)" in cards
    assert "(yours)" in form
    assert "upload-1" not in page.visitors.get("other").belongings.catalogue.systems
    page.visitors.get("me").choose("upload-1")
    entry = page.explore.shelf(page.visitors.get("me")).entry(page.visitors.get("me").lineup)
    assert entry.system.solve("start 7 s1 + 3", rounds=1, max_new_tokens=2).answer is not None


def test_a_file_that_is_no_system_is_refused_with_its_reason(page: Page, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"no zip")
    said, *rest = page.results.upload(str(tmp_path / "x.zip"), page.me, "")
    assert "no intact zip" in said
    assert len(rest) == 1 + page.train.drawn_outputs


def test_untrained_links_lead_to_the_train_tab_with_that_lineup(page: Page) -> None:
    visitor = page.visitors.get("me")
    visitor.cast("planner", "embedded:solver")
    tabs, form, *_ = page.results.to_train(page.me, "")
    assert tabs.selected == "train"
    assert '<option value="explore" selected>' in form
    assert '<option value="from nothing" selected>' in form
