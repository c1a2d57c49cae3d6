"""What the page offers to choose from: patterns and agents, read from small files. No model is loaded for it."""

from __future__ import annotations

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

OWN_LOOP = "Your own loop"
LOOP_SIZES = (2, 3, 4, 5)
_LOOP_THOUGHTS = 3


@dataclass(frozen=True)
class Lineup:
    """A system of the page and the agent in each of its roles: what decides which models run.

    Attributes:
        system: A name that the catalogue knows.
        agents: (role, agent's key) of every role, in the pattern's order.
        links: Which links: "" for those that these agents come with, else the name of some that a visitor trained.
    """

    system: str
    agents: tuple[tuple[str, str], ...]
    links: str = ""


@dataclass(frozen=True)
class Home:
    """Where an agent was made: the folder of its system, and its role there."""

    folder: Path
    role: str


@dataclass(frozen=True)
class Offer:
    """One thing to choose on the page.

    Attributes:
        name: Its key.
        title: The name to show.
        patterns: Its pattern; or several, of which the reader chooses one by its number of agents.
        folder: Where its own agents are; None where every agent is chosen by the reader.
        task: The little world of its own agents.
        thoughts: Thoughts per turn by default.
        trained: Fewest and most thoughts per turn that its agents were taught; None if unknown.
        own: For each role the key of the agent that comes with it; empty where there is none.
        failure: Why it cannot be run, "" if it can.
        source: What `load_system` takes, where that is not its name.
    """

    name: str
    title: str
    patterns: tuple[Pattern, ...] = ()
    folder: Path | None = None
    task: Task | None = None
    thoughts: int = _LOOP_THOUGHTS
    trained: tuple[int, int] | None = None
    own: Mapping[str, str] = field(default_factory=dict)
    failure: str = ""
    source: str = ""

    @property
    def systems(self) -> tuple[str, ...]:
        """The names of the systems it stands for, one for each of its patterns."""
        return (self.name,) if len(self.patterns) == 1 else tuple(pattern.name for pattern in self.patterns)


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
        if offer.folder is not None:
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
        folders = tuple(offer for offer in self.offers if offer.folder is not None or offer.failure)
        rest = tuple(offer for offer in self.offers if offer not in folders)
        return Catalogue((*folders, *offers, *rest), self.agents, self.assets, self.trouble)

    def is_own(self, lineup: Lineup) -> bool:
        """Whether these are the agents that the system comes with."""
        return self.offer(lineup.system).folder is not None and dict(lineup.agents) == self.own(lineup.system)

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
        if offer.folder is not None:
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
        if offer.folder is not None:
            spans.append(offer.trained)
        taught = [span for span in spans if span is not None]
        low, high = max((a for a, _ in taught), default=1), min((b for _, b in taught), default=MAX_LATENT_STEPS)
        wanted = offer.thoughts if wish is None else wish
        return wanted if low > high else min(max(wanted, low), high)

    def _owner(self, system: str) -> tuple[Offer, Pattern]:
        if system not in self._owners:
            raise SystemNotFound(f"system {str(system)[:60]!r}", "is not offered", f"Choose one of {[*self._owners]}.")
        return self._owners[system]


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
