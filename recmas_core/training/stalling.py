"""Noticing a run that has stalled, so that it can be said and a way out be offered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WAIT = 60  # steps without a gain after which a run counts as stalled
GAIN = 0.02  # of running accuracy
SOLVED = 0.93  # running accuracy above which standing still is no stall
LOW_LEFT = 0.25  # share of the steps that must be left for going on to be worth a word


class Lookout:
    """Watches the running accuracy of the whole loop."""

    def __init__(self) -> None:
        self._best, self._since, self._said = 0.0, 0, False

    def see(self, running: float, *, share_left: float) -> str:
        """A sentence when the run has just been found stalled, else "".

        Args:
            running: Running accuracy after a step.
            share_left: Share of the steps that are left.
        """
        if running >= self._best + GAIN:
            self._best, self._since, self._said = running, 0, False
            return ""
        self._since += 1
        if self._said or self._since < WAIT or running >= SOLVED:
            return ""
        self._said = True
        taught = "teach the links with gold text for longer first"
        way = taught if running < 0.5 else "go on from here with a fresh rate"
        rate = " (the rate is nearly spent)" if share_left < LOW_LEFT else ""
        return (
            f"Stalled: running accuracy has stood at {running:.2f} for {WAIT} steps{rate}. A way out: {way}, or go "
            "back to the last good links."
        )

    def state_dict(self) -> dict[str, Any]:
        """What it has seen."""
        return {"best": self._best, "since": self._since, "said": self._said}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what was seen."""
        self._best, self._since, self._said = state["best"], state["since"], state["said"]
