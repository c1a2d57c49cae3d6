"""A run's own maps: PCA at once, UMAP when it is fitted, and nothing that jumps, waits or outlives its run."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from english import ENGLISH
from fitting import Fake, settled, span, until, vectors, warmed

from recmas_core.errors import NonFiniteLatent
from visualizers import own_maps
from visualizers.own_fit import FEWEST, Fitter, OwnFit
from visualizers.own_maps import GROWN, OwnMap, OwnMaps
from visualizers.panels.atlas import Atlas
from visualizers.panels.session import Session
from visualizers.panels.spread import Shown, spread_of

THOUGHTS = Shown("planner", "thoughts")


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def fitter(fake: Fake) -> Fitter:
    return warmed(fake)


def test_fewer_thoughts_are_never_fitted(fake: Fake, fitter: Fitter) -> None:
    found = settled(OwnMap("thoughts"), vectors(FEWEST - 1), fitter)
    assert fake.sizes == []
    assert found.method.startswith(f"PCA of {FEWEST - 1} thoughts")
    assert f"UMAP takes {FEWEST}" in found.method


def test_pca_is_shown_until_the_fit_is_there_and_no_drawing_waits(fake: Fake, fitter: Fitter) -> None:
    own, run = OwnMap("thoughts"), vectors(30)
    fake.gate.clear()
    first = own.place(run, ENGLISH, fitter=fitter)  # would wait for ever if it waited
    again = own.place(run, ENGLISH, fitter=fitter)
    assert own.busy
    assert "PCA of 30" in again.method
    assert "UMAP is being fitted" in again.method
    np.testing.assert_array_equal(again.xy, first.xy)
    fake.gate.set()
    assert "UMAP (umap-learn), fitted to 30 thoughts" in settled(own, run, fitter).method
    assert fake.sizes == [30]


def test_the_fit_is_laid_on_what_was_shown(fitter: Fitter) -> None:
    own, run = OwnMap("thoughts"), vectors(40)
    shown = own.place(run, ENGLISH).xy
    fitted = settled(own, run, fitter).xy
    assert np.linalg.norm(fitted - shown, axis=1).max() < 0.3 * span(shown)
    assert not np.array_equal(fitted, shown)
    assert fitted.std(0).max() == pytest.approx(shown.std(0).max(), rel=0.2)  # the axes stay as they are


def test_nothing_is_fitted_before_umap_is_warm(fake: Fake) -> None:
    cold = Fitter(fit=fake)
    own = OwnMap("thoughts")
    assert "warming up" in own.place(vectors(30), ENGLISH, fitter=cold).method
    assert not own.busy
    assert fake.sizes == []


def test_thoughts_that_come_later_are_placed_at_once_and_then_transformed(fake: Fake, fitter: Fitter) -> None:
    own, run = OwnMap("thoughts"), vectors(24)
    fitted = settled(own, run[:20], fitter).xy
    fake.gate.clear()
    at_once = own.place(run, ENGLISH, fitter=fitter)
    assert "fitted to 20 of 24" in at_once.method
    assert "4 by the 5 nearest" in at_once.method
    assert np.isin(np.round(at_once.xy[:20], 3), np.round(fitted, 3)).all()
    assert span(np.concatenate([at_once.xy, fitted])) <= 1.001 * span(fitted)  # a mean lies inside
    fake.gate.set()
    until(lambda: not own.busy)
    later = own.place(run, ENGLISH, fitter=fitter)
    assert "nearest" not in later.method
    assert fake.transformed == 4
    np.testing.assert_array_equal(later.xy[:20], fitted)
    assert not np.array_equal(later.xy[20:], at_once.xy[20:])


def test_a_map_is_fitted_again_only_when_it_has_grown_by_half(fake: Fake, fitter: Fitter) -> None:
    own, run = OwnMap("thoughts"), vectors(60)
    for count in range(1, 61):
        settled(own, run[:count], fitter)
    assert fake.sizes == [15, 23, 35, 53]
    assert all(after >= GROWN * before for before, after in zip(fake.sizes, fake.sizes[1:], strict=False))


def test_a_fit_again_is_laid_on_what_was_shown(fitter: Fitter) -> None:
    own, run = OwnMap("thoughts"), vectors(30)
    before = settled(own, run[:20], fitter).xy
    after = settled(own, run, fitter)
    assert "fitted to 30 thoughts" in after.method
    assert np.linalg.norm(after.xy[:20] - before, axis=1).max() < 0.3 * span(before)


def test_of_very_many_thoughts_evenly_chosen_ones_are_fitted(
    fake: Fake, fitter: Fitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_maps, "MOST", 40)
    found = settled(OwnMap("thoughts"), vectors(120), fitter)
    assert fake.sizes == [40]
    assert fake.transformed == 80  # in several batches
    assert "fitted to 40 of 120" in found.method


def test_the_memory_of_transformed_places_is_bounded(fitter: Fitter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_maps, "_REMEMBERED", 6)
    own = OwnMap("thoughts")
    settled(own, vectors(20), fitter)
    for seed in range(5):
        own.place(vectors(20), ENGLISH, others=vectors(3, seed), fitter=fitter)
        until(lambda: not own.busy)
    assert len(own._moved) == 6


@pytest.mark.parametrize("warm", [False, True])
def test_an_older_drawing_shows_the_same_map_with_fewer_points(fitter: Fitter, warm: bool) -> None:
    own, run, atlas = OwnMaps(), vectors(40), Atlas({}, unmapped=["planner"], fitter=fitter if warm else None)
    settled(own.of("planner", "thoughts"), run, fitter) if warm else None
    now = spread_of(atlas, own, THOUGHTS, run, 40, ENGLISH)
    then = spread_of(atlas, own, THOUGHTS, run, 7, ENGLISH)
    assert then.shown == now.shown[:7]
    assert then.method == now.method
    np.testing.assert_array_equal(then.frame, now.frame)


def test_the_twin_runs_thoughts_lie_on_the_map_without_shaping_it(fake: Fake, fitter: Fitter) -> None:
    own, run = OwnMap("thoughts"), vectors(20)
    alone = settled(own, run, fitter).xy
    found = settled(own, run, fitter, (run[3] + 0.001, run[3] + 0.001))
    np.testing.assert_array_equal(found.xy, alone)
    np.testing.assert_array_equal(found.others[0], found.others[1])
    assert np.linalg.norm(found.others[0] - alone[3]) < 0.05 * span(alone)
    assert fake.sizes == [20]


def test_thoughts_that_are_all_the_same_stay_in_the_middle(fake: Fake, fitter: Fitter) -> None:
    found = settled(OwnMap("thoughts"), [np.full(64, 3000.0, np.float32)] * 40, fitter)
    np.testing.assert_array_equal(found.xy, np.zeros((40, 2)))
    assert "all the same" in found.method
    assert "UMAP" not in found.method
    assert fake.sizes == []


def test_a_vector_that_is_not_finite_is_refused() -> None:
    with pytest.raises(NonFiniteLatent):
        OwnMap("thoughts").place([np.array([1, np.nan], np.float32)], ENGLISH)


@pytest.mark.parametrize("what", ["raises", "nan"])
def test_a_fit_that_fails_is_told_and_the_pca_stays(what: str) -> None:
    def broken(data: np.ndarray, start: np.ndarray) -> OwnFit:
        if what == "raises" and len(data) > FEWEST:
            raise ValueError("no such luck")
        places = np.full_like(start, np.nan) if len(data) > FEWEST else start
        return OwnFit(places, lambda wanted: np.zeros((len(wanted), 2), np.float32))

    fitter = Fitter(fit=broken)
    fitter.warm_up()
    assert fitter.wait(20)
    own, run = OwnMap("thoughts"), vectors(20)
    shown = own.place(run, ENGLISH).xy
    found = settled(own, run, fitter)
    assert found.method.startswith("PCA")
    assert "UMAP failed" in found.method
    np.testing.assert_array_equal(found.xy, shown)


def test_a_transform_that_fails_is_told_and_neighbours_stay(fitter: Fitter) -> None:
    def broken(data: np.ndarray, start: np.ndarray) -> OwnFit:
        return OwnFit(start, lambda wanted: np.full((len(wanted), 2), np.nan, np.float32))

    fitter.fit = broken
    found = settled(OwnMap("thoughts"), vectors(20), fitter, tuple(vectors(2, 5)))
    assert np.isfinite(found.others).all()
    assert "UMAP failed" in found.method


def test_two_runs_of_the_same_thoughts_share_no_map(fake: Fake, fitter: Fitter) -> None:
    one, other, run = OwnMaps().of("a", "thoughts"), OwnMaps().of("a", "thoughts"), vectors(20)
    settled(one, run, fitter)
    assert "PCA" in other.place(run, ENGLISH).method
    settled(other, run, fitter)
    assert fake.sizes == [20, 20]


def test_a_run_that_is_forgotten_is_not_fitted_any_more(fake: Fake, fitter: Fitter) -> None:
    fake.gate.clear()
    begun, forgotten = OwnMap("thoughts"), OwnMap("thoughts")
    begun.place(vectors(20), ENGLISH, fitter=fitter)
    forgotten.place(vectors(30), ENGLISH, fitter=fitter)  # waits behind the other one
    gone = weakref.ref(forgotten)
    del forgotten
    gc.collect()
    assert gone() is None
    fake.gate.set()
    until(lambda: not begun.busy)
    settled(begun, vectors(20), fitter)
    assert fake.sizes == [20]


def test_resetting_a_session_forgets_its_maps() -> None:
    session = Session()
    before = session.moment.own
    before.of("planner", "thoughts").place(vectors(3), ENGLISH)
    session.reset()
    assert session.moment.own is not before


def test_what_arrives_for_a_map_that_is_not_drawn_gives_no_cause_to_draw() -> None:
    own = OwnMaps()
    own.of("math", "thoughts").all_same()
    assert own.stale
    own.of("code", "thoughts")
    assert not own.stale
    own.of("math", "thoughts")
    assert own.stale
