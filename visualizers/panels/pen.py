"""Who draws a visitor's stage: one handler at a time, so that a drawing never covers one that shows more."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import gradio as gr

_PATIENCE = 0.005  # seconds between two tries of a handler that must not block the server's loop


class Pen:
    """Held from looking at a session until the page has been sent what was drawn of it.

    Handlers answer at once and beside each other: a drawing that was begun before a run's end could reach the page
    after the drawing of that end, and stay there. With the pen, whoever draws later has seen more, and is sent later.
    A handler holds it over the `yield` of its drawing, and never while it waits for anything else. Its last `yield`
    is one of no changes: when a generator ends, gradio sends its last values once more, without the pen.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drawings = 0

    def __enter__(self) -> int:
        """Take it. Returns the number of this drawing; numbers are given one after the other."""
        self._lock.acquire()
        self._drawings += 1
        return self._drawings

    def __exit__(self, *_: object) -> None:
        """Hand it on."""
        self._lock.release()

    @asynccontextmanager
    async def awaited(self) -> AsyncIterator[None]:
        """The same for a handler that runs on the server's loop."""
        while not self._lock.acquire(blocking=False):
            await asyncio.sleep(_PATIENCE)
        try:
            self._drawings += 1
            yield
        finally:
            self._lock.release()


def in_order(handler: Callable[..., Any], pen: Callable[[gr.Request], Pen]) -> Callable[..., Iterator[Any]]:
    """A handler that draws once, as one that holds the visitor's pen until its drawing is sent.

    Args:
        handler: A function of an event; one of its arguments is the request.
        pen: The pen of the visitor whose request it is.
    """

    @functools.wraps(handler)  # gradio reads from its signature what to pass on
    def drawing(*values: Any) -> Iterator[Any]:
        request = next(value for value in values if isinstance(value, gr.Request))
        with pen(request):
            outputs = handler(*values)
            yield outputs
        yield tuple(gr.skip() for _ in outputs)

    return drawing
