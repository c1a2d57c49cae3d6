"""The islands of a map: where the points of one word lie together, and where to write that word once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Island:
    """A word and the place to write it: over the middle of one island, at its upper edge. `size` points say it."""

    word: str
    x: float
    y: float
    size: int


def find_islands(xy: NDArray[np.float32], words: Sequence[str], *, reach: float = 0.05) -> tuple[Island, ...]:
    """All islands of a map, the largest first.

    Args:
        xy: (n, 2) places.
        words: The n words.
        reach: Points of one word closer than this share of the map's span belong to one island.
    """
    if len(xy) == 0:
        return ()
    span = span_of(xy)
    names = np.asarray(words)
    found: list[Island] = []
    for word in sorted(set(words)):
        points = xy[names == word]
        for members in _components(points, reach * span):
            x, y = np.median(points[members, 0]), np.quantile(points[members, 1], 0.95)
            found.append(Island(word, float(x), float(y), len(members)))
    return tuple(sorted(found, key=lambda island: (-island.size, island.word, island.x)))


def legible(islands: Sequence[Island], span: float, *, apart: float = 0.03, limit: int = 70) -> tuple[Island, ...]:
    """The islands whose words can be written without running into one another, those named first going first.

    Args:
        islands: In order of importance.
        span: The map's span.
        apart: Words nearer than this share of the span collide; the same word twice must be twice as far.
        limit: Most words.
    """
    kept: list[Island] = []
    for island in islands:
        if len(kept) == limit:
            break
        if all(
            np.hypot(island.x - other.x, island.y - other.y)
            > span * (apart if other.word != island.word else 2 * apart)
            for other in kept
        ):
            kept.append(island)
    return tuple(kept)


def span_of(xy: NDArray[np.float32]) -> float:
    """The longer side of the box round (n, 2) places; 1 if they all coincide."""
    return float(np.ptp(xy, axis=0).max()) or 1.0


def _components(points: NDArray[np.float32], reach: float) -> list[NDArray[np.intp]]:
    """The groups of points connected by steps of at most `reach`: arrays of row numbers."""
    near = np.linalg.norm(points[:, None] - points[None], axis=-1) <= reach
    left = np.ones(len(points), bool)
    groups = []
    while left.any():
        group = np.zeros(len(points), bool)
        edge = np.zeros(len(points), bool)
        edge[np.argmax(left)] = True
        while edge.any():
            group |= edge
            edge = near[edge].any(0) & ~group
        left &= ~group
        groups.append(np.flatnonzero(group))
    return groups
