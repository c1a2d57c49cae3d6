"""Learning-rate schedules."""

from __future__ import annotations

import math


def cosine_rate(peak: float, step: int, steps: int, *, warmup: int = 0, floor: float = 0.0) -> float:
    """Rate of a 0-based step: a linear warm-up under a cosine from `peak` to `floor` times `peak`."""
    cosine = 0.5 * (1 + math.cos(math.pi * (step / max(1, steps))))
    return peak * min(1.0, (step + 1) / max(1, warmup)) * (floor + (1 - floor) * cosine)
