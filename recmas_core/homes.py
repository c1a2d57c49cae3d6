"""Where an agent comes from: a saved system, the public release, or any folder of a language model."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from torch import nn

from recmas_core.agents import Agent
from recmas_core.folders import link_path, load_agent, load_link, load_member
from recmas_core.house import House
from recmas_core.hub import Hub
from recmas_core.links import InnerLink, OuterLink
from recmas_core.manifest import Manifest, inside
from recmas_core.memory import count_parameters
from recmas_core.patterns import get_pattern
from recmas_core.progress import Tell, silent
from recmas_core.released.layouts import (
    ADAPTER_CONFIG,
    ADAPTER_FILE,
    RELEASED,
    released_layout,
)
from recmas_core.released.reading import State, read_inner_link, read_outer_links
from recmas_core.released.styles import ReleasedStyle
from recmas_core.steps import Edge


class Home(Protocol):
    """Where an agent comes from, as far as can be told before it is loaded."""

    @property
    def key(self) -> Hashable:
        """The same for the same agent: it is loaded once, whatever roles it takes."""
        ...

    @property
    def title(self) -> str:
        """A name to show."""
        ...

    @property
    def kept(self) -> Manifest | None:
        """What the saved system it was made for says; None if there is none."""
        ...

    def parameters(self) -> int:
        """Number of its language model's parameters."""
        ...

    def load(self, house: House, tell: Tell) -> Agent:
        """Load it, fetching it first where it is not on this machine."""
        ...

    def link_to(self, receiver: Home | None) -> nn.Module | None:
        """The link that was trained from this agent to another one; None if there is none."""
        ...


@dataclass(frozen=True, eq=False)
class SystemHome:
    """An agent of a system's folder.

    Attributes:
        folder: The system's folder.
        kept: Its system.json.
        role: The agent's role there.
    """

    folder: Path
    kept: Manifest
    role: str

    @property
    def key(self) -> Hashable:
        """Folder and role."""
        return self.folder, self.role

    @property
    def title(self) -> str:
        """The agent's name."""
        return self.kept.agents[self.role].name

    def parameters(self) -> int:
        """By its weights' headers."""
        return count_parameters(inside(self.folder, self.kept.agents[self.role].folder))

    def load(self, house: House, tell: Tell) -> Agent:
        """From its folder."""
        return load_member(self.folder, self.kept.agents[self.role], house)

    def link_to(self, receiver: Home | None) -> nn.Module | None:
        """A link of their common system, if it was trained."""
        if not isinstance(receiver, SystemHome) or receiver.folder != self.folder:
            return None
        if not self.kept.knows(self.role, receiver.role):
            return None
        return load_link(link_path(self.folder, self.role, receiver.role))


class Release:
    """A system of the public release, whose agents and links are fetched as they are needed.

    Args:
        style: Which.
        task: Which links, where they are kept per task.
        hub: Where its repositories are.
        tell: Told of the bytes of the outer links; what it raises stops them.

    Raises:
        BadInput: If there is no such task.
    """

    def __init__(self, style: ReleasedStyle, task: str, hub: Hub, tell: Tell = silent) -> None:
        self.style, self.task, self.hub, self._tell = style, task, hub, tell
        self.pattern = get_pattern(style.pattern)
        self.layout = released_layout(self.pattern)
        self.layout.check_task(task)

    @cached_property
    def outer(self) -> dict[Edge, State]:
        """Tensors of every outer link."""
        return read_outer_links(self.hub.get(self.style.outer, self._tell), self.layout, self.task)

    def home(self, role: str) -> ReleasedHome:
        """Where the agent of a role comes from."""
        return ReleasedHome(self, role)


@dataclass(frozen=True, eq=False)
class ReleasedHome:
    """An agent of the public release."""

    release: Release
    role: str

    @property
    def repository(self) -> str:
        """Its repository on the hub."""
        return self.release.style.agents[self.role]

    @property
    def key(self) -> Hashable:
        """Its repository, and the task of its inner link."""
        return self.repository, self.release.task

    @property
    def title(self) -> str:
        """The repository's name without its owner."""
        return self.repository.rpartition("/")[2]

    @property
    def kept(self) -> Manifest | None:
        """None: the release has no such file."""
        return None

    def parameters(self) -> int:
        """By the headers of its weights here, else as the hub says."""
        return self.release.hub.parameters(self.repository)

    def load(self, house: House, tell: Tell) -> Agent:
        """From its repository, its inner link first: that is small, and soonest wrong."""
        folder = self.release.hub.model(self.repository, tell)
        state = read_inner_link(folder, self.release.layout, self.release.task)
        inner = _filled(InnerLink(_width(state)), state)
        return load_agent(folder, name=self.title, house=house, inner=inner, source=self.repository)

    def link_to(self, receiver: Home | None) -> nn.Module | None:
        """The release's own link."""
        if not isinstance(receiver, ReleasedHome) or receiver.release is not self.release:
            return None
        state = self.release.outer.get((self.role, receiver.role))
        if state is None:
            return None
        return _filled(OuterLink(_width(state), state["residual_proj.weight"].shape[0]), state)


@dataclass(frozen=True, eq=False)
class ModelHome:
    """Any language model: a folder, or a repository of the hub.

    Attributes:
        name: The folder, or "owner/name".
        hub: Where repositories are; None for a folder.
        task: Which inner link to take of an agent that is laid out as in the public release.
    """

    name: str
    hub: Hub | None = None
    task: str = "math"

    @property
    def key(self) -> Hashable:
        """Its name."""
        return self.name

    @property
    def title(self) -> str:
        """The last part of its name."""
        return Path(self.name).name

    @property
    def kept(self) -> Manifest | None:
        """None: it belongs to no system."""
        return None

    def parameters(self) -> int:
        """By the headers of its weights, else as the hub says."""
        return count_parameters(Path(self.name)) if self.hub is None else self.hub.parameters(self.name)

    def load(self, house: House, tell: Tell) -> Agent:
        """With the inner link that stands beside it, if there is one, else a new one."""
        folder = Path(self.name) if self.hub is None else self.hub.model(self.name, tell)
        return load_agent(folder, name=self.title, house=house, inner=self._inner(folder), source=self.name)

    def link_to(self, receiver: Home | None) -> nn.Module | None:
        """None: it was trained with nobody."""
        return None

    def _inner(self, folder: Path) -> nn.Module | None:
        if not (folder / ADAPTER_CONFIG).is_file() or not any(folder.glob("adapter*.pt")):
            return None
        scoped = not (folder / ADAPTER_FILE).is_file()
        layout = next(each for each in RELEASED.values() if bool(each.tasks) is scoped)
        state = read_inner_link(folder, layout, self.task)
        return _filled(InnerLink(_width(state)), state)


def _filled(link: nn.Module, state: State) -> nn.Module:
    link.load_state_dict({key: value.float() for key, value in state.items()})
    return link


def _width(state: State) -> int:
    return int(state["proj1.weight"].shape[1])
