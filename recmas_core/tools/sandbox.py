"""The sandbox: one program at a time in a WebAssembly instance of its own, with a limit of time and one of memory.

The component has no imports (see `building`): it can compute, and nothing else. Every call starts from the same
snapshot of a fresh interpreter and throws its instance away, so nothing is left for the next one to find.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from recmas_core.errors import RecmasError
from recmas_core.tools import building

if TYPE_CHECKING:
    from wasmtime import Engine
    from wasmtime.component import Component, Linker

_MAKING_SECONDS = 900  # for making the sandbox, once per machine: half a minute on two cores, more on a busy machine
_LETTERS = 200  # more than the longest note on a result that was cut


class SandboxUnavailable(RecmasError, RuntimeError):
    """The sandbox cannot be made or opened on this machine."""


class Stopped(Exception):
    """A program was stopped from outside. The message is what to tell the agent; `PythonTool` makes a result of it."""


@dataclass(frozen=True)
class _Slot:
    """Room for one program: an engine of its own, so that interrupting it interrupts no other."""

    engine: Engine
    component: Component
    linker: Linker


def cache_folder() -> Path:
    """Where the compiled sandbox is kept: a folder of this user's that no other can write to.

    What lies there is machine code that will be run, so a folder that others could have written to is not used;
    then, or where there is no home, it is a new temporary folder, and the sandbox is made again by every process.
    """
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    folder = (Path(base) if base else Path.home() / ".cache") / "recmas-explorer"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        ours = not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o022)
    except OSError:
        ours = False
    if ours and os.access(folder, os.W_OK):
        return folder
    return Path(tempfile.mkdtemp(prefix="recmas-explorer-"))


class Sandbox:
    """Runs programs, several at once, none of which can reach anything.

    Args:
        seconds: Wall-clock time one program may take.
        megabytes: Memory one program may use, interpreter included.
        at_once: How many programs may run side by side; further callers wait.
        folder: Where the compiled sandbox is kept. Default: `cache_folder()`.
    """

    def __init__(self, seconds: float, megabytes: int, at_once: int = 4, folder: Path | None = None) -> None:
        self.seconds, self.megabytes, self.at_once = seconds, megabytes, at_once
        self._folder = folder
        self._lock = threading.Lock()
        self._slots: SimpleQueue[_Slot] | None = None

    def open(self) -> SimpleQueue[_Slot]:
        """The free slots. Makes the sandbox if this machine has none yet (half a minute), and opens it (20 ms).

        Raises:
            SandboxUnavailable: If it can be neither opened nor made.
        """
        with self._lock:
            if self._slots is None:
                path = self._compiled()
                slots: SimpleQueue[_Slot] = SimpleQueue()
                for _ in range(self.at_once):
                    slots.put(_slot(path))
                self._slots = slots
            return self._slots

    def close(self) -> None:
        """Let go of the compiled code; programs that still run end as they would have. A later call opens it anew."""
        with self._lock:
            self._slots = None

    def forked(self) -> Sandbox:
        """A sandbox like this one, unopened, with a lock and slots that no thread can be holding."""
        return Sandbox(self.seconds, self.megabytes, self.at_once, self._folder)

    def run(self, program: str, longest: int) -> str:
        """What a program printed, its last value, or an error in words, cut to `longest` characters and a note.

        Raises:
            Stopped: If it took too long or asked for what is not there.
            SandboxUnavailable: If this machine has no sandbox.
        """
        slots = self.open()
        slot = slots.get()
        try:
            with _interrupted_after(self.seconds, slot.engine):
                return self._run(slot, program, longest)
        finally:
            slots.put(slot)

    def _run(self, slot: _Slot, program: str, longest: int) -> str:
        from wasmtime import Store, WasmtimeError

        store = Store(slot.engine)
        store.set_epoch_deadline(1)
        store.set_limits(memory_size=self.megabytes << 20, memories=1)
        try:
            instance = slot.linker.instantiate(store, slot.component)
            run, letter = instance.get_func(store, "run"), instance.get_func(store, "letter")
            assert run is not None
            assert letter is not None
            length = run(store, program, longest, self.megabytes)
            return "".join(letter(store, i) for i in range(min(length, longest + _LETTERS)))
        except WasmtimeError as error:
            raise Stopped(self._reason(str(error))) from None
        finally:
            store.close()

    def _reason(self, trap: str) -> str:
        """Why the engine stopped a program, from its words for it."""
        cause = trap.rpartition("wasm trap:")[2]
        if "interrupt" in cause:
            return f"stopped after {self.seconds:g} s"
        if "call stack exhausted" in cause:
            return "nested too deeply"
        if "memory minimum size" in trap:
            return f"out of memory ({self.megabytes} MB)"
        if "unreachable" not in cause or any(sign in trap for sign in ("!abort", "!fatal_error")):
            return "the interpreter crashed"
        return "the sandbox has no files, network, processes, clock or threads"

    def _compiled(self) -> Path:
        """This machine's compiled sandbox; makes it if need be."""
        folder = self._folder or cache_folder()
        self._folder = folder  # a temporary one is kept for the process
        path = folder / f"sandbox-{_fingerprint()}.cwasm"
        if path.is_file() and _opens(path):
            return path
        command = [sys.executable, "-I", building.__file__, str(path)]
        try:
            made = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=_MAKING_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _unavailable(str(error)) from error
        if made.returncode or not path.is_file():
            raise _unavailable(made.stderr.strip()[-300:] or f"it ended with {made.returncode}")
        return path


@contextlib.contextmanager
def _interrupted_after(seconds: float, engine: Engine) -> Iterator[None]:
    """Interrupts what runs on an engine after some time, and nothing that runs on it later."""
    watch = threading.Timer(seconds, engine.increment_epoch)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
        watch.join()


def _unavailable(reason: str) -> SandboxUnavailable:
    todo = "Install wasmtime and componentize-py for this machine, or switch the tools off."
    return SandboxUnavailable("python tool", f"has no sandbox here ({reason})", todo)


def _fingerprint() -> str:
    """Names what a compiled sandbox depends on: our two files, the two libraries, the machine."""
    parts = [platform.system(), platform.machine()]
    for library in ("wasmtime", "componentize-py"):
        try:
            parts.append(version(library))
        except PackageNotFoundError as error:
            raise _unavailable(f"{library} is not installed") from error
    digest = hashlib.sha256("/".join(parts).encode())
    for file in (building.GUEST, Path(building.__file__)):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _slot(path: Path) -> _Slot:
    from wasmtime.component import Component, Linker

    engine = building.engine()
    return _Slot(engine, Component.deserialize_file(engine, str(path)), Linker(engine))


def _opens(path: Path) -> bool:
    """Whether this processor can run what another process of this machine's user compiled."""
    from wasmtime import WasmtimeError

    try:
        _slot(path)
    except WasmtimeError:  # a processor without the instructions it was compiled for: it is made again
        return False
    return True
