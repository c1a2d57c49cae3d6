"""The 2-D projections: a map fitted offline by UMAP, saved without pickle, and the placing of new points on it.

Importing this module loads neither umap nor numba: they cost many seconds, and the first points are placed without.
"""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recmas_core.errors import DimensionMismatch, NonFiniteLatent, SystemNotFound, UnsafeCheckpoint

Floats: TypeAlias = NDArray[np.float32]
MapKey: TypeAlias = tuple[str, str]  # (role, space)
SPACES = ("thoughts", "received")
NEIGHBOURS = 15
BY_UMAP = "umap-learn transform"
BY_NEIGHBOURS = f"{NEIGHBOURS}-nearest-neighbour average (UMAP is warming up)"
BY_PCA = "PCA of this run's own thoughts, aligned to what was shown"
_REMEMBERED = 4096  # places kept, some 0.5 kB each


@dataclass(frozen=True, eq=False)
class FittedMap:
    """A UMAP fitted on reference vectors of one agent, with all that is needed to place new ones.

    Attributes:
        data: (n, d) reference vectors.
        embedding: (n, 2) their places.
        words: What each says.
        n_neighbors, min_dist, metric: UMAP's settings.
        space: "thoughts" (last hidden states) or "received" (the agent's input embedding space).
        role: Whose map it is.
        kinds: What each row is: "thought", "token", "self" or "transfer".
        quality: Measured figures, e.g. {"trustworthiness": 0.97, "k": 15}.
    """

    data: Floats
    embedding: Floats
    words: tuple[str, ...]
    n_neighbors: int
    min_dist: float
    metric: str
    space: str
    role: str
    kinds: tuple[str, ...] = ()
    quality: Mapping[str, float] = field(default_factory=dict)

    def rows(self, *kinds: str) -> NDArray[np.intp]:
        """The row numbers of the given kinds."""
        return np.flatnonzero(np.isin(np.asarray(self.kinds), kinds))


@dataclass(frozen=True, eq=False)
class Placed:
    """Places (k, 2) and the method that found them, in words for the reader."""

    xy: Floats
    method: str


def fit_map(
    data: Floats,
    words: tuple[str, ...],
    *,
    space: str,
    role: str,
    kinds: tuple[str, ...] = (),
    n_neighbors: int = 40,
    min_dist: float = 0.45,
    metric: str = "cosine",
    seed: int = 0,
) -> FittedMap:
    """Fit UMAP on (n, d) vectors; the same data and seed give the same map on the same machine.

    Raises:
        DimensionMismatch: If there is not one word (and kind, if any) per vector.
    """
    data = np.ascontiguousarray(data, dtype=np.float32)
    if data.ndim != 2 or len(words) != len(data) or (kinds and len(kinds) != len(data)):
        what = f"has {len(words)} words and {len(kinds)} kinds for vectors of shape {data.shape}"
        raise DimensionMismatch(f"map of {role!r}", what, "Give one word (and one kind) per vector.")
    from umap import UMAP

    settings: dict[str, Any] = {"n_neighbors": n_neighbors, "min_dist": min_dist, "metric": metric}
    fitted = UMAP(random_state=seed, n_jobs=1, **settings).fit(data)
    embedding = np.ascontiguousarray(fitted.embedding_, dtype=np.float32)
    return FittedMap(data, embedding, words, **settings, space=space, role=role, kinds=kinds)


def rebuild_umap(fitted: FittedMap) -> Any:
    """The umap-learn object of a fitted map; its transform equals the original's bit for bit.

    With no epochs and the embedding as the start, fit() only builds the neighbour structures again.
    """
    from umap import UMAP

    settings: dict[str, Any] = {
        "n_neighbors": fitted.n_neighbors, "min_dist": fitted.min_dist, "metric": fitted.metric,
    }  # fmt: skip
    umap = UMAP(random_state=0, n_jobs=1, init=fitted.embedding.copy(), n_epochs=0, **settings).fit(fitted.data)
    umap.embedding_ = fitted.embedding.copy()
    umap.n_epochs = None
    umap.init = "spectral"
    return umap


