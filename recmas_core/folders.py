"""System folders: ordinary model folders, links as safetensors, and a system.json that ties them together.

    my-system/
      system.json                 pattern, task, default thoughts, which folder holds which role's agent, prompts
      <agent>/                    config.json, model.safetensors, tokenizer files, inner.safetensors
      links/<sender>-<receiver>.safetensors
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from recmas_core.agents import Agent
from recmas_core.errors import DimensionMismatch, RecmasError, SystemNotFound, UnsafeCheckpoint
from recmas_core.links import InnerLink, LinkVariant, OuterLink
from recmas_core.patterns import get_pattern
from recmas_core.placement import place, precision
from recmas_core.prompts import RolePrompt
from recmas_core.storage import write_whole
from recmas_core.system import System
from recmas_core.tasks import TASKS

FORMAT = "recmas-system-1"


def save_system(system: System, folder: Path) -> None:
    """Write a whole system; system.json comes last, so a folder that has one is complete."""
    folders = {}
    for role, agent in system.agents.items():
        folders[role] = {"folder": role, "wording": agent.wording, "name": agent.name}
        save_agent(agent, folder / role)
    alone = None
    if system.alone is not None:
        alone = {"folder": "alone", "wording": system.alone.wording, "name": system.alone.name}
        save_agent(system.alone, folder / "alone")
    for (sender, receiver), link in system.links.items():
        save_link(link, folder / "links" / f"{sender}-{receiver}.safetensors")
    manifest = {
        "format": FORMAT,
        "title": system.title,
        "pattern": system.pattern.name,
        "task": system.task.name if system.task else None,
        "latent_steps": system.latent_steps,
        "trained_steps": list(system.trained_steps) if system.trained_steps else None,
        "agents": folders,
        "alone": alone,
        "untrained": [list(edge) for edge in sorted(system.untrained)],
        "prompts": {role: asdict(prompt) for role, prompt in system.prompts.items()},
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    write_whole(folder / "system.json", lambda file: file.write(text.encode()))


def load_folder(folder: Path, *, name: str, device: str = "cpu", dtype: str = "float32") -> System:
    """Read a system folder.

    Raises:
        SystemNotFound: If the folder is no complete system.
        UnsafeCheckpoint: If a file in it is damaged.
    """
    manifest = read_manifest(folder)
    try:
        return _assemble(folder, manifest, name, device, dtype)
    except (KeyError, TypeError, AttributeError) as error:
        if isinstance(error, RecmasError):
            raise
        todo = "Save the system again."
        raise UnsafeCheckpoint("system.json", f"does not describe a system ({error!r})", todo) from error


def _assemble(folder: Path, manifest: dict[str, Any], name: str, device: str, dtype: str) -> System:
    pattern = get_pattern(manifest["pattern"])
    if not isinstance(manifest["latent_steps"], int):
        raise TypeError(f"latent_steps is {manifest['latent_steps']!r}")
    agents = {role: _entry(folder, entry, device, dtype) for role, entry in manifest["agents"].items()}
    links = {edge.key: load_link(link_path(folder, *edge.key)) for edge in pattern.edges}
    for link in links.values():
        place(link, device, dtype)
    alone = _entry(folder, manifest["alone"], device, dtype) if manifest.get("alone") else None
    return System(
        name,
        pattern,
        agents,
        links,
        {role: RolePrompt(**prompt) for role, prompt in manifest["prompts"].items()},
        title=manifest["title"],
        task=TASKS[manifest["task"]] if manifest["task"] else None,
        latent_steps=manifest["latent_steps"],
        trained_steps=tuple(manifest["trained_steps"]) if manifest["trained_steps"] else None,
        untrained=frozenset((sender, receiver) for sender, receiver in manifest["untrained"]),
        alone=alone,
        folder=folder,
    )


def read_manifest(folder: Path) -> dict[str, Any]:
    """The system.json of a folder.

    Raises:
        SystemNotFound: If there is none.
        UnsafeCheckpoint: If it is damaged or of another format.
    """
    path = folder / "system.json"
    if not path.is_file():
        todo = "Give the name of an embedded system, or a folder written by system.save."
        raise SystemNotFound(f"folder {folder.name!r}", "holds no system.json", todo)
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UnsafeCheckpoint("system.json", f"is damaged ({error})", "Save the system again.") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise UnsafeCheckpoint("system.json", "is of another format", f"Save the system again as {FORMAT}.")
    return manifest


def link_path(folder: Path, sender: str, receiver: str) -> Path:
    """Where the link of an edge is kept."""
    return folder / "links" / f"{sender}-{receiver}.safetensors"


def _entry(folder: Path, entry: dict[str, str], device: str, dtype: str) -> Agent:
    if Path(entry["folder"]).name != entry["folder"]:  # a foreign manifest must not lead out of its own folder
        what = f"names the agent folder {entry['folder']!r}"
        raise UnsafeCheckpoint("system.json", what, "Keep agents in folders beside system.json.")
    return load_agent(
        folder / entry["folder"], name=entry["name"], wording=entry["wording"], device=device, dtype=dtype
    )


def save_agent(agent: Agent, folder: Path) -> None:
    """Write an agent as an ordinary model folder with its inner link beside it."""
    agent.model.save_pretrained(folder)
    agent.tokenizer.save_pretrained(folder)
    save_link(agent.inner, folder / "inner.safetensors")


def load_agent(
    folder: Path, *, name: str, wording: str = "general", device: str = "cpu", dtype: str = "float32"
) -> Agent:
    """Read an agent's folder; without an inner.safetensors its inner link is new and untrained.

    Raises:
        SystemNotFound: If there is no model in the folder.
        UnsafeCheckpoint: If its files are damaged.
    """
    if not (folder / "config.json").is_file():
        raise SystemNotFound(f"agent {name!r}", "has no config.json", "Give the folder of a transformers model.")
    from transformers import AutoModelForCausalLM, AutoTokenizer  # seconds to import: not before a model is needed

    kind = precision(dtype)
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=kind, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
        model, info = loaded
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (SafetensorError, OSError, ValueError, RuntimeError, LookupError, TypeError) as error:
        raise UnsafeCheckpoint(f"agent {name!r}", f"cannot be read ({error})", "Save or fetch it again.") from error
    absent = sorted(info["missing_keys"])
    if absent:  # transformers would leave them at random
        what = f"lacks {len(absent)} of its weights, such as {absent[0]!r}"
        raise UnsafeCheckpoint(f"agent {name!r}", what, "Save or fetch it again.")
    for parameter in model.parameters():  # off the file's unaligned pages: the same sums, to the bit, as before saving
        parameter.data = parameter.data.clone()
    path = folder / "inner.safetensors"
    inner = load_link(path) if path.is_file() else InnerLink(model.config.hidden_size)
    place(inner, device, dtype)
    return Agent(name, place(model, device, dtype), tokenizer, inner, wording=wording, source=str(folder))


_KINDS: Mapping[str, Callable[[int, int, LinkVariant], nn.Module]] = MappingProxyType(
    {"InnerLink": lambda width, _, variant: InnerLink(width, variant), "OuterLink": OuterLink}
)


def _variant(values: dict[str, Any]) -> LinkVariant:
    variant = LinkVariant(**values)
    if variant.layers not in (1, 2) or not all(isinstance(value, int) for value in values.values()):
        raise ValueError(f"no such variant: {values}")
    return variant


def save_link(link: nn.Module, path: Path) -> None:
    """Write a link with its variant in the file's metadata."""
    if not isinstance(link, InnerLink | OuterLink):
        raise UnsafeCheckpoint(f"link {path.stem}", "is of an unknown kind", "Use InnerLink or OuterLink.")
    metadata = {"kind": type(link).__name__, "variant": json.dumps(link.variant.to_json())}
    tensors = {key: value.contiguous().cpu() for key, value in link.state_dict().items()}
    write_whole(path, lambda file: file.write(save(tensors, metadata=metadata)))


def load_link(path: Path) -> nn.Module:
    """Read a link, frozen.

    Raises:
        SystemNotFound: If there is no such file.
        UnsafeCheckpoint: If it is damaged.
        DimensionMismatch: If its tensors do not make a link of the variant it names.
    """
    if not path.is_file():
        raise SystemNotFound(f"link {path.stem!r}", "has no file", "Save the system again, with all its links.")
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            state = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118 (not a dict)
        kind, variant = _KINDS[metadata["kind"]], _variant(json.loads(metadata["variant"]))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise UnsafeCheckpoint(f"link {path.stem!r}", f"cannot be read ({error})", "Save it again.") from error
    try:
        width, out = state["proj1.weight"].shape[1], state.get("proj2.weight", state["proj1.weight"]).shape[0]
        link = kind(width, out, variant)
        link.load_state_dict(state)
    except (RuntimeError, KeyError, IndexError) as error:
        todo = "Load the link with the variant it was saved with."
        raise DimensionMismatch(f"link {path.stem!r}", f"has other tensors ({error})", todo) from error
    return link.requires_grad_(False).eval()
