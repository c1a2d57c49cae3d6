"""What there is to choose on the page, as data: an offer, what was asked to be opened, the agents of a line-up."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from recmas_core.patterns import Pattern, get_pattern
from recmas_core.released.styles import released_style
from recmas_core.tasks import Task

OWN_THOUGHTS = 8
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
class Wanted:
    """A system to open: one of the public release, or a pattern with agents of one's own choice.

    Attributes:
        system: "released:sequential_light" and so on, or a pattern's name.
        agents: (role, a hub's repository or a folder) of every role, for a pattern.
        task: Which links to take of released agents: "math" or "code".
        device, dtype, bits: As `load_system` takes them.
    """

    system: str
    agents: tuple[tuple[str, str], ...] = ()
    task: str = "math"
    device: str = "cpu"
    dtype: str = "bfloat16"
    bits: int | None = None

    @property
    def released(self) -> bool:
        """Whether it is a system of the public release."""
        return not self.agents

    def offer(self) -> Offer:
        """What the page offers once it is open.

        Raises:
            SystemNotFound: If the release has no such system, or there is no such pattern.
        """
        if self.released:
            style = released_style(self.system)
            pattern, thoughts = get_pattern(style.pattern), style.thoughts.get(self.task, 16)
            title = f"{style.title.replace('-', ' ')} (released)"  # two bear the names of embedded systems
            own: Mapping[str, str] = style.agents
        else:
            pattern, own, thoughts = get_pattern(self.system), dict(self.agents), OWN_THOUGHTS
            title = f"{pattern.title}: own agents"
        name = f"{self.system}@{zlib.crc32(repr(self).encode()):08x}"
        title += f", {self.task}" if self.task != "math" else ""
        return Offer(name, title, (pattern,), thoughts=thoughts, own=own, wanted=self, linked=self.released)


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
        wanted: What was opened on the page, or by the server's operator; None for what is shipped or lies in a folder.
        linked: Whether its own agents come with links that were trained for them.
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
    wanted: Wanted | None = None
    linked: bool = True

    @property
    def cast(self) -> bool:
        """Whether it comes with agents of its own."""
        return bool(self.own)

    @property
    def systems(self) -> tuple[str, ...]:
        """The names of the systems it stands for, one for each of its patterns."""
        return (self.name,) if len(self.patterns) == 1 else tuple(pattern.name for pattern in self.patterns)
