"""What a run says of itself: a line now and then, a table at the end, and every step as plain values."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from recmas_core.records import HeldOut, TrainStep

SMOOTH = 0.8  # share of the mean time of a step that each step keeps


class Clock:
    """How long the stage under way will take, from the time between its steps, measurements included."""

    def __init__(self) -> None:
        self._lap, self._at = -1, time.monotonic()
        self._mean: float | None = None

    def left(self, step: TrainStep) -> float:
        """Seconds until the stage is over at the latest, told each step as it is made."""
        now = time.monotonic()
        took, self._at = now - self._at, now
        if step.lap != self._lap:  # steps of another stage say nothing about this one's, nor does its preparation
            self._lap, self._mean = step.lap, None
            took = step.seconds
        self._mean = took if self._mean is None else SMOOTH * self._mean + (1 - SMOOTH) * took
        return self._mean * (step.steps - step.step)


def line(step: TrainStep, left: float) -> str:
    """A step as one line.

    Args:
        step: The step.
        left: Seconds until its stage is over.
    """
    parts = [f"{step.stage:<5} {step.step:>{len(str(step.steps))}}/{step.steps}"]
    if step.window is not None:
        parts.append(f"window {step.window}")
    parts.append(f"loss {step.loss:.4f}")
    if step.accuracy is not None:
        parts.append(f"right {step.accuracy:.3f}")
    parts.append(f"rate {step.lr:.1e}")
    if step.held_out:
        parts.append(held_out_said(step.held_out))
    minutes, seconds = divmod(round(left), 60)
    parts.append(f"at most {minutes}:{seconds:02d} left in this stage")
    return "  ".join(parts)


def held_out_said(scores: Sequence[HeldOut]) -> str:
    """Held-out accuracy by rounds with its 95 % interval, on one line."""
    said = (f"{s.rounds}r {s.accuracy:.3f} ({s.interval[0]:.3f} to {s.interval[1]:.3f})" for s in scores)
    return "held out: " + "  ".join(said)


def table(before: Sequence[HeldOut], after: Sequence[HeldOut]) -> str:
    """Held-out accuracy by rounds before and after, as a table in Markdown."""
    rows = ["| rounds | before | 95 % interval | after | 95 % interval | questions |", "|---" * 6 + "|"]
    for old, new in zip(before, after, strict=True):
        cells = (f"{s.accuracy:.3f} | {s.interval[0]:.3f} to {s.interval[1]:.3f}" for s in (old, new))
        rows.append(f"| {new.rounds} | {' | '.join(cells)} | {new.n} |")
    return "\n".join(rows)


def plain_step(step: TrainStep, done: int) -> dict[str, Any]:
    """A step as plain values.

    Args:
        step: The step.
        done: Steps done in the whole course.
    """
    return {
        "done": done,
        "stage": step.stage,
        "lap": step.lap,
        "step": step.step,
        "steps": step.steps,
        "loss": step.loss,
        "accuracy": step.accuracy,
        "lr": step.lr,
        "window": step.window,
        "grad_norms": [[round_, *link, norm] for (round_, link), norm in step.grad_norms.items()],
        "held_out": plain_scores(step.held_out),
        "distance": [[*link, share] for link, share in step.distance.items()],
        "seconds": step.seconds,
        "note": step.note,
    }


def plain_scores(scores: Sequence[HeldOut]) -> list[dict[str, int]]:
    """Held-out accuracy as plain values."""
    return [{"rounds": s.rounds, "right": s.right, "n": s.n} for s in scores]
