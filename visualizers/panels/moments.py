"""Looking at a run: which part of it is shown, and what happens there. Pure functions of a trace."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from recmas_core.patterns import Pattern, Place
from recmas_core.records import Answer, Event, Thought, Token, ToolCall, Trace, Transfer, TurnDone, TurnStart, turn_of
from visualizers.names import named_pattern
from visualizers.panels.session import Cursor
from visualizers.words import Words


@dataclass(frozen=True, eq=False)
class Scene:
    """The state of a run at the moment looked at.

    Attributes:
        pattern: The pattern that is run, with the names that the page has for it.
        trace: The run up to the moment, and nothing after it.
        whole: All of the run that exists.
        cursor: The moment chosen, None for now.
        rounds: Rounds of the run (or of the controls, before a run).
        words: What the page says.
    """

    pattern: Pattern
    trace: Trace | None
    whole: Trace | None
    cursor: Cursor | None
    rounds: int
    words: Words

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Every turn of the run, the coming ones too."""
        return self.pattern.schedule(self.rounds)

    @property
    def events(self) -> tuple[Event, ...]:
        """The events up to the moment."""
        return () if self.trace is None else self.trace.events

    @cached_property
    def stage(self) -> tuple[TurnStart, ...]:
        """The turns that go on at the moment: all that the stage holds whose turn was begun last, or was chosen."""
        starts = {e.turn: e for e in self.events if isinstance(e, TurnStart)}
        if not starts:
            return ()
        at = max(starts) if self.cursor is None or self.cursor.turn not in starts else self.cursor.turn
        place = self.places[at]
        return tuple(
            start
            for turn, start in sorted(starts.items())
            if (self.places[turn].round, self.places[turn].stage) == (place.round, place.stage)
        )

    @cached_property
    def start(self) -> TurnStart | None:
        """The beginning of the turn looked at: the chosen one, else the first of those that go on."""
        chosen = None if self.cursor is None else self.cursor.turn
        return next((start for start in self.stage if start.turn == chosen), self.stage[0] if self.stage else None)

    @property
    def shown(self) -> tuple[TurnStart, ...]:
        """The turns to show: the chosen one, else all that go on."""
        return self.stage if self.cursor is None or self.start is None else (self.start,)

    @property
    def role(self) -> str:
        """Whose turn is looked at; the first to speak before a run."""
        return self.pattern.roles[0].name if self.start is None else self.start.role

    @cached_property
    def at_work(self) -> tuple[str, ...]:
        """The roles whose turns have begun and are not over; those of the last turns between two stages."""
        if self.over:
            return ()
        done = {e.turn.index for e in self.events if isinstance(e, TurnDone)}
        still = tuple(start.role for start in self.stage if start.turn not in done)
        return still or tuple(start.role for start in self.stage)

    @property
    def last(self) -> Event | None:
        """What happened last."""
        return self.events[-1] if self.events else None

    @property
    def over(self) -> bool:
        """Whether the answer is there at this moment."""
        return isinstance(self.last, Answer)

    @cached_property
    def beat(self) -> tuple[Event, ...]:
        """What happened last, with all of the same kind that happened with it."""
        beat: list[Event] = []
        for event in reversed(self.events):
            if beat and not _together(event, beat[-1]):
                break
            beat.append(event)
        return tuple(reversed(beat))

    @property
    def hops(self) -> tuple[tuple[str, str], ...]:
        """(sender, receiver) of the transfers made by the turns shown, until the next turns begin."""
        if self.over:
            return ()
        turns = {start.turn for start in self.shown}
        return tuple((e.sender, e.receiver) for e in self.events if isinstance(e, Transfer) and e.turn in turns)

    @property
    def chosen(self) -> Thought | None:
        """The thought the reader chose, else the newest of the turn looked at."""
        start = self.start
        if start is None:
            return None
        thoughts = [e for e in self.events if isinstance(e, Thought) and e.turn == start.turn]
        return thoughts[-1] if thoughts else None

    def title(self, role: str) -> str:
        """A role's name to show."""
        return next(r.title for r in self.pattern.roles if r.name == role)


def scene(pattern: Pattern, whole: Trace | None, cursor: Cursor | None, rounds: int, words: Words) -> Scene:
    """The scene at a moment of a run, in the page's words; `rounds` counts before there is a run."""
    shown = named_pattern(pattern, words)
    if whole is None:
        return Scene(shown, None, None, None, rounds, words)
    return Scene(shown, prefix(whole, cursor), whole, cursor, whole.config.rounds, words)


def prefix(trace: Trace, cursor: Cursor | None) -> Trace:
    """The run as it was at the cursor: after a thought, a token, a tool call, or after a whole turn.

    Turns that went on at the same time are shown as far as they had come by then.
    """
    if cursor is None:
        return trace
    end = _position(trace, cursor)
    return replace(trace, events=trace.events[:end])


def _position(trace: Trace, cursor: Cursor) -> int:
    """How many events had happened at the cursor."""
    events, calls = trace.events, 0
    last = 0
    for at, event in enumerate(events, 1):
        if isinstance(event, Answer) or turn_of(event) != cursor.turn:
            continue
        last = at
        if cursor.call is not None:
            if isinstance(event, ToolCall):
                if calls == cursor.call:
                    return at
                calls += 1
        elif cursor.step is not None:
            if isinstance(event, Thought | Token) and event.step == cursor.step:
                return at
        elif isinstance(event, TurnDone):
            return at + 1 if at < len(events) and isinstance(events[at], Answer) else at
    # a turn that is not over yet, whole: everything so far
    return len(events) if cursor.step is None and cursor.call is None and last else last


def moments(trace: Trace) -> tuple[Cursor, ...]:
    """The moments between which the arrow keys move: every thought, token, tool call, and every turn's end."""
    found: list[Cursor] = []
    calls: dict[int, int] = {}
    for event in trace.events:
        turn = turn_of(event)
        if isinstance(event, Thought | Token):
            found.append(Cursor(turn, event.step))
        elif isinstance(event, ToolCall):
            found.append(Cursor(turn, call=calls.get(turn, 0)))
            calls[turn] = calls.get(turn, 0) + 1
        elif isinstance(event, TurnDone):
            found.append(Cursor(turn))
    return tuple(found)


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


def _together(event: Event, other: Event) -> bool:
    """Whether two events, one after the other, belong to one beat."""
    if type(event) is not type(other):
        return False
    return isinstance(event, Transfer | TurnDone) or (isinstance(event, Thought) and event.step == other.step)  # type: ignore[union-attr]
