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
            own = _sent_until(system, [pair[0] for pair in batch], settings, place.turn)
            theirs = _sent_until(system, [pair[1] for pair in batch], settings, place.turn)
            for receiver in system.pattern.receivers_of(place.role):
                own.latents[place.role, receiver] = theirs.latents[place.role, receiver]
            with torch.no_grad():
                questions = [example.question for example, _, _ in batch]
                out = unroll(system, questions, settings, messages=own, first=place.turn + 1)
            for (example, _, answer), text in zip(batch, out.answers, strict=True):
                implied += text.split()[:1] == [answer]
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


@torch.no_grad()
def _sent_until(system: System, examples: Sequence[Example], settings: Settings, turn: int) -> Messages:
    """Everything sent up to and including `turn`, as the turn behind it reads it."""
    out = unroll(system, [example.question for example in examples], settings)
    roles = [place.role for place in system.pattern.schedule(settings.rounds)]
    latents = {(roles[at], receiver): sent for (at, receiver), sent in sorted(out.sent.items()) if at <= turn}
    return Messages(latents=latents)
