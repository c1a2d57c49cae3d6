"""Putting a system together from agents of one's own choice, whichever systems they were made for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from recmas_core.agents import Agent
from recmas_core.errors import BadInput, SystemNotFound
from recmas_core.folders import link_path, load_agent, load_link, load_member
from recmas_core.links import OuterLink
from recmas_core.loading import EMBEDDED, assets_folder, embedded_agents, embedded_systems
from recmas_core.manifest import FILE, Manifest, open_kept_tools, open_named_tools, read_manifest
from recmas_core.patterns import Pattern, get_pattern
from recmas_core.placement import place
from recmas_core.prompts import Wording, prompt_for
from recmas_core.system import System
from recmas_core.tasks import Task
from recmas_core.wordings import WORDINGS, read_wordings

if TYPE_CHECKING:
    from recmas_core.tools.base import Tool

_THOUGHTS = 8  # per turn, for agents that were taught no number


@dataclass(frozen=True)
class Home:
    """Where an agent was made: a system's folder, what its system.json says, and the role it has there."""

    folder: Path
    kept: Manifest
    role: str


@dataclass(frozen=True)
class Choice:
    """Who takes a role: the agent, and its home if it has one."""

    agent: Agent
    home: Home | None


def build_system(
    pattern: str,
    agents: Mapping[str, str | Agent],
    *,
    device: str = "cpu",
    dtype: str = "float32",
    seed: int = 0,
    tools: Mapping[str, Tool] | None = None,
    search_key: str | None = None,
    wordings: Path | None = None,
    assets: Path | None = None,
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
            "embedded:<system>/<role>"), or the folder of a transformers model. Roles left out take the agents of the
            embedded system of this pattern, if there is one.
        device: Where to put the agents.
        dtype: Their precision.
        seed: Seed of the new links.
        tools: The tools to give it, by name; by default those of the embedded system of this pattern are opened.
        search_key: Key of a web search, as for `load_system`.
        wordings: A file of prompts for agents that understand any role, see `wordings.read_wordings`. Agents that were
            taught their prompts keep them.
        assets: Where embedded systems are.

    Raises:
        SystemNotFound: If the pattern, a role or an agent does not exist, or a role is left without an agent.
        UnsafeCheckpoint: If a file is damaged.
        BadInput: If wordings are given, but none of the agents reads them, or one was taught others; or they are none.
    """
    shape, assets = get_pattern(pattern), assets or assets_folder()
    known = WORDINGS if wordings is None else read_wordings(wordings)
    own = read_manifest(assets / pattern) if pattern in embedded_systems(assets) else None
    specs = _complete(shape, agents, own, assets)
    with torch.random.fork_rng(devices=[]):  # whoever builds a system finds torch's own seed as it was
        torch.manual_seed(seed)  # an agent that comes without an inner link gets a new one
        chosen = _choose(specs, assets, device, dtype)
        torch.manual_seed(seed)
        links, untrained = _links(shape, chosen, device, dtype)
    task, latent_steps, trained_steps = _settings(own, list(chosen.values()))
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
        task=task,
        latent_steps=latent_steps,
        trained_steps=trained_steps,
        untrained=untrained,
        tools=tools,
        folder=assets / pattern if same else None,
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


def _home(spec: str | Agent, assets: Path) -> Home | None:
    if isinstance(spec, Agent):
        return None
    if spec.startswith(EMBEDDED):
        return _embedded_home(spec, assets)
    folder = Path(spec).resolve()
    if not (folder.parent / FILE).is_file():
        return None
    kept = read_manifest(folder.parent)
    roles = [role for role, member in kept.agents.items() if member.folder == folder.name]
    return Home(folder.parent, kept, roles[0]) if roles else None


def _embedded_home(spec: str, assets: Path) -> Home:
    system, _, role = spec.removeprefix(EMBEDDED).rpartition("/")
    for name in embedded_systems(assets):
        kept = read_manifest(assets / name)
        if system in ("", name) and role in kept.agents:
            return Home((assets / name).resolve(), kept, role)
    keys = [agent.key for agent in embedded_agents(assets)]
    raise SystemNotFound(f"agent {spec!r}", "does not exist", f"There are {keys}.")


def _choose(specs: Mapping[str, str | Agent], assets: Path, device: str, dtype: str) -> dict[str, Choice]:
    """Load who was chosen for each role; an agent that takes two roles is loaded once."""
    loaded: dict[str | tuple[Path, str], Agent] = {}
    chosen = {}
    for role, spec in specs.items():
        home = _home(spec, assets)
        if isinstance(spec, Agent):
            chosen[role] = Choice(spec, home)
            continue
        key = (home.folder, home.role) if home else spec
        if key not in loaded and home:
            loaded[key] = load_member(home.folder, home.kept.agents[home.role], device, dtype)
        elif key not in loaded:
            loaded[key] = load_agent(Path(spec), name=Path(spec).name, device=device, dtype=dtype)
        chosen[role] = Choice(loaded[key], home)
    return chosen


def _links(
    shape: Pattern, chosen: Mapping[str, Choice], device: str, dtype: str
) -> tuple[dict[tuple[str, str], nn.Module], frozenset[tuple[str, str]]]:
    """The link of every edge, and the edges whose links are new."""
    # New ones are drawn for all edges and first: what one is does not depend on which others are taken over.
    widths = {role: choice.agent.hidden_size for role, choice in chosen.items()}
    links: dict[tuple[str, str], nn.Module] = {
        edge.key: OuterLink(widths[edge.sender], widths[edge.receiver]) for edge in shape.edges
    }
    untrained = set()
    for sender, receiver in links:
        path = _trained_link(chosen[sender].home, chosen[receiver].home)
        if path is None:
            untrained.add((sender, receiver))
        else:
            links[sender, receiver] = load_link(path)
    for link in links.values():
        place(link.requires_grad_(False).eval(), device, dtype)
    return links, frozenset(untrained)


def _trained_link(sender: Home | None, receiver: Home | None) -> Path | None:
    """The link that was trained from one agent to the other, if there is one."""
    if sender is None or receiver is None or sender.folder != receiver.folder:
        return None
    if not sender.kept.knows(sender.role, receiver.role):
        return None
    return link_path(sender.folder, sender.role, receiver.role)


def _settings(own: Manifest | None, chosen: Sequence[Choice]) -> tuple[Task | None, int, tuple[int, int] | None]:
    """(task, thoughts per turn, thoughts per turn that all of the agents were trained with)."""
    homes = [choice.home for choice in chosen if choice.home is not None]
    worlds = Counter(home.kept.task.name for home in homes if home.kept.task)
    if not worlds:
        return None, _THOUGHTS, None
    most = worlds.most_common(1)[0][0]  # of equals the one that was met first
    guide = own or next(home.kept for home in homes if home.kept.task and home.kept.task.name == most)
    spans = [choice.home.kept.trained_steps if choice.home else None for choice in chosen]
    known = [span for span in spans if span is not None]
    low, high = max((span[0] for span in known), default=1), min((span[1] for span in known), default=1)
    if len(known) < len(spans) or low > high:
        return guide.task, guide.latent_steps, None
    return guide.task, min(max(guide.latent_steps, low), high), (low, high)


def _is_own(home: Home | None, role: str, folder: Path) -> bool:
    return home is not None and home.role == role and home.folder == folder.resolve()