def save_map(fitted: FittedMap, path: str | Path) -> None:
    """Write a map as a compressed npz without pickle. Nothing half-written stays behind."""
    path = Path(path)
    meta = {
        "format": "recmas-map-1", "words": fitted.words, "kinds": fitted.kinds, "n_neighbors": fitted.n_neighbors,
        "min_dist": fitted.min_dist, "metric": fitted.metric, "space": fitted.space, "role": fitted.role,
        "quality": dict(fitted.quality),
    }  # fmt: skip
    text = json.dumps(meta, ensure_ascii=False).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.savez_compressed(
            file, data=fitted.data, embedding=fitted.embedding, meta=np.frombuffer(text, dtype=np.uint8)
        )
    part.replace(path)


def load_map(path: str | Path) -> FittedMap:
    """Read a map written by `save_map`.

    Raises:
        SystemNotFound: If there is no such file.
        UnsafeCheckpoint: If it is damaged, not a map, or holds pickled objects.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        todo = "Make it with `python -m visualizers maps`."
        raise SystemNotFound(f"map {path.name!r}", "does not exist", todo) from error
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
            data, embedding = archive["data"], archive["embedding"]
            meta = json.loads(archive["meta"].tobytes().decode())
        n = len(data)
        good = (
            meta["format"] == "recmas-map-1" and data.ndim == 2 and embedding.shape == (n, 2)
            and data.dtype == embedding.dtype == np.float32 and len(meta["words"]) == n
            and len(meta["kinds"]) in (0, n) and np.isfinite(data).all() and np.isfinite(embedding).all()
            and meta["space"] in SPACES
        )  # fmt: skip
        if not good:
            raise ValueError("its parts do not fit together")
        return FittedMap(
            data, embedding, tuple(map(str, meta["words"])), int(meta["n_neighbors"]), float(meta["min_dist"]),
            str(meta["metric"]), str(meta["space"]), str(meta["role"]), tuple(map(str, meta["kinds"])),
            {str(k): float(v) for k, v in meta["quality"].items()},
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, EOFError, OSError, AttributeError, zipfile.BadZipFile) as error:
        todo = "Make it again with `python -m visualizers maps`."
        raise UnsafeCheckpoint(f"map {path.name!r}", f"cannot be read ({error})", todo) from error


def load_maps(folder: str | Path) -> dict[MapKey, FittedMap]:
    """All maps of a folder by (role, space); empty if the folder does not exist."""
    found = [load_map(path) for path in sorted(Path(folder).glob("*.npz"))]
    return {(fitted.role, fitted.space): fitted for fitted in found}


def neighbour_places(fitted: FittedMap, vectors: Floats, *, k: int = NEIGHBOURS) -> Floats:
    """Places (v, 2) as the mean place of each vector's k nearest reference vectors; 0.2 ms each, no numba."""
    data, queries = fitted.data, vectors
    if fitted.metric == "cosine":
        data, queries = _unit(data), _unit(queries)
    squares = (queries**2).sum(1)[:, None] - 2 * queries @ data.T + (data**2).sum(1)[None]
    nearest = np.argsort(squares, axis=1, kind="stable")[:, : min(k, len(data))]
    return fitted.embedding[nearest].mean(1).astype(np.float32)


