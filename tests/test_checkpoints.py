"""Checkpoints and the folder of a run: exact round trips, damage named, nothing half-written, one run at a time."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import recmas_core as rm
from recmas_core.training import checkpoints
from recmas_core.training.checkpoints import (
    WriteFailed,
    checkpoints_in,
    load_checkpoint,
    read_checkpoint,
    save_checkpoint,
)
from recmas_core.training.runfolder import FolderBusy, RunFolder

ROOT = Path(__file__).resolve().parent.parent


def plain(value: object) -> object:
    """A state as nested values that == compares: kinds of container, dtypes, shapes and bits included."""
    if isinstance(value, Tensor):
        raw = value.contiguous().reshape(-1).view(torch.uint8) if value.numel() else value
        return ("tensor", value.dtype, tuple(value.shape), raw.tolist())
    if isinstance(value, dict):
        return ("dict", [(key, plain(item)) for key, item in value.items()])
    if isinstance(value, list | tuple):
        return (type(value).__name__, [plain(item) for item in value])
    return (type(value).__name__, repr(value))


def stepped(seed: int = 0) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(seed)
    link = nn.Linear(3, 3)
    optimizer = torch.optim.AdamW(link.parameters(), lr=0.1)
    link(torch.ones(3)).sum().backward()
    optimizer.step()
    return link, optimizer


def state(seed: int = 0) -> dict[object, object]:
    """Something of everything, with a real optimizer's state, whose keys are numbers."""
    link, optimizer = stepped(seed)
    shared = torch.arange(6.0).reshape(2, 3)
    return {
        "link": dict(link.state_dict()),
        "optimizer": optimizer.state_dict(),
        "generator": torch.Generator().manual_seed(seed).get_state(),
        "odd": [torch.tensor(3, dtype=torch.int64), torch.ones(2, dtype=torch.bfloat16), torch.zeros(0, 4)],
        "views": (shared, shared.T, shared[1]),
        "plain": [True, 1, 1.0, 0.1 + 0.2, float("inf"), -0.0, "é\u2028", None, (), {}, 2**70],
        "edges": {("planner", "critic"): 0.5, (1, ("a", "b")): [torch.tensor(True)]},
    }


def test_a_state_comes_back_exactly(tmp_path: Path) -> None:
    path = save_checkpoint(state(), tmp_path, step=7)
    assert read_checkpoint(path)[0] == 7
    assert plain(read_checkpoint(path)[1]) == plain(state())
    assert list(tmp_path.iterdir()) == [path]


def test_an_optimizer_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    link, optimizer = stepped()
    save_checkpoint({"link": link.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path, step=1)
    kept = load_checkpoint(tmp_path).state
    other, its = stepped(seed=1)
    other.load_state_dict(kept["link"])
    its.load_state_dict(kept["optimizer"])
    for each, steps in ((link, optimizer), (other, its)):
        each(torch.ones(3)).square().sum().backward()
        steps.step()
    assert plain(dict(other.state_dict())) == plain(dict(link.state_dict()))


@pytest.mark.parametrize("foreign", [Path("x"), {1.5: 1}, {"a": {2, 3}}, {"a": torch.float32}, {None: 1}])
def test_what_a_checkpoint_cannot_hold_is_refused(foreign: object, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="cannot hold"):
        save_checkpoint(foreign if isinstance(foreign, dict) else {"a": foreign}, tmp_path, step=1)
    assert not list(tmp_path.iterdir())


def test_the_last_two_are_kept_and_the_newest_is_found(tmp_path: Path) -> None:
    for step in (5, 90, 100):
        save_checkpoint({"at": step}, tmp_path, step=step)
    assert [path.stem for path in checkpoints_in(tmp_path)] == ["checkpoint-100", "checkpoint-90"]
    found = load_checkpoint(tmp_path)
    assert (found.step, found.state, found.damaged) == (100, {"at": 100}, ())


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path: Path) -> None:
    save_checkpoint(state(), tmp_path, step=1)
    newest = save_checkpoint(state(), tmp_path, step=2)
    newest.write_bytes(newest.read_bytes()[:-9])
    found = load_checkpoint(tmp_path)
    assert (found.step, found.damaged) == (1, (newest,))


