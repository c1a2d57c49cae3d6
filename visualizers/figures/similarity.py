"""How far a role's thoughts change from one round to the next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recmas_core.records import Turn


def round_similarity(turns: Sequence[Turn]) -> dict[int, float]:
    """For each turn the mean cosine of its thoughts with the same role's thoughts one round before.

    Args:
        turns: Finished turns, in order; thoughts are (m, d).

    Returns:
        {turn index: mean of m cosines, -1..1}. A turn without a like turn one round before (round 1, a text turn,
        another m) is left out.
    """
    by_place = {(turn.role, turn.round): turn.thoughts for turn in turns}
    result: dict[int, float] = {}
    for turn in turns:
        before = by_place.get((turn.role, turn.round - 1))
        if before is None or before.shape != turn.thoughts.shape or not len(before):
            continue
        norms = np.linalg.norm(before, axis=1) * np.linalg.norm(turn.thoughts, axis=1)
        # A thought of length 0 has no direction: it counts as unlike anything.
        cosines = np.divide((before * turn.thoughts).sum(1), norms, out=np.zeros_like(norms), where=norms > 0)
        result[turn.index] = float(cosines.mean())
    return result
