"""Does a system settle? How alike an agent's thoughts are from round to round."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recmas_core.errors import BadInput, DimensionMismatch
from recmas_core.records import MAX_ROUNDS, Answer, Array, Event, Trace, Turn, frozen_array

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


@dataclass(frozen=True)
class RoundAnswer:
    """What the decoder answers when it is asked in this round, 1-based."""

    round: int
    answer: str


def settling(trace: Trace) -> tuple[Settled, ...]:
    """How alike each role's thoughts (last-layer hidden states) are from round to round, turn by turn.

    Args:
        trace: A run in latent mode. One of more rounds than a question needs shows whether its thoughts come to rest;
            `longer` makes it so.

    Raises:
        BadInput: If no turn of it has thoughts.
    """
    thinking = [turn for turn in trace.turns if len(turn.thoughts)]
    if not thinking:
        raise BadInput("trace", "has no latent thoughts", "Give a run in latent mode.")
    latest = {turn.role: turn for turn in thinking}
    previous: dict[str, Turn] = {}
    settled = []
    for turn in thinking:
        before, last = previous.get(turn.role), latest[turn.role]
        settled.append(
            Settled(
                turn.role,
                turn.index,
                turn.round,
                None if before is None else likeness(turn, before),
                None if last is turn else likeness(turn, last),
            )
        )
        previous[turn.role] = turn
    return tuple(settled)


def resting_round(settled: Sequence[Settled], most: float = 0.05) -> int | None:
    """The first round from which on no thought of any role moves any more; None where some move to the end.

    Args:
        settled: What `settling` gave.
        most: How far a thought may lie from the one a round before, in lengths of that one.
    """
    moves: dict[int, float] = {}
    for each in settled:
        if each.before is not None:
            moves[each.round] = max(moves.get(each.round, 0.0), float(each.before.distance.max()))
    moving = [round_ for round_, move in moves.items() if move > most]
    return next((round_ for round_ in sorted(moves) if round_ > max(moving, default=0)), None)


def likeness(turn: Turn, other: Turn) -> Likeness:
    """How alike two turns' thoughts are, position by position.

    Raises:
        DimensionMismatch: If they are not as many, or not as wide.
    """
    mine, theirs = (each.thoughts.astype(np.float64) for each in (turn, other))
    if mine.shape != theirs.shape:
        todo = "Compare two turns of one agent with as many thoughts."
        raise DimensionMismatch(f"turns {turn.index} and {other.index}", f"are {mine.shape} and {theirs.shape}", todo)
    lengths = np.linalg.norm(mine, axis=1), np.linalg.norm(theirs, axis=1)
    cosine = (mine * theirs).sum(1) / np.maximum(lengths[0] * lengths[1], 1e-12)
    distance = np.linalg.norm(mine - theirs, axis=1) / np.maximum(lengths[1], 1e-12)
    return Likeness(other.round, frozen_array(cosine), frozen_array(distance))


def longer_fork(system: System, trace: Trace, rounds: int = MAX_ROUNDS) -> Trace:
    """The turns of a run that stay when it goes on to more rounds: all but the one that answered, which thinks on.

    Raises:
        BadInput: If the trace does not fit this system, or has as many rounds already.
    """
    if rounds <= trace.config.rounds:
        what = f"is {rounds}, the run has {trace.config.rounds}"
        raise BadInput("rounds", what, f"Choose {trace.config.rounds + 1} to {MAX_ROUNDS}.")
    schedule = system.pattern.schedule(trace.config.rounds)
    return trace.fork(min(len(trace.turns), len(schedule) - 1), rounds=rounds)


def longer(system: System, trace: Trace, rounds: int = MAX_ROUNDS) -> Generator[Event, None, None]:
    """Go on with a run for more rounds; yields the new events, which continue `longer_fork(system, trace, rounds)`.

    What it would have been with so many rounds from the start: nothing that was thought before depends on how many
    rounds are to come.

    Raises:
        BadInput: If the trace does not fit this system, or has as many rounds already.
    """
    fork = longer_fork(system, trace, rounds)
    return system.resume(trace, len(fork.turns), rounds=rounds)


def answers_by_round(system: System, trace: Trace) -> Generator[RoundAnswer, None, None]:
    """What the decoder answers when it is asked in each round of a run, the thoughts before it as they were.

    It is asked at its own place in the round, in place of thinking. In the last round that is the run's own answer.

    Raises:
        BadInput: If the trace does not fit this system.
    """
    for turn in trace.turns:
        if turn.role != system.pattern.decoder:
            continue
        events = system.resume(trace, turn.index, rounds=turn.round)
        yield RoundAnswer(turn.round, next(event.text for event in events if isinstance(event, Answer)))
