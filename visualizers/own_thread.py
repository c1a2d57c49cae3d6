"""One thread that does one kind of work, apart from all others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class OwnThread:
    """Runs calls one after another in a daemon thread of its own, started with the first call.

    Args:
        name: Name of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name, self._lock, self._begun = name, threading.Lock(), False
        self._calls: SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = SimpleQueue()

    def submit(self, call: Callable[[], _Result]) -> Future[_Result]:
        """Have `call` run after those before it; its result or its exception comes with the future."""
        future: Future[_Result] = Future()
        self._calls.put((call, future))
        with self._lock:
            if not self._begun:
                self._begun = True
                threading.Thread(target=self._work, name=self._name, daemon=True).start()
        return future

    def _work(self) -> None:
        while True:
            call, future = self._calls.get()
            try:
                future.set_result(call())
            except BaseException as error:  # belongs to whoever waits for the result
                future.set_exception(error)
