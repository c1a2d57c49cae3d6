"""Ways to answer a question, run one by one and in turn, so that a busy machine slows all of them alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from recmas_core.errors import BadInput
from recmas_core.records import Mode, RunConfig, Trace
from recmas_core.system import System


@dataclass(frozen=True)
class Way:
    """One way to answer a question.

    Attributes:
        name: What to call it.
        system: Who answers.
        rounds: Recursion rounds.
        mode: "latent" or "text".
        latent_steps: Thoughts per turn.
    """

    name: str
    system: System
    rounds: int
    mode: Mode
    latent_steps: int

    def config(self, question: str, *, seed: int = 0, tools: bool = True) -> RunConfig:
        """The configuration of a run of this way.

        Raises:
            BadInput: If the question cannot be asked.
        """
        return self.system.config(
            question, rounds=self.rounds, latent_steps=self.latent_steps, mode=self.mode, seed=seed, tools=tools
        )

    def solve(self, question: str) -> Trace:
        """Run a question to its answer."""
        return self.system.drain(Trace(self.config(question), self.system.pattern.name))


@dataclass(frozen=True)
class Ran:
    """What one run cost.

    Attributes:
        seconds: Time of the engine's own work.
        tokens: Tokens decoded, end tokens included.
        latent_steps: Thoughts made.
    """

    seconds: float
    tokens: int
    latent_steps: int


@dataclass(frozen=True)
class Timed:
    """One question, answered in every way.

    Attributes:
        question: The question.
        runs: What it cost, by the ways' names.
    """

    question: str
    runs: Mapping[str, Ran]


def timed_runs(ways: Sequence[Way], questions: Sequence[str]) -> Iterator[Timed]:
    """Answer each question in every way, one run after the other; a question's first way is the one before's second.

    The first question is asked once more before, untimed: the first run of a process pays for what later ones find
    ready.

    Raises:
        BadInput: If there are no ways, or a question cannot be asked.
    """
    if not ways:
        raise BadInput("ways", "are empty", "Give at least one.")
    for way in ways if questions else ():
        way.solve(questions[0])
    for number, question in enumerate(questions):
        first = number % len(ways)
        runs = {way.name: _ran(way, question) for way in (*ways[first:], *ways[:first])}
        yield Timed(question, {way.name: runs[way.name] for way in ways})


def _ran(way: Way, question: str) -> Ran:
    trace = way.solve(question)
    return Ran(trace.seconds, trace.decoded_tokens, len(trace.thoughts))
