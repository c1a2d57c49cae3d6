"""The chain world: a number is carried through a chain of steps, keeping the last digit.

A question such as ``start 7 s1 + 3 s2 * 7 s3 - 4`` reads: start from 7; step s1 adds 3; s2 multiplies
by 7; s3 subtracts 4; after each step only the last digit is kept. One turn of an agent carries the
computation exactly one step further (``s2 = 0 since 0 * 7``). That is the honest limit of a turn,
and the reason why another round of a loop of agents reaches further.
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from recmas_core.errors import BadInput
from recmas_core.tasks.base import Example, Reading, counted
from recmas_core.tasks.splits import distinct

MAX_STEPS = 9
ADDENDS = tuple(range(1, 10))
FACTORS = (3, 7, 9)  # units modulo 10 other than 1: all ten values stay equally likely
MAX_ROUNDS = 6
_WORDS = "+ - * start = ; : since chain is done planner critic solver answer".split()
VOCABULARY = (
    *(str(digit) for digit in range(10)),
    *(f"s{step}" for step in range(1, MAX_STEPS + 1)),
    *_WORDS,
)
_APPLY = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b}


@dataclass(frozen=True)
class Chain:
    """A start value and the steps that follow it, evaluated left to right modulo 10."""

    start: int
    steps: tuple[tuple[str, int], ...]

    @property
    def values(self) -> tuple[int, ...]:
        """The value after 0, 1, … steps: (steps + 1,) digits."""
        values = [self.start]
        for sign, operand in self.steps:
            values.append(_APPLY[sign](values[-1], operand) % 10)
        return tuple(values)

    @property
    def question(self) -> str:
        """The question as agents read it."""
        steps = (f"s{i} {sign} {operand}" for i, (sign, operand) in enumerate(self.steps, 1))
        return " ".join((f"start {self.start}", *steps))

    @property
    def answer(self) -> str:
        """The last value."""
        return str(self.values[-1])

    def turn(self, step: int) -> str:
        """The right turn that follows `step` - 1 finished steps: seven words, the result in the first three."""
        if step > len(self.steps):
            return f"s{len(self.steps)} = {self.values[-1]} since chain is done"
        sign, operand = self.steps[step - 1]
        return f"s{step} = {self.values[step]} since {self.values[step - 1]} {sign} {operand}"

    def decode(self, step: int) -> str:
        """What a decoder rightly answers when `step` - 1 steps are finished: one more step, or the end."""
        return str(self.values[min(step, len(self.steps))])


def draw_chain(rng: random.Random, lengths: tuple[int, ...]) -> Chain:
    """One random chain whose length is drawn evenly from `lengths`."""
    steps = []
    for _ in range(rng.choice(lengths)):
        sign = rng.choice("+-*")
        steps.append((sign, rng.choice(FACTORS if sign == "*" else ADDENDS)))
    return Chain(rng.randrange(10), tuple(steps))


def parse_chain(text: str) -> Chain | None:
    """Read a chain from agents' wording or from plain arithmetic (``7 + 3 * 7``); None if it is neither."""
    words = re.sub(r"([-+*×·−])", r" \1 ", text.lower()).translate(str.maketrans("×·−", "**-")).split()
    words = [word for word in words if word not in {"start", "=", "?", ";"}]
    words = [word for word in words if not re.fullmatch(r"s\d+", word)]
    if len(words) < 3 or len(words) % 2 == 0 or not re.fullmatch(r"\d", words[0]):
        return None
    steps = []
    for sign, operand in zip(words[1::2], words[2::2], strict=True):
        if sign not in _APPLY or not re.fullmatch(r"\d", operand):
            return None
        steps.append((sign, int(operand)))
    return Chain(int(words[0]), tuple(steps))