class Projector:
    """Places vectors on fitted maps: at once by neighbours, by umap-learn's own transform once that is warm.

    One per process, safe to share between threads. Every vector is placed on its own, because umap's transform
    depends on what else is in the batch: a point never moves because others come.

    Args:
        maps: The maps by (role, space).
    """

    def __init__(self, maps: Mapping[MapKey, FittedMap]) -> None:
        self.maps: Mapping[MapKey, FittedMap] = dict(maps)
        self._umaps: dict[MapKey, Any] = {}
        self._cache: OrderedDict[tuple[MapKey, bytes], Floats] = OrderedDict()
        self._failure = ""
        self._thread: threading.Thread | None = None
        self._start_lock = threading.Lock()
        # numba's default threading layer allows one caller at a time, so all use of umap goes through one lock.
        self._umap_lock = threading.Lock()
        self._warm = threading.Event()
        self._ended = threading.Event()

    @property
    def status(self) -> str:
        """ "neighbours" while umap is cold, "umap" once it places the points, or "failed: …"."""
        if self._failure:
            return f"failed: {self._failure}"
        return "umap" if self._warm.is_set() else "neighbours"

    def warm_up(self) -> None:
        """Load umap and rebuild every map in one background thread; returns at once, further calls do nothing."""
        with self._start_lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._warm_all, name="umap warm-up", daemon=True)
                self._thread.start()

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
            method = BY_NEIGHBOURS if not self._failure else f"{NEIGHBOURS}-nearest-neighbour average (UMAP failed)"
            return Placed(neighbour_places(fitted, vectors), method)
        places = [self._place_one(key, vector) for vector in vectors]
        return Placed(np.array(places, np.float32).reshape(-1, 2), BY_UMAP)

    def place_unmapped(self, vectors: Floats, *, shown: Floats | None = None) -> Placed:
        """Places of (k, d) vectors for which no map is shipped: their PCA, laid on what was shown before.

        Args:
            vectors: All of the run's thoughts of one agent, in order.
            shown: (p, 2) places of the first p of them as they were shown last, or None.
        """
        return Placed(align(pca_places(vectors), shown), BY_PCA)

    def _place_one(self, key: MapKey, vector: Floats) -> Floats:
        name = (key, vector.tobytes())
        with self._umap_lock:
            if name in self._cache:
                self._cache.move_to_end(name)
                return self._cache[name]
            place = np.asarray(self._umaps[key].transform(vector[None])[0], np.float32)
            self._cache[name] = place
            if len(self._cache) > _REMEMBERED:
                self._cache.popitem(last=False)
            return place

    def _warm_all(self) -> None:
        try:
            for key, fitted in self.maps.items():
                with self._umap_lock:
                    umap = rebuild_umap(fitted)
                    umap.transform(fitted.data[:1])
                self._umaps[key] = umap
            self._warm.set()
        except Exception as error:  # kept, shown by `status` and in the name of the method
            self._failure = f"{type(error).__name__}: {error}"
        finally:
            self._ended.set()


def pca_places(vectors: Floats) -> Floats:
    """The first two principal components, (k, 2); the sign of each is fixed by its largest loading."""
    centred = np.asarray(vectors, np.float64) - np.mean(vectors, axis=0, dtype=np.float64, keepdims=True)
    places = np.zeros((len(centred), 2), np.float32)
    if len(centred) < 2:
        return places
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    for i, axis in enumerate(axes[:2]):
        places[:, i] = centred @ axis * np.sign(axis[np.argmax(np.abs(axis))])
    return places


def align(places: Floats, shown: Floats | None) -> Floats:
    """Turn, mirror, scale and shift (k, 2) places so that the first p lie as near as can be to `shown` (p, 2)."""
    if shown is None or len(shown) == 0:
        return places
    mine, theirs = np.asarray(places[: len(shown)], np.float64), np.asarray(shown, np.float64)
    my_mean, their_mean = mine.mean(0), theirs.mean(0)
    mine, theirs = mine - my_mean, theirs - their_mean
    u, singular, vt = np.linalg.svd(mine.T @ theirs)
    size = float((mine**2).sum())
    scale = float(singular.sum()) / size if size > 0 and singular.sum() > 0 else 1.0
    return ((np.asarray(places, np.float64) - my_mean) @ (u @ vt) * scale + their_mean).astype(np.float32)


def _unit(vectors: Floats) -> Floats:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
