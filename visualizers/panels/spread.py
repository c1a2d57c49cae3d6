"""Where the vectors of a drawing lie: on a shipped map, or on the run's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recmas_core.records import Array
from visualizers.fitted import Floats
from visualizers.own_maps import OwnMaps
from visualizers.panels.atlas import Atlas
from visualizers.words import Words

THOUGHTS, RECEIVED = "thoughts", "received"


@dataclass(frozen=True)
class Shown:
    """Which map is shown: whose, and of which space ("thoughts" or "received")."""

    role: str
    space: str


@dataclass(frozen=True, eq=False)
class Spread:
    """Where the vectors of a drawing lie.

    Attributes:
        shown, others: (x, y) of what is shown, and of its counterparts in another run.
        method: What placed them, in words for the reader; "" if nothing is shown.
        frame: (n, 2) places of the whole run, where no reference vectors hold the axes still.
    """

    shown: list[tuple[float, float]]
    others: list[tuple[float, float]]
    method: str
    frame: Floats | None = None


def spread_of(
    atlas: Atlas,
    own: OwnMaps,
    where: Shown,
    whole: Sequence[Array],
    count: int,
    words: Words,
    others: Sequence[Array] = (),
) -> Spread:
    """The places of a drawing. On a run's own map all vectors have theirs at every moment: travelling moves none.

    Args:
        atlas: The shipped maps.
        own: The run's own maps, for what has no shipped one.
        where: Which map.
        whole: All (d,) vectors of the run.
        count: How many of them, from the first, are shown.
        words: What the page says.
        others: Further (d,) vectors to show.
    """
    if atlas.fitted(where.role, where.space) is None:
        found = own.of(where.role, where.space).place(whole, words, others=others, fitter=atlas.fitter)
        method = found.method if count or len(others) else ""
        return Spread(_pairs(found.xy[:count]), _pairs(found.others), method, found.xy)
    vectors = [*whole[:count], *others]
    if not vectors:
        return Spread([], [], "")
    placed = atlas.place(where.role, where.space, np.stack(vectors))
    return Spread(_pairs(placed.xy[:count]), _pairs(placed.xy[count:]), placed.told(words))


def _pairs(xy: Floats) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in xy]
