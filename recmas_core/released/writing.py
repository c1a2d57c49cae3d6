"""Writing a system in the public release's layout, so that its loader reads the links."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from recmas_core.agents import Agent
from recmas_core.bundles import whole_folder
from recmas_core.errors import BadInput
from recmas_core.links import LINK_VARIANTS, InnerLink, OuterLink
from recmas_core.placement import precision
from recmas_core.released.layouts import (
    ADAPTER_CONFIG,
    ADAPTER_FILE,
    INNER_CONFIG,
    INNER_TYPE,
    OUTER_CONFIG,
    OUTER_TYPE,
    ReleasedLayout,
    released_layout,
)
from recmas_core.storage import write_whole
from recmas_core.system import System


def save_released(
    system: System, folder: Path, *, task: str = "math", dtype: str = "bfloat16", agents: bool = True
) -> Path:
    """Write a system as the public release lays its own out: a folder for each agent, and one for the outer links.

    The folders are what the release has as repositories. Prompts, tools and the baseline agent have no place there.

    Args:
        system: The system; its pattern and the form of its links have to be the release's.
        folder: The folder to make.
        task: Which of the release's tasks its loader shall take the links for, where it keeps links per task.
        dtype: Precision of the links: "bfloat16" as in the release, "float32" to keep every bit. Models keep theirs.
        agents: Whether to write the agents' models and tokenizers too; their inner links are written anyway.

    Returns:
        `folder`.

    Raises:
        BadInput: If the release has no such pattern, form of link or task, a link does not fit into the precision, or
            `folder` exists and is not empty.
        LinkMissing: If an edge has no link.
        WriteFailed: If it cannot be written.
    """
    layout = released_layout(system.pattern)
    layout.check_task(task)
    inner = {
        role: _state(f"the {role}'s inner link", system.agents[role].inner, InnerLink, dtype) for role in layout.agents
    }
    outer = {
        (sender, receiver): _state(f"link {sender}->{receiver}", system.link(sender, receiver), OuterLink, dtype)
        for sender, receiver in layout.edges
    }
    with whole_folder(folder) as half:
        for role, name in layout.agents.items():
            if agents:
                _write_agent(system.agents[role], half / name)
            _write_inner(inner[role], half / name, layout, task)
        _write_outer(outer, half / layout.outer, layout, task)
    return folder


def _state(where: str, link: nn.Module, kind: type[nn.Module], dtype: str) -> dict[str, Tensor]:
    """A link's tensors in a precision, in host memory."""
    variant = getattr(link, "variant", None)
    if not isinstance(link, kind) or variant != LINK_VARIANTS["released"]:
        what = "is not of the form that the public release has, and its loader would refuse it"
        raise BadInput(where, what, "Save the system with system.save, or train links of the variant 'released'.")
    wanted = precision(dtype)
    state = {key: value.detach().to("cpu", wanted, copy=True).contiguous() for key, value in link.state_dict().items()}
    if not all(value.isfinite().all() for value in state.values()):
        raise BadInput(
            where, f"holds numbers that {dtype} cannot hold", "Take float32, or links from before they broke."
        )
    return state


def _write_agent(agent: Agent, folder: Path) -> None:
    # as the model is here: a text model taken out of a multimodal checkpoint would be written with that one's names
    agent.model.save_pretrained(folder, save_original_format=False)
    agent.tokenizer.save_pretrained(folder)


def _write_inner(state: Mapping[str, Tensor], folder: Path, layout: ReleasedLayout, task: str) -> None:
    name = layout.for_task(ADAPTER_FILE, task)
    _write_state(state, folder / name)
    _write_json({"adapter_type": INNER_TYPE}, folder / ADAPTER_CONFIG)
    if layout.tasks:
        _write_json({"tasks": {task: {ADAPTER_FILE: name}}}, folder / INNER_CONFIG)


def _write_outer(
    states: Mapping[tuple[str, str], Mapping[str, Tensor]], folder: Path, layout: ReleasedLayout, task: str
) -> None:
    adapters: list[dict[str, Any]] = []
    for edge, names in layout.edges.items():
        file = layout.for_task(f"{names.file}.pt", task)
        _write_state(states[edge], folder / file)
        out_dim, in_dim = states[edge]["residual_proj.weight"].shape
        adapters.append(
            {
                "legacy_key": names.key,
                "filename": file,
                "adapter_type": OUTER_TYPE,
                "in_dim": in_dim,
                "out_dim": out_dim,
            }
        )
    listed = {"adapters": adapters}
    _write_json({"tasks": {task: listed}} if layout.tasks else listed, folder / OUTER_CONFIG)


def _write_state(state: Mapping[str, Tensor], path: Path) -> None:
    write_whole(path, lambda file: torch.save(dict(state), file))


def _write_json(value: Mapping[str, Any], path: Path) -> None:
    text = json.dumps(value, indent=2) + "\n"
    write_whole(path, lambda file: file.write(text.encode()))
