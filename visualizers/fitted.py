"""A fitted map of one agent's space: made by UMAP, saved without pickle, rebuilt bit for bit."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recmas_core.errors import DimensionMismatch, SystemNotFound, UnsafeCheckpoint
from recmas_core.storage import write_whole

Floats: TypeAlias = NDArray[np.float32]
MapKey: TypeAlias = tuple[str, str]  # (role, space)
SPACES = ("thoughts", "received")


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


def umap_class() -> Any:
    """umap-learn's UMAP, imported on first use, with numba kept to one thread.

    Left alone, numba raises OpenMP's thread count in the calling thread, and torch then sums in another order there.
    """
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")  # read when numba is imported
    from umap import UMAP

    return UMAP


def fit_map(
    data: Floats,
    words: tuple[str, ...],
    *,
    space: str,
    role: str,
    kinds: tuple[str, ...] = (),
    n_neighbors: int = 15,
    min_dist: float = 0.9,
    metric: str = "euclidean",
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
    UMAP = umap_class()  # noqa: N806
    settings: dict[str, Any] = {"n_neighbors": n_neighbors, "min_dist": min_dist, "metric": metric}
    # Islands of one word are almost points: few neighbours, a wide minimal distance and a start from the PCA keep them
    # apart and readable, where the spectral start piles the small ones up in the middle.
    fitted = UMAP(random_state=seed, n_jobs=1, init="pca", **settings).fit(data)
    embedding = np.ascontiguousarray(fitted.embedding_, dtype=np.float32)
    return FittedMap(data, embedding, words, **settings, space=space, role=role, kinds=kinds)


def rebuild_umap(fitted: FittedMap) -> Any:
    """The umap-learn object of a fitted map; its transform equals the original's bit for bit.

    With no epochs and the embedding as the start, fit() only builds the neighbour structures again.
    """
    UMAP = umap_class()  # noqa: N806
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
    meta = {
        "format": "recmas-map-1", "words": fitted.words, "kinds": fitted.kinds, "n_neighbors": fitted.n_neighbors,
        "min_dist": fitted.min_dist, "metric": fitted.metric, "space": fitted.space, "role": fitted.role,
        "quality": dict(fitted.quality),
    }  # fmt: skip
    text = json.dumps(meta, ensure_ascii=False).encode()
    packed = np.frombuffer(text, dtype=np.uint8)
    write_whole(
        path, lambda file: np.savez_compressed(file, data=fitted.data, embedding=fitted.embedding, meta=packed)
    )


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
