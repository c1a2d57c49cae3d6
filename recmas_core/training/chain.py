"""Stages that train one link after the other: loops one behind the other, as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from recmas_core.records import TrainStep
from recmas_core.training.loop import StageRun


class Chained(Iterator[TrainStep]):
    """Loops one behind the other; steps are counted through.

    Args:
        parts: Make the loops; each is made when the one before is over, as it may read what that one trained.
    """

    def __init__(self, parts: Sequence[Callable[[], StageRun]]) -> None:
        self._parts, self._at, self._done = parts, 0, 0
        self._run: StageRun | None = None
        self._closed = False

    def __next__(self) -> TrainStep:
        """Make one optimizer step."""
        while not self._closed and self._at < len(self._parts):
            if self._run is None:
                self._run = self._parts[self._at]()
            step = next(self._run, None)
            if step is not None:
                whole = self._run.config.steps * len(self._parts)
                return replace(step, step=self._done + step.step, steps=whole)
            self._done += self._run.config.steps
            self._run, self._at = None, self._at + 1
        self._closed = True
        raise StopIteration

    def close(self) -> None:
        """End it: links stay as they are, frozen."""
        if self._run is not None:
            self._run.close()
        self._closed = True

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on, apart from links of finished loops."""
        run = None if self._run is None else self._run.state_dict()
        return {"at": self._at, "done": self._done, "closed": self._closed, "run": run}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on exactly where `state_dict` was taken; links of finished loops must be in place already."""
        self._at, self._done, self._closed = state["at"], state["done"], state["closed"]
        self._run = None
        if state["run"] is not None:
            self._run = self._parts[self._at]()
            self._run.load_state_dict(state["run"])