@dataclass(frozen=True)
class ChainTask:
    """The chain world as a task for a loop of roles.

    Attributes:
        roles: The roles in the order in which they speak in a round.
        lengths: The chain lengths that are sampled, evenly.
    """

    roles: tuple[str, ...] = ("planner", "critic", "solver")
    lengths: tuple[int, ...] = field(default=tuple(range(3, MAX_STEPS + 1)))
    name: str = "chain"
    title: str = "Chains of steps, keeping the last digit"
    about: str = (
        "Start from a digit, then add, subtract or multiply step by step, keeping only the last digit after each "
        "step (below zero, add ten). In 'start 7 s1 + 3 s2 * 7' step s1 gives 0 (7 + 3 = 10) and s2 gives 0 (0 × 7)."
    )
    limit: str = (
        "One turn of an agent carries the chain one step further, no more. Three agents reach three steps in a round, "
        "so a chain of nine steps needs three rounds. With too few rounds the answer is an unfinished value."
    )
    placeholder: str = "start 7 s1 + 3 s2 * 7 s3 - 4   or   7 + 3 * 7 - 4"

    def chains(self, *, seed: int = 0, split: str = "test") -> Iterator[Chain]:
        """Endless distinct chains of a split; the same seed gives the same ones."""
        draw = functools.partial(draw_chain, lengths=self.lengths)
        return distinct(random.Random(f"{self.name}/{split}/{seed}"), split, draw, lambda chain: chain.question)

    def example(self, chain: Chain) -> Example:
        """The example that a chain makes for this task's roles."""
        turns = [chain.turn(step) for step in range(1, MAX_ROUNDS * len(self.roles) + 1)]
        targets = {role: tuple(turns[i :: len(self.roles)]) for i, role in enumerate(self.roles)}
        return Example(chain.question, chain.answer, targets, rounds=-(-len(chain.steps) // len(self.roles)))

    def sample(self, n: int, *, seed: int = 0, split: str = "test") -> list[Example]:
        """Draw `n` distinct examples.

        Raises:
            BadInput: If the split does not exist or `n` is negative.
        """
        if n < 0:
            raise BadInput("n", f"is {n}", "Ask for zero examples or more.")
        chains = self.chains(seed=seed, split=split)
        return [self.example(next(chains)) for _ in range(n)]

    def read(self, question: str) -> Reading:
        """Take a typed question as a chain if it is one, and say what is outside the agents' training."""
        chain = parse_chain(question)
        if chain is None:
            return Reading(
                question,
                None,
                "Outside the little world: these small agents only know chains such as 'start 7 s1 + 3 s2 * 7'. "
                "What follows is what they really made of it, not an answer.",
                "outside",
            )
        odd = [
            f"{sign} {operand}"
            for sign, operand in chain.steps
            if operand not in (FACTORS if sign == "*" else ADDENDS)
        ]
        if len(chain.steps) > MAX_STEPS:
            steps = len(chain.steps)
            note = f"The agents were taught chains of up to {MAX_STEPS} steps; this one has {steps}."
            return Reading(chain.question, chain.answer, note, "long", {"most": MAX_STEPS, "found": steps})
        if odd:
            note = f"The agents never saw '{odd[0]}' in training (× is taught with 3, 7 and 9 only); they may be wrong."
            return Reading(chain.question, chain.answer, note, "unseen", {"step": odd[0]})
        steps, need = len(chain.steps), -(-len(chain.steps) // len(self.roles))
        note = f"{counted(steps, 'step')}: needs {counted(need, 'round')}."
        return Reading(chain.question, chain.answer, note, "needs", {"steps": steps, "rounds": need})

    def grade(self, example: Example, text: str) -> bool:
        """Whether the first word of `text` is the true answer."""
        return text.split()[:1] == [example.answer]

    def transplant(self, example: Example, donor: Example, turn: int) -> str | None:
        """The answer when the result of step `turn` + 1 is the donor's and the rest of the chain goes on from it."""
        chain, other = parse_chain(example.question), parse_chain(donor.question)
        step = turn + 1
        if chain is None or other is None or step >= len(chain.steps) or step > len(other.steps):
            return None
        if chain.values[step] == other.values[step]:
            return None
        return Chain(other.values[step], chain.steps[step:]).answer
