"""Reading links that are laid out as in the public release: tensors only, each of the shape it should have."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from recmas_core.engine import Edge
from recmas_core.errors import DimensionMismatch, SystemNotFound, UnsafeCheckpoint
from recmas_core.links import InnerLink, OuterLink
from recmas_core.patterns import Pattern
from recmas_core.released.layouts import (
    ADAPTER_CONFIG,
    ADAPTER_FILE,
    INNER_CONFIG,
    INNER_TYPE,
    OUTER_CONFIG,
    ReleasedLayout,
    released_layout,
)

State = dict[str, Tensor]
# All that torch.load raises on bytes that are no checkpoint, or more than tensors.
_DAMAGE = (
    pickle.UnpicklingError, zipfile.BadZipFile, struct.error, EOFError, OSError, RuntimeError, ValueError, LookupError,
    TypeError, AttributeError, MemoryError,
)  # fmt: skip
_AGAIN = "Save or fetch it again."
_LONGEST = 1 << 20  # a configuration lists a handful of links


def read_released_links(
    folder: Path, pattern: Pattern, task: str = "math"
) -> tuple[dict[str, State], dict[Edge, State]]:
    """The links in a folder written by `save_released`.

    Args:
        folder: The folder that holds the agents' folders and the outer links'.
        pattern: The system's pattern.
        task: Which links to take, where they are kept per task.

    Returns:
        The inner links' tensors by role, and the outer links' by (sender, receiver), in the precision of the files.

    Raises:
        SystemNotFound: If a file is missing, or there are no links for the task.
        UnsafeCheckpoint: If a file is damaged, is more than tensors, or is no link of the released form.
        DimensionMismatch: If an outer link does not fit the two agents' inner links.
        BadInput: If the release has no such pattern or task.
    """
    layout = released_layout(pattern)
    inner = {role: read_inner_link(folder / name, layout, task) for role, name in layout.agents.items()}
    outer = read_outer_links(folder / layout.outer, layout, task)
    widths = {role: state["pre_ln.weight"].shape[0] for role, state in inner.items()}
    for (sender, receiver), state in outer.items():
        have, want = (_in_width(state), state["ln_target.weight"].shape[0]), (widths[sender], widths[receiver])
        if have != want:
            todo = "Take the links that were trained for these agents."
            raise DimensionMismatch(f"link {sender}->{receiver}", f"maps {have}, the agents need {want}", todo)
    return inner, outer


def read_inner_link(repository: Path, layout: ReleasedLayout, task: str = "math") -> State:
    """The inner link in an agent's repository; see `read_released_links`.

    As in the release's loader, what innerlink_config.json names comes first, then the task's own file, then adapter.pt.
    """
    layout.check_task(task)
    kind = _read_json(repository / ADAPTER_CONFIG).get("adapter_type", INNER_TYPE)
    if kind != INNER_TYPE:
        raise UnsafeCheckpoint(
            f"{repository.name}/{ADAPTER_CONFIG}", f"says {kind!r}", f"Only {INNER_TYPE!r} is known."
        )
    named = ADAPTER_FILE
    if layout.tasks:
        own = layout.for_task(ADAPTER_FILE, task)
        tasks = _table(_read_json(repository / INNER_CONFIG).get("tasks", {}), repository / INNER_CONFIG)
        found = _table(tasks.get(task, {}), repository / INNER_CONFIG).get(ADAPTER_FILE)
        common = (repository / ADAPTER_FILE).is_file() and not (repository / own).is_file()
        named = found or (ADAPTER_FILE if common else own)
    return _read_state(_beside(repository, named), lambda state: InnerLink(_in_width(state)))


def read_outer_links(repository: Path, layout: ReleasedLayout, task: str = "math") -> dict[Edge, State]:
    """The outer links in their repository; see `read_released_links`."""
    layout.check_task(task)
    files = _listed(repository, task)
    links: dict[Edge, State] = {}
    for edge, names in layout.edges.items():
        usual = [f"{names.file}.pt"]
        if layout.tasks:
            usual.insert(0, layout.for_task(usual[0], task))
        file = files.get(names.key) or next((each for each in usual if (repository / each).is_file()), None)
        if file is None:
            what = f"is neither listed in {OUTER_CONFIG}, as {names.key!r}, nor there as {usual[0]!r}"
            raise SystemNotFound(f"link {edge[0]}->{edge[1]}", what, "Fetch the outer links again.")
        links[edge] = _read_state(_beside(repository, file), _outer)
    return links


def _listed(repository: Path, task: str) -> dict[str, str]:
    """The files that an outer links' repository lists, by the release's keys; none if it lists none."""
    path = repository / OUTER_CONFIG
    kept = _read_json(path)
    if "tasks" in kept:
        tasks = _table(kept["tasks"], path)
        if task not in tasks:
            raise SystemNotFound(f"task {task!r}", "has no outer links there", f"Choose one of {sorted(tasks)}.")
        kept = _table(tasks[task], path)
    listed = kept.get("adapters", [])
    if not isinstance(listed, list):
        raise UnsafeCheckpoint(f"{repository.name}/{OUTER_CONFIG}", "lists no links", _AGAIN)
    entries = [_table(entry, path) for entry in listed]
    return {str(e["legacy_key"]): e["filename"] for e in entries if e.get("legacy_key") and e.get("filename")}


def _outer(state: State) -> nn.Module:
    return OuterLink(_in_width(state), state["residual_proj.weight"].shape[0])


def _in_width(state: State) -> int:
    return state["proj1.weight"].shape[1]


def _read_state(path: Path, link: Callable[[State], nn.Module]) -> State:
    """A link's tensors; `link` makes the empty link that they should fill."""
    where = f"{path.parent.name}/{path.name}"
    if not path.is_file():
        raise SystemNotFound(where, "does not exist", "Save or fetch the links again.")
    try:
        _check_stored(path, where)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except UnsafeCheckpoint:
        raise
    except _DAMAGE as error:
        reason = next(iter(str(error).splitlines()), repr(error))
        raise UnsafeCheckpoint(where, f"is damaged, or more than tensors ({reason})", _AGAIN) from error
    if not isinstance(state, dict) or not all(_is_plain(value) for value in state.values()):
        raise UnsafeCheckpoint(where, "holds something other than plain tensors", _AGAIN)
    try:
        with torch.device("meta"):
            wanted = {key: value.shape for key, value in link(state).state_dict().items()}
    except (LookupError, RuntimeError, ValueError) as error:
        raise UnsafeCheckpoint(where, f"is no link of the released form ({error})", _AGAIN) from error
    if {key: value.shape for key, value in state.items()} != wanted:
        wrong = sorted(str(key) for key in state.keys() ^ wanted.keys()) or "tensors of other shapes"
        raise UnsafeCheckpoint(where, f"is no link of the released form ({wrong})", _AGAIN)
    if not all(value.isfinite().all() for value in state.values()):
        raise UnsafeCheckpoint(where, "holds numbers that are not finite", "Take links from before they broke.")
    return {str(key): value.detach().contiguous() for key, value in state.items()}


