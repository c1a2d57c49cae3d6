"""What a run's own maps are made of: PCA, the scale of thoughts, UMAP itself, and its warming up."""

from __future__ import annotations

import numpy as np
import pytest
from english import ENGLISH
from fitting import Fake, settled, span, vectors

from visualizers.own_fit import Fitter, OwnFit, Scale, fit_umap
from visualizers.own_maps import OwnMap
from visualizers.panels.atlas import Atlas
from visualizers.projection import FittedMap, Projector


@pytest.fixture
def fake() -> Fake:
    return Fake()


def test_a_growing_pca_stays_where_it_was() -> None:
    own, run = OwnMap("thoughts"), vectors(100)
    for count in range(20, 100):
        before, after = own.place(run[:count], ENGLISH).xy, own.place(run[: count + 1], ENGLISH).xy
        moved = np.linalg.norm(after[:count] - before, axis=1)
        assert np.median(moved) < 0.15 * span(before)


def test_no_thoughts_have_no_places_and_one_no_shape() -> None:
    assert OwnMap("thoughts").place([], ENGLISH).xy.shape == (0, 2)
    assert OwnMap("thoughts").place([], ENGLISH).method == ""
    assert "only one" in OwnMap("thoughts").place(vectors(1), ENGLISH).method


def test_on_pca_the_twin_runs_thoughts_lie_where_theirs_would() -> None:
    found = OwnMap("thoughts").place(vectors(10), ENGLISH, others=vectors(10)[2:4])
    np.testing.assert_allclose(found.others, found.xy[2:4], atol=1e-5)


def test_large_norms_do_not_hide_small_differences() -> None:
    run = np.stack(vectors(40)).astype(np.float64)
    offset = np.full(12, 4096.0)
    scaled = Scale.of(run + offset)(run + offset)
    np.testing.assert_allclose(scaled, Scale.of(run)(run), atol=1e-5)
    assert (scaled**2).sum(1).mean() == pytest.approx(1, rel=1e-5)


def test_a_warm_up_that_fails_is_told() -> None:
    def broken(data: np.ndarray, start: np.ndarray) -> OwnFit:
        raise ImportError("no numba here")

    fitter = Fitter(fit=broken)
    fitter.warm_up()
    assert fitter.wait(20)
    assert fitter.status == "failed: ImportError: no numba here"
    assert "no numba here" in OwnMap("thoughts").place(vectors(20), ENGLISH, fitter=fitter).method


def test_an_atlas_warms_up_for_the_roles_without_a_map(fake: Fake) -> None:
    fitter = Fitter(fit=fake)
    atlas = Atlas({}, unmapped=["planner"], fitter=fitter)
    assert atlas.warming
    atlas.warm_up()
    assert fitter.wait(20)
    assert not atlas.warming


def test_an_atlas_with_all_maps_does_not_warm_up_for_others(fake: Fake) -> None:
    fitter = Fitter(fit=fake)
    data = np.zeros((20, 3), np.float32)
    fitted = FittedMap(data, data[:, :2], ("a",) * 20, 5, 0.4, "no such metric", "thoughts", "planner")
    Atlas({"planner": (Projector({("planner", "thoughts"): fitted}), "planner")}, fitter=fitter).warm_up()
    assert fitter.status == "cold"


@pytest.fixture(scope="module")
def real() -> Fitter:
    """With umap-learn itself, warm."""
    fitter = Fitter()
    fitter.warm_up()
    assert fitter.wait(300)
    assert fitter.status == "warm"
    return fitter


def test_umap_itself_keeps_groups_where_they_were_and_repeats_itself(real: Fitter) -> None:
    own, run = OwnMap("thoughts"), vectors(48, d=64)
    shown = own.place(run, ENGLISH).xy
    found = settled(own, run, real, tuple(vectors(2, 5, d=64)))
    again = settled(OwnMap("thoughts"), run, real)
    np.testing.assert_array_equal(found.xy, again.xy)
    assert np.isfinite(found.others).all()
    assert np.median(np.linalg.norm(found.xy - shown, axis=1)) < 0.3 * span(shown)


@pytest.mark.parametrize("shape", ["twice", "line"])
def test_umap_itself_finds_places_for_odd_shapes(real: Fitter, shape: str) -> None:
    """Thoughts that repeat, and thoughts on a line: PCA starts UMAP with equal places, or without width."""
    repeated = np.repeat(np.stack(vectors(2)), 10, 0)
    data = {"twice": repeated, "line": np.outer(np.arange(20), np.ones(12)).astype(np.float32)}[shape]
    own = OwnMap("thoughts")
    found = settled(own, list(data), real)
    assert "umap-learn" in found.method
    assert np.isfinite(found.xy).all()


def test_umap_itself_takes_a_start_without_any_width() -> None:
    fitted = fit_umap(np.stack(vectors(20)), np.zeros((20, 2), np.float32))
    assert np.isfinite(fitted.places).all()
