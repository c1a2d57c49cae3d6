"""A survey: a single agent, text and latent collaboration on the same held-out questions, with intervals."""

from __future__ import annotations

import statistics
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from recmas_core.engine import Settings
from recmas_core.errors import BadInput
from recmas_core.evaluation import ANSWER_TOKENS, Outcome, Score, ask_all, latent_steps_of, parts_of, tally
from recmas_core.intervals import Estimate, bootstrap, median_ratio, paired_difference, ratio_of_sums
from recmas_core.runconfig import MAX_ROUNDS
from recmas_core.system import System
from recmas_core.tasks import Example
from recmas_core.timing import Ran, Timed, Way, timed_runs

SINGLE, TEXT, LATENT = "single", "text", "latent"
WAYS = (SINGLE, TEXT, LATENT)
STEP = 100  # questions asked at once: after each batch there is something to show, and a wish to stop is heard
Cost = Literal["tokens", "steps", "seconds"]
COSTS: tuple[Cost, ...] = ("tokens", "steps", "seconds")
Key = tuple[str, int]  # a way's name, and rounds


def ways_of(system: System, rounds: int, latent_steps: int | None = None) -> tuple[Way, Way, Way]:
    """A single agent, the agents passing text, and the agents passing latent thoughts.

    The single agent is the one that was taught the whole job, where there is one: it answers at once, in one round,
    as it was taught to. Else it is the agent that answers for the others, which reads its own turns instead of theirs.

    Args:
        system: Whose agents.
        rounds: Recursion rounds.
        latent_steps: Thoughts per turn; the system's default if None.
    """
    steps = latent_steps or system.latent_steps
    decoder = system.pattern.decoder
    if system.alone is not None:
        single = Way(SINGLE, system.single(system.alone, role=decoder), 1, "text", steps)
    else:
        single = Way(SINGLE, system.single(system.agents[decoder], role=decoder), rounds, "text", steps)
    return single, Way(TEXT, system, rounds, "text", steps), Way(LATENT, system, rounds, "latent", steps)


@dataclass(frozen=True)
class Survey:
    """What a survey has measured so far.

    Attributes:
        system: Title of the system.
        examples: The sample.
        rounds: Numbers of rounds, in order.
        timed_of: How many questions are to be timed one by one, in the most rounds.
        at_once: Whether the single agent was taught to answer at once: it is asked in one round only.
        latent_steps: For each key the latent steps of one question.
        outcomes: For each (way, rounds) what became of the first questions of the sample, in its order.
        timed: The questions timed so far.
        done, of: Runs made so far, one for each question and key, and those to make.
    """

    system: str
    examples: tuple[Example, ...]
    rounds: tuple[int, ...]
    timed_of: int
    at_once: bool
    latent_steps: Mapping[Key, int]
    of: int
    outcomes: Mapping[Key, tuple[Outcome, ...]] = field(default_factory=dict)
    timed: tuple[Timed, ...] = ()
    done: int = 0

    @property
    def most(self) -> int:
        """The largest number of rounds: what is timed, and what ratios are about."""
        return self.rounds[-1]

    @property
    def over(self) -> bool:
        """Whether everything has been measured."""
        return self.done == self.of

    @property
    def scores(self) -> tuple[Score, ...]:
        """The accuracy of every way by rounds, over the questions asked so far."""
        return tuple(
            tally(name, rounds, self.examples[: len(found)], found, self.latent_steps[name, rounds])
            for (name, rounds), found in self.outcomes.items()
        )

    def score(self, way: str, rounds: int) -> Score | None:
        """One score; the single agent's only one where it answers at once. None while nothing is measured."""
        key = (way, 1) if way == SINGLE and self.at_once else (way, rounds)
        return next((score for score in self.scores if (score.name, score.rounds) == key), None)

    def runs(self, way: str) -> tuple[Ran, ...]:
        """What the timed questions cost in one way."""
        return tuple(timed.runs[way] for timed in self.timed)

    def seconds(self, way: str) -> float | None:
        """The median time of one run in one way; None while nothing is timed."""
        runs = self.runs(way)
        return statistics.median(run.seconds for run in runs) if runs else None

    def ratio(self, cost: Cost, way: str, to: str) -> Estimate | None:
        """What a way costs as a share of what another does, in the most rounds; None while it is not measured.

        "tokens" are those decoded, "steps" the tokens and the latent steps together: each is one pass through a model.
        Both are sums over the questions asked, by each other. "seconds" is the median of the ratios question by
        question, over those timed one by one. The intervals are of the paired bootstrap over questions.
        """
        if cost == "seconds":
            first, second = ([run.seconds for run in self.runs(each)] for each in (way, to))
            return bootstrap(median_ratio, first, second) if first else None
        first, second = (self._costs(cost, each) for each in (way, to))
        n = min(len(first), len(second))
        return bootstrap(ratio_of_sums, first[:n], second[:n]) if n else None

    def gain(self, way: str, over: str) -> Estimate | None:
        """How much more of the questions a way answers rightly than another, in the most rounds; None before any."""
        first, second = ([outcome.right for outcome in self._found(each)] for each in (way, over))
        n = min(len(first), len(second))
        return paired_difference(first[:n], second[:n]) if n else None

    def _found(self, way: str) -> tuple[Outcome, ...]:
        return self.outcomes.get(self._key(way), ())

    def _key(self, way: str) -> Key:
        return way, 1 if way == SINGLE and self.at_once else self.most

    def _costs(self, cost: Cost, way: str) -> list[float]:
        further = self.latent_steps[self._key(way)] if cost == "steps" else 0
        return [outcome.tokens + further for outcome in self._found(way)]


