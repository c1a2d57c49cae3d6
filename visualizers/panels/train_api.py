"""The named API endpoints for training: everything the Train tab can do, for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Any

import gradio as gr

from recmas_core.errors import BadInput
from recmas_core.records import HeldOut, TrainStep
from recmas_core.tasks.given import GivenQuestions
from visualizers.panels.api import as_gradio_errors
from visualizers.panels.catalogue import Lineup
from visualizers.panels.questions import check_rows
from visualizers.panels.shelf import Shelf
from visualizers.panels.train_beginnings import BEGINNINGS
from visualizers.panels.train_choices import MOST_STEPS, TrainForm, offered_courses
from visualizers.panels.train_manners import Manner, manner_of
from visualizers.panels.train_session import TrainSession
from visualizers.panels.visitors import Visitors

Json = dict[str, Any]


def describe_step(step: TrainStep) -> Json:
    """A training step as JSON: links are written "sender->receiver"."""
    norms: dict[str, dict[str, float]] = {}
    for (round_, link), norm in sorted(step.grad_norms.items()):
        norms.setdefault("->".join(link), {})[str(round_)] = norm
    return {
        "type": "step", "stage": step.stage, "lap": step.lap, "laps": step.laps, "step": step.step,
        "steps": step.steps, "loss": step.loss, "lr": step.lr, "accuracy": step.accuracy, "window": step.window,
        "seconds": step.seconds, "grad_norms": norms,
        "held_out": _described(step.held_out),
        "distance": {"->".join(link): moved for link, moved in step.distance.items()}, "note": step.note,
    }  # fmt: skip


def _described(scores: Sequence[HeldOut]) -> list[Json]:
    return [
        {"rounds": h.rounds, "right": h.right, "n": h.n, "accuracy": h.accuracy, "interval": list(h.interval)}
        for h in scores
    ]


class TrainApi:
    """The endpoints of one page. Every error reaches the caller as a gr.Error with its message.

    Args:
        shelf: The systems that can be trained.
        visitors: Whose gate lets a few trainings work at once.
    """

    def __init__(self, shelf: Shelf, visitors: Visitors) -> None:
        self._shelf, self._visitors = shelf, visitors

    def register(self) -> None:
        """Add the endpoints to the page that is being built."""
        gr.api(self.train, api_name="train", concurrency_limit=32)
        gr.api(self.courses, api_name="courses", concurrency_limit=32)

    def courses(self, system: str = "") -> dict:
        """What can be trained: the courses with their stages, and where the links can start from.

        Args:
            system: The system the numbers are for, one of "systems" of /status; "" for the one shown first.

        Returns:
            first: {"course", "start_from"}, what is proposed for this system
            questions: whether /train has to be given some
            courses: {key: {"title", "about", "start", "stages": [{"stage", "steps", "lr", "batch"}, …]}}
            start_from: where the links can start from
        """
        with as_gradio_errors():
            manner = manner_of(self._shelf.catalogue, self._lineup(system, None))
        return {
            "first": {"course": manner.course, "start_from": manner.begin},
            "questions": manner.given,
            "courses": {
                each.key: {
                    "title": each.title, "about": each.about, "start": each.start,
                    "stages": [
                        {"stage": lap.stage, "steps": lap.config.steps, "lr": lap.config.lr, "batch": lap.config.batch}
                        for lap in each.laps
                    ],
                }
                for each in offered_courses(manner).values()
            },
            "start_from": [key for key, each in BEGINNINGS.items() if not each.follows],
        }  # fmt: skip

    def train(
        self,
        course: str = "repair",
        system: str = "",
        agents: dict[str, str] | None = None,
        start_from: str = "",
        sigma: float = 1.0,
        variant: str = "released",
        rounds: int | None = None,
        seed: int = 0,
        inner: bool = False,
        supervise: str = "last",
        windows: bool | None = None,
        grow: bool | None = None,
        laps: list[dict[str, Any]] | None = None,
        steps: int | None = None,
        questions: list[dict[str, Any]] | None = None,
    ) -> Iterator[dict]:
        """Train the links between the agents of a system, and stream every step; the last piece sums up.

        The agents stay as they are. A copy of the links is trained: nothing changes for others, and the result is not
        kept; to keep links, train on the page or with `python -m recmas_core train`. From Python:
        `for step in Client(url).submit("repair", api_name="/train"): print(step)`; `job.cancel()` ends the training.
        Embedded systems take seconds for 10 steps, a whole course a minute or more: give `steps` for a first look.

        Args:
            course: What to train: "repair", "fast start", "from nothing", or a single stage; /courses lists them.
            system: "sequential", "mixture", "distillation", "deliberation", or what /open gave; "" for the first.
            agents: Other agents by role, e.g. {"critic": "embedded:solver"}; /status lists the keys.
            start_from: "as they are", "damaged", "random" or "random outer" links; "" for what the course is made for.
            sigma: Size of the noise on damaged links, in units of each weight's own spread, 0 to 10.
            variant: Form of new links: "released", the default, or another one of the paper's table.
            rounds: Recursion rounds to train with, 1 to 5; null for the system's own.
            seed: Seed of new links, noise and questions, 0 or more.
            inner: Whether the paper's loss trains the agents' inner links too.
            supervise: "last" scores the answer of the last round only, "every" that of every round.
            windows: Whether the paper's loss begins with the last transfers; null for the course's own choice.
            grow: Whether it begins with questions that one round answers; null for the course's own choice.
            laps: Changes to single stages, in order: [{"steps": 40, "lr": 0.0001, "batch": 32}, …].
            steps: Ends the whole course after so many steps, 1 to 3000; null for its own end.
            questions: For a system without a little world: [{"question": "6 * 7?", "answer": "42"}, …]; else null.

        Returns:
            {"type": "waiting", "place"}: while others train
            {"type": "before", "held_out": [{"rounds", "right", "n", "accuracy", "interval"}, …]}: where it starts
            {"type": "step", "stage", "step", "steps", "loss", "lr", "accuracy", "grad_norms", "held_out", …}: one step
            {"type": "end", "phase", "steps", "first_loss", "last_loss", "before", "held_out", "seconds"}: the end
        """
        with as_gradio_errors():
            most = MOST_STEPS if steps is None else steps
            if not isinstance(most, int) or isinstance(most, bool) or not 1 <= most <= MOST_STEPS:
                raise BadInput("steps", f"is {steps!r}", f"Choose a whole number from 1 to {MOST_STEPS}.")
            form = TrainForm(
                begin=start_from or "as they are", sigma=sigma, variant=variant, course=course, rounds=rounds,
                seed=seed, inner=inner, supervise=supervise, windows=windows, grow=grow,
                laps=tuple(laps or ()),
            )  # fmt: skip
            lineup = self._lineup(system, agents)
            manner = manner_of(self._shelf.catalogue, lineup)
            form = form if start_from else replace(form, begin=form.offered().start or form.begin)
            if form.beginning.follows:
                raise BadInput("start_from", f"is {start_from!r}", "It is for the page; give another one.")
            plan = form.plan(lineup, manner, self._given(questions, lineup, manner))
            entry = self._shelf.entry(plan.lineup)
            made: SimpleQueue[TrainStep] = SimpleQueue()
            session = TrainSession(self._visitors.gate, heard=made.put)
            session.begin(plan, lambda: plan.course(entry.system))
            try:
                yield from _streamed(session, made, most)
            finally:
                session.close()

    def _lineup(self, system: str, agents: dict | None) -> Lineup:
        return self._shelf.catalogue.lineup(system or self._shelf.first.system, agents)

    def _given(self, questions: Any, lineup: Lineup, manner: Manner) -> GivenQuestions | None:
        if questions is None:
            return None
        if not manner.given:
            raise BadInput("questions", "were given for a system that has its own", "Leave them out.")
        return check_rows(questions, self._shelf.pattern(lineup))


def _streamed(session: TrainSession, made: SimpleQueue[TrainStep], most: int) -> Iterator[Json]:
    """Every step once, and the place in the queue whenever it changes; then what came of it."""
    seen, told, measured = -1, 0, False
    sum_ = _Sum()
    while sum_.steps < most:
        moment = session.moment
        if moment.phase == "waiting" and moment.place != told:
            told = moment.place
            yield {"type": "waiting", "place": told}
        if moment.before and not measured:
            measured = True
            yield {"type": "before", "held_out": _described(moment.before)}
        while sum_.steps < most and not made.empty():
            step = made.get()
            sum_ = sum_.after(step)
            yield describe_step(step)
        if not moment.at_work:
            break
        seen = session.wait(seen, 1.0)
    session.stop()
    moment = session.moment
    if moment.error:
        raise gr.Error(moment.error, print_exception=False)
    yield {"type": "end", "phase": moment.phase, **sum_.told(moment.before)}


@dataclass(frozen=True)
class _Sum:
    """What a training came to, step by step."""

    steps: int = 0
    first: float | None = None
    last: float | None = None
    held_out: Sequence[HeldOut] = ()
    seconds: float = 0.0

    def after(self, step: TrainStep) -> _Sum:
        first = step.loss if self.first is None else self.first
        return _Sum(self.steps + 1, first, step.loss, step.held_out or self.held_out, self.seconds + step.seconds)

    def told(self, before: Sequence[HeldOut]) -> Json:
        return {
            "steps": self.steps, "first_loss": self.first, "last_loss": self.last, "before": _described(before),
            "held_out": _described(self.held_out), "seconds": self.seconds,
        }  # fmt: skip
