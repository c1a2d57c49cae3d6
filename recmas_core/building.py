"""Putting a system together from agents of one's own choice, whichever systems they were made for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from recmas_core.agents import Agent
from recmas_core.casting import Choice, join, load_cast, plan_house
from recmas_core.errors import BadInput, SystemNotFound
from recmas_core.finding import Homes
from recmas_core.homes import Home, SystemHome
from recmas_core.hub import HUB, Hub
from recmas_core.loading import EMBEDDED, assets_folder, embedded_agents, embedded_systems
from recmas_core.manifest import Manifest, open_kept_tools, open_named_tools, read_manifest
from recmas_core.patterns import Pattern, get_pattern
from recmas_core.placement import Placement
from recmas_core.progress import Tell, silent
from recmas_core.prompts import Wording, prompt_for
from recmas_core.system import System
from recmas_core.tasks import Task
from recmas_core.wordings import WORDINGS, read_wordings

if TYPE_CHECKING:
    from recmas_core.tools.base import Tool

_THOUGHTS = 8  # per turn, for agents that were taught no number


def build_system(
    pattern: str,
    agents: Mapping[str, str | Agent],
    *,
    device: str = "cpu",
    dtype: str = "float32",
    bits: int | None = None,
    task: str = "math",
    seed: int = 0,
    tools: Mapping[str, Tool] | None = None,
    search_key: str | None = None,
    wordings: Path | None = None,
    assets: Path | None = None,
    hub: Hub = HUB,
    tell: Tell = silent,
) -> System:
    """Put a system together from agents of your choice.

    A link that was trained for exactly the two agents an edge joins, in that direction, is taken over from their
    common system. Every other link is new, and its edge is listed in `System.untrained`. Each agent is addressed in
    words it knows (`prompts.prompt_for`).

    The system's task is that of the embedded system of this pattern, or, where there is none, the task that most of
    the agents know; None if they know none.

    Args:
        pattern: Name of the pattern.
        agents: For each role an Agent, the key of an embedded agent ("embedded:<role>", or
            "embedded:<system>/<role>"), the folder of a transformers model, or the name of one's repository on the hub
            ("Qwen/Qwen3-0.6B"). Roles left out take the agents of the embedded system of this pattern, if there is one.
        device: Where to put the agents, e.g. "cpu", "cuda", "cuda:1"; "auto" spreads each over all GPUs.
        dtype: Their precision: "float32", "bfloat16" or "float16".
        bits: 4 or 8 to quantise weights by bitsandbytes.
        task: "math" or "code": which links to take of agents of the public release.
        seed: Seed of the new links.
        tools: The tools to give it, by name; by default those of the embedded system of this pattern are opened.
        search_key: Key of a web search, as for `load_system`.
        wordings: A file of prompts for agents that understand any role, see `wordings.read_wordings`. Agents that were
            taught their prompts keep them.
        assets: Where embedded systems are.
        hub: Where repositories come from.
        tell: Told which agent is fetched or loaded.

    Raises:
        SystemNotFound: If the pattern, a role or an agent does not exist, or a role is left without an agent.
        FetchFailed: If an agent has to come from the hub, and does not.
        UnsafeCheckpoint: If a file is damaged.
        BadInput: If a model cannot be an agent, or there is no such device or precision.
        TooLarge: If the agents do not fit into memory; asked before anything is fetched.
        BadInput: If wordings are given, but none of the agents reads them, or one was taught others; or they are none.
    """
    shape, assets = get_pattern(pattern), assets or assets_folder()
    known = WORDINGS if wordings is None else read_wordings(wordings)
    own = read_manifest(assets / pattern) if pattern in embedded_systems(assets) else None
    homes = Homes(assets, hub, task, tell)
    whole = _complete(shape, agents, own, assets)
    cast = {role: (spec, homes.find(spec)) for role, spec in whole.items()}
    house = plan_house([home for _, home in cast.values() if home is not None], Placement(device, dtype, bits))
    with torch.random.fork_rng(devices=[]):  # whoever builds a system finds torch's own seed as it was
        torch.manual_seed(seed)  # an agent that comes without an inner link gets a new one
        chosen = load_cast(cast, house, tell)
        torch.manual_seed(seed)
        links, untrained = join(shape, chosen, house)
    world, latent_steps, trained_steps = _settings(own, list(chosen.values()))
    if tools is None:
        needed = tuple(dict.fromkeys(tool for role in shape.roles for tool in role.tools))
        tools = (
            open_kept_tools(assets / pattern, own, search_key) if own else open_named_tools(needed, None, search_key)
        )
    members = {role: choice.agent for role, choice in chosen.items()}
    if wordings is not None:
        _check_wordings(members, known)
    same = all(_is_own(choice.home, role, assets / pattern) for role, choice in chosen.items())
    return System(
        pattern if same else f"{pattern} (own choice)",
        shape,
        members,
        links,
        {role: prompt_for(role, members, shape, known) for role in members},
        title=shape.title,
        task=world,
        latent_steps=latent_steps,
        trained_steps=trained_steps,
        untrained=untrained,
        tools=tools,
        folder=assets / pattern if same else None,
        house=house,
    )


def _check_wordings(members: Mapping[str, Agent], wordings: Mapping[str, Wording]) -> None:
    """Refuse wordings that would change what an agent was taught with, or that nobody reads."""
    taught = {agent.wording for agent in members.values() if agent.wording in WORDINGS} - {
        name for name, wording in WORDINGS.items() if wording.any_role
    }
    for name in sorted(taught):
        if wordings[name] != WORDINGS[name]:
            what = f"change {name!r}, the prompts with which some of these agents were taught"
            raise BadInput("wordings", what, f"Leave {name!r} out of the file.")
    if taught.issuperset(agent.wording for agent in members.values()):
        what = "were given, but all of these agents keep the prompts with which they were taught"
        raise BadInput("wordings", what, "Leave them out, or choose agents that follow instructions.")


def _complete(
    shape: Pattern, agents: Mapping[str, str | Agent], own: Manifest | None, assets: Path
) -> dict[str, str | Agent]:
    """What each role was given, or its own embedded agent."""
    roles = [role.name for role in shape.roles]
    unknown = sorted(set(agents) - set(roles))
    if unknown:
        raise SystemNotFound(f"roles {unknown}", f"are not in {shape.name!r}", f"Its roles are {roles}.")
    own_keys = {role: f"{EMBEDDED}{shape.name}/{role}" for role in own.agents} if own else {}
    missing = [role for role in roles if role not in agents and role not in own_keys]
    if missing:
        keys = [agent.key for agent in embedded_agents(assets)]
        todo = f"Give each a folder of a transformers model, or one of {keys}."
        raise SystemNotFound(f"roles {missing} of {shape.name!r}", "have no agent", todo)
    return {role: agents[role] if role in agents else own_keys[role] for role in roles}


def _settings(own: Manifest | None, chosen: Sequence[Choice]) -> tuple[Task | None, int, tuple[int, int] | None]:
    """(task, thoughts per turn, thoughts per turn that all of the agents were trained with)."""
    kept = [choice.home.kept if choice.home else None for choice in chosen]
    worlds = Counter(each.task.name for each in kept if each and each.task)
    if not worlds:
        return None, _THOUGHTS, None
    most = worlds.most_common(1)[0][0]  # of equals the one that was met first
    guide = own or next(each for each in kept if each and each.task and each.task.name == most)
    spans = [each.trained_steps if each else None for each in kept]
    known = [span for span in spans if span is not None]
    low, high = max((span[0] for span in known), default=1), min((span[1] for span in known), default=1)
    if len(known) < len(spans) or low > high:
        return guide.task, guide.latent_steps, None
    return guide.task, min(max(guide.latent_steps, low), high), (low, high)


def _is_own(home: Home | None, role: str, folder: Path) -> bool:
    return isinstance(home, SystemHome) and home.role == role and home.folder == folder.resolve()
