"""What the page offers to choose from: patterns and agents, read from small files. No model is loaded for it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from recmas_core.errors import RecmasError, SystemNotFound
from recmas_core.loading import EmbeddedAgent, assets_folder, embedded_agents, embedded_systems
from recmas_core.manifest import read_manifest
from recmas_core.patterns import Pattern, loop_pattern
from recmas_core.records import MAX_LATENT_STEPS
from recmas_core.tasks import TASKS, Task
from visualizers.panels.offers import Home, Lineup, Offer

OWN_LOOP = "Your own loop"
LOOP_SIZES = (2, 3, 4, 5)


@dataclass(frozen=True)
class Catalogue:
    """All offers and all agents.

    Attributes:
        offers: In the order to show; the first that can be run is shown first.
        agents: Every shipped agent.
        assets: Where the shipped systems are.
        trouble: Why no agents of other systems can be chosen, "" if they can.
    """

    offers: tuple[Offer, ...]
    agents: tuple[EmbeddedAgent, ...]
    assets: Path
    trouble: str = ""
    _owners: Mapping[str, tuple[Offer, Pattern]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Note which offer every system's name belongs to."""
        named = {
            system: (offer, pattern)
            for offer in self.offers
            if not offer.failure
            for system, pattern in zip(offer.systems, offer.patterns, strict=True)
        }
        object.__setattr__(self, "_owners", named)

    @property
    def systems(self) -> tuple[str, ...]:
        """The names of all systems that can be run."""
        return tuple(self._owners)

    def offer(self, system: str) -> Offer:
        """The offer a system belongs to.

        Raises:
            SystemNotFound: If the page offers no such system.
        """
        return self._owner(system)[0]

    def pattern(self, system: str) -> Pattern:
        """The pattern of a system.

        Raises:
            SystemNotFound: If the page offers no such system.
        """
        return self._owner(system)[1]

    def own(self, system: str) -> dict[str, str]:
        """For each role the agent that takes it unless another is chosen.

        Roles of a loop take the shipped agents one after the other.
        """
        offer, pattern = self._owner(system)
        roles = [role.name for role in pattern.roles]
        if offer.cast:
            return {role: offer.own[role] for role in roles}
        return {role: self.agents[i % len(self.agents)].key for i, role in enumerate(roles)}

    def lineup(self, system: str, agents: Mapping[str, str] | None = None) -> Lineup:
        """A system with these agents; roles left out take their own.

        Raises:
            SystemNotFound: If the page offers no such system, role or agent.
        """
        own = self.own(system)
        unknown = sorted(set(agents or {}) - set(own))
        if unknown:
            raise SystemNotFound(f"roles {unknown}", f"are not in {system!r}", f"Its roles are {list(own)}.")
        chosen = own | dict(agents or {})
        known = {agent.key for agent in self.agents}
        for role, key in chosen.items():
            if key not in known and key != own[role]:
                raise SystemNotFound(f"agent {str(key)[:60]!r}", "is not offered", f"Choose one of {sorted(known)}.")
        return Lineup(system, tuple(chosen.items()))

    def with_offers(self, offers: Sequence[Offer]) -> Catalogue:
        """This catalogue with further systems, before the loops of one's own."""
        named = {offer.name for offer in offers}
        folders = tuple(each for each in self.offers if (each.cast or each.failure) and each.name not in named)
        rest = tuple(each for each in self.offers if not (each.cast or each.failure))
        return Catalogue((*folders, *offers, *rest), self.agents, self.assets, self.trouble)

    def without(self, name: str) -> Catalogue:
        """This catalogue without an offer."""
        left = tuple(offer for offer in self.offers if offer.name != name)
        return Catalogue(left, self.agents, self.assets, self.trouble)

    def is_own(self, lineup: Lineup) -> bool:
        """Whether these are the agents that the system comes with."""
        return self.offer(lineup.system).cast and dict(lineup.agents) == self.own(lineup.system)

    def home(self, lineup: Lineup, role: str) -> Home | None:
        """Where the agent of a role was made."""
        key = dict(lineup.agents)[role]
        agent = next((agent for agent in self.agents if agent.key == key), None)
        if agent is not None:
            return Home(self.assets / agent.system, agent.role)
        folder = self.offer(lineup.system).folder
        return None if folder is None else Home(folder, role)

    def task(self, lineup: Lineup) -> Task | None:
        """The little world of a system; for a loop the one that most of its agents know, the first of equals."""
        offer = self.offer(lineup.system)
        if offer.cast:
            return offer.task
        worlds = {agent.key: agent.task for agent in self.agents}
        known = Counter(worlds[key] for _, key in lineup.agents if worlds.get(key))
        return TASKS[known.most_common(1)[0][0]] if known else None

    def thoughts(self, lineup: Lineup, *, wish: float | None = None) -> float:
        """Thoughts per turn for a system: the wish, or the default, moved to what all of its agents were taught.

        It stays as it is where there is no such number.
        """
        offer = self.offer(lineup.system)
        homes = [agent.system for _, key in lineup.agents for agent in self.agents if agent.key == key]
        spans = [self._owners[home][0].trained for home in homes if home in self._owners]
        if offer.cast:
            spans.append(offer.trained)
        taught = [span for span in spans if span is not None]
        low, high = max((a for a, _ in taught), default=1), min((b for _, b in taught), default=MAX_LATENT_STEPS)
        wanted = offer.thoughts if wish is None else wish
        return wanted if low > high else min(max(wanted, low), high)

    def _owner(self, system: str) -> tuple[Offer, Pattern]:
        if system not in self._owners:
            raise SystemNotFound(f"system {str(system)[:60]!r}", "is not offered", f"Choose one of {[*self._owners]}.")
        return self._owners[system]


