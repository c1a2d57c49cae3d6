"""Questions to begin with, for each little world."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from recmas_core.tasks import TASKS, Task

OUTSIDE = "What is the capital of France?"
# Chosen by hand where typed arithmetic is understood too; any other world shows held-out questions.
_CHOSEN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "chain": (
            "start 4 s1 + 9 s2 * 3 s3 - 5 s4 + 2 s5 * 7 s6 - 8 s7 + 6",
            "start 7 s1 + 3 s2 * 7 s3 - 4",
            "2 + 9 * 3 - 5 + 8 * 7",
            "9 * 9 - 1 + 6 * 3 + 2 - 8 * 7 + 4",
        )
    }
)


def examples_of(task: Task | None) -> tuple[str, ...]:
    """Questions of a world, the last one outside of it."""
    return (OUTSIDE,) if task is None else (*(_CHOSEN.get(task.name) or _held_out(task.name)), OUTSIDE)


@lru_cache(64)
def _held_out(name: str) -> tuple[str, ...]:
    drawn = TASKS[name].sample(40, seed=0, split="test")
    by_length = sorted({example.question for example in drawn}, key=lambda text: (-len(text.split()), text))
    # one long question first: it takes all rounds; then others of every length
    return tuple(by_length[i * (len(by_length) - 1) // 3] for i in range(4))
