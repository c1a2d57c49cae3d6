"""The drawings that one handler of the Intervene tab sends: all of it first, then only what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from visualizers.panels.intervene_view import IntervenePanels
from visualizers.panels.visitors import Visitor


class Drawings:
    """What one handler draws while it goes on.

    Args:
        visitor: Whose tab.
        panels: The tab as it is now; an argument says how far a run has come that is made to work upon.
    """

    def __init__(self, visitor: Visitor, panels: Callable[[str], IntervenePanels]) -> None:
        self._visitor, self._panels = visitor, panels
        self._sent: IntervenePanels | None = None
        self._number = 0

    def next(self, running: str = "") -> Iterator[tuple[Any, ...]]:
        """One drawing, sent before anybody else draws; none where nothing has changed since this handler's last."""
        with self._visitor.intervening_pen as now:
            panels = self._panels(running)
            before = self._sent if now == self._number + 1 else None  # else somebody drew meanwhile
            self._sent, self._number = panels, now
            if panels != before:
                yield panels.changes(before)
