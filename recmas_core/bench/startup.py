"""From the command to a page that answers, against an empty page on the same libraries."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

EMPTY_PAGE = """
import sys, torch, transformers, gradio
with gradio.Blocks() as page:
    gradio.Markdown("empty")
page.launch(server_name="127.0.0.1", server_port=int(sys.argv[1]), quiet=True)
"""


def time_startup(command: list[str], port: int, *, limit: float = 180.0) -> float:
    """Seconds from starting a command until its page answers with status 200; the process is stopped again.

    Raises:
        RuntimeError: If the process ends or does not answer in time.
    """
    environment = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while time.perf_counter() - started < limit:
            if process.poll() is not None:
                raise RuntimeError(f"{command} ended with status {process.returncode} before its page answered")
            if _answers(port):
                return time.perf_counter() - started
            time.sleep(0.02)
        raise RuntimeError(f"{command} did not answer within {limit:.0f} s")
    finally:
        process.terminate()
        process.wait(timeout=30)


def startup_ratio(app: Path, *, repeats: int) -> tuple[float, float, float]:
    """(seconds of the app, of the empty page, ratio), medians over pairs; one pair before them is not counted."""
    ours, empty = [], []
    for count in range(repeats + 1):
        port = _free_port()
        bare = time_startup([sys.executable, "-c", EMPTY_PAGE, str(port)], port)
        port = _free_port()
        app_time = time_startup([sys.executable, str(app), "--port", str(port)], port)
        if count:
            ours.append(app_time)
            empty.append(bare)
    ratios = [a / b for a, b in zip(ours, empty, strict=True)]
    return statistics.median(ours), statistics.median(empty), statistics.median(ratios)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False  # not listening yet: the caller asks again


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
