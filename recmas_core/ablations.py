"""Breaking a system on purpose, to see what its transfers and its tools are worth."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from recmas_core.engine import Settings
from recmas_core.errors import BadInput
from recmas_core.links import OuterLink
from recmas_core.patterns import Place
from recmas_core.system import System

ABLATIONS = ("untrained", "zero", "swap", "noise")
NO_TOOLS = "no tools"
CUT = "cut "


def ablations_of(system: System) -> tuple[str, ...]:
    """Every ablation that makes sense for a system.

    "untrained" (new random outer links), "zero" (every transfer 0), "swap" (every transfer another question's),
    "noise" (random vectors of the transfer's size), "cut math" for each sender whose receivers read others too
    (its transfers 0, all others left alone), "no tools" where a role has tools.
    """
    readers = [system.pattern.senders_to(role, round_=2) for role in system.roles]
    partial = [role for role in system.roles if any(role in senders and len(senders) > 1 for senders in readers)]
    tools = (NO_TOOLS,) if any(role.tools for role in system.pattern.roles) else ()
    return (*ABLATIONS, *(CUT + role for role in partial), *tools)


def check_ablations(system: System, names: Sequence[str]) -> None:
    """Refuse names that are no ablation of a system.

    Raises:
        BadInput: Naming them.
    """
    known = {*ABLATIONS, NO_TOOLS, *(CUT + role for role in system.roles)}
    unknown = sorted(set(names) - known)
    if unknown:
        raise BadInput("evaluation", f"does not know the ablations {unknown}", f"Choose from {sorted(known)}.")


def broken(system: System, name: str, settings: Settings) -> tuple[System, Settings]:
    """The system and the settings under an ablation."""
    if name == "untrained":
        return system.with_links(new_links(system, seed=0)), settings
    if name == NO_TOOLS:
        return system, replace(settings, tools=False)
    if name.startswith(CUT):
        return system, replace(settings, alter=functools.partial(_cut, role=name.removeprefix(CUT)))
    return system, replace(settings, alter={"zero": _zero, "swap": _swap, "noise": _noise}[name])


def new_links(system: System, *, seed: int) -> dict[tuple[str, str], nn.Module]:
    """Outer links as they are before any training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        links: dict[tuple[str, str], nn.Module] = {}
        for edge in system.pattern.edges:
            sender, receiver = (system.agents[end] for end in edge.key)
            link = OuterLink(sender.hidden_size, receiver.hidden_size).requires_grad_(False).eval()
            links[edge.key] = link.to(receiver.device, receiver.model.dtype)
    return links


def _zero(place: Place, receiver: str, vectors: Tensor) -> Tensor:
    return torch.zeros_like(vectors)


def _cut(place: Place, receiver: str, vectors: Tensor, *, role: str) -> Tensor:
    return torch.zeros_like(vectors) if place.role == role else vectors


def _swap(place: Place, receiver: str, vectors: Tensor) -> Tensor:
    """Each question gets the transfer of the question before it in the batch."""
    return vectors.roll(1, dims=0)


def _noise(place: Place, receiver: str, vectors: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(place.turn)
    return torch.randn(vectors.shape, generator=generator).to(vectors) * vectors.square().mean().sqrt()
