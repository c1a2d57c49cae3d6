"""The islands of a map: where the points of one word lie together, and where to write that word once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Island:
    """A word and the place to write it: the median of the points of one island, `size` of them."""

    word: str
    x: float
    y: float
    size: int


def find_islands(
    xy: NDArray[np.float32], words: Sequence[str], *, reach: float = 0.05, apart: float = 0.045, limit: int = 70
) -> tuple[Island, ...]:
    """One label per island, the largest first; few enough to read.

    Args:
        xy: (n, 2) places.
        words: The n words.
        reach: Points of one word closer than this share of the map's span belong to one island.
        apart: A label closer than this share to a larger island's label is dropped.
        limit: Most labels.
    """
    if len(xy) == 0:
        return ()
    span = float(np.ptp(xy, axis=0).max()) or 1.0
    names = np.asarray(words)
    found: list[Island] = []
    for word in sorted(set(words)):
        points = xy[names == word]
        for members in _components(points, reach * span):
            x, y = np.median(points[members], axis=0)
            found.append(Island(word, float(x), float(y), len(members)))
    found.sort(key=lambda island: (-island.size, island.word, island.x))
    kept: list[Island] = []
    for island in found:
        # The same word needs to be written again only well away from where it stands already.
        if all(
            np.hypot(island.x - other.x, island.y - other.y)
            > span * (apart if other.word != island.word else 2 * apart)
            for other in kept
        ):
            kept.append(island)
        if len(kept) == limit:
            break
    return tuple(kept)


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
