"""What the four experiments of the Intervene tab do when their buttons are pressed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from recmas_core.errors import BadInput
from recmas_core.records import MAX_ROUNDS, TurnDone, check_question
from visualizers.panels.choices import whole
from visualizers.panels.entry import Entry
from visualizers.panels.intervene_change import Filled, read_filled
from visualizers.panels.intervene_found import (
    INFLUENCE,
    LAYERS,
    PATCH,
    SETTLE,
    FoundInfluence,
    FoundLayers,
    FoundPatch,
    FoundSettling,
)
from visualizers.panels.intervene_handlers import DRAWN_EVERY, Intervene, Outputs
from visualizers.panels.intervene_sections import MANY
from visualizers.panels.intervene_session import InterveneSession, Origin
from visualizers.panels.stage import say_error

if TYPE_CHECKING:
    from recmas_core.system import System

_TRIED = 60  # questions among which one is looked for that implies another answer


@dataclass(frozen=True, eq=False)
class Far:
    """How far an experiment has come, and what it has found so far."""

    done: int
    of: int
    found: object


class Experiments:
    """The experiments' handlers; each draws the whole tab.

    Args:
        tab: The tab's handlers.
    """

    def __init__(self, tab: Intervene) -> None:
        self._tab = tab

    def weigh(self, request: gr.Request, sent: Any) -> Iterator[Outputs]:
        """The influence of every thought on the true answer; where that is not known, on the run's own."""

        def work(origin: Origin, entry: Entry, filled: Filled) -> Iterator[Far]:
            from recmas_core.influence import influences

            run, began = origin.trace, time.perf_counter()
            truth = None if origin.job.reading is None else origin.job.reading.answer
            turns = sum(len(turn.thoughts) > 0 for turn in run.turns)
            for result in influences(entry.system, run, truth):
                found = FoundInfluence(result, truth is not None, time.perf_counter() - began)
                yield Far(len(result.turns), turns, found)

        yield from self._work(request, sent, INFLUENCE, work)

    def draw(self, request: gr.Request, sent: Any) -> Outputs:
        """Draw another question whose value, in place of the chosen turn's, implies another answer."""
        visitor = self._tab.visitor(request)
        session = visitor.intervening
        try:
            filled = read_filled(sent)
            session.fill(filled)
            origin, entry = self._tab.taken(visitor)
            turn = session.moment.turn
            donor, implied = _drawn(entry.system, origin, turn)
            session.fill(replace(filled, donor=donor))
            session.find(session.moment.epoch, PATCH, FoundPatch(turn, donor, implied))
        except Exception as error:
            session.say(say_error(error, self._tab.words), bad=True)
        return self._tab.drawn(visitor)

    def patch(self, request: gr.Request, sent: Any) -> Iterator[Outputs]:
        """Take the chosen turn's transfer from the other question; what should follow is told first."""
        session = self._tab.visitor(request).intervening

        def work(origin: Origin, entry: Entry, filled: Filled) -> Iterator[Far]:
            import recmas_core as rm
            from recmas_core.patching import donor_run, implied_answer

            turn, run = session.moment.turn, origin.trace
            question = _other(entry.system, filled.donor, origin)
            found = FoundPatch(turn, question, implied_answer(entry.system, run, question, turn))
            yield Far(0, 2, found)
            donor = donor_run(entry.system, run, question)
            yield Far(1, 2, found)
            edit = rm.Edit(turn, "swap", trace=donor)
            branch = entry.system.drain(run.fork(turn, edits=(edit,)))
            yield Far(2, 2, replace(found, answer=branch.answer or ""))

        yield from self._work(request, sent, PATCH, work)

    def patch_many(self, request: gr.Request, sent: Any) -> Iterator[Outputs]:
        """The same from many questions: the share of answers that became what they should."""
        session = self._tab.visitor(request).intervening

        def work(origin: Origin, entry: Entry, filled: Filled) -> Iterator[Far]:
            from recmas_core.patching import patches

            turn, before = session.moment.turn, session.moment.found.get(PATCH)
            found = before if isinstance(before, FoundPatch) and before.turn == turn else FoundPatch(turn)
            yield Far(0, MANY, replace(found, many=None))
            for many in patches(entry.system, origin.trace, turn, MANY, time.time_ns() % 2**31):
                yield Far(len(many.cases), MANY, replace(found, many=many))

        yield from self._work(request, sent, PATCH, work)

    def layers(self, request: gr.Request, sent: Any) -> Iterator[Outputs]:
        """Read the chosen thought at every layer."""
        session = self._tab.visitor(request).intervening

        def work(origin: Origin, entry: Entry, filled: Filled) -> Iterator[Far]:
            from recmas_core.layers import layer_lens

            turn = session.moment.turn
            step = whole("thought", filled.lens, 0, origin.trace.config.latent_steps - 1)
            rows = layer_lens(entry.system, origin.trace, turn, step)
            said = tuple(tuple((word.text, float(word.score)) for word in row) for row in rows)
            yield Far(1, 1, FoundLayers(turn, step, said))

        yield from self._work(request, sent, LAYERS, work)

    def settle(self, request: gr.Request, sent: Any) -> Iterator[Outputs]:
        """Run on with more rounds, and see whether the thoughts come to rest."""

        def work(origin: Origin, entry: Entry, filled: Filled) -> Iterator[Far]:
            from recmas_core.settling import answers_by_round, longer, longer_fork, settling

            system, run = entry.system, origin.trace
            turns, trained = len(system.pattern.schedule(MAX_ROUNDS)), _trained(origin, entry)
            trace = run if run.config.rounds == MAX_ROUNDS else longer_fork(system, run)
            live = iter(()) if trace is run else longer(system, run)
            for event in live:
                trace = trace.append(event)
                if isinstance(event, TurnDone):
                    yield Far(len(trace.turns), turns, FoundSettling(trace, settling(trace), (), trained))
            found = FoundSettling(trace, settling(trace), (), trained)
            for answer in answers_by_round(system, trace):
                found = replace(found, answers=(*found.answers, answer))
                yield Far(turns, turns, found)

        yield from self._work(request, sent, SETTLE, work)

    def _work(
        self, request: gr.Request, sent: Any, name: str, work: Callable[[Origin, Entry, Filled], Iterator[Far]]
    ) -> Iterator[Outputs]:
        """Do an experiment's work, and draw how far it has come."""
        visitor = self._tab.visitor(request)
        session, drawings, due = visitor.intervening, self._tab.drawings(visitor), 0.0
        epoch: int | None = None
        try:
            filled = read_filled(sent)
            session.fill(filled)
            origin, entry = self._tab.taken(visitor)
            _check_here(entry)
            epoch = session.begin(name)
            yield from drawings.next()
            for far in work(origin, entry, filled):
                if not session.goes_on(epoch):
                    break
                session.progress(epoch, far.done, far.of)
                session.find(epoch, name, far.found)
                if time.monotonic() >= due:
                    yield from drawings.next()
                    due = time.monotonic() + DRAWN_EVERY
            else:
                session.over(epoch, self._tab.words(f"intervene.done.{name}"))
        except GeneratorExit:
            self._tab.leave(request)
            raise
        except Exception as error:
            _failed(session, epoch, say_error(error, self._tab.words))
        yield from self._tab.last(visitor)


