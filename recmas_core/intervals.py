"""Confidence intervals of measured shares."""

from __future__ import annotations

import math

from recmas_core.errors import BadInput


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
