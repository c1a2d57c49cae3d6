"""UMAP of the few thoughts of one run: the fit itself, and the thread in which fits are made."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np

from visualizers.fitted import Floats, umap_class
from visualizers.own_thread import OwnThread

FEWEST = 15  # vectors for a fit: below, five neighbours would be half of everything
_NEIGHBOURS = (5, 15)  # at least and at most; a third of the vectors between: two groups of a turn each stay two
_MIN_DIST = 0.9  # as the shipped maps have it
_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class OwnFit:
    """A fitted map.

    Attributes:
        places: (n, 2) float32 places of the vectors it was fitted to.
        transform: Places (v, 2) of new (v, d) vectors.
    """

    places: Floats
    transform: Callable[[Floats], Floats]


Fit: TypeAlias = Callable[[Floats, Floats], OwnFit]  # of (n, d) vectors, from (n, 2) places to begin with


@dataclass(frozen=True, eq=False)
class Scale:
    """Vectors moved to their mean and measured in their own spread: no ratio of distances changes.

    Thoughts may have norms of thousands and differ in the last bits that bfloat16 kept; the squares of their
    differences are taken in float32 inside umap-learn, so the common part goes first, in float64.

    Attributes:
        mean: (d,) float64.
        size: Root of the mean squared distance to it; 0 if all vectors are the same.
    """

    mean: np.ndarray
    size: float

    @staticmethod
    def of(vectors: Floats) -> Scale:
        """The scale of (n, d) vectors, n at least 1."""
        exact = np.asarray(vectors, np.float64)
        mean = exact.mean(0)
        size = float(np.sqrt(((exact - mean) ** 2).sum(1).mean()))
        length = float(np.sqrt((exact**2).sum(1).mean()))
        return Scale(mean, size if size > np.finfo(np.float32).eps * length else 0.0)

    def __call__(self, vectors: Floats) -> Floats:
        """The (k, d) vectors on this scale, float32; all 0 where there is no spread."""
        moved = (np.asarray(vectors, np.float64) - self.mean) / self.size if self.size else np.zeros(np.shape(vectors))
        return np.ascontiguousarray(moved, np.float32)


def fit_umap(data: Floats, start: Floats) -> OwnFit:
    """UMAP of (n, d) vectors beginning at `start` (n, 2); the same data and start give the same map.

    umap-learn stretches the start to the same width in both directions, so a direction without any spread would come
    out as 0 / 0, and equal places as one: a trace of noise, always the same, keeps them apart.
    """
    UMAP = umap_class()  # noqa: N806
    span = float(np.ptp(start, axis=0).max()) or 1.0
    noise = np.random.default_rng(0).normal(scale=1e-4 * span, size=start.shape)
    begin = np.ascontiguousarray(start + noise, np.float32)
    low, high = _NEIGHBOURS
    umap = UMAP(
        n_neighbors=min(high, max(low, len(data) // 3)), min_dist=_MIN_DIST, init=begin, random_state=0, n_jobs=1
    ).fit(data)

    def transform(vectors: Floats) -> Floats:
        # one by one: umap's transform depends on what else is in the batch
        return np.concatenate([np.asarray(umap.transform(vector[None]), np.float32) for vector in vectors])

    return OwnFit(np.asarray(umap.embedding_, np.float32), transform)


class Fitter:
    """Fits maps in the thread of umap-learn once that is warm; shared by all visitors, keeps nothing of them.

    Args:
        thread: Where umap works; a new one if None.
        fit: Makes a fit.
    """

    def __init__(self, *, thread: OwnThread | None = None, fit: Fit = fit_umap) -> None:
        self.fit = fit
        self._thread = OwnThread("umap") if thread is None else thread
        self._lock, self._begun, self._failure = threading.Lock(), False, ""
        self._ended = threading.Event()

    @property
    def status(self) -> str:
        """Either "cold", "warming", "warm" or "failed: …" if it never will be."""
        if not self._ended.is_set():
            return "warming" if self._begun else "cold"
        return f"failed: {self._failure}" if self._failure else "warm"

    def warm_up(self) -> None:
        """Make a first small fit in the background; returns at once, further calls do nothing."""
        with self._lock:
            if not self._begun:
                self._begun = True
                self._thread.submit(self._warm)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the warm-up has ended, well or badly; False if `timeout` seconds went by first."""
        return self._ended.wait(timeout)

    def submit(self, call: Callable[[], _T]) -> Future[_T]:
        """Have `call` run in the thread of umap-learn, after what waits there."""
        return self._thread.submit(call)

    def _warm(self) -> None:
        try:
            data = np.random.default_rng(0).normal(size=(FEWEST, 8)).astype(np.float32)
            self.fit(data, np.ascontiguousarray(data[:, :2])).transform(data[:1] + 1)
        except Exception as error:  # kept, shown by `status` and in every caption
            self._failure = f"{type(error).__name__}: {error}"
        finally:
            self._ended.set()
