"""The placing of new points on fitted maps: at once by neighbours, then by umap-learn's own transform.

Importing this module loads neither umap nor numba: they cost many seconds, and the first points are placed without.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recmas_core.errors import DimensionMismatch, NonFiniteLatent, SystemNotFound
from visualizers.fitted import (
    FittedMap,
    Floats,
    MapKey,
    fit_map,
    load_map,
    load_maps,
    rebuild_umap,
    save_map,
)
from visualizers.own_thread import OwnThread
from visualizers.places import nearest_mean
from visualizers.words import Words

__all__ = [
    "FittedMap", "Floats", "MapKey", "Placed", "Projector", "fit_map", "load_map", "load_maps",
    "neighbour_places", "rebuild_umap", "save_map",
]  # fmt: skip
NEIGHBOURS = 15
BY_UMAP, BY_NEIGHBOURS, BY_NEIGHBOURS_ALONE, BY_PCA = "umap", "neighbours", "failed", "pca"
_REMEMBERED = 4096  # places kept, some 0.5 kB each


@dataclass(frozen=True, eq=False)
class Placed:
    """Places (k, 2) and the method that found them: the name of one of the ways above."""

    xy: Floats
    method: str

    def told(self, words: Words) -> str:
        """The method, for the reader."""
        return words(f"maps.method.{self.method}", neighbours=NEIGHBOURS)


def neighbour_places(fitted: FittedMap, vectors: Floats, *, k: int = NEIGHBOURS) -> Floats:
    """Places (v, 2) as the mean place of each vector's k nearest reference vectors; 0.2 ms each, no numba."""
    data, queries = fitted.data, vectors
    if fitted.metric == "cosine":
        data, queries = _unit(data), _unit(queries)
    return nearest_mean(data, fitted.embedding, queries, k=k)


class Projector:
    """Places vectors on fitted maps: at once by neighbours, by umap-learn's own transform once that is warm.

    One per system's folder, safe to share between threads. Every vector is placed on its own, because umap's transform
    depends on what else is in the batch: a point never moves because others come.

    Args:
        maps: The maps by (role, space).
        thread: Where umap works; several projectors may share one.
    """

    def __init__(self, maps: Mapping[MapKey, FittedMap], *, thread: OwnThread | None = None) -> None:
        self.maps: Mapping[MapKey, FittedMap] = dict(maps)
        self._umaps: dict[MapKey, Any] = {}
        self._cache: OrderedDict[tuple[MapKey, bytes], Floats] = OrderedDict()
        self._failure = ""
        # numba sets OpenMP's number of threads in the thread it works in, and torch, asked there later, would use it:
        # other sums, other last bits. So umap works in one thread of its own, where no agent ever thinks.
        self._umap_thread = OwnThread("umap") if thread is None else thread
        self._lock, self._begun = threading.Lock(), False
        self._warm = threading.Event()
        self._ended = threading.Event()

    @property
    def status(self) -> str:
        """What places the points: "neighbours" while umap is cold, then "umap"; "failed: …" if it never will."""
        if self._failure:
            return f"failed: {self._failure}"
        return "umap" if self._warm.is_set() else "neighbours"

    def warm_up(self) -> None:
        """Load umap and rebuild every map in the background; returns at once, further calls do nothing."""
        with self._lock:
            if not self._begun:
                self._begun = True
                self._umap_thread.submit(self._warm_all)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the warm-up has ended, well or badly; False if `timeout` seconds went by first."""
        return self._ended.wait(timeout)

    def place(self, key: MapKey, vectors: Floats) -> Placed:
        """Places of (k, d) vectors on the map `key`.

        Raises:
            SystemNotFound: If there is no such map.
            DimensionMismatch: If the vectors are not of the map's width.
            NonFiniteLatent: If a vector holds NaN or infinity.
        """
        if key not in self.maps:
            raise SystemNotFound(f"map {key}", "is not loaded", f"Choose one of {sorted(self.maps)}.")
        fitted = self.maps[key]
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        if vectors.ndim != 2 or vectors.shape[1] != fitted.data.shape[1]:
            what = f"has width {fitted.data.shape[1]}, the vectors are of shape {vectors.shape}"
            raise DimensionMismatch(f"map {key}", what, "Place vectors of the map's own agent and space.")
        if not np.isfinite(vectors).all():
            raise NonFiniteLatent(f"map {key}", "was asked to place a vector with NaN or infinity", "Check the run.")
        if not self._warm.is_set():
            method = BY_NEIGHBOURS if not self._failure else BY_NEIGHBOURS_ALONE
            return Placed(neighbour_places(fitted, vectors), method)
        places = [self._place_one(key, vector) for vector in vectors]
        return Placed(np.array(places, np.float32).reshape(-1, 2), BY_UMAP)

    def _place_one(self, key: MapKey, vector: Floats) -> Floats:
        name = (key, vector.tobytes())
        with self._lock:
            if name in self._cache:
                self._cache.move_to_end(name)
                return self._cache[name]
        found = self._umap_thread.submit(lambda: self._umaps[key].transform(vector[None])[0])
        place = np.asarray(found.result(), np.float32)
        with self._lock:
            self._cache[name] = place
            if len(self._cache) > _REMEMBERED:
                self._cache.popitem(last=False)
        return place

    def _warm_all(self) -> None:
        try:
            for key, fitted in self.maps.items():
                umap = rebuild_umap(fitted)
                umap.transform(fitted.data[:1])
                self._umaps[key] = umap
            self._warm.set()
        except Exception as error:  # kept, shown by `status` and in the name of the method
            self._failure = f"{type(error).__name__}: {error}"
        finally:
            self._ended.set()


def _unit(vectors: Floats) -> Floats:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    return unit
