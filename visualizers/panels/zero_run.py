"""A run on a GPU that may be taken away: it goes on from the last finished turn, and nothing comes twice. No gradio."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import fields, is_dataclass, replace
from types import TracebackType
from typing import Any, TypeAlias

import numpy as np

from recmas_core.errors import RecmasError, RunInterrupted
from recmas_core.records import Answer, Event, Thought, Trace, Transfer, TurnDone, turn_of
from visualizers.panels.zero_work import Failed, Item

TOLERANCE = 0.05  # of a vector's length: another GPU adds up in another order, and bfloat16 has 8 bits
Borrow: TypeAlias = Callable[[Trace, int], Generator[Item, None, None]]


class RunChanged(RecmasError):
    """A turn that was made anew came out otherwise than it had been shown."""


class ZeroRun(Generator[Event, None, None]):
    """The events of a run, made in calls that may each end too early.

    The next event after such an end comes from a further call, if the one before finished a turn at least. If it did
    not, `RunInterrupted` is raised, once: whoever asks for the next event all the same begins a further call, for
    which more time is asked. Events of an unfinished turn that were given already are made again, compared, and not
    given again. What a call raises of itself is no error of the run: those come as `Failed`.

    Args:
        borrow: Begins a call that goes on from a trace; told how often that was tried in vain.
        trace: What the run goes on from: no events for a new run.
        turns: How many turns the run has in all.
    """

    def __init__(self, borrow: Borrow, trace: Trace, turns: int) -> None:
        self._borrow, self._turns, self._trace = borrow, turns, trace
        self._call: Generator[Item, None, None] | None = None
        self._again: dict[int, deque[Event]] = {}
        self._finished = self._tries = 0
        self._over = False

    def send(self, value: None) -> Event:
        """The next event.

        Raises:
            StopIteration: After the answer.
            RunInterrupted: If the GPU is not to be had, or was taken away before a turn was finished.
            RunChanged: If a turn that was begun before comes out otherwise now.
            RecmasError: What the run itself raises.
        """
        while not self._over:
            item = self._next()
            if item is None:
                continue
            if isinstance(item, Failed):
                self.close()
                raise item.error
            if self._seen(item):
                continue
            _seal(item)
            self._trace = self._trace.append(item)
            if isinstance(item, Answer):
                self.close()
            return item
        raise StopIteration

    def throw(
        self,
        typ: type[BaseException] | BaseException,
        val: BaseException | object = None,
        tb: TracebackType | None = None,
    ) -> Event:
        """End the run with an exception."""
        self.close()
        return super().throw(typ, val, tb)  # type: ignore[arg-type]

    def close(self) -> None:
        """End the run; what computes it stops after the event under way."""
        self._over = True
        self._end_call()

    def _next(self) -> Item | None:
        """What the call under way brings; None where it has ended too early and a further one may begin."""
        if self._call is None:
            self._begin()
        assert self._call is not None
        try:
            return next(self._call)
        except StopIteration:
            reason: Exception | None = None  # it ended as if all were done, without an answer
        except Exception as error:
            reason = error
        self._end_call()
        if len(self._trace.turns) > self._finished:
            self._tries = 0
            return None
        if isinstance(reason, RunInterrupted):
            raise reason
        self._tries += 1
        todo = "Press again to go on from the last finished turn; more time is asked for then."
        raise RunInterrupted("the GPU", "was taken back before a turn was finished", todo) from reason

    def _begin(self) -> None:
        # a last turn that was finished, but not answered, is made again: nothing would follow it
        kept = min(len(self._trace.turns), self._turns - 1)
        self._again = {}
        for event in self._trace.events:
            if turn_of(event) >= kept:
                self._again.setdefault(turn_of(event), deque()).append(event)
        self._finished = len(self._trace.turns)
        base = self._trace.until(kept)
        needed = tuple(event for event in base.events if isinstance(event, TurnDone))  # of which a turn sends the rest
        self._call = self._borrow(replace(base, events=needed), self._tries)

    def _seen(self, event: Event) -> bool:
        """Whether this event was given before the last call ended."""
        before = self._again.get(turn_of(event))
        if not before:
            return False
        if not alike(before.popleft(), event):
            self.close()
            what = f"came out otherwise in turn {turn_of(event) + 1} as the run went on, on another GPU perhaps"
            raise RunChanged("the run", what, "Press Reset and run again.")
        return True

    def _end_call(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.close()


def alike(one: Any, other: Any) -> bool:
    """Whether two events say the same, their times aside, and their vectors as far as rounding goes."""
    if type(one) is not type(other):
        return False
    if is_dataclass(one):
        named = (field.name for field in fields(one) if field.name != "seconds")
        return all(alike(getattr(one, name), getattr(other, name)) for name in named)
    if isinstance(one, np.ndarray):
        near = one.shape == other.shape
        return near and bool(np.linalg.norm(one - other) <= TOLERANCE * np.linalg.norm(one))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other)


def _seal(event: Event) -> None:
    """Make an event's arrays read-only again: pickling forgets that they were."""
    arrays: list[np.ndarray] = []
    if isinstance(event, Thought):
        arrays = [event.hidden, event.embed]
    elif isinstance(event, Transfer):
        arrays = [event.vectors]
    elif isinstance(event, TurnDone):
        arrays = [event.turn.thoughts, event.turn.self_embeds, *event.turn.sent.values()]
    for array in arrays:
        array.setflags(write=False)
