"""The named API endpoints for training: everything the Train tab can do, for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
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

        The numbers are those for `system`, the page's first one by default; "first" is the course proposed for it, and
        "questions" says whether /train has to be given some.
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
        agents: dict | None = None,
        start_from: str = "",
        sigma: float = 1.0,
        variant: str = "released",
        rounds: int | None = None,
        seed: int = 0,
        inner: bool = False,
        supervise: str = "last",
        windows: bool | None = None,
        grow: bool | None = None,
        laps: list | None = None,
        steps: int | None = None,
        questions: list | None = None,
    ) -> Iterator[dict]:
        """Train a copy of a system's links and stream every step.

        From Python: `for step in Client(url).submit("repair", api_name="/train"): print(step)`. Closing the stream
        (`job.cancel()`) ends the training. `laps` changes single stages: [{"steps": 40, "lr": 1e-4, "batch": 32}, …];
        `steps` ends the whole course after so many, 3000 at most. Without `start_from` a course starts from what it is
        made for. What is streamed is {"type": "waiting", "place": 2} while others train, {"type": "before", "held_out":
        […]} where the start is measured, then {"type": "step", …}, and {"type": "end", "phase": "done", "steps": 120}.
        A system that knows no little world needs `questions`: [{"question": "6 * 7?", "answer": "42"}, …], with the
        right turns of roles under their names where a stage learns from them; some are held out. 5,000 and 32 MB at
        most. The links are not kept: to keep some, train on the page or with `python -m recmas_core train`.
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
    """Every step once, and the place in the queue whenever it changes."""
    seen, told, count, measured = -1, 0, 0, False
    while count < most:
        moment = session.moment
        if moment.phase == "waiting" and moment.place != told:
            told = moment.place
            yield {"type": "waiting", "place": told}
        if moment.before and not measured:
            measured = True
            yield {"type": "before", "held_out": _described(moment.before)}
        while count < most and not made.empty():
            count += 1
            yield describe_step(made.get())
        if not moment.at_work:
            break
        seen = session.wait(seen, 1.0)
    session.stop()
    moment = session.moment
    if moment.error:
        raise gr.Error(moment.error, print_exception=False)
    yield {"type": "end", "phase": moment.phase, "steps": count}
