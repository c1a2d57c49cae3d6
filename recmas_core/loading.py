"""Finding and building systems by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from recmas_core.agents import Agent
from recmas_core.errors import SystemNotFound
from recmas_core.folders import link_path, load_agent, load_folder, load_link, read_manifest
from recmas_core.links import OuterLink
from recmas_core.patterns import get_pattern
from recmas_core.placement import place
from recmas_core.prompts import WORDINGS
from recmas_core.system import System
from recmas_core.tasks import TASKS

EMBEDDED = "embedded:"


def assets_folder() -> Path:
    """Where the embedded systems are shipped."""
    return Path(__file__).resolve().parent.parent / "assets"


def embedded_systems(assets: Path | None = None) -> tuple[str, ...]:
    """Names of the shipped systems."""
    return tuple(sorted(path.parent.name for path in (assets or assets_folder()).glob("*/system.json")))


def embedded_agents(pattern: str, assets: Path | None = None) -> tuple[str, ...]:
    """The shipped agents that can take a role of a pattern, as `build_system` takes them."""
    manifest = read_manifest((assets or assets_folder()) / pattern)
    return tuple(f"{EMBEDDED}{role}" for role in manifest["agents"])


def load_system(
    name: str, *, device: str = "cpu", dtype: str = "float32", assets: Path | None = None
) -> System:
    """Load a system.

    Args:
        name: An embedded system ("sequential"), or the path of a folder written by `System.save`.
        device: Where to put it, e.g. "cpu", "cuda", "cuda:1".
        dtype: "float32", "bfloat16" or "float16".
        assets: Where embedded systems are; the shipped ones by default.

    Raises:
        SystemNotFound: If there is no such system.
        UnsafeCheckpoint: If its files are damaged.
    """
    folder = (assets or assets_folder()) / name
    if name not in embedded_systems(assets):
        folder = Path(name)
    if not folder.is_dir():
        todo = f"Embedded are {list(embedded_systems(assets))}; or give a folder written by system.save."
        raise SystemNotFound(f"system {name!r}", "does not exist", todo)
    return load_folder(folder, name=name, device=device, dtype=dtype)


def build_system(
    pattern: str,
    agents: Mapping[str, str | Agent],
    *,
    device: str = "cpu",
    dtype: str = "float32",
    seed: int = 0,
    assets: Path | None = None,
) -> System:
    """Put a system together from agents of your choice.

    A link that was trained for exactly the two agents an edge joins is used; every other link is new, and its edge is
    listed in `System.untrained`.

    Args:
        pattern: Name of the pattern.
        agents: For each role an Agent, "embedded:<role>" (the embedded agent made for that role of this pattern), or
            the folder of a transformers model. Roles left out take their own embedded agent.
        device: Where to put the agents.
        dtype: Their precision.
        seed: Seed of the new links.
        assets: Where embedded systems are.

    Raises:
        SystemNotFound: If the pattern, a role or an agent does not exist.
    """
    shape = get_pattern(pattern)
    roles = [role.name for role in shape.roles]
    unknown = sorted(set(agents) - set(roles))
    if unknown:
        raise SystemNotFound(f"roles {unknown}", f"are not in {pattern!r}", f"Its roles are {roles}.")
    home = (assets or assets_folder()) / pattern
    wanted = {role: agents.get(role, f"{EMBEDDED}{role}") for role in roles}
    made = {role: _agent(wanted[role], home, device, dtype) for role in roles}
    links, untrained = {}, set()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for edge in shape.edges:
            ends = [wanted[end] == f"{EMBEDDED}{end}" for end in edge.key]
            sender, receiver = (made[end] for end in edge.key)
            new = OuterLink(sender.hidden_size, receiver.hidden_size)
            if all(ends):
                links[edge.key] = place(load_link(link_path(home, *edge.key)), device, dtype)
            else:
                links[edge.key] = place(new.requires_grad_(False).eval(), device, dtype)
                untrained.add(edge.key)
    own = all(isinstance(agent, str) and agent.startswith(EMBEDDED) for agent in wanted.values())
    manifest = read_manifest(home) if own else None
    return System(
        pattern if not untrained else f"{pattern} (own choice)",
        shape,
        made,
        links,
        {role: WORDINGS[agent.wording].prompt(role) for role, agent in made.items()},
        title=shape.title,
        task=TASKS[manifest["task"]] if manifest else None,
        latent_steps=manifest["latent_steps"] if manifest else 8,
        trained_steps=tuple(manifest["trained_steps"]) if manifest and manifest["trained_steps"] else None,
        untrained=frozenset(untrained),
        folder=home if not untrained else None,
    )


def _agent(spec: str | Agent, home: Path, device: str, dtype: str) -> Agent:
    if isinstance(spec, Agent):
        return spec
    if not spec.startswith(EMBEDDED):
        return load_agent(Path(spec), name=Path(spec).name, device=device, dtype=dtype)
    role = spec.removeprefix(EMBEDDED)
    entries = read_manifest(home)["agents"]
    if role not in entries:
        raise SystemNotFound(f"agent {spec!r}", "does not exist", f"There are {sorted(entries)}.")
    entry = entries[role]
    return load_agent(
        home / entry["folder"], name=entry["name"], wording=entry["wording"], device=device, dtype=dtype
    )
