"""What decides a run: its configuration and the edits of what turns send."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recmas_core.errors import BadInput

if TYPE_CHECKING:
    from recmas_core.records import Trace

Array: TypeAlias = NDArray[np.float32]
Mode: TypeAlias = Literal["latent", "text"]
EditKind: TypeAlias = Literal["zero", "noise", "swap", "scale", "set"]
EDIT_KINDS: tuple[EditKind, ...] = ("zero", "noise", "swap", "scale", "set")
MODES: tuple[Mode, ...] = ("latent", "text")
MAX_ROUNDS, MAX_LATENT_STEPS, MAX_NEW_TOKENS = 6, 128, 4096
MAX_QUESTION = 20_000
MAX_CALLS, MAX_RESULT_TOKENS = 5, 400  # tool calls of one decode, and what it reads of each result


def frozen_array(values: Any) -> Array:
    """A read-only float32 copy of an array, whatever it was before."""
    array = np.array(values, dtype=np.float32)
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class Edit:
    """A change to what one turn sends, made as it is sent: everything after it sees the changed vectors.

    Attributes:
        turn: 0-based turn whose transfers are changed.
        kind: "zero" sets them to 0; "noise" adds Gaussian noise of `value` (default 1) times their own root mean
            square; "swap" takes the same turn's transfer from `trace`; "scale" multiplies by `value`; "set" puts
            the array `value` in.
        positions: Which of the turn's thoughts, 0-based; None for all.
        value: A number for "noise" and "scale", an array (positions, d_receiver) for "set".
        trace: The other run, for "swap".
        receiver: Only the transfer to this role; None for all receivers.
    """

    turn: int
    kind: EditKind
    positions: tuple[int, ...] | None = None
    value: float | Array | None = None
    trace: Trace | None = None
    receiver: str | None = None

    def __post_init__(self) -> None:
        """Check the edit by itself; whether it fits a run is checked when it is applied."""
        if self.kind not in EDIT_KINDS:
            raise BadInput("edit", f"has the unknown kind {self.kind!r}", f"Choose one of {EDIT_KINDS}.")
        if self.turn < 0:
            raise BadInput("edit", f"names turn {self.turn}", "Turns count from 0.")
        if self.kind == "swap" and self.trace is None:
            raise BadInput("edit 'swap'", "has no trace to take from", "Give trace=, another finished run.")
        if self.kind in ("scale", "set") and self.value is None:
            raise BadInput(f"edit {self.kind!r}", "has no value", "Give value=, a number for scale, an array for set.")
        if isinstance(self.value, np.ndarray):
            object.__setattr__(self, "value", frozen_array(self.value))


@dataclass(frozen=True)
class Decoding:
    """How a system's agents speak unless a run says otherwise.

    Attributes:
        temperature: 0 for the likeliest token, else the sampling temperature.
        top_p: Share of probability kept when sampling.
        max_new_tokens: Most tokens one decode may make.
    """

    temperature: float = 0.0
    top_p: float = 0.95
    max_new_tokens: int = 256


@dataclass(frozen=True, eq=False)
class RunConfig:
    """Everything that decides a run, besides the system's weights.

    Attributes:
        question: The question as the agents read it.
        rounds: Recursion rounds, 1 to 6.
        latent_steps: Thoughts per turn, m.
        seed: Seed of sampling and of noise edits.
        temperature: 0 for the likeliest token, else the sampling temperature.
        top_p: Share of probability kept when sampling.
        mode: "latent" passes hidden states; "text" decodes every turn and pastes it into the slot.
        edits: Changes to what turns send.
        max_new_tokens: Most tokens one decode may make, those of a retry (`prompts.Retry`) not counted.
        system: Name of the system.
        tools: Whether roles that have tools may call them while they answer.
    """

    question: str
    rounds: int = 3
    latent_steps: int = 8
    seed: int = 0
    temperature: float = 0.0
    top_p: float = 0.95
    mode: Mode = "latent"
    edits: tuple[Edit, ...] = ()
    max_new_tokens: int = 256
    system: str = ""
    tools: bool = True

    def __post_init__(self) -> None:
        """Refuse what no system can run."""
        check_question(self.question)
        _check_range("rounds", self.rounds, 1, MAX_ROUNDS)
        _check_range("latent_steps", self.latent_steps, 1, MAX_LATENT_STEPS)
        _check_range("max_new_tokens", self.max_new_tokens, 1, MAX_NEW_TOKENS)
        _check_range("seed", self.seed, 0, 2**63 - 1)
        if not isinstance(self.temperature, int | float) or not 0 <= self.temperature <= 10:
            raise BadInput("temperature", f"is {self.temperature}", "Choose 0 (no sampling) to 10.")
        if not isinstance(self.top_p, int | float) or not 0 < self.top_p <= 1:
            raise BadInput("top_p", f"is {self.top_p}", "Choose more than 0, at most 1.")
        if self.mode not in MODES:
            raise BadInput("mode", f"is {self.mode!r}", f"Choose one of {MODES}.")
        if not isinstance(self.tools, bool):
            raise BadInput("tools", f"is {self.tools!r}", "Choose True or False.")


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise BadInput(name, f"is {value!r}", f"Choose a whole number from {low} to {high}.")


def check_question(question: str) -> None:
    """Refuse a question that is empty, far too long, or holds control characters."""
    if not isinstance(question, str) or not question.strip():
        raise BadInput("question", "is empty", "Type a question, or pick an example.")
    if len(question) > MAX_QUESTION:
        raise BadInput("question", f"has {len(question):,} characters", f"At most {MAX_QUESTION:,} are taken.")
    bad = next((c for c in question if (ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0), None)
    if bad is not None:
        raise BadInput("question", f"holds the control character U+{ord(bad):04X}", "Remove it and try again.")
