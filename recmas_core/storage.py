"""Files: traces as npz without pickle, and writing without leaving anything half-written."""

from __future__ import annotations

import json
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np

from recmas_core import records
from recmas_core.errors import RecmasError, SystemNotFound, UnsafeCheckpoint
from recmas_core.fields import check_fields

FORMAT = "recmas-trace-1"
_CLASSES = MappingProxyType(
    {
        cls.__name__: cls
        for cls in (
            records.Trace, records.RunConfig, records.Edit, records.Segment, records.ToolReport, records.Turn,
            records.TurnStart, records.Thought, records.Transfer, records.Token, records.ToolCall, records.Prompted,
            records.TurnDone, records.Answer,
        )
    }
)  # fmt: skip

# All that numpy, zipfile, zlib and json raise on bytes that are no npz, or not ours.
_DAMAGE = (
    ValueError, LookupError, TypeError, AttributeError, OSError, EOFError, RuntimeError, MemoryError, SyntaxError,
    zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError,
)  # fmt: skip


def write_whole(path: str | Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file under a temporary name beside `path` and rename it when it is complete."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{os.getpid()}.half")
    try:
        with half.open("wb") as file:
            write(file)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


def save_trace(trace: records.Trace, path: str | Path, *, note: str = "") -> None:
    """Write a trace as npz: one JSON text that names the arrays beside it; `note` is kept with it, see `load_noted`."""
    arrays: list[np.ndarray] = []
    kept = {"format": FORMAT, "trace": _pack(trace, arrays)} | ({"note": note} if note else {})
    header = json.dumps(kept, ensure_ascii=False)
    named = {f"a{i}": array for i, array in enumerate(arrays)}
    write_whole(path, lambda file: np.savez_compressed(file, header=np.array(header), **named))  # type: ignore[arg-type]


def load_trace(path: str | Path) -> records.Trace:
    """Read a trace; see `records.Trace.load`."""
    return load_noted(path)[0]


def load_noted(path: str | Path) -> tuple[records.Trace, str]:
    """Read a trace, and the note kept with it, "" if there is none; see `records.Trace.load`."""
    where = f"trace {str(path)!r}"
    if not Path(path).is_file():
        raise SystemNotFound(where, "does not exist", "Give the path of a file written by Trace.save.")
    try:
        with np.load(path, allow_pickle=False) as stored:
            header = json.loads(str(stored["header"]))
            if header.get("format") != FORMAT:
                raise UnsafeCheckpoint(where, "is not a trace of this version", f"Save it again as {FORMAT}.")
            trace, note = _unpack(header["trace"], stored), header.get("note", "")
    except RecmasError:
        raise
    except _DAMAGE as error:
        raise UnsafeCheckpoint(where, f"cannot be read ({error})", "Save it again with Trace.save.") from error
    if not isinstance(trace, records.Trace) or not isinstance(note, str):
        raise UnsafeCheckpoint(where, "holds something other than a trace", "Save it again with Trace.save.")
    return trace, note


def _pack(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if is_dataclass(value) and not isinstance(value, type):
        packed = {f.name: _pack(getattr(value, f.name), arrays) for f in fields(value)}
        return {"class": type(value).__name__, "fields": packed}
    if isinstance(value, dict):
        return {"dict": [[key, _pack(item, arrays)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return [_pack(item, arrays) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def _unpack(value: Any, stored: Any) -> Any:
    if isinstance(value, list):
        return tuple(_unpack(item, stored) for item in value)
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return records.frozen_array(stored[f"a{int(value['array'])}"])
    if "dict" in value:
        return {key: _unpack(item, stored) for key, item in value["dict"]}
    cls = _CLASSES[value["class"]]
    made = {name: _unpack(item, stored) for name, item in value["fields"].items()}
    check_fields(cls, made)
    return cls(**made)
