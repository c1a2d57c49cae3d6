"""What a training run works with: a device, a system with the links it starts from, examples, and what must stay so."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from recmas_core.building import build_system
from recmas_core.data import read_examples, split_held_out
from recmas_core.errors import BadInput, SystemNotFound
from recmas_core.links import LINK_VARIANTS
from recmas_core.loading import RELEASED_PREFIX, load_system
from recmas_core.released import released_layout
from recmas_core.system import System
from recmas_core.tasks import TASKS, Example
from recmas_core.tasks.plain import same_answer
from recmas_core.training.arguments import Settings, laps_json, pairs
from recmas_core.training.course import Lap
from recmas_core.training.rounds import all_links
from recmas_core.training.starts import damaged, fresh_links

if TYPE_CHECKING:
    from accelerate import Accelerator

_PATIENCE = timedelta(hours=3)  # how long processes wait while the main one measures or writes


def open_accelerator(device: str, precision: str | None) -> Accelerator:
    """What carries device, mixed precision and processes.

    Args:
        device: "cpu", "cuda", or "auto": a GPU where there is one.
        precision: "no", "bf16", "fp16", or None for what accelerate is configured for.

    Raises:
        BadInput: If this machine has no such device, or the process already uses another precision.
    """
    from accelerate import Accelerator, InitProcessGroupKwargs  # a second to import

    try:
        patience = InitProcessGroupKwargs(timeout=_PATIENCE)
        alone = device == "cpu" or (device == "auto" and not torch.cuda.is_available())
        accelerator = Accelerator(cpu=alone, mixed_precision=precision, kwargs_handlers=[patience])
    except ValueError as error:
        raise BadInput("--precision", f"cannot be used ({error})", "Choose another, or leave it out.") from error
    if device == "cuda" and accelerator.device.type != "cuda":
        raise BadInput("--device", "is cuda, but this machine has no GPU that torch can use", "Choose cpu or auto.")
    return accelerator


def open_system(settings: Settings, accelerator: Accelerator) -> System:
    """The system to train, with the links it starts from: agents in the precision asked for, links in float32.

    Raises:
        SystemNotFound, UnsafeCheckpoint, BadInput: If it cannot be loaded or put together.
    """
    name, seed, device, dtype = settings["system"], settings["seed"], str(accelerator.device), settings["dtype"]
    if dtype != "float32" and accelerator.mixed_precision == "no":
        raise BadInput("--dtype", f"is {dtype}, without mixed precision", "Give --precision bf16 too.")
    if settings["variant"] and not settings["fresh"]:
        raise BadInput("--variant", "was given without --fresh", "A form can be chosen for new links only.")
    wordings = Path(settings["wordings"]) if settings["wordings"] else None
    if settings["agents"]:
        agents = pairs("agents", settings["agents"])
        system = build_system(name, agents, device=device, dtype=dtype, seed=seed, wordings=wordings)
    else:
        task = settings["task"] if name.startswith(RELEASED_PREFIX) and settings["task"] else "math"
        system = load_system(name, device=device, dtype=dtype, task=task, wordings=wordings)
    if settings["fresh"]:
        variant = LINK_VARIANTS[settings["variant"] or "released"]
        system = fresh_links(system, seed=seed, variant=variant, inner=settings["fresh"] == "all")
    for link in all_links(system).values():
        link.float()
    if settings["damage"] is not None:
        system = damaged(system, sigma=settings["damage"], seed=seed)
    return system


def check_released(system: System) -> None:
    """Refuse, before the work, to train what could not be written in the released layout behind it.

    Raises:
        BadInput: If the release has no layout for the pattern, or its loader would refuse the links.
    """
    released_layout(system.pattern)
    links = [*system.links.values(), *(agent.inner for agent in system.agents.values())]
    if any(getattr(link, "variant", None) != LINK_VARIANTS["released"] for link in links):
        what = "was given, but some links are of a form that the public release does not have"
        raise BadInput("--released", what, "Leave it out, or train links of the form 'released'.")


@dataclass(frozen=True)
class Material:
    """What a run learns from.

    Attributes:
        examples: To learn from.
        held_out: To measure on.
        grade: Says whether a text answers one of them.
    """

    examples: tuple[Example, ...]
    held_out: tuple[Example, ...]
    grade: Callable[[Example, str], bool]


def open_examples(settings: Settings, system: System) -> Material:
    """Examples to learn from and held-out ones.

    An embedded task has a test split of its own; of other data some questions are held out.

    Raises:
        BadInput, SystemNotFound: If they cannot be read.
    """
    source, number, seed = settings["data"], settings["held_out"], settings["seed"]
    if source is None:
        if system.task is None:
            raise SystemNotFound("--data", "was not given, and this system has no task of its own", "Give some data.")
        source = system.task.name
    if number < 0:
        raise BadInput("--held-out", f"is {number}", "Give a number of questions, 0 for none.")
    examples: Sequence[Example] = read_examples(
        source, system.pattern, columns=pairs("columns", settings["columns"]) or None, split=settings["split"],
        subset=settings["subset"], task=settings["task"], limit=settings["limit"], seed=seed,
    )  # fmt: skip
    held_out: Sequence[Example] = ()
    task = TASKS.get(source, system.task)
    if number and source in TASKS:
        held_out = TASKS[source].sample(number, seed=seed, split="test")
    elif number:
        examples, held_out = split_held_out(examples, number=number, seed=seed)
    return Material(tuple(examples), tuple(held_out), same_answer if task is None else task.grade)


def surety(
    laps: Sequence[Lap], material: Material, accelerator: Accelerator, wordings: str | None = None
) -> dict[str, Any]:
    """What has to be the same when a run is resumed, beside what was asked for: else its steps would be others.

    Args:
        laps: The stages.
        material: What is learnt from.
        accelerator: Device, precision, processes.
        wordings: The file of prompts; None for the shipped ones.
    """
    words = {} if wordings is None else {"wordings": hashlib.sha256(Path(wordings).read_bytes()).hexdigest()[:16]}
    return {
        **words,
        "stages": laps_json(laps),
        "data": {
            "examples": len(material.examples),
            "held_out": len(material.held_out),
            "digest": _digest([*material.examples, *material.held_out]),
        },
        "processes": accelerator.num_processes,
        "precision": accelerator.mixed_precision,
    }


def check_same(now: Mapping[str, Any], kept: Mapping[str, Any]) -> None:
    """Refuse to go on where the same arguments would not give the same steps.

    Args:
        now: What `surety` says.
        kept: What it said when the run began; other keys are left alone.

    Raises:
        BadInput: Naming the first thing that differs.
    """
    for name, value in now.items():
        for where, new, old in _differences(name, value, kept.get(name)):
            todo = "Put things back as they were, or begin anew in another folder."
            raise BadInput(where, f"is {new} now, but was {old} when the run in this folder began", todo)


def _differences(name: str, now: Any, before: Any) -> Iterator[tuple[str, Any, Any]]:
    """Where two JSON values differ, as deep as they can be compared: (name, now, before)."""
    if isinstance(now, dict) and isinstance(before, dict):
        for key in {**now, **before}:
            yield from _differences(f"{name}, {key}", now.get(key), before.get(key))
    elif isinstance(now, list) and isinstance(before, list) and len(now) == len(before):
        for at, (new, old) in enumerate(zip(now, before, strict=True), start=1):
            yield from _differences(f"{name}, {at}", new, old)
    elif now != before:
        yield name, now, before


def _digest(examples: Sequence[Example]) -> str:
    told = hashlib.sha256()
    for each in examples:
        told.update(repr(replace(each, targets=dict(sorted(each.targets.items())))).encode())
    return told.hexdigest()[:16]
