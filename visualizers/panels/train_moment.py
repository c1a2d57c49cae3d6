"""What is known of a visitor's training at a moment, and what a training needs of a course. No gradio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from recmas_core.records import HeldOut, TrainStep
from visualizers.figures.curves import Mark
from visualizers.panels.train_choices import Plan

if TYPE_CHECKING:
    from recmas_core.system import System

Phase = Literal["idle", "waiting", "preparing", "running", "paused", "stopped", "done", "diverged", "failed"]
AT_WORK: tuple[Phase, ...] = ("waiting", "preparing", "running")
Edge = tuple[str, str]


class Training(Protocol):
    """What a session needs of a `recmas_core.training.Course`."""

    system: System
    before: System

    def __next__(self) -> TrainStep:
        """Make one step."""
        ...

    def undo(self) -> bool:
        """Go back to the links kept last; False if there are none."""
        ...

    def measure(self) -> tuple[HeldOut, ...]:
        """Ask the held-out questions now."""
        ...

    def distance(self) -> dict[Edge, float]:
        """How far each link's weights lie from where they started, as a share of their norm there."""
        ...

    def close(self) -> None:
        """End it; its links stay as they are."""
        ...


@dataclass(frozen=True, eq=False)
class TrainMoment:
    """A consistent picture of a training, for the views.

    Attributes:
        phase: What goes on.
        plan: What is trained, None before the first start.
        steps: Every step so far; only the newest has its gradient norms.
        marks: What else happened between the steps.
        place: Place in the queue, from 1, while waiting.
        note: What the stage had to say last, "" for nothing.
        error: Why it ended, "" if it did not fail.
        before: What held-out questions measured before the first step.
        held: The newest step that measured held-out questions.
        distance: How far each link's weights had moved, as a share of their norm, when it was last looked at.
        links: The links that gradients were seen of so far.
        pace: Seconds per step of the stage under way, measuring included; 0 before the first.
        has_links: Whether there is a course whose links can be looked at and used.
    """

    phase: Phase = "idle"
    plan: Plan | None = None
    steps: tuple[TrainStep, ...] = ()
    marks: tuple[Mark, ...] = ()
    place: int = 0
    note: str = ""
    error: str = ""
    before: tuple[HeldOut, ...] = ()
    held: TrainStep | None = None
    distance: Mapping[Edge, float] = field(default_factory=dict)
    links: frozenset[Edge] = frozenset()
    pace: float = 0.0
    has_links: bool = False

    @property
    def at_work(self) -> bool:
        """Whether the training goes on by itself."""
        return self.phase in AT_WORK

    @property
    def last(self) -> TrainStep | None:
        """The newest step."""
        return self.steps[-1] if self.steps else None
