"""Opening a released system: its repositories, fetched or here already, put together as a system."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from recmas_core.agents import Agent
from recmas_core.casting import join, load_cast, plan_house
from recmas_core.homes import Release
from recmas_core.hub import HUB, Hub
from recmas_core.manifest import KEY_VARIABLE, open_named_tools
from recmas_core.placement import Placement
from recmas_core.progress import Tell, silent
from recmas_core.prompts import Wording, prompt_for
from recmas_core.released.styles import DECODING, PREFIX, ReleasedStyle, released_style
from recmas_core.system import System
from recmas_core.wordings import WORDINGS, read_wordings

if TYPE_CHECKING:
    from recmas_core.tools.base import Tool

_RELEASED = Placement(dtype="bfloat16")


def open_released(
    name: str,
    *,
    task: str = "math",
    placement: Placement = _RELEASED,
    tools: Mapping[str, Tool] | None = None,
    search_key: str | None = None,
    wordings: Path | None = None,
    hub: Hub = HUB,
    tell: Tell = silent,
) -> System:
    """A system of the public release, its agents opened one after the other.

    The words of the prompts are this project's own: released links may be sensitive to how they were worded. A file of
    wordings puts others in their place: those of "general", or of a wording with the system's own name.

    Args:
        name: "released:sequential_light" and so on, see `STYLES`.
        task: "math" or "code": which links to take where they are kept per task, and how many thoughts.
        placement: Where to put it, in what precision.
        tools: The tools its roles may call; by default those that its pattern names are opened.
        search_key: Key of a web search, as for `load_system`.
        wordings: A file of prompts, see `wordings.read_wordings`.
        hub: Where its repositories come from.
        tell: Told what is fetched or loaded.

    Raises:
        SystemNotFound: If there is no such system, or a file is missing.
        FetchFailed: If a repository cannot be fetched.
        UnsafeCheckpoint: If a file is damaged, or more than tensors.
        DimensionMismatch: If a link does not fit its agents.
        BadInput: If there is no such task or device, or a wording is none.
        TooLarge: If its agents do not fit into memory; asked before they are fetched.
    """
    style = released_style(name)
    own = _wordings(f"{PREFIX}{style.name}", wordings)
    release = Release(style, task, hub, tell)
    homes = {role: release.home(role) for role in style.agents}
    house = plan_house(list(homes.values()), placement)
    release.outer  # noqa: B018 (read now: small, and soonest wrong)
    chosen = load_cast({role: (home.repository, home) for role, home in homes.items()}, house, tell)
    links, untrained = join(release.pattern, chosen, house)
    agents = {role: choice.agent for role, choice in chosen.items()}
    if tools is None:
        needed = dict.fromkeys(tool for role in release.pattern.roles for tool in role.tools)
        key = search_key or os.environ.get(KEY_VARIABLE)
        # the release searches the web: without a key there is no search, and a call of it is answered so
        tools = open_named_tools(tuple(needed), None, key)
    return System(
        f"{PREFIX}{style.name}",
        release.pattern,
        agents,
        links,
        {role: prompt_for(role, agents, release.pattern, own) for role in agents},
        title=style.title.replace("-", " "),
        latent_steps=style.thoughts.get(task, min(style.thoughts.values())),
        untrained=untrained,
        tools=tools,
        decoding=DECODING,
        house=house,
        about=_about(style, task),
    )


def _about(style: ReleasedStyle, task: str) -> str:
    links = f"{style.outer} and in each agent's own repository"
    return (
        f"The links are the authors' own, for {task}: they stand in {links}. The prompts' words are this project's; "
        "released links may be sensitive to wording, so answers may differ from those of the authors' own code."
    )


def _wordings(system: str, path: Path | None) -> Mapping[str, Wording]:
    """The wordings a released system's agents read: where one bears the system's name, it is what they know."""
    found = WORDINGS if path is None else read_wordings(path)
    for name in found:
        if name.startswith(PREFIX):
            released_style(name)  # a name that is misspelt would never be read
    return {**found, Agent.WORDING: found.get(system, found[Agent.WORDING])}
