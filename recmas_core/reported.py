"""What the paper reports of its own agents (arXiv 2604.25917): to stand beside what is measured here, never in it."""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "arXiv 2604.25917"


@dataclass(frozen=True)
class Reported:
    """The published figures of latent collaboration.

    Attributes:
        benchmarks: On how many benchmarks.
        gain: Percent of accuracy above the strongest baselines, on average.
        faster: From how many to how many times as fast, end to end.
        fewer: From how many to how many percent fewer tokens than text-based collaboration.
    """

    benchmarks: int
    gain: float
    faster: tuple[float, float]
    fewer: tuple[float, float]

    @property
    def time_ratio(self) -> tuple[float, float]:
        """`faster` as a ratio of times, the smaller first."""
        low, high = self.faster
        return 1 / high, 1 / low

    @property
    def token_ratio(self) -> tuple[float, float]:
        """`fewer` as a ratio of tokens, the smaller first."""
        low, high = self.fewer
        return 1 - high / 100, 1 - low / 100


PAPER = Reported(benchmarks=9, gain=8.3, faster=(1.2, 2.4), fewer=(34.6, 75.6))
