"""The systems the page can run, shared by all visitors: loaded when first asked for, in the background."""

from __future__ import annotations

import logging
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from recmas_core.errors import BadInput
from recmas_core.hub import Hub
from recmas_core.memory import TooLarge
from recmas_core.patterns import Pattern
from recmas_core.progress import Loading
from visualizers.own_fit import Fitter
from visualizers.own_thread import OwnThread
from visualizers.panels.atlas import Atlas
from visualizers.panels.catalogue import Board, Catalogue
from visualizers.panels.entry import Entry
from visualizers.panels.notes import Notes
from visualizers.panels.offers import Lineup, Offer, Wanted
from visualizers.panels.wanted import free_memory, is_borrowed, open_wanted, recast
from visualizers.panels.zero import Borrowed
from visualizers.projection import Projector, load_maps

if TYPE_CHECKING:
    from recmas_core.system import System
    from recmas_core.tools import Tool

_OPENED = 2  # systems of the release or of visitors' own agents: gigabytes each
STOPPED = ("opening", "was stopped", "What was fetched is kept: open it again to go on.")
_CHOICES = 12  # line-ups of visitors' own choice kept at once; each is a few MB
_log = logging.getLogger("recmas.page")


class OpeningStopped(BadInput):
    """Nobody waits any more for the system that was being opened."""


