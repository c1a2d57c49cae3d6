"""What places the vectors of one run, PCA or UMAP, and how the reader is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from visualizers.fitted import Floats
from visualizers.own_fit import FEWEST, OwnFit, Scale
from visualizers.places import Axes, Similarity, nearest_mean, principal_axes, similarity

NEAREST = 5  # fitted vectors whose mean place stands for a new one until it is transformed


@dataclass(frozen=True, eq=False)
class Pca:
    """Principal axes, laid on what was shown.

    Attributes:
        axes: The axes of the first `count` vectors.
        move: Lays their places on what was shown.
        count: How many vectors they were worked out from.
    """

    axes: Axes
    move: Similarity
    count: int

    @staticmethod
    def of(vectors: Sequence[Floats], shown: Floats) -> Pca:
        """The axes of k (d,) vectors, k at least 1, laid on (p, 2) places of the first p of them."""
        stacked = np.stack(vectors)
        axes = principal_axes(stacked)
        return Pca(axes, similarity(axes.places(stacked)[: len(shown)], shown), len(vectors))

    def places(self, vectors: Sequence[Floats]) -> Floats:
        """Places (k, 2) of (d,) vectors, at least one."""
        return self.move(self.axes.places(np.stack(vectors)))

    def words(self, count: int, of: str) -> str:
        """What the reader is told: of how many vectors, and what distances mean."""
        if count == 1:
            return f"PCA, which has no shape yet: there is only one of the {of}"
        which = f"{count}" if self.count == count else f"the first {self.count} of {count}"
        words = f"PCA of {which} {of}, laid on what was shown before"
        if self.axes.share:
            held = f"{100 * self.axes.share:.0f} % of the variance"
            return f"{words}: distances count, as far as two directions tell, which hold {held}"
        return f"{words}: they are all the same"


@dataclass(frozen=True, eq=False)
class Umap:
    """A fit, laid on what was shown.

    Attributes:
        fit: The fit.
        scale: The scale on which it was made.
        move: Lays its places on what was shown.
        data: (n, d) vectors that were fitted, on that scale.
        rows: Their numbers among the run's vectors, in order.
    """

    fit: OwnFit
    scale: Scale
    move: Similarity
    data: Floats
    rows: tuple[int, ...]

    @property
    def places(self) -> Floats:
        """Places (n, 2) of the vectors that were fitted."""
        return self.move(self.fit.places)

    def near(self, vectors: Sequence[Floats]) -> Floats:
        """Places (k, 2) of other (d,) vectors, at least one, by their nearest neighbours: at once."""
        return self.move(nearest_mean(self.data, self.fit.places, self.scale(np.stack(vectors)), k=NEAREST))

    def transform(self, vectors: Sequence[Floats]) -> Floats:
        """Places (k, 2) of other (d,) vectors, at least one, by UMAP's transform: in its own thread only."""
        return self.move(self.fit.transform(self.scale(np.stack(vectors))))

    def words(self, count: int, of: str, waiting: int) -> str:
        """What the reader is told: of how many vectors, who is only transformed, and what distances mean."""
        fitted = len(self.rows)
        which = f"{count}" if fitted == count else f"{fitted} of {count}"
        words = f"UMAP (umap-learn), fitted to {which} {of} and laid on what was shown before"
        if fitted < count:
            near = f", {waiting} by the {NEAREST} nearest until that is done" if waiting else ""
            words += f" (the other {count - fitted} by its transform{near})"
        return f"{words}: neighbours are alike, but distances between groups and their sizes mean little"


def outlook(count: int, status: str) -> str:
    """Why a map is still PCA.

    Args:
        count: How many vectors there are.
        status: `Fitter.status`.
    """
    if status.startswith("failed: "):
        return f"; UMAP failed ({status.removeprefix('failed: ')})"
    if count < FEWEST:
        return f"; UMAP takes {FEWEST} or more"
    return "; UMAP is being fitted" if status == "warm" else "; UMAP is warming up"
