"""The lens at every layer: what a thought would say if the layers above the one it has reached were left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recmas_core.probes import Word
from recmas_core.records import Trace

if TYPE_CHECKING:
    from recmas_core.system import System


def layer_lens(system: System, trace: Trace, turn: int, step: int, k: int = 5) -> list[tuple[Word, ...]]:
    """One thought's likeliest words after each decoder layer, the first layer first; see `layer_lenses`."""
    return layer_lenses(system, trace, turn, k)[step]


def layer_lenses(system: System, trace: Trace, turn: int, k: int = 5) -> list[list[tuple[Word, ...]]]:
    """For each thought of a turn, and each decoder layer, the k likeliest words: [step][layer][rank]."""
    raise NotImplementedError