def _failed(session: InterveneSession, epoch: int | None, message: str) -> None:
    if epoch is None or session.stop(epoch):
        session.say(message, bad=True)


def _check_here(entry: Entry) -> None:
    """Refuse a system whose agents compute on a GPU that is lent for one run at a time."""
    if entry.borrowed is not None:
        todo = "Run this experiment with an embedded system, or on a machine with a GPU of its own."
        raise BadInput("this system", "borrows a GPU for each run and not for longer", todo)


def _drawn(system: System, origin: Origin, turn: int) -> tuple[str, str]:
    """A question that implies another answer when the turn sends what it sends for it, and that answer."""
    from recmas_core.patching import implied_answer

    if system.task is None:
        raise BadInput("this system", "has no little world: nothing is known to follow", "Use an embedded system.")
    for example in system.task.sample(_TRIED, seed=time.time_ns() % 2**31, split="test"):
        implied = implied_answer(system, origin.trace, example.question, turn)
        if implied is not None:
            return example.question, implied
    what = "does not go on from another question's value behind this turn"
    raise BadInput("the run's question", what, "Choose an earlier turn, or run a longer question of this world.")


def _other(system: System, typed: str, origin: Origin) -> str:
    """The other question as the agents read it."""
    check_question(typed)
    question = typed if system.task is None else system.task.read(typed).question
    if question == origin.trace.config.question:
        raise BadInput("question", "is the run's own", "Take another one.")
    return question


def _trained(origin: Origin, entry: Entry) -> int | None:
    """The last round that a shipped system's links were trained for; None for other links, where nobody knows."""
    if origin.lineup.links or entry.system.trained_steps is None or entry.system.untrained:
        return None
    from recmas_core.pretrain.making import ROUNDS

    return ROUNDS
