"""How links are trained: the settings of a stage."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal

from recmas_core.errors import BadInput

Supervision = Literal["last", "every"]
MAX_STEPS = 1_000_000


@dataclass(frozen=True)
class TrainConfig:
    """The settings of one training stage. Every stage reads those that concern it.

    Attributes:
        steps: Optimizer steps, at most; for links that are trained one by one, of each.
        lr: Peak learning rate: a short warm-up, then a cosine.
        batch: Vectors per step (inner loop, alignment) or questions per step (of every link where it is taught).
        mse_weight: Weight of the squared error, in units of the target's mean square, beside 1 - cosine.
        rounds: Recursion rounds that are unrolled, or whose right turns are learned from.
        seed: Seed of the order of examples.
        clip: Limit of the norm of each link's gradient. Each by itself: one link's outburst must not starve the others.
        warmup: Steps of warm-up.
        floor: Share of the rate that is left at the end.
        questions: Questions whose right turns are read, at most (inner loop, alignment).
        turns: How many turns of each of these questions are read, in rotation; None for all of the rounds.
        whole_turns: Whether a taught receiver must say its whole right turn, or only as many tokens of it as it has
            thoughts: those are what it will pass on.
        latent_steps: Thoughts per turn; None for the system's own.
        target: Running accuracy at which the stage is over before its steps are up; None for all steps.
        handover: Share of questions that the whole loop, running free, must answer for the teaching of outer links to
            be over, before its steps are up; None for not looking. It says where the paper's loss takes over.
        inner: Whether the outer loop trains the inner links too.
        supervise: Score the answer in the "last" round only, or in "every" round.
        weights: With "every", the weight of each round's loss; () for equal ones.
        windows: Whether the outer loop begins with the last transfers and lengthens to the whole loop. Its shorter
            windows need the right messages of every role; without windows questions and answers are enough.
        grow: Whether the outer loop begins with questions that one round answers, and goes on to those that need more,
            where that is known of the examples; with windows, a window may end in any of these rounds.
        checkpointing: Whether to keep only transfers of the unrolled loop and compute each stage again on the way
            back: less memory, more time.
        accumulate: Batches per optimizer step.
    """

    steps: int = 800
    lr: float = 2e-3
    batch: int = 512
    mse_weight: float = 0.1
    rounds: int = 3
    seed: int = 0
    clip: float = 1.0
    warmup: int = 10
    floor: float = 0.0
    questions: int = 800
    turns: int | None = None
    whole_turns: bool = False
    latent_steps: int | None = None
    target: float | None = None
    handover: float | None = None
    inner: bool = False
    supervise: Supervision = "last"
    weights: tuple[float, ...] = ()
    windows: bool = True
    grow: bool = False
    checkpointing: bool = False
    accumulate: int = 1

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        whole = {"steps": MAX_STEPS, "batch": 65_536, "rounds": 16, "accumulate": 4096, "questions": 10**9}
        for name, most in whole.items():
            _check_whole(name, getattr(self, name), 1, most)
        for name, most in {"seed": 2**31 - 1, "warmup": MAX_STEPS}.items():
            _check_whole(name, getattr(self, name), 0, most)
        if self.turns is not None:
            _check_whole("turns", self.turns, 1, 64)
        if self.latent_steps is not None:
            _check_whole("latent_steps", self.latent_steps, 1, 1024)
        for name, low, high in (("lr", 0.0, 10.0), ("clip", 0.0, 1e9)):
            _check_number(name, getattr(self, name), low, high, open_low=True)
        for name, low, high in (("mse_weight", 0.0, 1e6), ("floor", 0.0, 1.0)):
            _check_number(name, getattr(self, name), low, high)
        for name in ("target", "handover"):
            if getattr(self, name) is not None:
                _check_number(name, getattr(self, name), 0.0, 1.0)
        if self.supervise not in ("last", "every"):
            raise BadInput("supervise", f"is {self.supervise!r}", "Choose 'last' or 'every'.")
        if self.weights and (len(self.weights) != self.rounds or min(self.weights) < 0 or sum(self.weights) <= 0):
            what = f"are {self.weights} for {self.rounds} rounds"
            raise BadInput("weights", what, "Give one for each round, none negative, not all zero.")

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names of all settings."""
        return tuple(each.name for each in fields(cls))


def _check_whole(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise BadInput(name, f"is {value!r}", f"Give a whole number from {low} to {high}.")


def _check_number(name: str, value: object, low: float, high: float, *, open_low: bool = False) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or not low <= value <= high or (open_low and value == low):  # type: ignore[operator]
        above = ", above 0" if open_low else ""
        raise BadInput(name, f"is {value!r}", f"Give a number from {low:g} to {high:g}{above}.")