class Board:
    """What everybody is offered: systems that somebody opens join it.

    Args:
        catalogue: What is there at first.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue, self._lock = catalogue, threading.Lock()

    @property
    def catalogue(self) -> Catalogue:
        """What is offered now."""
        return self._catalogue

    def add(self, offer: Offer) -> None:
        """Offer one thing more; nothing happens if it is there already."""
        with self._lock:
            self._catalogue = self._catalogue.with_offers([offer])

    def remove(self, name: str) -> None:
        """Take an offer back."""
        with self._lock:
            self._catalogue = self._catalogue.without(name)


def read_catalogue(first: str | None = None, *, assets: Path | None = None) -> Catalogue:
    """Everything that is shipped, and loops.

    Args:
        first: The system to show first: a shipped one's name, or a folder written by `System.save`.
        assets: Where the shipped systems are.

    Raises:
        SystemNotFound, UnsafeCheckpoint: If `first` is no system; a damaged one among the others is offered with its
            failure instead.
    """
    assets = assets or assets_folder()
    agents, trouble = _agents(assets)
    offers = {name: _shipped(name, assets / name, agents) for name in embedded_systems(assets)}
    if first is not None and first not in offers:
        offers[first] = folder_offer(first, Path(first))
    order = sorted(offers.values(), key=lambda offer: (bool(offer.failure), offer.name != first))
    loops = tuple(loop_pattern(size) for size in LOOP_SIZES)
    own = (Offer("loop", OWN_LOOP, loops),) if agents else ()
    return Catalogue((*order, *own), agents, assets, trouble)


def _agents(assets: Path) -> tuple[tuple[EmbeddedAgent, ...], str]:
    try:
        return embedded_agents(assets), ""
    except RecmasError as error:  # said on the page: each system goes on with the agents it comes with
        return (), str(error)


def _shipped(name: str, folder: Path, agents: Sequence[EmbeddedAgent]) -> Offer:
    try:
        return _offer(name, folder, [agent for agent in agents if agent.system == name])
    except RecmasError as error:  # shown on its card; the others go on
        return Offer(name, name.title(), failure=str(error))


def folder_offer(name: str, folder: Path) -> Offer:
    """The offer of a system's folder that is not shipped; SystemNotFound or UnsafeCheckpoint if it is none."""
    return _offer(name, folder, ())


def _offer(name: str, folder: Path, agents: Sequence[EmbeddedAgent]) -> Offer:
    """A folder's offer; its agents are known by their keys if they are shipped, else by their folders."""
    kept = read_manifest(folder)
    keys = {agent.role: agent.key for agent in agents}
    own = {role: keys.get(role, str(folder / member.folder)) for role, member in kept.agents.items()}
    return Offer(name, kept.title, (kept.pattern,), folder, kept.task, kept.latent_steps, kept.trained_steps, own)
