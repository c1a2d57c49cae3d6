"""Checkpoints: a nested state of tensors and plain values in one safetensors file, without pickle, bit for bit.

The tensors are the file's own; the structure around them is JSON in its metadata. A checkpoint is complete or it is
not there: it is written under another name, forced to the disk, and renamed.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from recmas_core.errors import SystemNotFound, UnsafeCheckpoint, WriteFailed
from recmas_core.storage import write_whole

FORMAT = "recmas-checkpoint-1"
KEPT = 2
_NAME = re.compile(r"checkpoint-(\d+)\.safetensors")
# All that safetensors and json raise on bytes that are no checkpoint, or not ours.
_DAMAGE = (SafetensorError, OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, MemoryError)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read.

    Attributes:
        path: Its file.
        step: The step behind which it was saved.
        state: What `save_checkpoint` was given, tensors on the CPU.
        damaged: Newer checkpoints that could not be read.
    """

    path: Path
    step: int
    state: dict[Any, Any]
    damaged: tuple[Path, ...] = ()


def save_checkpoint(state: Mapping[Any, Any], folder: str | Path, *, step: int, keep: int = KEPT) -> Path:
    """Write `checkpoint-<step>.safetensors` and remove all but the newest `keep` of the folder.

    Args:
        state: Dicts, lists and tuples of tensors, numbers, strings, bools and None, nested as one likes; keys are
            strings, numbers, or tuples of those.
        folder: Where to put it; made where it does not exist.
        step: How far the run is; the newest checkpoint is the one of the highest step.
        keep: How many to keep, at least 1.

    Returns:
        The file.

    Raises:
        TypeError: If the state holds anything else.
        WriteFailed: If it cannot be written; nothing is left of it, and older checkpoints are still there.
    """
    path = Path(folder) / f"checkpoint-{step}.safetensors"
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(_pack(state, tensors), ensure_ascii=False)
    data = save(tensors, metadata={"format": FORMAT, "step": str(step), "tree": tree})

    def write(file: BinaryIO) -> None:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())  # the older ones go next: this one has to outlive a power cut

    with writing(path):
        write_whole(path, write)
        for old in checkpoints_in(path.parent)[keep:]:
            old.unlink()
    return path


def checkpoints_in(folder: str | Path) -> list[Path]:
    """The checkpoints of a folder, newest first."""
    found = {path: _NAME.fullmatch(path.name) for path in Path(folder).glob("checkpoint-*.safetensors")}
    steps = {path: int(match[1]) for path, match in found.items() if match}
    return sorted(steps, key=lambda path: steps[path], reverse=True)


def load_checkpoint(folder: str | Path) -> Checkpoint:
    """Read the newest checkpoint of a folder that is whole.

    Raises:
        SystemNotFound: If the folder has none.
        UnsafeCheckpoint: If every one of them is damaged.
    """
    damaged: list[Path] = []
    for path in checkpoints_in(folder):
        try:
            return Checkpoint(path, *read_checkpoint(path), damaged=tuple(damaged))
        except UnsafeCheckpoint as error:
            damaged.append(path)
            last = error
    if damaged:
        raise last
    raise SystemNotFound(f"folder {str(folder)!r}", "has no checkpoint", "Start the run without resuming.")


def read_checkpoint(path: str | Path) -> tuple[int, dict[Any, Any]]:
    """The step and the state of one checkpoint file; tensors on the CPU, in memory of their own.

    Raises:
        UnsafeCheckpoint: If the file is damaged, or is no checkpoint of this version.
    """
    path = Path(path)
    where, todo = f"checkpoint {str(path)!r}", "Go on from an older checkpoint, or start the run anew."
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise UnsafeCheckpoint(where, "is no training checkpoint of this version", todo)
            # off the file's unaligned pages: arithmetic gives the same bits as before saving
            tensors = {key: stored.get_tensor(key).clone() for key in stored.keys()}  # noqa: SIM118 (not a dict)
        step, state = int(metadata["step"]), _unpack(json.loads(metadata["tree"]), tensors)
    except UnsafeCheckpoint:
        raise
    except _DAMAGE as error:
        raise UnsafeCheckpoint(where, f"cannot be read ({type(error).__name__}: {error})", todo) from error
    if not isinstance(state, dict):
        raise UnsafeCheckpoint(where, "holds no training state", todo)
    return step, state


@contextmanager
def writing(what: str | Path) -> Iterator[None]:
    """Turn what goes wrong while files are written into an error that says what to do.

    Raises:
        WriteFailed: In place of OSError and of safetensors' own errors.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "os error 28" in str(error)
        reason = "the disk is full" if full else str(error)
        todo = "Make room" if full else "Check that the folder can be written to"
        todo += ", then go on from the last checkpoint with --resume."
        raise WriteFailed(repr(str(what)), f"could not be written: {reason}", todo) from error


def _pack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """A state as JSON values; every container is named by one letter, tensors go into `tensors`."""
    if isinstance(value, Tensor):
        key = str(len(tensors))
        tensors[key] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"t": key}
    if isinstance(value, Mapping):
        return {"d": [[_pack_key(key), _pack(item, tensors)] for key, item in value.items()]}
    if type(value) in (list, tuple):
        return {"l" if type(value) is list else "u": [_pack(item, tensors) for item in value]}
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise TypeError(f"a checkpoint cannot hold a {type(value).__name__}: {value!r}")


def _pack_key(key: Any) -> Any:
    if type(key) in (int, str):
        return key
    if type(key) is tuple:
        return {"u": [_pack_key(part) for part in key]}
    raise TypeError(f"a checkpoint cannot hold the key {key!r}")


def _unpack(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "t":
        return tensors[content]
    if kind == "d":
        return {_unpack(key, tensors): _unpack(item, tensors) for key, item in content}
    if kind not in ("l", "u"):
        raise ValueError(f"an unknown container {kind!r}")
    items = [_unpack(item, tensors) for item in content]
    return items if kind == "l" else tuple(items)
