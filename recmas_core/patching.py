"""The counterfactual patch as an experiment: one question's run goes on from a turn of another question's run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from recmas_core.errors import BadInput
from recmas_core.records import Edit, Trace
from recmas_core.stream import messages_of, settings_of
from recmas_core.tasks import Example, Task
from recmas_core.transplant import Transplant, answers_after, says, sent_until

if TYPE_CHECKING:
    from recmas_core.system import System

BATCH = 5  # donors that are run at once
DRAWN = 40  # questions looked at for each donor: only some go on in the same way


@dataclass(frozen=True, eq=False)
class Patched:
    """One run that went on from another question's transfer.

    Attributes:
        trace: The branch: the run's own turns before `turn`, then what followed from the donor's transfer.
        donor: The other question.
        turn: 0-based turn whose transfers were replaced.
        implied: The answer that the donor's value leads to by the rules of the world, if the transfer carries it;
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
        return None if self.implied is None else says(self.trace.answer or "", self.implied)


@dataclass(frozen=True)
class PatchedCase:
    """One donor of `patches`: its question, the answer it implies, and the answer that came."""

    donor: str
    implied: str
    answer: str

    @property
    def followed(self) -> bool:
        """Whether the answer is the implied one."""
        return says(self.answer, self.implied)


@dataclass(frozen=True)
class Patches:
    """The same patch from several donors: the cases so far, and how many of them followed, with an interval."""

    cases: tuple[PatchedCase, ...]
    total: Transplant


def donor_run(system: System, trace: Trace, question: str) -> Trace:
    """Another question run as `trace` was, without its edits: a run to take transfers from.

    Raises:
        BadInput: If the question cannot be asked.
    """
    config = replace(trace.config, question=question, edits=())
    return system.drain(Trace(config, trace.pattern))


def implied_answer(system: System, trace: Trace, donor: str, turn: int) -> str | None:
    """The answer that follows by the rules of the system's world when a turn sends what it sends for `donor`.

    Args:
        system: A system; without a task nothing is implied.
        trace: The run that is patched.
        donor: The other question.
        turn: 0-based turn.

    Returns:
        The answer; None where nothing is implied, or one of the questions is outside the world.
    """
    if system.task is None:
        return None
    mine, theirs = (_example(system.task, question) for question in (trace.config.question, donor))
    return None if mine is None or theirs is None else system.task.transplant(mine, theirs, turn)


def patch(
    system: System,
    trace: Trace,
    donor: Trace,
    turn: int,
    *,
    positions: tuple[int, ...] | None = None,
    receiver: str | None = None,
) -> Patched:
    """Replace what a turn sends by what the same turn of another run sends, and go on from there.

    Args:
        system: The system both were made with.
        trace: A run.
        donor: Another question's run, in which that turn is finished; see `donor_run`.
        turn: 0-based turn.
        positions: Which of the turn's thoughts; None for all. What is implied supposes that they carry the value.
        receiver: Only the transfer to this role; None for all receivers.

    Raises:
        BadInput: If the turn sends nothing, or the runs do not fit each other.
    """
    edit = Edit(turn, "swap", positions, trace=donor, receiver=receiver)
    branch = trace.fork(turn, edits=(edit,))
    for event in system.resume(trace, turn, (edit,)):
        branch = branch.append(event)
    return Patched(branch, donor.config.question, turn, implied_answer(system, trace, donor.config.question, turn))


def patches(system: System, trace: Trace, turn: int, donors: int = 20, seed: int = 0) -> Iterator[Patches]:
    """Patch one turn of a run from many donors, all of its thoughts for all receivers, a few donors at a time.

    Args:
        system: The system the trace was made with; it has a task.
        trace: A run in latent mode, of a question of its world.
        turn: 0-based turn.
        donors: How many other questions, drawn from the held-out ones that imply an answer; fewer where so many are
            not found.
        seed: Seed of the draw.

    Yields:
        The cases so far, with the share that followed and its 95 % interval.

    Raises:
        BadInput: If the system has no task, the turn sends nothing, or no question implies an answer.
    """
    task, own = _world(system, trace)
    latent = [each.index for each in trace.turns if len(each.thoughts)]
    if turn not in latent:
        raise BadInput("turn", f"is {turn}, which sends no thoughts in this run", f"Choose one of {latent}.")
    chosen = _donors(task, own, turn, donors, seed)
    if not chosen:
        what = f"{trace.config.question!r} does not go on from another question's value behind turn {turn}"
        raise BadInput("question", what, "Choose an earlier turn, or a longer question of this world.")
    cases: list[PatchedCase] = []
    kept, settings = 0, settings_of(trace.config)
    for start in range(0, len(chosen), BATCH):
        batch = chosen[start : start + BATCH]
        questions = [donor for donor, _ in batch]
        theirs = sent_until(system, questions, replace(settings, alter=None), turn, shared=True)
        mine = messages_of(trace.turns[: turn + 1], rows=len(batch))
        asked = [trace.config.question] * len(batch)
        answers = answers_after(system, asked, mine, theirs, settings, turn, shared=True)
        cases += [PatchedCase(*pair, answer) for pair, answer in zip(batch, answers, strict=True)]
        kept += sum(task.grade(own, answer) for answer in answers)
        yield Patches(tuple(cases), Transplant(turn, sum(case.followed for case in cases), kept, len(cases)))


def patchable(system: System, trace: Trace) -> tuple[int, ...]:
    """The turns of a run behind which its question goes on from another question's value: where `patches` can be made.

    Raises:
        BadInput: If the system has no task, or the question is not of its world.
    """
    task, own = _world(system, trace)
    return tuple(turn.index for turn in trace.turns if len(turn.thoughts) and _donors(task, own, turn.index, 1, seed=0))


def _world(system: System, trace: Trace) -> tuple[Task, Example]:
    """The system's task, and the run's question as its example."""
    if system.task is None:
        raise BadInput(f"system {system.name!r}", "has no task", "Use an embedded system.")
    own = _example(system.task, trace.config.question)
    if own is None:
        what = f"{trace.config.question!r} is outside this system's world: nothing is known to follow from another turn"
        raise BadInput("question", what, f"Ask one such as: {system.task.placeholder}")
    return system.task, own


def _example(task: Task, question: str) -> Example | None:
    """A typed question with its true answer; None where it is not of the task's world."""
    reading = task.read(question)
    return None if reading.answer is None else Example(reading.question, reading.answer, {})


def _donors(task: Task, own: Example, turn: int, most: int, seed: int) -> list[tuple[str, str]]:
    """(question, implied answer) of held-out questions that imply one."""
    found: list[tuple[str, str]] = []
    for donor in task.sample(DRAWN * most, seed=seed):
        implied = task.transplant(own, donor, turn)
        if implied is not None:
            found.append((donor.question, implied))
    return found[:most]
