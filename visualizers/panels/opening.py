"""Waiting for a system that is opened: how far it has come, and what follows if it does not come. No gradio here."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator

from recmas_core.progress import Loading
from visualizers.panels.offers import Lineup, Wanted
from visualizers.panels.shelf import STOPPED, OpeningStopped, Shelf

__all__ = ["OpeningStopped", "opened"]
_LOOK = 0.3  # seconds between two looks


def opened(
    shelf: Shelf, wanted: Wanted, *, still: Callable[[], bool] = lambda: True
) -> Generator[Loading | None, None, Lineup]:
    """Open a system, telling how far it has come whenever that has changed; returns the line-up that can be run.

    Whoever closes the generator waits no more: others may, and only when nobody does the loading is stopped.

    Args:
        shelf: Where it is offered.
        wanted: What to open.
        still: Whether whoever waits still does.

    Raises:
        OpeningStopped: If `still` was false.
        RecmasError: If it cannot be had; it is then offered no more.
    """
    lineup = shelf.open(wanted)
    future = shelf.load(lineup)
    with shelf.waiting(lineup):
        before = shelf.progress(lineup)
        yield before
        while not future.done():
            if not still():
                raise OpeningStopped(*STOPPED)
            time.sleep(_LOOK)
            now = shelf.progress(lineup)
            if now is not None and now != before:
                yield now
                before = now
    if future.exception() is not None:
        shelf.withdraw(lineup)
    future.result()
    return lineup