def _check_stored(path: Path, where: str) -> None:
    """See that a file is as torch writes it: it never compresses, and reads on where a checksum is wrong."""
    if not zipfile.is_zipfile(path):
        return  # torch's older form; what is in it is checked all the same
    with zipfile.ZipFile(path) as kept:
        if any(info.compress_type != zipfile.ZIP_STORED for info in kept.infolist()):
            raise UnsafeCheckpoint(where, "is compressed, and could unfold to any size", _AGAIN)
        if kept.testzip() is not None:
            raise UnsafeCheckpoint(where, "is damaged: a checksum is wrong", _AGAIN)


def _is_plain(value: object) -> bool:
    """Whether it is a tensor of numbers that are all in the file: a view can claim a size that is not there."""
    if not isinstance(value, Tensor) or value.layout != torch.strided or not value.is_floating_point():
        return False
    return value.device.type == "cpu" and value.untyped_storage().nbytes() >= value.numel() * value.element_size()


def _read_json(path: Path) -> Mapping[str, Any]:
    """A configuration, empty if there is none."""
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > _LONGEST:
            raise UnsafeCheckpoint(f"{path.parent.name}/{path.name}", f"is larger than {_LONGEST >> 20} MB", _AGAIN)
        return _table(json.loads(path.read_bytes()), path)
    except (ValueError, RecursionError) as error:
        if isinstance(error, UnsafeCheckpoint):
            raise
        raise UnsafeCheckpoint(f"{path.parent.name}/{path.name}", f"is damaged ({error})", _AGAIN) from error


def _table(value: object, path: Path) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UnsafeCheckpoint(f"{path.parent.name}/{path.name}", "is laid out in another way", _AGAIN)
    return value


def _beside(repository: Path, name: object) -> Path:
    """The path of what a configuration names beside itself: a stranger's must not lead elsewhere."""
    if not isinstance(name, str) or name in ("", ".", "..") or "\\" in name or Path(name).name != name:
        raise UnsafeCheckpoint(
            f"folder {repository.name!r}", f"names the file {name!r}, which is no plain name", _AGAIN
        )
    return repository / name