class Shelf:
    """The systems of a catalogue, with whatever agents visitors choose.

    Args:
        catalogue: What is offered.
        umap_thread: The thread in which umap-learn works; a new one if None.
        hub: Where repositories come from.
    """

    def __init__(
        self, catalogue: Catalogue, *, umap_thread: OwnThread | None = None, hub: Hub | None = None
    ) -> None:
        self.hub = hub
        self.board = Board(catalogue)
        self._progress: dict[Lineup, Loading] = {}
        self._stops: dict[Lineup, threading.Event] = {}
        self._waiting: Counter[Lineup] = Counter()
        self._lock = threading.Lock()
        self._entries: OrderedDict[Lineup, Future[Entry]] = OrderedDict()
        self._projectors: dict[Path, Projector] = {}
        self._umap_thread = umap_thread or OwnThread("umap")
        self._fitter = Fitter(thread=self._umap_thread)

    def beside(self, catalogue: Catalogue) -> Shelf:
        """Another shelf, for other offers, that shares only the thread of umap-learn."""
        return Shelf(catalogue, umap_thread=self._umap_thread)

    @property
    def catalogue(self) -> Catalogue:
        """What is offered now."""
        return self.board.catalogue

    @property
    def first(self) -> Lineup:
        """The line-up a new visitor sees."""
        return self.catalogue.lineup(self.catalogue.systems[0])

    def pattern(self, lineup: Lineup) -> Pattern:
        """The pattern of a line-up."""
        return self.catalogue.pattern(lineup.system)

    def load(self, lineup: Lineup) -> Future[Entry]:
        """Load a line-up in a background thread; returns at once. What failed before is tried again."""
        with self._lock:
            known = self._entries.get(lineup)
            if known is not None and not (known.done() and known.exception() is not None):
                self._entries.move_to_end(lineup)
                return known
            future = self._entries[lineup] = Future()
            stop = self._stops[lineup] = threading.Event()
            own = {key: self.catalogue.is_own(key) for key in self._entries}
            opened = [key for key in self._entries if self.catalogue.offer(key.system).wanted is not None]
            for old in (*[key for key in own if not own[key]][:-_CHOICES], *opened[:-_OPENED]):
                self._entries.pop(old, None)
        threading.Thread(target=self._work, args=(lineup, future, stop), name="load system", daemon=True).start()
        return future

    def entry(self, lineup: Lineup) -> Entry:
        """The system with these agents; waits for loading.

        Raises:
            RecmasError: If the system or an agent cannot be loaded.
        """
        return self.load(lineup).result()

    def ready(self, lineup: Lineup) -> Entry | None:
        """The system with these agents if it is loaded; None while it is not, or if it could not be."""
        with self._lock:
            known = self._entries.get(lineup)
        return known.result() if known is not None and known.done() and known.exception() is None else None

    def progress(self, lineup: Lineup) -> Loading | None:
        """How far the loading of a line-up has come; None before it has said anything."""
        return self._progress.get(lineup)

    def open(self, wanted: Wanted) -> Lineup:
        """Offer a system to everybody, and begin to load it; returns the line-up to wait for.

        Raises:
            RecmasError: If it cannot be offered.
        """
        offer = wanted.offer()
        self.board.add(offer)
        lineup = self.catalogue.lineup(offer.name)
        self.load(lineup)
        return lineup

    @contextmanager
    def waiting(self, lineup: Lineup) -> Iterator[None]:
        """Wait for a line-up within this; when the last one who does leaves before it is there, its loading is stopped.

        What was fetched until then is kept.
        """
        with self._lock:
            self._waiting[lineup] += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting[lineup] -= 1
                future = self._entries.get(lineup)
                alone = not self._waiting[lineup] and future is not None and not future.done()
                if alone and lineup in self._stops:
                    self._stops[lineup].set()
            if alone:
                self.withdraw(lineup)

    def withdraw(self, lineup: Lineup) -> None:
        """Offer a system that could not be opened no more."""
        with self._lock:
            for key in [key for key in self._entries if key.system == lineup.system]:  # other agents in its roles too
                del self._entries[key]
            self.board.remove(lineup.system)

    def projector_status(self, lineup: Lineup) -> str:
        """What places the points on the maps: see `Projector.status`; "loading" before the maps are read."""
        entry = self.ready(lineup)
        return "loading" if entry is None else entry.atlas.status

    def loaded(self) -> tuple[str, ...]:
        """The names of the systems that are ready to run, each once."""
        with self._lock:
            done = [key.system for key, f in self._entries.items() if f.done() and f.exception() is None]
        return tuple(dict.fromkeys(done))

    def close(self) -> None:
        """End what the systems' tools keep running."""
        with self._lock:
            done = [f.result() for f in self._entries.values() if f.done() and f.exception() is None]
        for tool in {id(tool): tool for entry in done for tool in entry.system.tools.values()}.values():
            tool.close()

    def _work(self, lineup: Lineup, future: Future[Entry], stop: threading.Event) -> None:
        try:
            # Figures and umap both import narwhals when first used; two threads doing so at once deadlock in Python's
            # import locks. So it is imported here, before anyone gets the system and with it something to draw.
            import plotly.graph_objects  # noqa: F401

            future.set_result(self._make(lineup, stop))
        except BaseException as error:  # handed to whoever asks for the system
            future.set_exception(error)
        finally:
            with self._lock:
                if self._stops.get(lineup) is stop:  # else it is being loaded anew
                    del self._stops[lineup]
                    self._progress.pop(lineup, None)

    def _make(self, lineup: Lineup, stop: threading.Event) -> Entry:
        import recmas_core as rm

        catalogue = self.catalogue
        offer = catalogue.offer(lineup.system)
        if offer.wanted is not None:
            system = self._opened(lineup, offer, offer.wanted, stop)
        elif catalogue.is_own(lineup):
            system = rm.load_system(offer.source or offer.name, assets=catalogue.assets)
        else:
            # the same tools as the system's own agents use: their sandbox is warm, and started once
            own = None if not offer.cast else self.entry(catalogue.lineup(lineup.system)).system.tools
            pattern = catalogue.pattern(lineup.system).name
            system = rm.build_system(pattern, dict(lineup.agents), tools=own, assets=catalogue.assets)
        if catalogue.is_own(lineup):
            threading.Thread(target=_warm, args=(system.tools,), name="warm tools", daemon=True).start()
        borrowed = None if offer.wanted is None or not is_borrowed(offer.wanted) else Borrowed(system)
        return Entry(system, Notes(system), self._atlas(lineup), borrowed)

    def _opened(self, lineup: Lineup, offer: Offer, wanted: Wanted, stop: threading.Event) -> System:
        if not self.catalogue.is_own(lineup):
            base = self.entry(self.catalogue.lineup(lineup.system)).system
            return recast(base, dict(offer.own), dict(lineup.agents), wanted, self.catalogue.assets)

        def tell(loading: Loading) -> None:
            if stop.is_set():
                raise OpeningStopped(*STOPPED)
            self._progress[lineup] = loading

        try:
            return open_wanted(wanted, self.hub, self.catalogue.assets, tell)
        except TooLarge:
            if not self._close_others(lineup):
                raise
        return open_wanted(wanted, self.hub, self.catalogue.assets, tell)

    def _close_others(self, lineup: Lineup) -> bool:
        """Let go of opened systems to make room for another one; returns whether there were any."""
        with self._lock:
            others = [
                key
                for key, future in self._entries.items()
                if key.system != lineup.system and future.done() and self.catalogue.offer(key.system).wanted is not None
            ]
            for key in others:
                del self._entries[key]
        free_memory()
        return bool(others)

    def _atlas(self, lineup: Lineup) -> Atlas:
        homes = {role: self.catalogue.home(lineup, role) for role, _ in lineup.agents}
        found = {role: (self._projector(home.folder), home.role) for role, home in homes.items() if home is not None}
        mapped = {role for role, (projector, home) in found.items() if (home, "thoughts") in projector.maps}
        return Atlas(found, unmapped=[role for role in homes if role not in mapped], fitter=self._fitter)

    def _projector(self, folder: Path) -> Projector:
        with self._lock:
            if folder not in self._projectors:
                self._projectors[folder] = Projector(load_maps(folder / "maps"), thread=self._umap_thread)
            return self._projectors[folder]


def _warm(tools: Mapping[str, Tool]) -> None:
    for name, tool in tools.items():
        try:
            tool.warm()
        except Exception:  # nobody waits for this: the first call will say what is wrong
            _log.exception("the tool %s could not be warmed up", name)
