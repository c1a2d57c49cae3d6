"""The thoughts of a run as a tidy table: one row per thought, with what it says, how long it is, and where it lies."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from recmas_core.probes import lens, nearest
from recmas_core.records import Thought, Trace

if TYPE_CHECKING:
    from recmas_core.system import System

WORDS = 5
Value = str | int | float | None


@dataclass(frozen=True)
class MapPlace:
    """Where a thought lies on a map.

    Attributes:
        x, y: Its place; axes have no unit.
        map: Which map: "<role>.thoughts".
        method: What placed it there, in words.
    """

    x: float
    y: float
    map: str
    method: str


_NOWHERE: Mapping[tuple[int, int], MapPlace] = MappingProxyType({})
# What each column holds; word_1, p_1, near_1 and cos_1 stand for those up to `words`.
COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "turn": "Turn of the run, from 0.",
        "round": "Recursion round, from 1.",
        "role": "Who thought.",
        "step": "Position in the turn, from 0.",
        "x": "Place on the map of this agent's thoughts, first axis; empty without a map.",
        "y": "Second axis. Axes have no unit, and differ from agent to agent.",
        "map": "Name of the map.",
        "method": "What placed the thought on it.",
        "norm": "Euclidean length of the last hidden state h.",
        "embed_norm": "Euclidean length of R_in(h), the thought as the agent's own next input.",
        "seconds": "Time of this latent step.",
        "word_1": "Likeliest next word by the agent's own head (logit lens).",
        "p_1": "Its probability.",
        "near_1": "Word of the agent's vocabulary whose input embedding points most nearly the way of R_in(h).",
        "cos_1": "Their cosine.",
    }
)


def thought_rows(
    system: System, trace: Trace, places: Mapping[tuple[int, int], MapPlace] = _NOWHERE, *, words: int = WORDS
) -> list[dict[str, Value]]:
    """One row per thought, in the order of the run; `COLUMNS` says what a column holds.

    Args:
        system: The system whose agents thought.
        trace: A run, finished or not.
        places: Where thoughts lie, by (turn, step).
        words: Likeliest and nearest words per thought.

    Raises:
        DimensionMismatch: If the thoughts are not as wide as the system's agents.
    """
    said = _readings(system, trace, words)
    rows: list[dict[str, Value]] = []
    for thought in trace.thoughts:
        key = (thought.turn, thought.step)
        place = places.get(key)
        rows.append(
            {
                "turn": thought.turn,
                "round": thought.round,
                "role": thought.role,
                "step": thought.step,
                "x": None if place is None else round(place.x, 4),
                "y": None if place is None else round(place.y, 4),
                "map": None if place is None else place.map,
                "method": None if place is None else place.method,
                "norm": round(float(np.linalg.norm(thought.hidden)), 4),
                "embed_norm": round(float(np.linalg.norm(thought.embed)), 4),
                "seconds": round(thought.seconds, 6),
                **said[key],
            }
        )
    return rows


def thoughts_csv(
    system: System, trace: Trace, places: Mapping[tuple[int, int], MapPlace] = _NOWHERE, *, words: int = WORDS
) -> str:
    """The table as CSV: a header line, commas, "." in numbers, nothing where there is no value.

    Arguments and errors as for `thought_rows`.
    """
    rows = thought_rows(system, trace, places, words=words)
    out = io.StringIO()
    table = csv.DictWriter(out, _names(words), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return out.getvalue()


def _names(words: int) -> list[str]:
    fixed = [name for name in COLUMNS if not name.endswith("_1")]
    return fixed + [f"{name}_{i}" for i in range(1, words + 1) for name in ("word", "p", "near", "cos")]


def _readings(system: System, trace: Trace, words: int) -> dict[tuple[int, int], dict[str, Value]]:
    """What thoughts say, by (turn, step): each agent reads all of its own at once."""
    found: dict[tuple[int, int], dict[str, Value]] = {}
    for role, mine in groupby(sorted(trace.thoughts, key=_role), key=_role):
        agent, thoughts = system.agents[role], list(mine)
        likely = lens(agent, np.stack([thought.hidden for thought in thoughts]), words)
        near = nearest(agent, np.stack([thought.embed for thought in thoughts]), words)
        for thought, says, close in zip(thoughts, likely, near, strict=True):
            row: dict[str, Value] = {}
            for i, (word, other) in enumerate(zip(says, close, strict=True), 1):
                row |= {f"word_{i}": word.text, f"p_{i}": round(word.score, 6)}
                row |= {f"near_{i}": other.text, f"cos_{i}": round(other.score, 6)}
            found[thought.turn, thought.step] = row
    return found


def _role(thought: Thought) -> str:
    return thought.role
