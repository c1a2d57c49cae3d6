"""The maps of a system's agents: reference clouds, and the places of a run's vectors among them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np

from visualizers.figures.latent_map import Cloud
from visualizers.own_fit import Fitter
from visualizers.panels.notes import Memo
from visualizers.places import pca_places
from visualizers.projection import BY_PCA, FittedMap, Floats, Placed, Projector


class Atlas:
    """Where vectors of each role lie.

    Args:
        homes: For each role the projector of the system in which its agent was made, and the agent's role there. The
            vectors of a role that is left out have no map.
        unmapped: The roles whose runs get maps of their own, since none was shipped.
        fitter: Fits those; None for PCA alone.
    """

    def __init__(
        self,
        homes: Mapping[str, tuple[Projector, str]],
        *,
        unmapped: Sequence[str] = (),
        fitter: Fitter | None = None,
    ) -> None:
        self._homes = dict(homes)
        self.fitter = fitter
        self._own = fitter if unmapped else None
        self._memo = Memo(limit=256)

    @property
    def status(self) -> str:
        """What places the points, as `Projector.status` says it; of several projectors the first that is not warm."""
        found = [projector.status for projector in self._projectors()]
        return next((status for status in found if status != "umap"), "umap" if found else "pca")

    def warm_up(self) -> None:
        """Let umap-learn get ready for these maps in the background."""
        for projector in self._projectors():
            projector.warm_up()
        if self._own is not None:
            self._own.warm_up()

    @property
    def warming(self) -> bool:
        """Whether umap-learn is not ready yet for these maps, and will be."""
        return self.status == "neighbours" or (self._own is not None and self._own.status in ("cold", "warming"))

    def fitted(self, role: str, space: str) -> FittedMap | None:
        """The shipped map of a role's agent, None if there is none."""
        projector, home = self._homes.get(role, (None, role))
        return None if projector is None else projector.maps.get((home, space))

    def cloud(self, role: str, space: str) -> Cloud | None:
        """The reference vectors of a map as a cloud, the agent's own tokens left out."""
        fitted = self.fitted(role, space)
        return None if fitted is None else self._cut(role, fitted, tokens=False)

    def tokens(self, role: str, space: str) -> Cloud | None:
        """The agent's own token embeddings on a map."""
        fitted = self.fitted(role, space)
        return None if fitted is None or "token" not in fitted.kinds else self._cut(role, fitted, tokens=True)

    def place(self, role: str, space: str, vectors: Floats) -> Placed:
        """Places of (k, d) vectors: on the shipped map, or by PCA of these vectors alone.

        A run's own vectors without a shipped map are placed by its `OwnMaps`.
        """
        if self.fitted(role, space) is not None:
            projector, home = self._homes[role]
            return projector.place((home, space), vectors)
        return Placed(pca_places(vectors), BY_PCA)

    def remember(self, key: Hashable, draw: Callable[[], str]) -> str:
        """A drawing of these maps under its key, made if it is not remembered."""
        return self._memo.get(("drawing", key), draw)

    def _projectors(self) -> list[Projector]:
        """The projectors that have maps, each once."""
        return list({id(p): p for p, _ in self._homes.values() if p.maps}.values())

    def _cut(self, role: str, fitted: FittedMap, *, tokens: bool) -> Cloud:
        def make() -> Cloud:
            rows = np.flatnonzero(np.array([(kind == "token") == tokens for kind in _kinds(fitted)], dtype=bool))
            return Cloud(xy=fitted.embedding[rows], words=tuple(fitted.words[i] for i in rows))

        return self._memo.get((role, fitted.space, tokens), make)


def _kinds(fitted: FittedMap) -> tuple[str, ...]:
    return fitted.kinds or ("thought",) * len(fitted.words)
