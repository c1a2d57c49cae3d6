"""The projection: fitted once, saved without pickle, and points that stay where they are."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from english import ENGLISH

from recmas_core.errors import DimensionMismatch, NonFiniteLatent, SystemNotFound, UnsafeCheckpoint
from visualizers import projection
from visualizers.places import align, pca_places, principal_axes
from visualizers.projection import FittedMap, Projector, fit_map, load_map, load_maps, neighbour_places, save_map

KEY = ("planner", "thoughts")


def vectors(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(5, 12))
    return (centres[rng.integers(0, 5, n)] + 0.3 * rng.normal(size=(n, 12))).astype(np.float32)


def blank_map(n: int = 20, d: int = 3) -> FittedMap:
    rng = np.random.default_rng(0)
    data, places = rng.normal(size=(n, d)).astype(np.float32), rng.normal(size=(n, 2)).astype(np.float32)
    return FittedMap(data, places, ("a",) * n, 5, 0.4, "cosine", "thoughts", "planner", (), {"k": 15.0})


@pytest.fixture(scope="module")
def fitted() -> FittedMap:
    return fit_map(vectors(120, 1), ("x",) * 120, space="thoughts", role="planner", n_neighbors=15)


@pytest.fixture(scope="module")
def warm(fitted: FittedMap) -> Projector:
    projector = Projector({KEY: fitted})
    projector.warm_up()
    assert projector.wait(300)
    assert projector.status == "umap"
    return projector


def test_importing_loads_neither_numba_nor_the_page() -> None:
    code = (
        "import sys, visualizers.projection, visualizers.figures.latent_map, visualizers.figures.topology;"
        "print([m for m in ('numba', 'umap', 'sklearn', 'gradio', 'plotly', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_same_fit_again_is_the_same_map(fitted: FittedMap) -> None:
    again = fit_map(fitted.data, fitted.words, space="thoughts", role="planner", n_neighbors=15)
    np.testing.assert_array_equal(again.embedding, fitted.embedding)


def test_a_saved_map_transforms_bit_for_bit_like_the_original_fit(fitted: FittedMap, tmp_path: Path) -> None:
    from umap import UMAP

    settings = {"n_neighbors": fitted.n_neighbors, "min_dist": fitted.min_dist, "metric": fitted.metric}
    original = UMAP(random_state=0, n_jobs=1, init="pca", **settings).fit(fitted.data)
    save_map(fitted, tmp_path / "map.npz")
    rebuilt = projection.rebuild_umap(load_map(tmp_path / "map.npz"))
    new = vectors(9, 2)
    np.testing.assert_array_equal(rebuilt.transform(new), original.transform(new))
    np.testing.assert_array_equal(rebuilt.transform(new[:1]), original.transform(new[:1]))


def test_a_point_never_moves_because_others_come(warm: Projector) -> None:
    new = vectors(6, 3)
    together = warm.place(KEY, new)
    fresh = Projector(warm.maps)
    fresh.warm_up()
    assert fresh.wait(300)
    for i in (5, 0, 3):
        np.testing.assert_array_equal(fresh.place(KEY, new[i : i + 1]).xy[0], together.xy[i])
    assert together.method == projection.BY_UMAP
    assert together.xy.dtype == np.float32


def test_places_are_umaps_own_transform_of_each_vector(warm: Projector, fitted: FittedMap) -> None:
    new = vectors(3, 4)
    umap = projection.rebuild_umap(fitted)
    expected = np.concatenate([umap.transform(vector[None]) for vector in new])
    np.testing.assert_array_equal(warm.place(KEY, new).xy, expected)


def test_the_memory_of_places_is_bounded(warm: Projector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "_REMEMBERED", 4)
    fresh = Projector(warm.maps)
    fresh.warm_up()
    assert fresh.wait(300)
    first = fresh.place(KEY, vectors(7, 5)).xy
    assert len(fresh._cache) == 4
    np.testing.assert_array_equal(fresh.place(KEY, vectors(7, 5)).xy, first)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_neighbours_serve_until_umap_is_warm(fitted: FittedMap, metric: str) -> None:
    cold = Projector({KEY: replace(fitted, metric=metric)})
    new = vectors(4, 6)
    placed = cold.place(KEY, new)
    assert cold.status == "neighbours"
    assert placed.method == projection.BY_NEIGHBOURS
    lengths = np.linalg.norm(fitted.data, axis=1)
    far = {"cosine": -(fitted.data @ new[0]) / lengths, "euclidean": np.linalg.norm(fitted.data - new[0], axis=1)}
    nearest = np.argsort(far[metric])[:15]
    np.testing.assert_allclose(placed.xy[0], fitted.embedding[nearest].mean(0), rtol=1e-5)


def test_neighbours_land_in_the_same_island_as_umap(warm: Projector, fitted: FittedMap) -> None:
    new = vectors(30, 8)
    apart = np.linalg.norm(neighbour_places(fitted, new) - warm.place(KEY, new).xy, axis=1)
    assert np.median(apart) < 0.15 * np.ptp(fitted.embedding, axis=0).max()


def test_a_failed_warm_up_is_told_and_places_go_on(fitted: FittedMap) -> None:
    broken = Projector({KEY: replace(fitted, metric="no such metric")})
    broken.warm_up()
    assert broken.wait(300)
    assert broken.status.startswith("failed: ")
    assert "metric" in broken.status
    placed = broken.place(KEY, vectors(2, 9))
    assert placed.xy.shape == (2, 2)
    assert "UMAP failed" in placed.told(ENGLISH)


@pytest.mark.parametrize(
    ("key", "offered", "error"),
    [
        (("nobody", "thoughts"), np.zeros((1, 3)), SystemNotFound),
        (KEY, np.zeros((1, 4)), DimensionMismatch),
        (KEY, np.zeros(3), DimensionMismatch),
        (KEY, np.full((1, 3), np.nan), NonFiniteLatent),
    ],
)
def test_what_cannot_be_placed_is_refused(key: tuple[str, str], offered: np.ndarray, error: type[Exception]) -> None:
    with pytest.raises(error):
        Projector({KEY: blank_map()}).place(key, offered)


def test_no_vectors_have_no_places() -> None:
    assert Projector({KEY: blank_map()}).place(KEY, np.zeros((0, 3))).xy.shape == (0, 2)


def test_saving_and_loading_keeps_everything(tmp_path: Path) -> None:
    one = replace(blank_map(), words=tuple("äöü<>7 =+-*0123456789"[:20]), kinds=("token",) * 20)
    save_map(one, tmp_path / "deep" / "planner.thoughts.npz")
    back = load_maps(tmp_path / "deep")[KEY]
    np.testing.assert_array_equal(back.data, one.data)
    np.testing.assert_array_equal(back.embedding, one.embedding)
    for name in ("words", "kinds", "n_neighbors", "min_dist", "metric", "space", "role", "quality"):
        assert getattr(back, name) == getattr(one, name)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["planner.thoughts.npz"]
    assert load_maps(tmp_path / "nowhere") == {}


def test_a_missing_map_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(SystemNotFound, match="visualizers maps"):
        load_map(tmp_path / "none.npz")


def damaged(kind: str, good: bytes) -> bytes:
    if kind == "cut":
        return good[: len(good) // 2]
    if kind == "noise":
        return b"not an archive at all"
    if kind == "empty":
        return b""
    parts = dict(np.load(io.BytesIO(good)))
    if kind == "pickle":
        parts["data"] = np.array([{"a": 1}], dtype=object)
    if kind == "short":
        parts["embedding"] = parts["embedding"][:-1]
    if kind == "nan":
        parts["data"][0, 0] = np.nan
    if kind == "missing":
        del parts["meta"]
    if kind == "list":
        parts["meta"] = np.frombuffer(b"[1]", np.uint8)
    out = io.BytesIO()
    np.savez(out, **parts)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["cut", "noise", "empty", "pickle", "short", "nan", "missing", "list"])
def test_a_damaged_map_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "planner.thoughts.npz"
    save_map(blank_map(), path)
    path.write_bytes(damaged(kind, path.read_bytes()))
    with pytest.raises(UnsafeCheckpoint, match=r"planner\.thoughts\.npz"):
        load_map(path)


def test_fitting_needs_a_word_per_vector() -> None:
    with pytest.raises(DimensionMismatch):
        fit_map(vectors(5, 0), ("a",), space="thoughts", role="planner")


@pytest.mark.parametrize("count", [0, 1])
def test_pca_of_hardly_anything_is_the_middle(count: int) -> None:
    np.testing.assert_array_equal(pca_places(vectors(count, 0)), np.zeros((count, 2)))


@pytest.mark.parametrize("count", [5, 12, 40])
def test_pca_is_that_of_the_singular_values(count: int) -> None:
    """Fewer vectors than their width, as many, and more: two ways of working it out."""
    run = vectors(count, 0)
    centred = run - run.mean(0, dtype=np.float64)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(pca_places(run)), np.abs(centred @ axes[:2].T), atol=1e-5)
    assert principal_axes(run).share == pytest.approx((singular[:2] ** 2).sum() / (singular**2).sum())


def test_alignment_undoes_a_turn_a_mirror_a_scale_and_a_shift() -> None:
    rng = np.random.default_rng(3)
    shown = rng.normal(size=(8, 2)).astype(np.float32)
    turn = np.array([[0.6, -0.8], [-0.8, -0.6]])  # a turn with a mirror
    np.testing.assert_allclose(align((3 * shown @ turn + 5).astype(np.float32), shown), shown, atol=1e-4)
    np.testing.assert_allclose(align(shown, shown[:1] + 2), shown + 2, atol=1e-5)
    np.testing.assert_allclose(align(shown, shown[:0]), shown, atol=1e-5)


def test_umap_leaves_the_agents_arithmetic_alone(warm: Projector) -> None:
    """numba once raised OpenMP's thread count in the thread it worked in, and latents there came out in other bits."""
    import torch

    before = torch.get_num_threads()
    warm.place(KEY, vectors(2, 9))
    fit_map(vectors(60, 10), ("x",) * 60, space="thoughts", role="planner", n_neighbors=5)
    assert torch.get_num_threads() == before == 1
