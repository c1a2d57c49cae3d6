"""Maps of one run's own vectors, where none was shipped: PCA at once, UMAP as soon as it is fitted.

A drawing asks what is there now and never waits: fits and transforms are made in the thread of umap-learn, and what
they bring is laid on what was shown before.
"""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recmas_core.errors import NonFiniteLatent
from visualizers.fitted import Floats, MapKey
from visualizers.own_fit import FEWEST, Fitter, OwnFit, Scale
from visualizers.own_ground import Pca, Umap, outlook
from visualizers.places import similarity
from visualizers.words import Words

GROWN = 1.5  # a map is fitted again when there are this many times the vectors of the last fit
MOST = 600  # vectors of one fit, about a second; of more, evenly chosen ones are fitted, the others transformed
_BATCH = 32  # transforms at a time: other visitors' maps wait for the same thread
_REMEMBERED = 10_000  # transformed places kept; a run and its twin have at most half of it
_EACH, _PCA_GROWN = 64, 1.125  # PCA is worked out again at every drawing up to so many vectors, then as they grow


@dataclass(frozen=True, eq=False)
class OwnPlaces:
    """Where a run's vectors lie.

    Attributes:
        xy: (k, 2) places of all of the run's vectors, in order.
        others: (m, 2) places of the other vectors that were asked for.
        method: What placed them, in words for the reader.
    """

    xy: Floats
    others: Floats
    method: str


class OwnMap:
    """The places of one agent's vectors in one run, safe to share between threads. Vectors only ever come behind.

    Args:
        of: What they are: "thoughts" or "received".
    """

    def __init__(self, of: str) -> None:
        self._of, self._lock = of, threading.Lock()
        self._vectors: list[Floats] = []
        self._xy = np.zeros((0, 2), np.float32)
        self._pca: Pca | None = None
        self._umap: Umap | None = None
        self._moved: OrderedDict[Hashable, Floats] = OrderedDict()
        self._tried, self._busy, self._same, self._failure = 0, False, False, ""
        self._news = self._drawn = 0  # arrivals so far, and at the last drawing

    @property
    def busy(self) -> bool:
        """Whether something better than what is shown is being worked out."""
        return self._busy

    @property
    def news(self) -> int:
        """How often something better has arrived so far."""
        return self._news

    @property
    def stale(self) -> bool:
        """Whether something better has arrived since it was last drawn."""
        return self._drawn != self._news

    def place(
        self, vectors: Sequence[Floats], words: Words, *, others: Sequence[Floats] = (), fitter: Fitter | None = None
    ) -> OwnPlaces:
        """Places as they are now.

        Args:
            vectors: All of the run's (d,) vectors so far, in order; an older drawing may know fewer.
            words: What the page says.
            others: Further (d,) vectors to place on the same map, which has no part of them.
            fitter: Makes the fits; None for PCA alone.

        Raises:
            NonFiniteLatent: If a vector holds NaN or infinity.
        """
        with self._lock:
            new = [np.asarray(vector, np.float32) for vector in vectors[len(self._vectors) :]]
            if not all(np.isfinite(vector).all() for vector in (*new, *others)):
                raise NonFiniteLatent("a map", "was asked to place a vector with NaN or infinity", "Check the run.")
            self._vectors += new
            self._drawn = self._news
            if not self._vectors:
                return OwnPlaces(self._xy, np.zeros((len(others), 2), np.float32), "")
            waiting: dict[Hashable, Floats] = {}
            if self._umap is None:
                beside, count = self._by_pca(others, grown=bool(new)), 0
            else:
                beside, waiting, count = self._by_umap(self._umap, others)
            if fitter is not None and not self._busy and not self._failure and fitter.status == "warm":
                self._ask(fitter, waiting)
            return OwnPlaces(self._xy[: len(vectors)].copy(), beside, self._told(fitter, count, words))

    def fitted(self, fit: OwnFit, scale: Scale, data: Floats, rows: tuple[int, ...]) -> None:
        """Show a fit to `data` from now on, laid on what was shown until now."""
        with self._lock:
            move = similarity(fit.places, self._xy[list(rows)], same_size=True)
            self._umap, self._pca = Umap(fit, scale, move, data, rows), None
            self._busy = self._same = False
            self._moved.clear()
            self._news += 1

    def all_same(self) -> None:
        """Stay with what is shown: the vectors have no shape that could be fitted."""
        with self._lock:
            self._same, self._busy = True, False
            self._news += 1

    def moved(self, places: Mapping[Hashable, Floats], *, over: bool) -> None:
        """Show transformed places from now on; `over` if no more of them come."""
        with self._lock:
            self._moved.update(places)
            while len(self._moved) > _REMEMBERED:
                self._moved.popitem(last=False)
            self._busy = not over
            self._news += 1

    def failed(self, error: Exception) -> None:
        """Ask for nothing more, and say so; what is shown stays."""
        with self._lock:
            self._failure, self._busy = f"{type(error).__name__}: {error}", False
            self._news += 1

    def _by_pca(self, others: Sequence[Floats], *, grown: bool) -> Floats:
        """Bring all places up to date; returns those of the others."""
        pca, count = self._pca, len(self._vectors)
        if pca is None or (grown and (count <= _EACH or count >= _PCA_GROWN * pca.count)):
            pca = self._pca = Pca.of(self._vectors, self._xy)
            self._xy = pca.places(self._vectors)
        elif grown:
            self._xy = np.concatenate([self._xy, pca.places(self._vectors[len(self._xy) :])])
        return pca.places(others) if len(others) else np.zeros((0, 2), np.float32)

    def _by_umap(self, umap: Umap, others: Sequence[Floats]) -> tuple[Floats, dict[Hashable, Floats], int]:
        """Bring all places up to date.

        Returns:
            The places of the others; all vectors that wait for their transform; how many of them are the run's own.
        """
        fitted = set(umap.rows)
        late = [i for i in range(len(self._vectors)) if i not in fitted]
        names = [hashlib.blake2b(vector.tobytes(), digest_size=16).digest() for vector in others]
        wanted: dict[Hashable, Floats] = {i: self._vectors[i] for i in late}
        wanted.update(zip(names, others, strict=True))
        waiting = {name: vector for name, vector in wanted.items() if name not in self._moved}
        near = dict(zip(waiting, umap.near(list(waiting.values())), strict=True)) if waiting else {}
        found = {name: near[name] if name in near else self._moved[name] for name in wanted}
        xy = np.zeros((len(self._vectors), 2), np.float32)
        xy[list(umap.rows)] = umap.places
        xy[late] = np.array([found[i] for i in late], np.float32).reshape(-1, 2)
        self._xy = xy
        beside = np.array([found[name] for name in names], np.float32).reshape(-1, 2)
        return beside, waiting, sum(i in waiting for i in late)

    def _ask(self, fitter: Fitter, waiting: dict[Hashable, Floats]) -> None:
        """Have what is due worked out: a fit, or else transforms. A run that is forgotten is not kept for them."""
        count, me = len(self._vectors), weakref.ref(self)
        if count >= max(FEWEST, GROWN * self._tried):
            self._tried, self._busy = count, True
            rows = np.unique(np.linspace(0, count - 1, min(count, MOST)).astype(int))
            chosen, start = [self._vectors[i] for i in rows], self._xy[rows]
            fitter.submit(lambda: _fit(me, fitter, chosen, start, tuple(map(int, rows))))
        elif self._umap is not None and waiting:
            self._busy, umap = True, self._umap
            fitter.submit(lambda: _transform(me, fitter, umap, waiting))

    def _told(self, fitter: Fitter | None, waiting: int, words: Words) -> str:
        count, of = len(self._vectors), words(f"maps.own.{self._of}")
        if self._umap is not None:
            told = self._umap.told(count, of, waiting, words)
            return words("maps.own.umap_failed", words=told, why=self._failure) if self._failure else told
        assert self._pca is not None
        told = self._pca.told(count, of, words)
        if fitter is None or self._same:
            return told
        return outlook(told, count, f"failed: {self._failure}" if self._failure else fitter.status, words)


