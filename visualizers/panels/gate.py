"""A gate that lets a few trainings onto the machine at once; whoever waits is told their place."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOOK = 0.2  # seconds after which whoever waits looks whether they still want to


class Gate:
    """First come, first served.

    Args:
        places: How many are inside at most.
    """

    def __init__(self, places: int) -> None:
        self._free, self._queue, self._state = places, deque[object](), threading.Condition()

    @contextmanager
    def place(self, wanted: Callable[[], bool], tell: Callable[[int], None]) -> Iterator[bool]:
        """Wait for a place and hold it.

        Args:
            wanted: Whether the place is still wanted; asked while waiting.
            tell: Given the place in the queue, from 1, whenever it changes.

        Yields:
            True inside; False if it was not wanted any more.
        """
        inside = self._enter(wanted, tell)
        try:
            yield inside
        finally:
            if inside:
                with self._state:
                    self._free += 1
                    self._state.notify_all()

    def _enter(self, wanted: Callable[[], bool], tell: Callable[[int], None]) -> bool:
        ticket, told = object(), 0
        with self._state:
            self._queue.append(ticket)
            try:
                while wanted():
                    at = self._queue.index(ticket) + 1
                    if at <= self._free:
                        self._free -= 1
                        return True
                    if at != told:
                        tell(at)
                        told = at
                    self._state.wait(_LOOK)
                return False
            finally:
                self._queue.remove(ticket)
                self._state.notify_all()
