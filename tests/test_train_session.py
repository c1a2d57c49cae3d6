"""A visitor's training session: it starts, waits its turn, pauses, stops, goes back, and fails in words."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from english import ENGLISH

import recmas_core as rm
from recmas_core.errors import BadInput, Diverged
from recmas_core.records import HeldOut, TrainStep
from visualizers.panels.catalogue import Lineup, read_catalogue
from visualizers.panels.gate import Gate
from visualizers.panels.train_choices import TrainForm
from visualizers.panels.train_moment import TrainMoment
from visualizers.panels.train_session import TrainSession
from visualizers.panels.train_view import notice, train_panels
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

    def measure(self) -> tuple[HeldOut, ...]:
        return (HeldOut(3, 40 + self.done, 100),)

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


def test_a_training_that_goes_on_in_a_room_that_was_left_is_counted() -> None:
    visitors = Visitors(SimpleNamespace(catalogue=read_catalogue()))  # type: ignore[arg-type]
    visitor, course = visitors.get("visitor"), Steps(2, free=False)
    visitor.training.begin(plan_for(), lambda: course)
    until(visitor.training, lambda m: m.at_work)
    training, visitor.learning.own = visitor.training, visitor.move(None)
    assert visitors.trainings() == 1
    course.allowed.release(10)
    until(training, lambda m: m.phase == "done")
    assert visitors.trainings() == 0


def test_the_start_is_measured_before_the_first_step() -> None:
    session, course = TrainSession(Gate(1)), Steps(3)
    session.begin(plan_for(), lambda: course)
    moment = until(session, lambda m: m.phase == "done")
    assert moment.before == (HeldOut(3, 40, 100),)
    assert "0.400" in train_panels(moment, rm.PATTERNS["sequential"], ENGLISH).meters


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
    assert [mark.what for mark in session.moment.marks] == ["undone"]
    assert not session.undo()


def test_a_run_that_diverges_says_so_and_offers_a_way_out() -> None:
    session, error = TrainSession(Gate(1)), Diverged("stage 'outer', step 3", "has the loss nan", "Lower the rate.")
    session.begin(plan_for(), lambda: Steps(2, then=error))
    moment = until(session, lambda m: m.phase == "diverged")
    assert moment.error == str(error)
    assert moment.has_links
    assert 'data-value="gentle"' in notice(moment, ENGLISH)
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
    shown = notice(until(session, lambda m: len(m.steps) == 3), ENGLISH)
    assert "Stalled: nothing moves." in shown
    assert all(f'data-value="{way}"' in shown for way in ("teach", "fresh", "undo"))
    course.allowed.release(1)
    assert notice(until(session, lambda m: m.phase == "done"), ENGLISH) == ""


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
    assert "number 2 in the queue" in train_panels(third.moment, rm.PATTERNS["sequential"], ENGLISH).status
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