class OwnMaps:
    """The own maps of one run; they die with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._maps: dict[MapKey, OwnMap] = {}
        self._last: OwnMap | None = None

    @property
    def busy(self) -> bool:
        """Whether a drawing will soon have something better to show."""
        with self._lock:
            return any(own.busy for own in self._maps.values())

    @property
    def stale(self) -> bool:
        """Whether something better has arrived for the map that was drawn last."""
        with self._lock:
            return self._last is not None and self._last.stale

    @property
    def news(self) -> int:
        """How often something better has arrived so far."""
        with self._lock:
            return sum(own.news for own in self._maps.values())

    def of(self, role: str, space: str) -> OwnMap:
        """The map of a role's thoughts, or of what it received, to be drawn."""
        with self._lock:
            self._last = self._maps.setdefault((role, space), OwnMap(space))
            return self._last


def _fit(
    me: weakref.ref[OwnMap], fitter: Fitter, chosen: Sequence[Floats], start: Floats, rows: tuple[int, ...]
) -> None:
    if me() is None:
        return
    try:
        vectors = np.stack(chosen)
        scale = Scale.of(vectors)
        data = scale(vectors)
        found = fitter.fit(data, start) if scale.size else None
        if found is not None and not np.isfinite(found.places).all():
            raise NonFiniteLatent("UMAP", "found no places", "The PCA stays.")
    except Exception as error:  # kept, and told in the caption
        if (own := me()) is not None:
            own.failed(error)
        return
    if (own := me()) is None:
        return
    if found is None:
        own.all_same()
    else:
        own.fitted(found, scale, data, rows)


def _transform(me: weakref.ref[OwnMap], fitter: Fitter, umap: Umap, waiting: dict[Hashable, Floats]) -> None:
    if me() is None:
        return
    now = list(waiting)[:_BATCH]
    rest = {name: vector for name, vector in waiting.items() if name not in now}
    try:
        places = umap.transform([waiting[name] for name in now])
        if not np.isfinite(places).all():
            raise NonFiniteLatent("UMAP", "found no place for a vector", "Its neighbours place it.")
    except Exception as error:  # kept, and told in the caption
        if (own := me()) is not None:
            own.failed(error)
        return
    if (own := me()) is not None:
        own.moved(dict(zip(now, places, strict=True)), over=not rest)
        if rest:
            fitter.submit(lambda: _transform(me, fitter, umap, rest))
