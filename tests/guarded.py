"""A host with things worth taking, and an account of what a program did to it."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

import pytest


def children() -> frozenset[int]:
    """The ids of this process's children; none where the system does not tell."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it ended while we looked
            continue
        if int(fields[1]) == os.getpid():
            found.add(int(stat.parent.name))
    return frozenset(found)


class Host:
    """This process, seen by a program that should not see it.

    Args:
        folder: An empty folder.
        monkeypatch: Undoes what is set up in the environment.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.canary, self.mark = folder, folder / "canary.txt", folder / "mark"
        self.secret, self.hidden = secrets.token_hex(16), secrets.token_hex(16)
        self.canary.write_text(self.secret)
        (folder / "bait.py").write_text(f"SECRET = {self.secret!r}\n")
        monkeypatch.setenv("RECMAS_TEST_HIDDEN", self.hidden)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0.0)
        self.signals = 0
        self.ours = threading.current_thread() is threading.main_thread()
        if self.ours:
            self._handler = signal.signal(signal.SIGUSR1, self._hit)
        self.before = self._state()
        self.listed = frozenset(path.name for path in folder.iterdir())

    def _hit(self, _number: int, _frame: FrameType | None) -> None:
        self.signals += 1

    def _state(self) -> tuple[frozenset[int], str]:
        return children(), str(Path.cwd())

    def close(self) -> None:
        """Take everything down again."""
        self.listener.close()
        if self.ours:
            signal.signal(signal.SIGUSR1, self._handler)

    def fill(self, code: str) -> str:
        """A program aimed at this host."""
        places = {
            "CANARY": str(self.canary), "MARK": str(self.mark), "HERE": str(self.folder), "PID": os.getpid(),
            "PORT": self.listener.getsockname()[1],
        }  # fmt: skip
        return "\n".join([*(f"{name} = {value!r}" for name, value in places.items() if name in code), code])

    def run_unguarded(self, code: str) -> str:
        """Run a program with nothing around it, in a child process, as proof that it would do harm."""
        done = subprocess.run(
            [sys.executable, "-c", "import sys; exec(sys.argv[1], {'__name__': '__main__'})", code],
            capture_output=True, text=True, timeout=60, check=False, cwd=self.folder.parent,
        )  # fmt: skip
        return done.stdout

    def breaches(self, result: str) -> frozenset[str]:
        """What a program got done that it should not have."""
        names = {path.name for path in self.folder.iterdir()}
        changed = not self.canary.exists() or self.canary.read_text() != self.secret
        found = {
            "read": self.secret in result,
            "environment": self.hidden in result,
            "listed": "canary.txt" in result,
            "changed": changed,
            "wrote": bool(names - self.listed),
            "called": self._called(),
            "signalled": self._signalled(),
            "left": self._state() != self.before,
        }
        return frozenset(name for name, happened in found.items() if happened)

    def _called(self) -> bool:
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def _signalled(self) -> bool:
        time.sleep(0)  # a handler runs between two bytecodes of the main thread
        return self.signals > 0
