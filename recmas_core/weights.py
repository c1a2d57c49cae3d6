"""A model folder's weights before they are read: which files they are, and that they are what the model needs."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from recmas_core.errors import SystemNotFound, UnsafeCheckpoint

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
_AGAIN = "Save or fetch it again."
_PLAIN = ("F64", "F32", "F16", "BF16")
# What a model computes for itself, e.g. rotary frequencies: masks of a few thousand positions stay below.
_OWN_BUFFERS = 1 << 27


def check_inside(folder: Path, where: str) -> None:
    """See that no link leads out of a folder, but for those that the hub's cache is made of.

    Raises:
        UnsafeCheckpoint: If one does, or to nothing.
    """
    root = folder.resolve()
    # a snapshot's files are links to blobs/ of its repository, and those to blobs/ of the whole cache
    homes = [root, *(place / "blobs" for p in root.parents if p.name == "snapshots" for place in list(p.parents)[:2])]
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            try:
                target = path.resolve(strict=True)
            except (OSError, RuntimeError) as error:
                raise UnsafeCheckpoint(where, f"has a link that leads nowhere, {path.name!r}", _AGAIN) from error
            if not any(target.is_relative_to(home) for home in homes):
                todo = "Put the file itself into the folder."
                raise UnsafeCheckpoint(where, f"has a link that leads out of its folder, {path.name!r}", todo)


def weight_files(folder: Path, where: str) -> tuple[Path, ...]:
    """The files that transformers would take the weights from, safetensors only.

    Raises:
        SystemNotFound: If there are none, or one is missing.
        UnsafeCheckpoint: If the index is damaged, or leads out of the folder.
    """
    if (folder / WEIGHTS).is_file():
        return (folder / WEIGHTS,)
    if not (folder / INDEX).is_file():
        todo = "Fetch it again; weights that have to be unpickled (.bin, .pt) are not read."
        raise SystemNotFound(where, "holds no weights as safetensors", todo)
    try:
        names = sorted(set(json.loads((folder / INDEX).read_bytes())["weight_map"].values()))
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError) as error:
        raise UnsafeCheckpoint(where, f"has a damaged index ({str(error)[:200]})", _AGAIN) from error
    for name in names:
        if not isinstance(name, str) or "\\" in name or "\0" in name or Path(name).name != name:
            raise UnsafeCheckpoint(where, f"has an index that names {str(name)[:60]!r}, which is no plain name", _AGAIN)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing or not names:
        what = f"lacks {len(missing)} of its weights' files{f', such as {missing[0]!r}' if missing else ''}"
        raise SystemNotFound(where, what, "Fetch it again: what came is kept.")
    return tuple(folder / name for name in names)


def check_weights(files: Iterable[Path], model: Any, names: Mapping[str, str], where: str) -> None:
    """See by the files' headers that they hold what a model needs: transformers would make what is not there.

    Args:
        files: The weights' files.
        model: The model as its configuration says, on no device.
        names: How stored names are changed into the model's: patterns, and what takes their place.
        where: The agent, for errors.

    Raises:
        UnsafeCheckpoint: If not.
    """
    stored = _headers(files, names, where)
    for key, parameter in model.named_parameters():
        shape, kind = stored.get(key, (tuple(parameter.shape), _PLAIN[0]))
        if shape != tuple(parameter.shape):
            what = f"has a weight of another shape than its config.json says: {key!r} is {shape}, not "
            raise UnsafeCheckpoint(where, f"{what}{tuple(parameter.shape)}", _AGAIN)
        if kind not in _PLAIN:
            todo = "Take the model's plain weights, e.g. in bf16."
            raise UnsafeCheckpoint(where, f"has a weight that is no plain number, {key!r} of type {kind}", todo)
    have = sum(math.prod(shape) for shape, _ in stored.values())
    need = sum(parameter.numel() for parameter in model.parameters())
    if need > have:
        raise UnsafeCheckpoint(where, f"has {have:,} numbers as weights; its config.json asks for {need:,}", _AGAIN)
    more = sum(buffer.numel() for buffer in model.buffers())
    if more > have + _OWN_BUFFERS:
        raise UnsafeCheckpoint(where, f"has a config.json that asks for {more:,} numbers beside its weights", _AGAIN)


def _headers(
    files: Iterable[Path], names: Mapping[str, str], where: str
) -> dict[str, tuple[tuple[int, ...], str]]:
    """Each stored tensor's shape and type, by the name that the model has for it."""
    found: dict[str, tuple[tuple[int, ...], str]] = {}
    for path in files:
        try:
            with safe_open(path, framework="pt") as kept:
                for name in list(kept.keys()):
                    tensor = kept.get_slice(name)
                    for old, new in names.items():
                        name = re.sub(old, new, name)
                    found[name] = (tuple(tensor.get_shape()), str(tensor.get_dtype()))
        except (SafetensorError, OSError, ValueError) as error:
            raise UnsafeCheckpoint(where, f"cannot be read ({path.name}: {str(error)[:200]})", _AGAIN) from error
    return found
