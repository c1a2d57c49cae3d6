"""A visitor's run with all that is needed to write it down: its system, its maps, its link. No gradio here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recmas_core.errors import BadInput
from recmas_core.patterns import Pattern
from recmas_core.records import Trace
from recmas_core.thought_table import MapPlace, thoughts_csv
from visualizers.panels.belongings import VisitorShelf
from visualizers.panels.entry import Entry
from visualizers.panels.offers import Lineup, Offer
from visualizers.panels.session import Job, Moment
from visualizers.panels.share_link import link_query
from visualizers.panels.spread import THOUGHTS, Shown, spread_of

if TYPE_CHECKING:
    from recmas_core.system import System


@dataclass(frozen=True, eq=False)
class SharedRun:
    """A run, finished or not, as it is written down.

    Attributes:
        lineup: Who ran it.
        offer: What the page offers them as.
        entry: They, ready to run.
        moment: The visitor's session.
        job: What was asked.
        trace: What came of it so far.
        query: The query of its link; "" where a link cannot carry it.
        unlinked: Why a link cannot.
    """

    lineup: Lineup
    offer: Offer
    entry: Entry
    moment: Moment
    job: Job
    trace: Trace
    query: str
    unlinked: str

    @property
    def system(self) -> System:
        """Who ran it."""
        return self.entry.system

    @property
    def pattern(self) -> Pattern:
        """Their pattern."""
        return self.system.pattern

    @property
    def name(self) -> str:
        """What to call its files."""
        return f"recmas-{self.pattern.name}"

    def places(self) -> dict[tuple[int, int], MapPlace]:
        """Where each thought lies on its agent's map, by (turn, step)."""
        found: dict[tuple[int, int], MapPlace] = {}
        for role in self.system.roles:
            thoughts = [thought for thought in self.trace.thoughts if thought.role == role]
            vectors = [thought.hidden for thought in thoughts]
            spread = spread_of(self.entry.atlas, self.moment.own, Shown(role, THOUGHTS), vectors, len(vectors))
            for thought, (x, y) in zip(thoughts, spread.shown, strict=True):
                found[thought.turn, thought.step] = MapPlace(x, y, f"{role}.{THOUGHTS}", spread.method)
        return found

    def csv(self) -> str:
        """The table of its thoughts."""
        return thoughts_csv(self.system, self.trace, self.places())


def shared_run(shelf: VisitorShelf, lineup: Lineup, moment: Moment) -> SharedRun:
    """The run of a visitor's session.

    Raises:
        BadInput: If there is none.
        RecmasError: If its system cannot be loaded.
    """
    if moment.job is None or moment.trace is None:
        raise BadInput("run", "is not there yet", "Press Step or Run first.")
    entry = shelf.entry(lineup)
    query = unlinked = ""
    try:
        query = link_query(shelf.shared.catalogue, lineup, moment.job, entry.system.decoding)
    except BadInput as error:
        unlinked = str(error)
    offer = shelf.catalogue.offer(lineup.system)
    return SharedRun(lineup, offer, entry, moment, moment.job, moment.trace, query, unlinked)
