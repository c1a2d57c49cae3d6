"""What the recursion is run with, and the steps it yields. B is the number of questions."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

from recmas_core.errors import NonFiniteLatent
from recmas_core.patterns import Place
from recmas_core.records import Mode, Segment, ToolReport

if TYPE_CHECKING:
    from recmas_core.tools.base import Tool

Edge: TypeAlias = tuple[str, str]
Prompt: TypeAlias = tuple[Segment, ...]
Alter: TypeAlias = Callable[[Place, str, Tensor], Tensor]
Carry: TypeAlias = Callable[[Place, str], Callable[[Tensor], Tensor]]
CALLERS = 4  # tool calls of one batch that run at the same time


@dataclass(frozen=True)
class Settings:
    """What a recursion is run with.

    Attributes:
        rounds, latent_steps, mode, max_new_tokens, temperature, top_p, seed, tools: As in `records.RunConfig`.
        alter: Changes a transfer as it is sent: (place, receiver, (B, m, d_r)) to the same shape.
        carry: Gives the link to use in a turn in place of the system's own: (place, receiver) to a function of
            tensors; the receiver is the turn's own role for its inner link. Training tells rounds apart by it.
    """

    rounds: int
    latent_steps: int
    mode: Mode = "latent"
    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 0.95
    seed: int = 0
    alter: Alter | None = None
    tools: bool = True
    carry: Carry | None = None


@dataclass
class Messages:
    """What each role last sent: `latents[(sender, receiver)]` (B, m, d_receiver), or `texts[sender]`, B texts."""

    latents: dict[Edge, Tensor] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Begin:
    """A turn begins with these prompts, one per row."""

    place: Place
    prompts: list[Prompt]


@dataclass(frozen=True)
class Timed:
    """A step of computation.

    Attributes:
        seconds: Its share of the time, where several roles computed at once; None where the reader can time it.
    """

    seconds: float | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class Latent(Timed):
    """One latent step: hidden (B, d) and R_in of it, embed (B, d)."""

    place: Place
    step: int
    hidden: Tensor
    embed: Tensor


@dataclass(frozen=True)
class Sent(Timed):
    """One outer-link hop: vectors (B, m, d_receiver)."""

    place: Place
    receiver: str
    vectors: Tensor
    edited: bool


@dataclass(frozen=True)
class Chosen(Timed):
    """One decoding step.

    Attributes:
        place: The turn.
        step: 0-based position in the turn.
        ids: A token id per row, -1 where the row decoded none.
        ends: Whether it is an end token.
        lasts: Whether the row decodes nothing behind it.
    """

    place: Place
    step: int
    ids: list[int]
    ends: list[bool]
    lasts: list[bool]


@dataclass(frozen=True)
class Errand:
    """One call that a row's decode asks for: the row, the tool's name and the request."""

    row: int
    tool: str
    request: str


@dataclass(frozen=True, eq=False)
class Calling:
    """Decodes have stopped for these calls. Tools run when `results` is first asked for.

    A reader that holds a lock asks for them after it has let go; else the recursion itself does as it goes on.
    """

    place: Place
    errands: tuple[Errand, ...]
    tools: Mapping[str, Tool]

    @cached_property
    def results(self) -> tuple[tuple[str, float], ...]:
        """For each errand what the tool answered and the seconds it took."""
        if len(self.errands) == 1:
            return (self._run(self.errands[0]),)
        with ThreadPoolExecutor(CALLERS, thread_name_prefix="recmas-tool") as pool:
            return tuple(pool.map(self._run, self.errands))

    def _run(self, errand: Errand) -> tuple[str, float]:
        started = time.perf_counter()
        result = self.tools[errand.tool].call(errand.request)
        return result, time.perf_counter() - started


@dataclass(frozen=True)
class Called:
    """Calls came back: for each row that had called, what it reads as the result."""

    place: Place
    reports: Mapping[int, ToolReport]


@dataclass(frozen=True)
class Retried:
    """Decodes have ended without an answer: these rows go on behind `text`, an end token before it left out."""

    place: Place
    text: str
    rows: frozenset[int]


@dataclass(frozen=True)
class Scored:
    """The decoding turn under teacher forcing: logits (N, vocabulary) for the labels (N,), and each one's row (N,)."""

    place: Place
    logits: Tensor
    labels: Tensor
    rows: Tensor


@dataclass(frozen=True)
class End:
    """A turn ends.

    Attributes:
        place: Which.
        texts: What each row's decode reads as it stands, results of tools and a retry's words included; () for a
            latent turn.
        answers: Of each row what stands behind the last result, all of its text when there was none.
    """

    place: Place
    texts: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()


Step: TypeAlias = Begin | Latent | Sent | Chosen | Calling | Called | Retried | Scored | End


def check_finite(values: Tensor, where: str) -> None:
    """Raise NonFiniteLatent if any value is NaN or infinite."""
    # a sum is finite only if every term is: one pass in place of the several that isfinite().all() takes
    if not math.isfinite(values.sum(dtype=torch.float32).item()):
        todo = "Check the links and the edits before this point; the run stops here."
        raise NonFiniteLatent(where, "holds NaN or infinity", todo)
