"""The counterfactual patch as an experiment: one question's run goes on from a turn of another question's run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recmas_core.records import Trace
from recmas_core.transplant import Transplant

if TYPE_CHECKING:
    from recmas_core.system import System


@dataclass(frozen=True, eq=False)
class Patched:
    """One run that went on from another question's transfer.

    Attributes:
        trace: The branch: the run's own turns up to `turn`, then what followed from the donor's transfer.
        donor: The other question.
        turn: 0-based turn whose transfers were replaced.
        implied: The answer that the donor's value leads to by the rules of the world, when the whole turn carries it;
            None where the rules imply nothing: the rest of the question does not go on from that value, or the
            answer is the same as before.
    """

    trace: Trace
    donor: str
    turn: int
    implied: str | None

    @property
    def followed(self) -> bool | None:
        """Whether the branch's answer is the implied one; None where nothing is implied."""
        raise NotImplementedError


def donor_run(system: System, trace: Trace, question: str) -> Trace:
    """Another question run as `trace` was (rounds, thoughts per turn), to take transfers from."""
    raise NotImplementedError


def patch(
    system: System,
    trace: Trace,
    donor: Trace,
    turn: int,
    *,
    positions: tuple[int, ...] | None = None,
    receiver: str | None = None,
) -> Patched:
    """Replace what a turn sends by what the same turn of another run sends, and go on from there."""
    raise NotImplementedError


def implied_answer(system: System, trace: Trace, donor: str, turn: int) -> str | None:
    """The answer that follows by the rules of the system's world when a turn sends what it sends for `donor`."""
    raise NotImplementedError


@dataclass(frozen=True)
class PatchedCase:
    """One donor of `patches`: its question, the answer it implies, and the answer that came."""

    donor: str
    implied: str
    answer: str
    followed: bool


@dataclass(frozen=True)
class Patches:
    """The same patch from several donors: the cases so far, and their share with its interval (`total`)."""

    cases: tuple[PatchedCase, ...]
    total: Transplant


def patches(system: System, trace: Trace, turn: int, donors: int = 20, seed: int = 0) -> Iterator[Patches]:
    """Patch one turn of a run from many donors drawn from the world; yields after every few of them."""
    raise NotImplementedError
