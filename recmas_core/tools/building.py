"""Makes the sandbox: CPython and `guest`, compiled to WebAssembly and from there to this machine's code.

It runs in a process of its own, `python -I building.py OUTPUT`: compiling takes a gigabyte for some seconds, and the
app should neither hold that nor wait for it. That is why nothing of this project is imported here.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wasmtime import Engine

GUEST = Path(__file__).with_name("guest.py")

# All that goes in and out. There is no import, so there is nothing of the host that the component could call.
WORLD = """
package recmas:sandbox;

world sandbox {
  export run: func(program: string, longest: u32, megabytes: u32) -> u32;
  export letter: func(index: u32) -> char;
}
"""
_RESERVED = 256 << 20  # bytes of address space for one program; beyond that its memory moves when it grows


def engine() -> Engine:
    """A WebAssembly engine whose programs can be interrupted, and which needs no signal handlers of the process."""
    from wasmtime import Config, Engine

    config = Config()
    config.epoch_interruption = True
    config.signals_based_traps = False  # else whoever installs a SIGSEGV handler later could break the sandbox
    config.memory_reservation = _RESERVED
    config.memory_guard_size = 0
    return Engine(config)


@contextlib.contextmanager
def _argv(*words: str) -> Iterator[None]:
    """The command line that `componentize_py.script` reads."""
    kept, sys.argv = sys.argv, list(words)
    try:
        yield
    finally:
        sys.argv = kept


def componentize(folder: Path) -> Path:
    """Make the WebAssembly component in an empty folder and return its path."""
    import componentize_py

    source, packages = folder / "source", folder / "venv"
    source.mkdir()
    shutil.copy(GUEST, source / "guest.py")
    (folder / "sandbox.wit").write_text(WORLD, encoding="utf-8")
    # It would put this machine's site-packages before the standard library: it is shown an environment without any.
    empty = Path(sysconfig.get_path("purelib", vars={"base": str(packages), "platbase": str(packages)}))
    empty.mkdir(parents=True)
    os.environ["VIRTUAL_ENV"] = str(packages)
    target = folder / "sandbox.wasm"
    # --stub-wasi: what would ask the host for a file, the time or a random number ends the program instead.
    with _argv(
        "componentize-py", "-q", "-d", str(folder / "sandbox.wit"),
        "componentize", "--stub-wasi", "-p", str(source), "-o", str(target), "guest",
    ):  # fmt: skip
        componentize_py.script()
    return target


def main(output: Path) -> None:
    """Write this machine's code of the sandbox to `output`, whole or not at all."""
    from wasmtime.component import Component

    with tempfile.TemporaryDirectory(prefix="recmas-") as folder:
        component = Component.from_file(engine(), componentize(Path(folder)))
        half = output.with_name(f".{output.name}.{os.getpid()}.half")
        try:
            half.write_bytes(component.serialize())
            half.replace(output)
        finally:
            half.unlink(missing_ok=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
