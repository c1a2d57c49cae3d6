"""A fit that takes no time, vectors to fit, and waiting for what comes: for the tests of a run's own maps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
from english import ENGLISH

from visualizers.own_fit import Fitter, OwnFit
from visualizers.own_maps import OwnMap, OwnPlaces


def vectors(n: int, seed: int = 1, d: int = 12) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(3, d))
    return list((centres[rng.integers(0, 3, n)] + 0.3 * rng.normal(size=(n, d))).astype(np.float32))


def span(xy: np.ndarray) -> float:
    return float(np.ptp(xy, axis=0).max())


class Fake:
    """Fits at once: PCA places turned, made 50 times larger and bent, as UMAP's might be.

    Attributes:
        sizes: How many vectors each fit had.
        gate: Fits wait while it is not set.
    """

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.transformed = 0
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, data: np.ndarray, start: np.ndarray) -> OwnFit:
        assert self.gate.wait(20)
        self.sizes.append(len(data))
        centre, turn = data.mean(0), np.array([[0.0, -50.0], [50.0, 0.0]])
        axes = np.linalg.lstsq(data - centre, start - start.mean(0), rcond=None)[0]

        def places(wanted: np.ndarray) -> np.ndarray:
            return (np.tanh((wanted - centre) @ axes / span(start)) @ turn + 1000).astype(np.float32)

        def transform(wanted: np.ndarray) -> np.ndarray:
            assert self.gate.wait(20)
            self.transformed += len(wanted)
            return places(wanted) + 0.01

        return OwnFit(places(data), transform)


def warmed(fake: Fake) -> Fitter:
    """A fitter that is warm, the fake's counts at naught."""
    made = Fitter(fit=fake)
    made.warm_up()
    assert made.wait(20)
    fake.sizes.clear()
    fake.transformed = 0
    return made


def until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end
        time.sleep(0.005)


def settled(own: OwnMap, run: list[np.ndarray], fitter: Fitter, others: Sequence[np.ndarray] = ()) -> OwnPlaces:
    """The places when nothing better will come."""
    while True:
        found = own.place(run, ENGLISH, others=others, fitter=fitter)
        if not own.busy:
            return found
        until(lambda: not own.busy)
