"""The counterfactual test: does the answer follow a transfer taken from another question?"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from recmas_core.engine import Messages, Settings, unroll
from recmas_core.errors import BadInput
from recmas_core.evaluation import ANSWER_TOKENS, BATCH
from recmas_core.intervals import wilson
from recmas_core.system import System
from recmas_core.tasks import Example


@dataclass(frozen=True)
class Transplant:
    """What became of the answers when one turn's transfers came from other questions.

    Attributes:
        turn: The turn whose transfers were replaced.
        implied: How many answers became what the transplanted value implies.
        kept: How many answers stayed the true ones.
        n: Cases: the rest of the question goes on from the value, and it differs from the question's own.
    """

    turn: int
    implied: int
    kept: int
    n: int

    @property
    def share(self) -> float:
        """Share of the answers that followed the transplant."""
        return self.implied / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson 95 % confidence interval of the share."""
        return wilson(self.implied, self.n)


def transplants(
    system: System, examples: Sequence[Example], *, rounds: int = 3, seed: int = 0
) -> Iterator[Transplant]:
    """Transplant the transfers of every latent turn in turn, each question taking from another one.

    Args:
        system: A system with a task.
        examples: Questions; donors are drawn from among them.
        rounds: Recursion rounds.
        seed: Seed of the choice of donors.

    Yields:
        One result per latent turn that has any case.

    Raises:
        BadInput: If the system has no task.
    """
    if system.task is None:
        raise BadInput(f"system {system.name!r}", "has no task", "Use an embedded system.")
    settings = Settings(rounds, system.latent_steps, max_new_tokens=ANSWER_TOKENS)
    schedule = system.pattern.schedule(rounds)
    rng = random.Random(seed)
    for place in schedule[:-1]:
        pairs = _pairs(system, examples, place.turn, rng)
        implied = kept = 0
        for start in range(0, len(pairs), BATCH):
            batch = pairs[start : start + BATCH]
            questions, theirs = ([example.question for example in pair] for pair in list(zip(*batch, strict=True))[:2])
            with torch.no_grad():
                own, other = (sent_until(system, each, settings, place.turn) for each in (questions, theirs))
                answers = answers_after(system, questions, own, other, settings, place.turn)
            for (example, _, answer), text in zip(batch, answers, strict=True):
                implied += says(text, answer)
                kept += system.task.grade(example, text)
        if pairs:
            yield Transplant(place.turn, implied, kept, len(pairs))


def _pairs(
    system: System, examples: Sequence[Example], turn: int, rng: random.Random
) -> list[tuple[Example, Example, str]]:
    """(example, donor, implied answer) for every example that has a donor; ten donors are tried."""
    assert system.task is not None  # transplants refuses a system without one
    pairs = []
    for example in examples:
        for donor in rng.sample(examples, min(10, len(examples))):
            answer = system.task.transplant(example, donor, turn)
            if answer is not None:
                pairs.append((example, donor, answer))
                break
    return pairs


def says(text: str, answer: str) -> bool:
    """Whether a text's first word is this answer."""
    return text.split()[:1] == [answer]


def sent_until(
    system: System, questions: Sequence[str], settings: Settings, turn: int, *, shared: bool = False
) -> Messages:
    """Everything that B questions' runs send up to and including `turn`, as the turn behind it reads it."""
    out = unroll(system, questions, settings, stop=turn + 1, shared=shared)
    roles = [place.role for place in system.pattern.schedule(settings.rounds)]
    return Messages(latents={(roles[at], receiver): sent for (at, receiver), sent in sorted(out.sent.items())})


def answers_after(
    system: System,
    questions: Sequence[str],
    own: Messages,
    theirs: Messages,
    settings: Settings,
    turn: int,
    *,
    shared: bool = False,
) -> tuple[str, ...]:
    """The answers of B runs that go on behind `turn`, its transfers taken from B others.

    Args:
        system: Who answers.
        questions: B questions.
        own: What was sent up to and including `turn`; its transfers of that turn are written over.
        theirs: What was sent in the others' runs.
        settings: How.
        turn: The turn whose transfers are replaced.
        shared: As in `unroll`.
    """
    role = system.pattern.schedule(settings.rounds)[turn].role
    for receiver in system.pattern.receivers_of(role):
        own.latents[role, receiver] = theirs.latents[role, receiver]
    return unroll(system, questions, settings, messages=own, first=turn + 1, shared=shared).answers
