"""Starts the page in a process of its own, as anyone would start it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

from tests.browser.explorer import wait_for

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def page_server(
    log: Path, *options: str, environment: Mapping[str, str] | None = None, empty: bool = True
) -> Iterator[str]:
    """The URL of `python app.py` with these options on a free port; what it prints goes to `log`.

    `environment` is added to this process's own. Unless `empty` is false no run is there when a visitor comes.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "app.py", "--port", str(port), *(["--empty"] if empty else []), *options], cwd=ROOT,
            stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})},
        )  # fmt: skip

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                return reply.status == 200
        except (URLError, ConnectionError, TimeoutError):
            return False

    try:
        wait_for(answers, seconds=120, what="the page to answer")
        yield url
    finally:
        process.terminate()
        process.wait(30)
