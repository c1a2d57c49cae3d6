"""Strangers' configurations: what they name, and how much they count, is looked at before transformers acts on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recmas_core.errors import BadInput, UnsafeCheckpoint

# All that transformers raises on files that make no sense; a missing package for what they ask is an ImportError.
NONSENSE = (
    ValueError, TypeError, LookupError, AttributeError, RuntimeError, ArithmeticError, AssertionError, OSError,
    ImportError, MemoryError,
)  # fmt: skip
# What a configuration can name to be fetched, imported and run: attention and experts may be kernels from the hub.
_KERNELS = ("attn_implementation", "experts_implementation", "_attn_implementation", "_experts_implementation")
_MODULES = "auto_map"
_NATIVE: tuple[object, ...] = (None, {}, "eager", "sdpa")
# Of these a configuration makes lists or modules, one by one, before any weight is looked at; sizes are other things.
_COUNTED, _SIZED, _MANY = ("layer", "expert", "label", "num_blocks", "depth"), ("size", "dim"), 2000
# No width, vocabulary or number of heads comes near; of some, lists and tables are made in this machine's own memory.
_GREAT = 1 << 20
_FAR = (
    "position", "theta", "base", "window", "length", "seq", "ctx", "context", "max_", "param", "token", "seed", "step",
    "time", "flop",
)  # fmt: skip
_LONGEST = 1 << 24  # the largest known, of tokenizers with thousands of added words, take a megabyte or two


def check_configuration(path: Path, title: str, todo: str, *, modules: bool = False) -> None:
    """See that a configuration is readable, names no code, and counts nothing that would fill the memory.

    Args:
        path: A JSON file.
        title: Name of the folder, for errors.
        todo: What to do about a damaged one.
        modules: Whether it may name modules beside it; only for callers that see to it that they are never imported.

    Raises:
        UnsafeCheckpoint: If it does not do.
    """
    where = f"{title}/{path.name}"
    for key, value in _pairs_of(path, where, todo):
        if (key in _KERNELS or (key == _MODULES and not modules)) and value not in _NATIVE:
            what = f"names code to be run, as its {key}"
            raise UnsafeCheckpoint(where, what, "Use a model that transformers has built in.")
        if isinstance(value, int) and value > _most(key):
            raise UnsafeCheckpoint(where, f"says {value:,} for {key}, more than any model has", todo)


def check_weights_named(path: Path, title: str, todo: str) -> None:
    """See that a model's configuration leaves it to the usual files which weights there are, as plain numbers.

    Quantised weights are unpacked by other packages, or by kernels that are fetched, and their sizes say nothing.

    Raises:
        BadInput: If they are quantised.
        UnsafeCheckpoint: If it names another file.
    """
    where = f"{title}/{path.name}"
    for key, value in _pairs_of(path, where, todo):
        if key == "transformers_weights" and value is not None:
            raise UnsafeCheckpoint(where, "names a file of its own for the weights", todo)
        if key == "quantization_config" and value:
            kind = str(value.get("quant_method", "unknown"))[:40] if isinstance(value, dict) else "unknown"
            what = f"says that the weights are quantised (method {kind!r}), which are not read here"
            raise BadInput(where, what, "Take the model's plain weights, e.g. in bf16.")


def _pairs_of(path: Path, where: str, todo: str) -> list[tuple[str, Any]]:
    """Every key and value of a configuration; a table is all that it may be."""
    try:
        if path.stat().st_size > _LONGEST:
            raise UnsafeCheckpoint(where, f"is larger than {_LONGEST >> 20} MB", todo)
        held = json.loads(path.read_bytes())
        pairs = list(_pairs(held))
    except UnsafeCheckpoint:
        raise
    except (ValueError, RecursionError, OSError) as error:
        raise UnsafeCheckpoint(where, f"is damaged ({str(error)[:200]})", todo) from error
    if not isinstance(held, dict):
        raise UnsafeCheckpoint(where, "is damaged (it is no table)", todo)
    return pairs


def _most(key: str) -> float:
    """The greatest number that makes sense under a name."""
    if any(part in key for part in _COUNTED) and not any(part in key for part in (*_SIZED, "[]")):
        return _MANY
    return float("inf") if any(part in key for part in _FAR) else _GREAT


def _pairs(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every key and value of nested JSON; what is in a list, however deep, goes by the list's name."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield name, part
            if isinstance(part, dict | list):
                yield from _pairs(part, name)
    elif isinstance(value, list):
        for part in value:
            yield from _pairs(part, key) if isinstance(part, dict | list) else ((f"{key}[]", part),)
