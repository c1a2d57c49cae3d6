"""What places the vectors of one run, PCA or UMAP, and how the reader is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from visualizers.fitted import Floats
from visualizers.own_fit import FEWEST, OwnFit, Scale
from visualizers.places import Axes, Similarity, nearest_mean, principal_axes, similarity
from visualizers.words import Words

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

    def told(self, count: int, of: str, words: Words) -> str:
        """What the reader is told: of how many vectors, and what distances mean."""
        if count == 1:
            return words("maps.own.alone", of=of)
        which = f"{count}" if self.count == count else words("maps.own.first", part=self.count, count=count)
        if self.axes.share:
            return words("maps.own.pca", which=which, of=of, share=f"{100 * self.axes.share:.0f}")
        return words("maps.own.same", which=which, of=of)


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

    def told(self, count: int, of: str, waiting: int, words: Words) -> str:
        """What the reader is told: of how many vectors, who is only transformed, and what distances mean."""
        fitted = len(self.rows)
        if fitted == count:
            return words("maps.own.umap", which=count, of=of)
        which, rest = words("maps.own.part", part=fitted, count=count), count - fitted
        if not waiting:
            return words("maps.own.umap_rest", which=which, of=of, rest=rest)
        return words("maps.own.umap_near", which=which, of=of, rest=rest, waiting=waiting, nearest=NEAREST)


def outlook(told: str, count: int, status: str, words: Words) -> str:
    """What is told of a PCA, and why it is still one.

    Args:
        told: What is told of it.
        count: How many vectors there are.
        status: `Fitter.status`.
        words: What the page says.
    """
    if status.startswith("failed: "):
        return words("maps.own.failed", words=told, why=status.removeprefix("failed: "))
    if count < FEWEST:
        return words("maps.own.few", words=told, fewest=FEWEST)
    return words("maps.own.fitting", words=told) if status == "warm" else words("maps.own.warming", words=told)
