"""Looking at a run: which part of it is shown, and what happens there. Pure functions of a trace."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from recmas_core.patterns import Pattern, Place
from recmas_core.records import Answer, Event, Thought, Token, Trace, Transfer, TurnStart, turn_of
from visualizers.panels.session import Cursor


@dataclass(frozen=True, eq=False)
class Scene:
    """The state of a run at the moment looked at.

    Attributes:
        pattern: The pattern that is run.
        trace: The run up to the moment, and nothing after it.
        whole: All of the run that exists.
        cursor: The moment chosen, None for now.
        rounds: Rounds of the run (or of the controls, before a run).
    """

    pattern: Pattern
    trace: Trace | None
    whole: Trace | None
    cursor: Cursor | None
    rounds: int

    @property
    def places(self) -> tuple[Place, ...]:
        """Every turn of the run, the coming ones too."""
        return self.pattern.schedule(self.rounds)

    @property
    def events(self) -> tuple[Event, ...]:
        """The events up to the moment."""
        return () if self.trace is None else self.trace.events

    @property
    def start(self) -> TurnStart | None:
        """The beginning of the turn that is shown."""
        return next((e for e in reversed(self.events) if isinstance(e, TurnStart)), None)

    @property
    def role(self) -> str:
        """Whose turn is shown; the first to speak before a run."""
        return self.pattern.roles[0].name if self.start is None else self.start.role

    @property
    def last(self) -> Event | None:
        """What happened last."""
        return self.events[-1] if self.events else None

    @property
    def over(self) -> bool:
        """Whether the answer is there at this moment."""
        return isinstance(self.last, Answer)

    @property
    def hop(self) -> tuple[str, str] | None:
        """(sender, receiver) of the transfer made last, until the next turn begins."""
        transfers = [e for e in self.events if isinstance(e, Transfer)]
        start = self.start
        if self.over or not transfers or start is None or transfers[-1].turn != start.turn:
            return None
        return transfers[-1].sender, transfers[-1].receiver

    @property
    def chosen(self) -> Thought | None:
        """The thought the reader chose, else the newest of the turn shown."""
        start = self.start
        if start is None:
            return None
        thoughts = [e for e in self.events if isinstance(e, Thought) and e.turn == start.turn]
        return thoughts[-1] if thoughts else None

    def title(self, role: str) -> str:
        """A role's name to show."""
        return next(r.title for r in self.pattern.roles if r.name == role)


def scene(pattern: Pattern, whole: Trace | None, cursor: Cursor | None, rounds: int) -> Scene:
    """The scene at a moment of a run; `rounds` counts before there is a run."""
    if whole is None:
        return Scene(pattern, None, None, None, rounds)
    return Scene(pattern, prefix(whole, cursor), whole, cursor, whole.config.rounds)


def prefix(trace: Trace, cursor: Cursor | None) -> Trace:
    """The run as it was at the cursor: after a thought or a token, or after a whole turn."""
    if cursor is None:
        return trace
    return replace(trace, events=tuple(event for event in trace.events if _is_by(event, cursor)))


def _is_by(event: Event, cursor: Cursor) -> bool:
    turn = turn_of(event)
    if turn != cursor.turn or cursor.step is None:
        return turn <= cursor.turn
    return isinstance(event, TurnStart) or (isinstance(event, Thought | Token) and event.step <= cursor.step)


def moments(trace: Trace) -> tuple[Cursor, ...]:
    """The moments between which the arrow keys move: every thought, every token, and every turn's end."""
    steps = [Cursor(e.turn, e.step) for e in trace.events if isinstance(e, Thought | Token)]
    ends = [Cursor(turn.index) for turn in trace.turns]
    return tuple(sorted((*steps, *ends), key=lambda c: (c.turn, float("inf") if c.step is None else c.step)))


def move(trace: Trace | None, cursor: Cursor | None, way: Literal[-1, 1]) -> Cursor | None:
    """The moment before or after the cursor; None is now, and what comes after the last moment."""
    if trace is None:
        return None
    known = moments(trace)
    at = known.index(cursor) if cursor in known else len(known)
    if cursor is None and known and prefix(trace, known[-1]).events == trace.events:
        at -= 1  # the last moment looks just like now
    target = at + way
    if not 0 <= target < len(known):
        return cursor if target < 0 else None
    found = known[target]
    return None if prefix(trace, found).events == trace.events else found
