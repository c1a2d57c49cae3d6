"""The systems the page can run, shared by all visitors: loaded once, in the background, with their maps."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from visualizers.panels.atlas import Atlas
from visualizers.panels.notes import Notes
from visualizers.projection import Projector, load_maps

if TYPE_CHECKING:
    from recmas_core.system import System

Agents = tuple[tuple[str, str], ...]
_OWN_CHOICES = 8  # systems of visitors' own choice kept at once; each is a few MB


@dataclass(frozen=True, eq=False)
class Entry:
    """A system that is ready to run, with the readings and maps of its agents."""

    system: System
    notes: Notes
    atlas: Atlas


class Shelf:
    """The page's system, and variants of it with other agents in the roles.

    Args:
        name: The system to load, as `recmas_core.load_system` takes it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._main: Future[Entry] = Future()
        self._own: OrderedDict[Agents, Entry] = OrderedDict()
        self._lock, self._begun = threading.Lock(), False

    def load(self) -> None:
        """Load the system in a background thread; returns at once, further calls do nothing."""
        with self._lock:
            if self._begun:
                return
            self._begun = True
        threading.Thread(target=self._load, name="load system", daemon=True).start()

    def entry(self, agents: Agents = ()) -> Entry:
        """The system with these agents; waits for loading. Roles left out take their own agents.

        Raises:
            RecmasError: If the system or an agent cannot be loaded.
        """
        self.load()
        main = self._main.result()
        changed = tuple(sorted((role, agent) for role, agent in agents if agent != f"embedded:{role}"))
        if not changed:
            return main
        with self._lock:  # also keeps two visitors from building the same one twice
            if changed not in self._own:
                self._own[changed] = self._build(main, dict(changed))
                while len(self._own) > _OWN_CHOICES:
                    self._own.popitem(last=False)
            self._own.move_to_end(changed)
            return self._own[changed]

    def agents(self) -> tuple[tuple[str, str], ...]:
        """(what to show, value) of every agent that can be chosen for a role."""
        from recmas_core.loading import EMBEDDED

        main = self.entry().system
        return tuple(
            (f"{main.pattern.roles[i].title}'s own · {agent.name}", f"{EMBEDDED}{role}")
            for i, (role, agent) in enumerate(main.agents.items())
        )

    @property
    def projector_status(self) -> str:
        """What places the points on the maps: see `Projector.status`; "loading" before the maps are read."""
        if not self._main.done() or self._main.exception() is not None:
            return "loading"
        return self._main.result().atlas.projector.status

    @property
    def failed(self) -> bool:
        """Whether the system could not be loaded."""
        return self._main.done() and self._main.exception() is not None

    def warm_up(self) -> None:
        """Let umap-learn get ready in the background, once the system is there."""
        self.entry().atlas.projector.warm_up()

    def _load(self) -> None:
        try:
            # Figures and umap both import narwhals when first used; two threads doing so at once deadlock in Python's
            # import locks. So it is imported here, before anyone gets the system and with it something to draw.
            import plotly.graph_objects  # noqa: F401

            import recmas_core as rm

            system = rm.load_system(self.name)
            maps = {} if system.folder is None else load_maps(system.folder / "maps")
            atlas = Atlas(Projector(maps), {role: role for role in system.roles})
            self._main.set_result(Entry(system, Notes(system), atlas))
        except BaseException as error:  # handed to whoever asks for the system
            self._main.set_exception(error)

    def _build(self, main: Entry, agents: Mapping[str, str]) -> Entry:
        import recmas_core as rm
        from recmas_core.loading import EMBEDDED

        system = rm.build_system(main.system.pattern.name, agents)
        home = {role: agents.get(role, role).removeprefix(EMBEDDED) for role in system.roles}
        return Entry(system, Notes(system), Atlas(main.atlas.projector, home))
