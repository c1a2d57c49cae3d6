"""A system of the page that is ready to run, and where its runs are computed. No gradio here."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from recmas_core.records import Edit, Event, RunConfig, Trace
from visualizers.panels.atlas import Atlas
from visualizers.panels.notes import Notes
from visualizers.panels.zero import Borrowed

if TYPE_CHECKING:
    from recmas_core.system import System


@dataclass(frozen=True, eq=False)
class Entry:
    """A system that is ready to run, with the readings and maps of its agents.

    Attributes:
        system: The system.
        notes: Its readings.
        atlas: Its maps.
        borrowed: Where its runs go if the GPU is lent for each of them; None where they are computed here.
    """

    system: System
    notes: Notes
    atlas: Atlas
    borrowed: Borrowed | None = None

    def start(self, config: RunConfig) -> Generator[Event, None, None]:
        """Run a configuration; see `System.start`.

        Raises:
            RecmasError: At once, for what cannot be run; else from the events.
        """
        return self.system.start(config) if self.borrowed is None else self.borrowed.start(config)

    def resume(
        self, trace: Trace, turn: int, edits: tuple[Edit, ...] = (), *, rounds: int | None = None
    ) -> Generator[Event, None, None]:
        """Go on from a turn of a run; see `System.resume`.

        Raises:
            RecmasError: At once, for what cannot be run; else from the events.
        """
        live = self.system.resume(trace, turn, edits, rounds=rounds)
        if self.borrowed is None:
            return live
        live.close()  # never begun: it is there for its checks
        return self.borrowed.resume(trace.fork(turn, edits=edits, rounds=rounds))

    def solve(self, config: RunConfig) -> Trace:
        """Run a configuration to its answer.

        Raises:
            RecmasError: If it cannot be run, or not to its end.
        """
        trace = Trace(config, self.system.pattern.name)
        for event in self.start(config):
            trace = trace.append(event)
        return trace

    def like(self, system: System) -> Entry:
        """The entry of a system of the same agents with other links: the same maps, and it runs where this one does."""
        return replace(self, system=system, notes=Notes(system), borrowed=self.borrowed and Borrowed(system))
