"""The maps of a system's agents: reference clouds, and the places of a run's vectors among them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

import numpy as np

from visualizers.figures.latent_map import Cloud
from visualizers.panels.notes import Memo
from visualizers.projection import FittedMap, Floats, Placed, Projector


class Atlas:
    """Where vectors of each role lie.

    Args:
        projector: Places vectors on the shipped maps.
        home: For each role the role whose shipped map belongs to the agent that fills it.
    """

    def __init__(self, projector: Projector, home: Mapping[str, str]) -> None:
        self.projector, self._home = projector, dict(home)
        self._memo = Memo(limit=256)

    def fitted(self, role: str, space: str) -> FittedMap | None:
        """The shipped map of a role's agent, None if there is none."""
        return self.projector.maps.get((self._home[role], space))

    def cloud(self, role: str, space: str) -> Cloud | None:
        """The reference vectors of a map as a cloud, the agent's own tokens left out."""
        fitted = self.fitted(role, space)
        return None if fitted is None else self._cut(fitted, tokens=False)

    def tokens(self, role: str, space: str) -> Cloud | None:
        """The agent's own token embeddings on a map."""
        fitted = self.fitted(role, space)
        return None if fitted is None or "token" not in fitted.kinds else self._cut(fitted, tokens=True)

    def place(self, role: str, space: str, vectors: Floats) -> Placed:
        """Places of (k, d) vectors: on the shipped map, or by PCA of these vectors alone."""
        if self.fitted(role, space) is not None:
            return self.projector.place((self._home[role], space), vectors)
        return self._memo.get((role, space, vectors.tobytes()), lambda: self._unmapped(vectors))

    def remember(self, key: Hashable, draw: Callable[[], str]) -> str:
        """A drawing of these maps under its key, made if it is not remembered."""
        return self._memo.get(("drawing", key), draw)

    def _unmapped(self, vectors: Floats) -> Placed:
        """PCA step by step, each step laid on the one before, so that points keep their places as others come."""
        shown: Floats | None = None
        for count in range(1, len(vectors) + 1):
            shown = self.projector.place_unmapped(vectors[:count], shown=shown).xy
        placed = self.projector.place_unmapped(vectors, shown=shown)
        return placed if shown is None else Placed(shown, placed.method)

    def _cut(self, fitted: FittedMap, *, tokens: bool) -> Cloud:
        def make() -> Cloud:
            rows = np.flatnonzero(np.array([(kind == "token") == tokens for kind in _kinds(fitted)], dtype=bool))
            return Cloud(xy=fitted.embedding[rows], words=tuple(fitted.words[i] for i in rows))

        return self._memo.get((fitted.role, fitted.space, tokens), make)


def _kinds(fitted: FittedMap) -> tuple[str, ...]:
    return fitted.kinds or ("thought",) * len(fitted.words)
