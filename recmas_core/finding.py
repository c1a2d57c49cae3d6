"""What the name of an agent means: a shipped agent, a folder, a repository of the hub."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from recmas_core.agents import Agent
from recmas_core.errors import SystemNotFound
from recmas_core.homes import Home, ModelHome, Release, SystemHome
from recmas_core.hub import Hub, looks_like_repository
from recmas_core.loading import EMBEDDED, embedded_agents, embedded_systems
from recmas_core.manifest import FILE, read_manifest
from recmas_core.progress import Tell, silent
from recmas_core.released.styles import STYLES


@dataclass(frozen=True)
class Homes:
    """Finds out what agents' names mean.

    Attributes:
        assets: Where embedded systems are.
        hub: Where repositories come from.
        task: Which links to take of the public release.
        tell: Told of the bytes of its outer links.
    """

    assets: Path
    hub: Hub
    task: str
    tell: Tell = silent
    _releases: dict[str, Release] = field(default_factory=dict)

    def find(self, spec: str | Agent) -> Home | None:
        """Where an agent comes from; None for one that is here already.

        Raises:
            SystemNotFound: If there is no such agent.
            BadInput: If it is no name that a repository could have.
        """
        if isinstance(spec, Agent):
            return None
        if spec.startswith(EMBEDDED):
            return self._embedded(spec)
        folder = Path(spec)
        if looks_like_repository(spec) and not folder.exists():
            return self._repository(spec)
        if not folder.is_dir():
            todo = 'Give "embedded:<role>", a folder, or a repository of the hub as "owner/name".'
            raise SystemNotFound(f"agent {spec[:60]!r}", "does not exist", todo)
        return self._folder(folder.resolve())

    def _embedded(self, spec: str) -> Home:
        system, _, role = spec.removeprefix(EMBEDDED).rpartition("/")
        for name in embedded_systems(self.assets):
            kept = read_manifest(self.assets / name)
            if system in ("", name) and role in kept.agents:
                return SystemHome((self.assets / name).resolve(), kept, role)
        keys = [agent.key for agent in embedded_agents(self.assets)]
        raise SystemNotFound(f"agent {spec!r}", "does not exist", f"There are {keys}.")

    def _folder(self, folder: Path) -> Home:
        if (folder.parent / FILE).is_file():
            kept = read_manifest(folder.parent)
            roles = [role for role, member in kept.agents.items() if member.folder == folder.name]
            if roles:
                return SystemHome(folder.parent, kept, roles[0])
        return ModelHome(str(folder), task=self.task)

    def _repository(self, name: str) -> Home:
        for style in STYLES.values():
            for role, repository in style.agents.items():
                if repository == name:
                    if style.name not in self._releases:
                        self._releases[style.name] = Release(style, self.task, self.hub, self.tell)
                    return self._releases[style.name].home(role)
        return ModelHome(name, self.hub, self.task)
