"""The turns of one stage side by side: a step of each, then the next step of each."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch

from recmas_core.agents import Agent
from recmas_core.steps import End, Sent, Step, Timed

Turn: TypeAlias = Generator[Step, None, End]
# Parameters of an agent from which a step is worth a thread. Measured on two busy cores with three random Qwen3: at
# 4M to 18M no gain (0.85 to 1.0 times as fast), at 50M 1.2 to 1.3 times; agents of 20 thousand were slower (0.92).
WORTH = 30_000_000


def worth_threads(agents: Sequence[Agent]) -> bool:
    """Whether steps of these agents are faster in a thread each than one after the other.

    They are where the agents are large enough that a step is mostly arithmetic, which lets go of Python's lock, and
    where torch leaves processors free. On a GPU the steps queue up behind each other anyway.
    """
    if len(agents) < 2 or any(agent.device.type != "cpu" or agent.parameters < WORTH for agent in agents):
        return False
    return _processors() // torch.get_num_threads() >= 2


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):  # those this process may use, where the system tells
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def side_by_side(turns: Sequence[Turn], *, threads: bool) -> Generator[Step, None, list[End]]:
    """Run turns that do not read each other, in lockstep; returns how each ended.

    Each in turn makes one latent step or one token; the transfers of a turn follow one another. The steps, their order
    and their values do not depend on `threads`.

    Args:
        turns: One generator of steps for each turn.
        threads: Compute a step of every turn at once, each in a thread of its own. Steps then bring their share of
            the time with them.
    """
    ends: dict[int, End] = {}
    live = dict(enumerate(turns))
    pool = ThreadPoolExecutor(len(turns), thread_name_prefix="recmas-stage") if threads else None
    try:
        while live:
            together = _together(pool, list(live.values())) if pool and len(live) > 1 else None
            for number, turn in list(live.items()):
                end = yield from (_advance(turn) if together is None else next(together).replay())
                if end is not None:
                    ends[number] = end
                    del live[number]
    finally:
        if pool is not None:
            pool.shutdown()
        for turn in turns:
            turn.close()
    return [ends[number] for number in range(len(turns))]


def _advance(turn: Turn) -> Generator[Step, None, End | None]:
    """One step of a turn, or all of its transfers; returns its end when it has come."""
    while True:
        try:
            step = next(turn)
        except StopIteration as stop:
            end: End = stop.value
            return end
        yield step
        if not isinstance(step, Sent):
            return None


@dataclass(frozen=True)
class _Stretch:
    """What one turn made while the others made theirs: steps, its end, and its share of the time."""

    steps: tuple[Step, ...]
    end: End | None
    error: Exception | None
    seconds: float

    def replay(self) -> Generator[Step, None, End | None]:
        """The steps, then what came after them."""
        share = self.seconds / max(1, len(self.steps))
        for step in self.steps:
            yield replace(step, seconds=share) if isinstance(step, Timed) else step
        if self.error is not None:
            raise self.error
        return self.end


def _together(pool: ThreadPoolExecutor, turns: Sequence[Turn]) -> Generator[_Stretch, None, None]:
    """Advance every turn at once; yields what each made, in order."""
    grad, inference = torch.is_grad_enabled(), torch.is_inference_mode_enabled()  # both belong to a thread

    def advance(turn: Turn) -> _Stretch:
        started = time.perf_counter()
        steps: list[Step] = []
        end: End | None = None
        error: Exception | None = None
        with torch.inference_mode(inference), torch.set_grad_enabled(grad):
            steps_of = _advance(turn)
            try:
                while True:
                    steps.append(next(steps_of))
            except StopIteration as stop:
                end = stop.value
            except Exception as raised:  # handed to the reader in its place, behind the steps made before it
                error = raised
        return _Stretch(tuple(steps), end, error, time.perf_counter() - started)

    started = time.perf_counter()
    stretches = list(pool.map(advance, turns))
    scale = (time.perf_counter() - started) / sum(stretch.seconds for stretch in stretches)
    yield from (replace(stretch, seconds=stretch.seconds * scale) for stretch in stretches)
