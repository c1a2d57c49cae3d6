"""Confidence intervals: of measured shares, of the difference of two, and of what pairs of numbers say."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recmas_core.errors import BadInput

Numbers: TypeAlias = NDArray[np.float64]
RESAMPLES = 2000  # of a bootstrap


class Share:
    """A measured share: `right` of `n`."""

    right: int
    n: int

    @property
    def accuracy(self) -> float:
        """Share that was right."""
        return self.right / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson 95 % confidence interval of the share."""
        return wilson(self.right, self.n)


def wilson(right: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson score interval of a share (E. B. Wilson, 1927), 95 % by default.

    Raises:
        BadInput: If nothing was measured.
    """
    if n <= 0:
        raise BadInput("n", f"is {n}", "Measure at least one question.")
    p, zz = right / n, z * z
    middle, spread = p + zz / (2 * n), z * math.sqrt(p * (1 - p) / n + zz / (4 * n * n))
    return max(0.0, (middle - spread) / (1 + zz / n)), min(1.0, (middle + spread) / (1 + zz / n))


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % confidence interval.

    Attributes:
        value: The number.
        low, high: The interval's bounds.
        n: Questions it was measured on.
    """

    value: float
    low: float
    high: float
    n: int


def paired_difference(first: Sequence[bool], second: Sequence[bool]) -> Estimate:
    """How much larger the share of `first` is than that of `second`, asked the same questions one by one.

    The interval is Newcombe's for paired shares (1998, method 10): the two Wilson intervals, added with regard to how
    the two go together. It holds where a share is 0 or 1 too, as a bootstrap's does not.

    Args:
        first: For each question whether it was answered rightly.
        second: The same of the other.

    Raises:
        BadInput: If nothing was measured, or they are not as many.
    """
    n = _paired(first, second)
    both = sum(a and b for a, b in zip(first, second, strict=True))
    right, other = sum(first), sum(second)
    neither = n - right - other + both
    (low1, high1), (low2, high2) = wilson(right, n), wilson(other, n)
    p1, p2 = right / n, other / n
    together = float(both * neither - (right - both) * (other - both))
    if together > 0:
        together = max(0.0, together - n / 2)
    size = math.sqrt(right * (n - right) * other * (n - other))
    phi = together / size if size else 0.0
    down = _added(p1 - low1, high2 - p2, phi)
    up = _added(high1 - p1, p2 - low2, phi)
    return Estimate(p1 - p2, p1 - p2 - down, p1 - p2 + up, n)


def _added(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))


def ratio_of_sums(first: Numbers, second: Numbers) -> Numbers:
    """All of the first by all of the second: (…, n) and (…, n) to (…)."""
    return np.asarray(first.sum(-1) / second.sum(-1))


def median_ratio(first: Numbers, second: Numbers) -> Numbers:
    """The median of the ratios, pair by pair: (…, n) and (…, n) to (…). Single pairs that went astray do not matter."""
    return np.asarray(np.median(first / second, axis=-1))


def bootstrap(
    statistic: Callable[[Numbers, Numbers], Numbers],
    first: Sequence[float],
    second: Sequence[float],
    *,
    seed: int = 0,
) -> Estimate:
    """What pairs of numbers say, with the percentile interval of the paired bootstrap: pairs are drawn anew together.

    Args:
        statistic: Takes (…, n) and (…, n), gives (…).
        first: n numbers.
        second: Their partners.
        seed: Of the resamples.

    Raises:
        BadInput: If there are no pairs, or they are not as many.
    """
    n = _paired(first, second)
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    drawn = np.random.default_rng(seed).integers(n, size=(RESAMPLES, n))
    low, high = np.percentile(statistic(one[drawn], other[drawn]), (2.5, 97.5))
    return Estimate(float(statistic(one, other)), float(low), float(high), n)


def _paired(first: Sequence[Any], second: Sequence[Any]) -> int:
    if not first or len(first) != len(second):
        raise BadInput("pairs", f"are {len(first)} and {len(second)}", "Measure both on the same questions.")
    return len(first)
