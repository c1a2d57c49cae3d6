"""A visitor's run with all that is needed to write it down: its system, its maps, its link. No gradio here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from recmas_core.errors import BadInput
from recmas_core.patterns import Pattern
from recmas_core.records import Trace
from recmas_core.snippet import Opened, python_code
from recmas_core.thought_table import MapPlace, thoughts_csv
from visualizers.mishaps import in_words
from visualizers.panels.belongings import VisitorShelf
from visualizers.panels.entry import Entry
from visualizers.panels.offers import Lineup, Offer
from visualizers.panels.session import Job, Moment
from visualizers.panels.share_link import link_query
from visualizers.panels.spread import THOUGHTS, Shown, spread_of
from visualizers.words import Words

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
        words: What the page says.
    """

    lineup: Lineup
    offer: Offer
    entry: Entry
    moment: Moment
    job: Job
    trace: Trace
    query: str
    unlinked: str
    words: Words

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
            where = Shown(role, THOUGHTS)
            spread = spread_of(self.entry.atlas, self.moment.own, where, vectors, len(vectors), self.words)
            for thought, (x, y) in zip(thoughts, spread.shown, strict=True):
                found[thought.turn, thought.step] = MapPlace(x, y, f"{role}.{THOUGHTS}", spread.method)
        return found

    def csv(self) -> str:
        """The table of its thoughts."""
        return thoughts_csv(self.system, self.trace, self.places())


    def code(self, address: str) -> str:
        """The Python that makes it again; `address` is the page's own, for its link."""
        link = f"{address}?{self.query}" if self.query else ""
        opened = _opened(self.lineup, self.offer, self.pattern.name)
        opened = replace(opened, tools=bool(self.system.tools))
        return python_code(opened, self.trace.config, self.system.decoding, link=link, answer=self.trace.answer)


def _opened(lineup: Lineup, offer: Offer, pattern: str) -> Opened:
    """How a line-up is opened in Python; links that were trained here come with the system's own download."""
    wanted, own = offer.wanted, dict(lineup.agents) == dict(offer.own)
    if wanted is None:
        name = offer.source or offer.name
        return Opened("load_system", name) if own else Opened("build_system", pattern, lineup.agents)
    options: dict[str, object] = {"device": wanted.device, "dtype": wanted.dtype}
    options |= {"bits": wanted.bits} if wanted.bits else {}
    options |= {"task": wanted.task} if wanted.released else {}
    if wanted.released and own:
        return Opened("load_system", wanted.system, options=tuple(options.items()))
    return Opened("build_system", pattern, lineup.agents, tuple(options.items()))


def shared_run(shelf: VisitorShelf, lineup: Lineup, moment: Moment, words: Words) -> SharedRun:
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
        unlinked = in_words(error, words)
    offer = shelf.catalogue.offer(lineup.system)
    return SharedRun(lineup, offer, entry, moment, moment.job, moment.trace, query, unlinked, words)