def test_damage_is_named(tmp_path: Path) -> None:
    whole = save_checkpoint(state(), tmp_path / "whole", step=1).read_bytes()
    path = tmp_path / "checkpoint-1.safetensors"
    torch.manual_seed(0)
    for end in (0, 7, 8, 40, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(rm.UnsafeCheckpoint, match="checkpoint-1"):
            load_checkpoint(tmp_path)


FOREIGN = {
    "another format": {"format": "pt"},
    "no step": {"format": checkpoints.FORMAT, "tree": '{"d": []}'},
    "no tree": {"format": checkpoints.FORMAT, "step": "1"},
    "broken tree": {"format": checkpoints.FORMAT, "step": "1", "tree": "{"},
    "a tensor that is not there": {"format": checkpoints.FORMAT, "step": "1", "tree": '{"d": [["a", {"t": "9"}]]}'},
    "an unknown container": {"format": checkpoints.FORMAT, "step": "1", "tree": '{"x": []}'},
    "a list": {"format": checkpoints.FORMAT, "step": "1", "tree": '{"l": []}'},
    "bottomless": {"format": checkpoints.FORMAT, "step": "1", "tree": '{"l": [' * 50_000},
}


@pytest.mark.parametrize("metadata", FOREIGN.values(), ids=FOREIGN.keys())
def test_foreign_files_are_refused(metadata: dict[str, str], tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "checkpoint-1.safetensors", metadata=metadata)
    with pytest.raises(rm.UnsafeCheckpoint):
        load_checkpoint(tmp_path)


def test_a_pickle_under_the_name_is_not_read(tmp_path: Path) -> None:
    torch.save(state(), tmp_path / "checkpoint-1.safetensors")
    with pytest.raises(rm.UnsafeCheckpoint):
        load_checkpoint(tmp_path)


def test_no_checkpoint_is_said(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-x.safetensors").touch()
    with pytest.raises(rm.SystemNotFound, match="no checkpoint"):
        load_checkpoint(tmp_path)


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in (1, 2):
        kept = save_checkpoint(state(), tmp_path, step=step)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteFailed, match="the disk is full"):
        save_checkpoint(state(), tmp_path, step=3)
    assert checkpoints_in(tmp_path)[0] == kept
    assert len(list(tmp_path.iterdir())) == 2
    assert plain(load_checkpoint(tmp_path).state) == plain(state())


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A real limit of the operating system on what a file of this process may hold."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert signal.getsignal(signal.SIGXFSZ) is signal.SIG_IGN  # as Python sets it: writing raises, nobody is killed
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    with files_of_at_most(1000), pytest.raises(WriteFailed, match="File too large"):
        save_checkpoint(state(), tmp_path, step=3)
    assert not list(tmp_path.iterdir())


def test_a_system_is_written_whole_or_not_at_all(system: rm.System, tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run") as folder:
        with files_of_at_most(20_000), pytest.raises(WriteFailed):
            folder.write_system(system)
        assert [path.name for path in folder.path.iterdir()] == [".lock"]
        for _ in range(2):  # a run that is resumed behind its end writes it again
            folder.write_system(system)
        assert rm.load_system(str(folder.path)).roles == system.roles
        assert not list(folder.path.glob(".*.half"))


def test_a_line_that_breaks_off_is_taken_back(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as folder:
        folder.append_step({"step": 1})
        with files_of_at_most(30), pytest.raises(WriteFailed):
            folder.append_step({"step": 2, "note": "x" * 100})
        assert (tmp_path / "steps.jsonl").read_text() == '{"step": 1}\n'


def test_steps_behind_the_checkpoint_are_cut(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as folder:
        for step in (1, 2, 3):
            folder.append_step({"step": step})
        with (tmp_path / "steps.jsonl").open("a") as file:
            file.write('{"step": 4')  # killed in the middle of a line
        folder.cut_steps(9)
        assert [json.loads(line)["step"] for line in (tmp_path / "steps.jsonl").open()] == [1, 2, 3]
        folder.cut_steps(2)
        folder.append_step({"step": 30})
        assert [json.loads(line)["step"] for line in (tmp_path / "steps.jsonl").open()] == [1, 2, 30]


HOLDER = """
import sys, time
from recmas_core.training.runfolder import RunFolder
with RunFolder(sys.argv[1]):
    print("in", flush=True)
    time.sleep(60)
"""


def test_two_runs_into_one_folder_are_refused(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"in\n"
            with pytest.raises(FolderBusy, match=f"in use by process {holder.pid} .* begun 20"), RunFolder(tmp_path):
                pass
        finally:
            holder.kill()
    with RunFolder(tmp_path) as folder:  # the lock went with the process; its name did not
        assert f"process {holder.pid}" in folder.left_behind
    with RunFolder(tmp_path) as folder:
        assert folder.left_behind == ""


def test_what_a_killed_process_left_half_written_goes(tmp_path: Path) -> None:
    halves = [tmp_path / ".checkpoint-4.safetensors.99.half", tmp_path / ".system.half" / "links" / "a"]
    for half in halves:
        half.parent.mkdir(parents=True, exist_ok=True)
        half.touch()
    with RunFolder(tmp_path) as folder:
        assert not any(half.exists() for half in halves)
        folder.check_empty()


@pytest.mark.parametrize(("name", "word"), [("run.json", "earlier run"), ("thesis.txt", "thesis.txt")])
def test_a_run_begins_in_an_empty_folder(name: str, word: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    with RunFolder(tmp_path) as folder, pytest.raises(FolderBusy, match=word):
        folder.check_empty()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "recmas-run-0"}', "\xff"])
def test_a_damaged_run_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text, encoding="latin-1")
    with RunFolder(tmp_path) as folder, pytest.raises(rm.UnsafeCheckpoint, match=r"run\.json"):
        folder.read_run()
