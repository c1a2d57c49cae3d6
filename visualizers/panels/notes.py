"""What thoughts say and where they lie, worked out once and remembered: the views ask again at every redraw."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar

from recmas_core.records import Array, Thought, Transfer

if TYPE_CHECKING:
    from recmas_core.system import System

T = TypeVar("T")
Said = tuple[tuple[str, float], ...]  # (word, score), the likeliest first


class Memo:
    """A bounded memory of results, safe to share between threads.

    Args:
        limit: Most results kept; the ones unused for longest go first.
    """

    def __init__(self, limit: int = 20_000) -> None:
        self._limit, self._lock = limit, threading.Lock()
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The result under `key`, made if it is not there. Two threads may both make it; it is the same."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        result = make()
        with self._lock:
            self._kept[key] = result
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)
        return result


class Notes:
    """The readings of one system's thoughts.

    Args:
        system: Whose agents read.
        words: How many words a reading has.
    """

    def __init__(self, system: System, *, words: int = 5) -> None:
        self.system, self._words = system, words
        self._memo = Memo()

    def says(self, thought: Thought) -> Said:
        """The likeliest next words after a thought, by its agent's own head: (word, probability)."""
        return self.says_of(thought.role, thought.hidden)

    def says_of(self, role: str, hidden: Array) -> Said:
        """The likeliest next words after a (d,) hidden state of a role's agent: (word, probability)."""
        import recmas_core as rm

        agent = self.system.agents[role]
        return self._once("says", role, hidden, lambda h: rm.lens(agent, h, self._words))

    def nearest(self, role: str, vector: Array) -> Said:
        """The words of `role`'s vocabulary whose embeddings lie nearest to a (d,) vector: (word, cosine)."""
        import recmas_core as rm

        agent = self.system.agents[role]
        return self._once("near", role, vector, lambda v: rm.nearest(agent, v, self._words))

    def received(self, transfer: Transfer) -> tuple[Said, ...]:
        """The nearest words, in the receiver's space, of every vector of a transfer."""
        return tuple(self.nearest(transfer.receiver, vector) for vector in transfer.vectors)

    def _once(self, kind: str, role: str, vector: Array, read: Callable[[Array], Any]) -> Said:
        def make() -> Said:
            return tuple((word.text, float(word.score)) for word in read(vector[None])[0])

        return self._memo.get((kind, role, vector.tobytes()), make)
