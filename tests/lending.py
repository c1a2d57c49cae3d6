"""A stand-in for `spaces` on ZeroGPU: what it decorates really runs in a forked process, and ends when time is over.

As in spaces 0.51 (zero/wrappers.py): arguments and results are pickled; the process makes results without waiting for
their reader; closing the generator stops it after the result under way; a process that came to its end is used again
for the same function; of an exception no more comes back than its class's name; a process that dies is "GPU task
aborted".
"""

from __future__ import annotations

import inspect
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import Queue
from types import ModuleType
from typing import Any

import gradio as gr
import pytest

_FORK = multiprocessing.get_context("fork")
END, DIED = "end", "died"


@dataclass
class Lender:
    """What the stand-in does, and what was asked of it.

    Attributes:
        results: After how many results of a call the process is killed, call by call; then none is.
        refusal: What asking for a GPU is answered with, "" for a GPU.
        asked: The seconds that were asked for, call by call.
        workers: The processes, in the order in which they were forked.
        decorated: The functions.
    """

    results: list[int] = field(default_factory=list)
    refusal: str = ""
    asked: list[int] = field(default_factory=list)
    workers: list[_Worker] = field(default_factory=list)
    decorated: list[Callable[..., Any]] = field(default_factory=list)

    def gpu(self, task: Callable[..., Any], *, duration: Callable[..., int]) -> Callable[..., Any]:
        """The decorator."""
        assert inspect.isgeneratorfunction(task)
        self.decorated.append(task)
        idle: list[_Worker] = []

        def lent(*args: Any) -> Generator[Any, None, None]:
            self.asked.append(duration(*args))
            if self.refusal:
                raise gr.Error(self.refusal, title="ZeroGPU quota exceeded")
            worker = idle.pop() if idle else self._forked(task)
            worker.calls.send((args, self.results.pop(0) if self.results else -1))
            came: Queue[Any] = Queue()
            reader = threading.Thread(target=worker.read, args=(came,), daemon=True)
            reader.start()
            try:
                while (item := came.get()) != (END, None):
                    kind, value = item
                    if kind == DIED:
                        raise gr.Error("GPU task aborted", title="ZeroGPU worker error")
                    if kind == "error":
                        raise gr.Error(value, title="ZeroGPU worker error")
                    yield value
            except GeneratorExit:
                worker.stop.set()
                raise
            finally:
                reader.join()
                if worker.fit:
                    idle.append(worker)

        return lent

    def _forked(self, task: Callable[..., Any]) -> _Worker:
        worker = _Worker(task)
        self.workers.append(worker)
        return worker

    def end(self) -> None:
        """End the processes."""
        for worker in self.workers:
            worker.process.kill()
            worker.process.join()


class _Worker:
    """A forked process that runs one function, call after call."""

    def __init__(self, task: Callable[..., Any]) -> None:
        self.calls, theirs = _FORK.Pipe()
        self.results, ours = _FORK.Pipe(duplex=False)
        self.stop = _FORK.Event()
        self.fit = False
        self.process: BaseProcess = _FORK.Process(target=self._work, args=(task, theirs, ours), daemon=True)
        self.process.start()
        ours.close()

    def read(self, came: Queue[Any]) -> None:
        """Take everything that comes of a call, whoever waits for it."""
        self.fit = True
        while True:
            try:
                item = self.results.recv()
            except EOFError:
                item = (DIED, None)
            self.fit &= item[0] not in (DIED, "error")
            came.put(item)
            if item[0] in (END, DIED):
                return

    def _work(self, task: Callable[..., Any], calls: Connection, results: Connection) -> None:
        while True:
            args, most = calls.recv()
            self.stop.clear()
            # a thread of its own, as there: OpenMP's threads of the process that forked are gone
            thread = threading.Thread(target=self._iterate, args=(task, args, most, results))
            thread.start()
            thread.join()
            results.send((END, None))

    def _iterate(self, task: Callable[..., Any], args: Any, most: int, results: Connection) -> None:
        live, made = task(*args), 0
        while True:
            if made == most:
                os._exit(1)
            try:
                value = next(live)
            except StopIteration:
                return
            except Exception as error:
                results.send(("error", type(error).__name__))
                return
            if self.stop.is_set():
                live.close()
                return
            results.send(("ok", value))
            made += 1


def install(monkeypatch: pytest.MonkeyPatch) -> Lender:
    """Make this process a Space on ZeroGPU, as far as the page can tell."""
    lender, module = Lender(), ModuleType("spaces")
    module.__spec__ = ModuleSpec("spaces", None)
    module.GPU = lender.gpu  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spaces", module)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    return lender
