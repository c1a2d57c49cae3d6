"""How much memory agents need, how much there is, and what follows: together, in turn, or not at all."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from safetensors import SafetensorError, safe_open

from recmas_core.errors import RecmasError, UnsafeCheckpoint
from recmas_core.placement import Placement, check_device
from recmas_core.weights import weight_files

_SPARE = 1.1  # caches, activations and what libraries take for themselves, beside the weights
# The eyes of multimodal checkpoints: only their text models are loaded.
_EYES = ("vision", "visual", "multi_modal_projector")


class TooLarge(RecmasError, MemoryError):
    """The agents do not fit into this machine's memory."""


@dataclass(frozen=True)
class Room:
    """Free memory.

    Attributes:
        device: Bytes free where agents compute; with several GPUs all of theirs.
        host: Bytes free in the machine's own memory.
        shared: Whether the two are the same, as on a CPU.
    """

    device: int
    host: int
    shared: bool


@dataclass(frozen=True)
class Plan:
    """How agents will live.

    Attributes:
        needs: Bytes of each agent's weights, by name.
        room: What there is.
        in_turn: Whether they do not fit on the device together: those that are not at work wait in host memory.
    """

    needs: Mapping[str, int]
    room: Room
    in_turn: bool = False

    @property
    def total(self) -> int:
        """Bytes of all weights."""
        return sum(self.needs.values())

    @property
    def sentence(self) -> str:
        """The plan in a sentence, for people."""
        need, free = gigabytes(self.total), gigabytes(self.room.device)
        where = "this machine" if self.room.shared else "the GPU"
        if self.in_turn:
            return (
                f"The agents need about {need}, {where} has {free} free: they take turns on it, the others wait in "
                "host memory."
            )
        return f"The agents need about {need}; {where} has {free} free."


def measure_room(device: str) -> Room:
    """Free memory of a device, and of its machine.

    Raises:
        BadInput: If this machine has no such device.
    """
    check_device(device)
    host = psutil.virtual_memory().available
    kind = torch.device("cuda" if device == "auto" and torch.cuda.is_available() else device.replace("auto", "cpu"))
    if kind.type != "cuda":
        return Room(host, host, shared=True)
    numbers = range(torch.cuda.device_count()) if device == "auto" else [kind]
    return Room(sum(torch.cuda.mem_get_info(each)[0] for each in numbers), host, shared=False)


def make_plan(parameters: Mapping[str, int], placement: Placement, room: Room) -> Plan:
    """Where agents will live.

    Args:
        parameters: Number of parameters of each agent, by name.
        placement: What was asked for.
        room: What there is.

    Raises:
        TooLarge: If they cannot fit, even one at a time; with what could be done.
    """
    needs = {name: math.ceil(count * placement.bytes_each) for name, count in parameters.items()}
    plan = Plan(needs, room)
    if plan.total * _SPARE <= room.device:
        return plan
    if room.shared or placement.split or placement.bits:  # such weights stay where they were put
        raise _too_large(plan, room.device, placement)
    if max(needs.values()) * _SPARE > room.device:
        raise _too_large(plan, room.device, placement)
    if plan.total * _SPARE > room.host:
        raise _too_large(plan, room.host, placement)
    return Plan(needs, room, in_turn=True)


def _too_large(plan: Plan, free: int, placement: Placement) -> TooLarge:
    largest = max(plan.needs, key=lambda name: plan.needs[name])
    what = (
        f"need about {gigabytes(plan.total)} in {placement.dtype}"
        f"{f' at {placement.bits} bits' if placement.bits else ''} ({largest}: {gigabytes(plan.needs[largest])}), and "
        f"a tenth more to work with; {gigabytes(free)} are free"
    )
    smaller = " bfloat16 takes half of float32." if placement.dtype == "float32" else ""
    todo = f"Choose smaller agents, a device with more memory, or 4-bit weights on a GPU.{smaller}"
    return TooLarge("The agents", what, todo)


def gigabytes(count: float) -> str:
    """Bytes as people read them: "9.1 GB", "4 MB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"


def count_parameters(folder: Path) -> int:
    """Number of parameters in a folder's safetensors, by their headers; what only sees is left out.

    Raises:
        SystemNotFound: If there are no weights.
        UnsafeCheckpoint: If a header is damaged.
    """
    files = weight_files(folder, f"folder {folder.name!r}")
    try:
        return sum(_count(path) for path in files)
    except (SafetensorError, OSError, ValueError, json.JSONDecodeError) as error:
        raise UnsafeCheckpoint(f"folder {folder.name!r}", f"cannot be read ({error})", "Fetch it again.") from error


def _count(path: Path) -> int:
    with safe_open(path, framework="pt") as stored:
        names = [name for name in stored.keys() if not any(eye in name for eye in _EYES)]  # noqa: SIM118 (not a dict)
        return sum(math.prod(stored.get_slice(name).get_shape()) for name in names)