def survey(
    system: System,
    examples: Sequence[Example],
    *,
    rounds: Sequence[int] = (1, 2, 3),
    timed: int = 20,
    latent_steps: int | None = None,
) -> Generator[Survey, None, None]:
    """Ask a sample in every way, and time some of it; yields what is measured so far after every batch.

    What a record holds are real results over the questions done so far. Closing the generator stops the survey.

    Args:
        system: What to measure; its task grades.
        examples: The sample.
        rounds: Numbers of rounds.
        timed: How many of the questions to time one by one, in the most rounds, the ways in turn.
        latent_steps: Thoughts per turn; the system's default if None.

    Raises:
        BadInput: At once, if the system has no task, or a number is out of range.
    """
    asked = tuple(sorted(set(rounds)))
    if system.task is None:
        what = "has no questions of its own to be measured on"
        raise BadInput(f"system {system.name!r}", what, "Survey an embedded system.")
    if not examples:
        raise BadInput("sample", "is empty", "Draw at least one question.")
    if not asked or not 1 <= asked[0] <= asked[-1] <= MAX_ROUNDS:
        raise BadInput("rounds", f"are {list(rounds)}", f"Choose numbers from 1 to {MAX_ROUNDS}.")
    if not 0 <= timed <= len(examples):
        raise BadInput("timed", f"is {timed}", f"Choose from 0 to the {len(examples)} questions of the sample.")
    return _survey(system, tuple(examples), asked, timed, latent_steps)


def _survey(
    system: System, examples: tuple[Example, ...], rounds: tuple[int, ...], timed: int, latent_steps: int | None
) -> Generator[Survey, None, None]:
    ways = {(way.name, way.rounds): way for r in rounds for way in ways_of(system, r, latent_steps)}
    settings = {key: Settings(w.rounds, w.latent_steps, w.mode, ANSWER_TOKENS) for key, w in ways.items()}
    steps = {key: latent_steps_of(way.system, settings[key]) for key, way in ways.items()}
    slowest = ways_of(system, rounds[-1], latent_steps)
    of = len(ways) * len(examples) + len(slowest) * timed
    found = Survey(system.title, examples, rounds, timed, system.alone is not None, steps, of)
    yield found
    for batch in parts_of(examples, STEP):
        for key, way in ways.items():
            for some in ask_all(way.system, batch, settings[key]):
                outcomes = {**found.outcomes, key: (*found.outcomes.get(key, ()), *some)}
                found = replace(found, outcomes=outcomes, done=found.done + len(some))
                yield found
    for one in timed_runs(slowest, [example.question for example in examples[:timed]]):
        found = replace(found, timed=(*found.timed, one), done=found.done + len(slowest))
        yield found
