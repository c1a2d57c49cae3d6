"""Benchmarks: this engine beside the alternatives, ratios from one run."""

from recmas_core.bench.report import bench

__all__ = ["bench"]
