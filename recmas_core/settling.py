"""Does a system settle? How alike an agent's thoughts are from round to round."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recmas_core.records import Array, Event, Trace
from recmas_core.runconfig import MAX_ROUNDS

if TYPE_CHECKING:
    from recmas_core.system import System


@dataclass(frozen=True, eq=False)
class Likeness:
    """How alike a role's thoughts of two rounds are, position by position.

    Attributes:
        round: The round they are compared with, 1-based.
        cosine: (m,) cosines.
        distance: (m,) lengths of the differences, in lengths of the thoughts compared with.
    """

    round: int
    cosine: Array
    distance: Array


@dataclass(frozen=True, eq=False)
class Settled:
    """One role's thoughts of one round.

    Attributes:
        role: Whose.
        turn: 0-based turn.
        round: 1-based round.
        before: Against the same role's thoughts one round before; None in its first round.
        last: Against those of the last round in which it thought; None for that round itself.
    """

    role: str
    turn: int
    round: int
    before: Likeness | None
    last: Likeness | None


def settling(trace: Trace) -> tuple[Settled, ...]:
    """How alike each role's thoughts (last-layer hidden states) are from round to round, turn by turn."""
    raise NotImplementedError


def longer(system: System, trace: Trace, rounds: int = MAX_ROUNDS) -> Generator[Event, None, None]:
    """Go on with a finished run for more rounds; the new events continue `longer_fork(system, trace, rounds)`."""
    raise NotImplementedError


def longer_fork(system: System, trace: Trace, rounds: int = MAX_ROUNDS) -> Trace:
    """The turns of a run that stay as they are when it goes on to `rounds` rounds."""
    raise NotImplementedError


@dataclass(frozen=True)
class RoundAnswer:
    """What the decoder would have answered, asked in this round (1-based)."""

    round: int
    answer: str


def answers_by_round(system: System, trace: Trace) -> Generator[RoundAnswer, None, None]:
    """What the decoder answers when it is asked in each round of a run, the thoughts before kept as they are."""
    raise NotImplementedError
