"""Places on a plane: principal axes, neighbours' averages, and laying one picture on another. Nothing but numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from visualizers.fitted import Floats

_ROUNDING = float(np.finfo(np.float32).eps)


@dataclass(frozen=True, eq=False)
class Similarity:
    """A turn (or mirroring), a scale and a shift of the plane.

    Attributes:
        turn: (2, 2) float64, the scale in it.
        before: (2,) float64, taken off first.
        after: (2,) float64, added last.
    """

    turn: np.ndarray
    before: np.ndarray
    after: np.ndarray

    def __call__(self, places: Floats) -> Floats:
        """The (k, 2) places, moved."""
        moved = (np.asarray(places, np.float64) - self.before) @ self.turn + self.after
        return np.asarray(moved, np.float32)


@dataclass(frozen=True, eq=False)
class Axes:
    """The first two principal axes of some vectors.

    Attributes:
        mean: (d,) float64.
        rows: (2, d) float64, of length 1, or 0 where the vectors do not vary that way.
        share: Which part of the variance they hold, 0..1; 0 if there is none.
    """

    mean: np.ndarray
    rows: np.ndarray
    share: float

    def places(self, vectors: Floats) -> Floats:
        """Places (k, 2) of (k, d) vectors along the axes."""
        return np.asarray((np.asarray(vectors, np.float64) - self.mean) @ self.rows.T, np.float32)


def principal_axes(vectors: Floats) -> Axes:
    """The principal axes of (k, d) vectors, k at least 1; the sign of each is fixed by its largest loading.

    Vectors that differ by no more than float32 can tell count as all the same: they have no axes.
    """
    exact = np.asarray(vectors, np.float64)
    mean = exact.mean(0)
    centred = exact - mean
    rows, total = np.zeros((2, centred.shape[1])), float((centred**2).sum())
    if total <= _ROUNDING**2 * float((exact**2).sum()):
        return Axes(mean, rows, 0.0)
    # of the two square matrices with the same eigenvalues the smaller: k thoughts are few, their width is not
    wide = len(centred) < centred.shape[1]
    values, found = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    held = 0.0
    for i, (value, vector) in enumerate(zip(values[::-1][:2], found.T[::-1][:2], strict=True)):
        if value > _ROUNDING**2 * total:
            axis = centred.T @ vector / np.sqrt(value) if wide else vector
            rows[i] = axis * np.sign(axis[np.argmax(np.abs(axis))])
            held += float(value)
    return Axes(mean, rows, min(held / total, 1.0))


def pca_places(vectors: Floats) -> Floats:
    """The first two principal components of (k, d) vectors, (k, 2)."""
    return principal_axes(vectors).places(vectors) if len(vectors) else np.zeros((0, 2), np.float32)


def nearest_mean(data: Floats, places: Floats, queries: Floats, *, k: int) -> Floats:
    """Places (v, 2) of (v, d) queries as the mean place of each one's k nearest of the (n, d) data."""
    squares = (queries**2).sum(1)[:, None] - 2 * queries @ data.T + (data**2).sum(1)[None]
    nearest = np.argsort(squares, axis=1, kind="stable")[:, : min(k, len(data))]
    found: Floats = places[nearest].mean(1).astype(np.float32)
    return found


def similarity(places: Floats, shown: Floats, *, same_size: bool = False) -> Similarity:
    """The turn, mirroring, scale and shift that lay (p, 2) places as near as can be to `shown` (p, 2).

    Without anything to lay them on, or with nothing to tell directions by, they are not turned or scaled.

    Args:
        places: What to lay.
        shown: What to lay it on.
        same_size: Whether the picture keeps the size of what was shown. The nearest one is smaller the less the two
            agree, and the axes would follow.
    """
    if len(shown) == 0:
        return Similarity(np.eye(2), np.zeros(2), np.zeros(2))
    mine, theirs = np.asarray(places, np.float64), np.asarray(shown, np.float64)
    my_mean, their_mean = mine.mean(0), theirs.mean(0)
    mine, theirs = mine - my_mean, theirs - their_mean
    u, singular, vt = np.linalg.svd(mine.T @ theirs)
    size, agree = float((mine**2).sum()), float(singular.sum())
    if size > 0 and agree > 0:
        turn = u @ vt * (np.sqrt(float((theirs**2).sum()) / size) if same_size else agree / size)
    else:
        turn = np.eye(2)
    return Similarity(turn, my_mean, their_mean)


def align(places: Floats, shown: Floats | None) -> Floats:
    """Turn, mirror, scale and shift (k, 2) places so that the first p lie as near as can be to `shown` (p, 2)."""
    return places if shown is None else similarity(places[: len(shown)], shown)(places)
