"""The folder of a training run: one run at a time, its settings, its steps, its checkpoints, and the system it made.

run.json holds what was asked for, steps.jsonl every step as a JSON object of its own, checkpoint-<step>.safetensors
the last two checkpoints, .lock who is at work here. Once the run is finished the folder is a system folder besides:
system.json, <agent>/, links/.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from recmas_core.errors import RecmasError, SystemNotFound, UnsafeCheckpoint
from recmas_core.manifest import FILE
from recmas_core.storage import write_whole
from recmas_core.system import System
from recmas_core.training.checkpoints import checkpoints_in, writing

RUN, STEPS, LOCK, HALF = "run.json", "steps.jsonl", ".lock", ".system.half"
FORMAT = "recmas-run-1"


class FolderBusy(RecmasError):
    """Another run is at work in this folder."""


class RunFolder:
    """A run's folder, locked while the run is at work: `with RunFolder(path) as folder: …`.

    The lock is an advisory one of the operating system (flock, on Linux and macOS): it goes with the process, however
    that ends, so that nothing has to be cleaned up behind a killed run. On a network file system it holds where that
    system carries flock.

    Attributes:
        path: Where it is.
        left_behind: Who was at work here and did not end by itself, as a sentence; "" if nobody.

    Raises:
        FolderBusy: On entering, if another process is at work there.
        WriteFailed: On entering, if the folder cannot be written to.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.left_behind = ""
        self._lock: BinaryIO | None = None

    def __enter__(self) -> RunFolder:
        """Take the lock."""
        import fcntl  # not on Windows: training from the shell needs Linux or macOS

        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            lock = (self.path / LOCK).open("a+b")
        lock.seek(0)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:  # whoever holds it has written its name
            holder = _said(lock.read())
            lock.close()
            what, todo = f"is in use by {holder or 'another run'}", "Wait for it to end, or take another folder."
            raise FolderBusy(f"folder {str(self.path)!r}", what, todo) from error
        holder = _said(lock.read())
        if holder:
            self.left_behind = f"The run before, {holder}, did not end by itself."
        self._lock = lock
        with writing(self.path / LOCK):
            self._sign(f"process {os.getpid()} on {socket.gethostname()}, begun {_now()}")
        for half in [*self.path.glob(".*.half"), *self.path.glob("links/.*.half")]:
            _remove(half)  # of a process that was killed while it wrote; nobody else is here
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let it go."""
        if self._lock is not None:
            self._sign("")
            self._lock.close()
            self._lock = None

    def _sign(self, text: str) -> None:
        assert self._lock is not None
        self._lock.truncate(0)
        self._lock.write(text.encode())
        self._lock.flush()

    @property
    def begun(self) -> bool:
        """Whether a run was begun here."""
        return (self.path / RUN).exists()

    def check_empty(self) -> None:
        """Refuse a folder that holds anything: a run begins in a folder of its own.

        Raises:
            FolderBusy: If it holds an earlier run or anything else.
        """
        if self.begun:
            todo = "Go on with it (--resume), or take another folder."
            raise FolderBusy(f"folder {str(self.path)!r}", "holds an earlier run", todo)
        others = sorted(path.name for path in self.path.iterdir() if path.name != LOCK)
        if others:
            what = f"is not empty: it holds {others[0]!r}"
            raise FolderBusy(f"folder {str(self.path)!r}", what, "Take an empty or a new folder.")

    def write_run(self, run: Mapping[str, Any]) -> None:
        """Keep what was asked for.

        Raises:
            WriteFailed: If it cannot be written.
        """
        text = json.dumps({"format": FORMAT, **run}, indent=2, ensure_ascii=False)
        with writing(self.path / RUN):
            write_whole(self.path / RUN, lambda file: file.write(text.encode()))

    def read_run(self) -> dict[str, Any]:
        """What `write_run` kept.

        Raises:
            SystemNotFound: If no run was begun here.
            UnsafeCheckpoint: If the file is damaged.
        """
        where, anew = f"run {str(self.path / RUN)!r}", "Start the run anew in another folder."
        if not self.begun:
            raise SystemNotFound(where, "does not exist", "Start the run without --resume.")
        try:
            run = json.loads((self.path / RUN).read_text(encoding="utf-8"))
            if run["format"] != FORMAT:
                raise UnsafeCheckpoint(where, "is of another version", anew)
        except UnsafeCheckpoint:
            raise
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise UnsafeCheckpoint(where, f"cannot be read ({error})", anew) from error
        return dict(run)

    def append_step(self, step: Mapping[str, Any]) -> None:
        """Add one line to steps.jsonl.

        Raises:
            WriteFailed: If it cannot be written; no half of a line stays.
        """
        path = self.path / STEPS
        line = memoryview(json.dumps(step, ensure_ascii=False).encode() + b"\n")
        with writing(path), path.open("ab", buffering=0) as file:
            end = file.tell()
            try:
                while line:
                    line = line[file.write(line) :]
            except OSError:
                file.truncate(end)
                raise

    def cut_steps(self, kept: int) -> None:
        """Keep the first `kept` lines of steps.jsonl: later ones will be done again.

        Raises:
            WriteFailed: If it cannot be written.
        """
        path = self.path / STEPS
        with writing(path):
            lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
            whole = [line for line in lines if line.endswith(b"\n")][:kept]
            write_whole(path, lambda file: file.writelines(whole))

    def write_system(self, system: System) -> None:
        """Write the trained system into the folder: all of it or, when the disk is full, nothing.

        Raises:
            WriteFailed: If it cannot be written.
        """
        half = self.path / HALF
        try:
            with writing(self.path):
                system.save(half)
                (self.path / FILE).unlink(missing_ok=True)  # a folder that has one is complete
                for part in sorted(half.iterdir(), key=lambda part: part.name == FILE):
                    _remove(self.path / part.name)
                    part.rename(self.path / part.name)
        finally:
            _remove(half)

    @property
    def checkpoints(self) -> list[Path]:
        """Its checkpoints, newest first."""
        return checkpoints_in(self.path)


def _said(content: bytes) -> str:
    return content.decode("utf-8", errors="replace").strip()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
