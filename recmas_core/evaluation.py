"""Measuring a system on held-out questions: accuracy by rounds, ablations, transplants, cost."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from recmas_core.ablations import broken, check_ablations
from recmas_core.agents import Agent
from recmas_core.engine import Settings, unroll
from recmas_core.errors import BadInput
from recmas_core.intervals import Share
from recmas_core.system import System
from recmas_core.tasks import Example
from recmas_core.timing import Way, timed_runs

BATCH = 250
ANSWER_TOKENS = 96  # the longest right answer, its tool calls included, takes 70


@dataclass(frozen=True)
class Score(Share):
    """A measured share.

    Attributes:
        name: What was measured, e.g. "latent".
        rounds: Recursion rounds.
        right: How many were right.
        n: Of how many.
        tokens: Mean tokens decoded per question, end tokens included.
        latent_steps: Mean latent steps per question.
        groups: For each kind of question how many were right, and of how many.
    """

    name: str
    rounds: int
    right: int
    n: int
    tokens: float
    latent_steps: float
    groups: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """Everything `evaluate` measured."""

    scores: tuple[Score, ...]

    def score(self, name: str, rounds: int) -> Score:
        """One score.

        Raises:
            BadInput: If it was not measured.
        """
        for score in self.scores:
            if (score.name, score.rounds) == (name, rounds):
                return score
        raise BadInput("score", f"{name!r} at {rounds} rounds was not measured", "Ask evaluate for it.")


def evaluate(
    system: System,
    examples: Sequence[Example],
    rounds: Sequence[int] = (1, 2, 3),
    modes: Sequence[str] = ("single", "text", "latent"),
    ablations: Sequence[str] = (),
    *,
    latent_steps: int | None = None,
) -> Report:
    """Accuracy of a system by rounds.

    Args:
        system: What to measure; its task grades.
        examples: Questions with their true answers.
        rounds: Numbers of rounds.
        modes: "latent", "text", and "single": every agent by itself, reading its own turns.
        ablations: Also the latent mode with something broken; see `ablations.ablations_of`.
        latent_steps: Thoughts per turn; the system's default if None.

    Raises:
        BadInput: For an unknown mode or ablation, or a system without a task.
    """
    return Report(tuple(iter_scores(system, examples, rounds, modes, ablations, latent_steps=latent_steps)))


def iter_scores(
    system: System,
    examples: Sequence[Example],
    rounds: Sequence[int],
    modes: Sequence[str],
    ablations: Sequence[str],
    *,
    latent_steps: int | None = None,
) -> Iterator[Score]:
    """The scores of `evaluate`, one by one as they are measured."""
    unknown = set(modes) - {"single", "text", "latent"}
    if unknown:
        raise BadInput("evaluation", f"does not know {sorted(unknown)}", "Modes are single, text, latent.")
    check_ablations(system, ablations)
    if "swap" in ablations and len(examples) < 2:
        raise BadInput("ablation 'swap'", f"has {len(examples)} examples", "Give at least two: each takes another's.")
    steps = latent_steps or system.latent_steps
    for r in rounds:
        if "single" in modes:
            for agent, alone in single_systems(system):
                yield measure(alone, examples, Settings(r, steps, "text", ANSWER_TOKENS), name=f"single: {agent.name}")
        for mode in ("text", "latent"):
            if mode in modes:
                yield measure(system, examples, Settings(r, steps, mode, ANSWER_TOKENS), name=mode)
        for name in ablations:
            ill, settings = broken(system, name, Settings(r, steps, "latent", ANSWER_TOKENS))
            yield measure(ill, examples, settings, name=name)


def single_systems(system: System) -> Iterator[tuple[Agent, System]]:
    """Every agent by itself: those of the system, and the one taught to answer directly where there is one."""
    for agent in system.agents.values():
        yield agent, system.single(agent, role=system.pattern.decoder)
    if system.alone is not None:
        yield system.alone, system.single(system.alone, role=system.pattern.decoder)


def measure(
    system: System,
    examples: Sequence[Example],
    settings: Settings,
    *,
    name: str,
    grade: Callable[[Example, str], bool] | None = None,
) -> Score:
    """Run all examples in batches and grade the answers, with the system's task unless `grade` is given.

    Raises:
        BadInput: If there are no examples, or nothing to grade them by.
    """
    found: list[Outcome] = []
    for some in ask_all(system, examples, settings, grade=grade):
        found += some
    return tally(name, settings.rounds, examples, found, latent_steps_of(system, settings))


@dataclass(frozen=True)
class Outcome:
    """What became of one question.

    Attributes:
        right: Whether the answer was right.
        tokens: Tokens decoded in all turns, end tokens included.
    """

    right: bool
    tokens: int


def ask_all(
    system: System,
    examples: Sequence[Example],
    settings: Settings,
    *,
    grade: Callable[[Example, str], bool] | None = None,
) -> Iterator[list[Outcome]]:
    """Ask all examples in batches; yields what became of each batch, in order. See `measure`."""
    if grade is None:
        if system.task is None:
            todo = "Give grade=, or evaluate an embedded system."
            raise BadInput(f"system {system.name!r}", "has no task to grade answers by", todo)
        grade = system.task.grade
    if not examples:
        raise BadInput("examples", "are empty", "Give at least one.")
    for batch in parts_of(examples, BATCH):
        with torch.no_grad():
            out = unroll(system, [example.question for example in batch], settings)
        answered = zip(batch, out.answers, out.tokens.tolist(), strict=True)
        yield [Outcome(grade(example, text), tokens) for example, text, tokens in answered]


def parts_of(examples: Sequence[Example], most: int) -> Iterator[Sequence[Example]]:
    """Batches of one size, at most so many: a last one of a single question would be swapped with itself."""
    parts = -(-len(examples) // most)
    for part in range(parts):
        yield examples[part * len(examples) // parts : (part + 1) * len(examples) // parts]


def latent_steps_of(system: System, settings: Settings) -> int:
    """The latent steps of one question: every turn that thinks makes as many."""
    if settings.mode != "latent":
        return 0
    return sum(not place.decodes for place in system.pattern.schedule(settings.rounds)) * settings.latent_steps


def tally(
    name: str, rounds: int, examples: Sequence[Example], outcomes: Sequence[Outcome], latent_steps: float
) -> Score:
    """The score of what became of some questions.

    Raises:
        BadInput: If there are none.
    """
    if not outcomes:
        raise BadInput("outcomes", "are empty", "Ask at least one question.")
    asked = Counter(example.group for example in examples)
    right = Counter(e.group for e, outcome in zip(examples, outcomes, strict=True) if outcome.right)
    tokens = sum(outcome.tokens for outcome in outcomes) / len(outcomes)
    groups = {group: (right[group], n) for group, n in sorted(asked.items())}
    return Score(name, rounds, right.total(), len(outcomes), tokens, latent_steps, groups)


@dataclass(frozen=True)
class Cost:
    """What latent collaboration costs against text, on single questions in turn.

    Attributes:
        n: Questions.
        rounds: Recursion rounds.
        latent_seconds, text_seconds: Median time of one run.
        time_ratio: Median of latent/text, question by question.
        latent_tokens, text_tokens: Mean tokens decoded.
        latent_steps: Mean latent steps.
    """

    n: int
    rounds: int
    latent_seconds: float
    text_seconds: float
    time_ratio: float
    latent_tokens: float
    text_tokens: float
    latent_steps: float


def cost(system: System, examples: Sequence[Example], *, rounds: int) -> Cost:
    """Time and tokens of latent and text runs, one question at a time, side by side.

    Raises:
        BadInput: If there are no examples.
    """
    if not examples:
        raise BadInput("examples", "are empty", "Give at least one.")
    steps = system.latent_steps
    ways = [Way("latent", system, rounds, "latent", steps), Way("text", system, rounds, "text", steps)]
    runs = [timed.runs for timed in timed_runs(ways, [example.question for example in examples])]
    return Cost(
        n=len(examples),
        rounds=rounds,
        latent_seconds=statistics.median(run["latent"].seconds for run in runs),
        text_seconds=statistics.median(run["text"].seconds for run in runs),
        time_ratio=statistics.median(run["latent"].seconds / run["text"].seconds for run in runs),
        latent_tokens=statistics.mean(run["latent"].tokens for run in runs),
        text_tokens=statistics.mean(run["text"].tokens for run in runs),
        latent_steps=statistics.mean(run["latent"].latent_steps for run in runs),
    )
