"""Whether a trace, which may come from anywhere, is a run that a system can have made: its order, roles and widths."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from recmas_core.errors import BadInput
from recmas_core.records import (
    Answer,
    Array,
    Event,
    Prompted,
    Thought,
    Token,
    ToolCall,
    Trace,
    Transfer,
    Turn,
    TurnDone,
    TurnStart,
    turn_of,
)

if TYPE_CHECKING:
    from recmas_core.patterns import Place
    from recmas_core.system import System

_TODO = "Give a run of this system, as it was saved."


def check_fits(trace: Trace, system: System) -> None:
    """See that a trace can be shown, and gone on with, as a run of a system.

    What was thought is not computed again: that these very agents thought it, no check can tell so cheaply.

    Raises:
        BadInput: If it is of another pattern, or an event does not belong where it stands or has another width.
    """
    if trace.pattern != system.pattern.name:
        what = f"is of the pattern {trace.pattern[:40]!r}, not {system.pattern.name!r}"
        raise BadInput("trace", what, _TODO)
    system.check(trace.config.question)
    state = _Course(system, system.pattern.schedule(trace.config.rounds), trace)
    for event in trace.events:
        state.take(event)


@dataclass
class _Course:
    """How far a trace has been followed."""

    system: System
    places: tuple[Place, ...]
    trace: Trace
    begun: set[int] = field(default_factory=set)
    done: set[int] = field(default_factory=set)
    thoughts: Counter[int] = field(default_factory=Counter)
    tokens: Counter[int] = field(default_factory=Counter)
    over: bool = False

    def take(self, event: Event) -> None:
        """Follow one event more."""
        turn = turn_of(event)
        self._need(not self.over, event, "comes behind the answer")
        self._need(0 <= turn < len(self.places), event, f"is of turn {turn}, which there is not")
        place = self.places[turn]
        if isinstance(event, Answer):
            last = turn == len(self.places) - 1 and turn in self.done and event.role == place.role
            self._need(last, event, "does not end the last turn")
            self.over = True
            return
        self._need(turn not in self.done, event, f"is of turn {turn}, which was over")
        if isinstance(event, TurnStart):
            before = {p.turn for p in self.places if (p.round, p.stage) < (place.round, place.stage)}
            self._need(turn not in self.begun and before <= self.done, event, f"begins turn {turn} out of its order")
            self.begun.add(turn)
        self._need(turn in self.begun, event, f"is of turn {turn}, which has not begun")
        said = event.turn if isinstance(event, TurnDone) else event
        role = said.sender if isinstance(said, Transfer) else said.role
        self._need((said.round, role) == (place.round, place.role), event, "names another round or role")
        self._look_into(event, place)

    def _look_into(self, event: Event, place: Place) -> None:
        width = self.system.agents[place.role].hidden_size
        match event:
            case TurnStart(prompt=prompt):
                known = {*self.system.roles, None}
                self._need(all(part.sender in known for part in prompt), event, "reads a role that there is not")
            case Thought(turn=turn, step=step, hidden=hidden, embed=embed):
                self._need(step == self.thoughts[turn], event, f"is thought {step + 1}, out of its order")
                self._need(step < self.trace.config.latent_steps, event, "is one thought more than the run makes")
                self._need(_is_shaped(hidden, (width,)) and _is_shaped(embed, (width,)), event, _WIDTH)
                self.thoughts[turn] += 1
            case Transfer(turn=turn, receiver=receiver, vectors=vectors):
                self._check_sent(event, place, receiver, vectors, self.thoughts[turn])
            case Token(turn=turn, step=step):
                self._need(step == self.tokens[turn], event, f"is token {step + 1}, out of its order")
                self.tokens[turn] += 1
            case ToolCall() | Prompted():
                self._need(bool(self.tokens[event.turn]), event, "comes before any token")
            case TurnDone(turn=made):
                self._check_done(event, made, place, width)
                self.done.add(made.index)

    def _check_done(self, event: Event, made: Turn, place: Place, width: int) -> None:
        count = self.thoughts[made.index]
        whole = len(made.tokens) == self.tokens[made.index] and all(
            _is_shaped(vectors, (count, width)) for vectors in (made.thoughts, made.self_embeds)
        )
        self._need(whole, event, "holds other thoughts or tokens than were made")
        self._need(all(0 <= at <= len(made.tokens) for at, _ in made.prompted), event, "was prompted beyond its end")
        for receiver, vectors in made.sent.items():
            self._check_sent(event, place, receiver, vectors, count)

    def _check_sent(self, event: Event, place: Place, receiver: str, vectors: Array, count: int) -> None:
        known = receiver in self.system.pattern.receivers_of(place.role)
        self._need(known, event, f"goes to {receiver[:40]!r}, to whom nothing is sent")
        self._need(_is_shaped(vectors, (count, self.system.agents[receiver].hidden_size)), event, _WIDTH)

    def _need(self, fits: bool, event: Event, what: str) -> None:
        if not fits:
            raise BadInput(f"trace: {type(event).__name__}", what, _TODO)


_WIDTH = "holds vectors of another width or number than these agents make, or not finite ones"


def _is_shaped(array: Array, shape: tuple[int, ...]) -> bool:
    return array.shape == shape and bool(np.isfinite(array).all())
