"""Finding what is shipped: embedded systems by name, and the agents in them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from recmas_core.errors import BadInput, SystemNotFound, UnsafeCheckpoint
from recmas_core.folders import load_folder
from recmas_core.hub import HUB, Hub, looks_like_repository
from recmas_core.manifest import FILE, inside, read_manifest
from recmas_core.patterns import PATTERNS
from recmas_core.placement import Placement
from recmas_core.progress import Tell, silent
from recmas_core.system import System

EMBEDDED, RELEASED_PREFIX = "embedded:", "released:"
RELEASED_DTYPE = "bfloat16"  # the precision of the released weights


@dataclass(frozen=True)
class EmbeddedAgent:
    """A shipped agent, as far as its files tell without loading it.

    Attributes:
        key: What `build_system` takes, e.g. "embedded:planner".
        system: The embedded system it was made for.
        role: The role it was taught there.
        title: The role's title.
        family: The transformers model type, e.g. "qwen3".
        width: Hidden size, d.
        parameters: Number of the language model's parameters.
        task: Name of the little world it knows (`tasks.TASKS`), "" for none.
    """

    key: str
    system: str
    role: str
    title: str
    family: str
    width: int
    parameters: int
    task: str


def assets_folder() -> Path:
    """Where the embedded systems are shipped."""
    return Path(__file__).resolve().parent.parent / "assets"


def embedded_systems(assets: Path | None = None) -> tuple[str, ...]:
    """Names of the shipped systems: in the order of the patterns, others after them by name."""
    names = {path.parent.name for path in (assets or assets_folder()).glob(f"*/{FILE}")}
    known = [name for name in PATTERNS if name in names]
    return (*known, *sorted(names - set(known)))


def embedded_agents(assets: Path | None = None) -> tuple[EmbeddedAgent, ...]:
    """Every shipped agent, in the order of the systems and of their roles. No model is loaded.

    The key names the role; where an earlier system has a role of the same name, system and role.

    Raises:
        UnsafeCheckpoint: If a file that describes an agent is damaged.
        SystemNotFound: If an agent's files are not there.
    """
    found: list[EmbeddedAgent] = []
    taken: set[str] = set()
    for system in embedded_systems(assets):
        folder = (assets or assets_folder()) / system
        kept = read_manifest(folder)
        titles = {role.name: role.title for role in kept.pattern.roles}
        for role, member in kept.agents.items():
            key = f"{EMBEDDED}{system}/{role}" if role in taken else f"{EMBEDDED}{role}"
            taken.add(role)
            family, width, parameters = _measure(inside(folder, member.folder), f"agent {key!r}")
            task = kept.task.name if kept.task else ""
            found.append(EmbeddedAgent(key, system, role, titles[role], family, width, parameters, task))
    return tuple(found)


def _measure(folder: Path, where: str) -> tuple[str, int, int]:
    """(family, width, parameters) of a model's folder, from its configuration and its weights' headers."""
    weights = sorted(folder.glob("model*.safetensors"))
    if not weights or not (folder / "config.json").is_file():
        raise SystemNotFound(where, "has no config.json or no weights", "Fetch the embedded systems again.")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        count = 0
        for path in weights:
            with safe_open(path, framework="pt") as stored:
                names = list(stored.keys())
                count += sum(math.prod(stored.get_slice(name).get_shape()) for name in names)
        return str(config["model_type"]), int(config["hidden_size"]), count
    except (SafetensorError, OSError, ValueError, LookupError, TypeError) as error:
        raise UnsafeCheckpoint(where, f"cannot be read ({error})", "Fetch the embedded systems again.") from error


def load_system(
    name: str,
    *,
    device: str = "cpu",
    dtype: str | None = None,
    bits: int | None = None,
    task: str = "math",
    search_key: str | None = None,
    wordings: Path | None = None,
    assets: Path | None = None,
    hub: Hub = HUB,
    tell: Tell = silent,
) -> System:
    """Load a system.

    Args:
        name: An embedded system ("sequential"), the path of a folder written by `System.save`, the name of such a
            folder's repository on the hub ("owner/name"), or a system of the public release
            ("released:sequential_light").
        device: Where to put it, e.g. "cpu", "cuda", "cuda:1"; "auto" spreads each agent over all GPUs.
        dtype: "float32", "bfloat16" or "float16"; by default bfloat16 for the public release, else float32.
        bits: 4 or 8 to quantise weights by bitsandbytes.
        task: "math" or "code": which links to take of a released system that keeps them per task.
        search_key: Key of Tavily's web search, for systems whose agents search: it takes the place of the texts that
            come with the system. Without it the environment variable TAVILY_API_KEY is asked.
        wordings: A file of prompts for the agents of a released system, see `wordings.read_wordings`.
        assets: Where embedded systems are; the shipped ones by default.
        hub: Where repositories come from.
        tell: Told what is fetched or loaded.

    Raises:
        SystemNotFound: If there is no such system.
        FetchFailed: If its files have to come from the hub, and do not.
        UnsafeCheckpoint: If its files are damaged.
        BadInput: If there is no such device, precision or task.
        TooLarge: If it does not fit into memory; asked before its models are fetched.
        BadInput: If wordings are given for a system that has prompts of its own, or are none.
    """
    if name.startswith(RELEASED_PREFIX):
        from recmas_core.released.opening import open_released

        return open_released(
            name, task=task, placement=Placement(device, dtype or RELEASED_DTYPE, bits), search_key=search_key,
            wordings=wordings, hub=hub, tell=tell,
        )  # fmt: skip
    if wordings is not None:
        what = f"were given for {name!r}, whose agents know the prompts in its {FILE}, and were taught with them"
        raise BadInput("wordings", what, "Leave them out; they are for released systems and for agents of your choice.")
    placement = Placement(device, dtype or "float32", bits)
    shipped = embedded_systems(assets)
    folder = (assets or assets_folder()) / name if name in shipped else Path(name)
    if not folder.is_dir() and looks_like_repository(name):
        folder = hub.get(name, tell)
    if not folder.is_dir():
        todo = f"Embedded are {list(shipped)}; or give a folder written by system.save."
        if name in PATTERNS:
            what = "is a pattern that comes without agents of its own"
            todo = f"Choose them: build_system({name!r}, agents={{role: agent}}). {todo}"
            raise SystemNotFound(f"system {name!r}", what, todo)
        raise SystemNotFound(f"system {name!r}", "does not exist", todo)
    return load_folder(folder, name=name, placement=placement, search_key=search_key, tell=tell)
