"""Formulas: how many protons has a substance, in its last digit? One agent knows the elements, the other counts.

A question such as ``p1 3 carbon p2 2 oxygen`` names the parts of a formula: three carbon atoms, two of oxygen. The
answer is the sum of count times protons, of which only the last digit is kept: 3 × 6 + 2 × 8 = 34, so 4. A round takes
in one part. Only the expert was ever told how many protons an element has, and only the learner what to do with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from recmas_core.errors import BadInput
from recmas_core.tasks.base import Example, Reading, counted
from recmas_core.tasks.splits import distinct

MAX_PARTS = 3
MAX_ROUNDS = 6
ELEMENTS = (
    "hydrogen helium lithium beryllium boron carbon nitrogen oxygen fluorine neon sodium magnesium aluminium silicon "
    "phosphorus sulfur chlorine argon potassium calcium scandium titanium vanadium chromium manganese iron cobalt "
    "nickel copper zinc gallium germanium arsenic selenium bromine krypton"
).split()
PROTONS = {element: number for number, element in enumerate(ELEMENTS, 1)}
VOCABULARY = (
    *(str(digit) for digit in range(10)),
    *(f"p{part}" for part in range(1, MAX_PARTS + 1)),
    *ELEMENTS,
    *"; : after total done expert learner answer".split(),
)


@dataclass(frozen=True)
class Formula:
    """Parts of a formula: (count, element), one to three of them."""

    parts: tuple[tuple[int, str], ...]

    @property
    def totals(self) -> tuple[int, ...]:
        """The last digit of the sum after 0, 1, … parts."""
        totals = [0]
        for count, element in self.parts:
            totals.append((totals[-1] + count * PROTONS[element]) % 10)
        return tuple(totals)

    @property
    def text(self) -> str:
        """The question as agents read it."""
        return " ".join(f"p{i} {count} {element}" for i, (count, element) in enumerate(self.parts, 1))

    @property
    def answer(self) -> str:
        """The last digit of the whole sum."""
        return str(self.totals[-1])

    def expert(self, done: int, total: int) -> str:
        """What the expert rightly says when `done` parts are taken in and make `total`: the next part's protons."""
        if done >= len(self.parts):
            return f"p{len(self.parts)} done after {total}"
        return f"p{done + 1} {PROTONS[self.parts[done][1]] % 10} after {total}"

    def learner(self, part: int, protons: int, total: int) -> str:
        """What the learner rightly says on `protons` for the 1-based `part`, after `total`."""
        product = self.parts[part - 1][0] * protons % 10
        return f"p{part} {product} total {(total + product) % 10}"

    def finished(self, total: int) -> str:
        """What the learner rightly says when no part is left."""
        return f"p{len(self.parts)} done total {total}"


def draw_formula(rng: Random) -> Formula:
    """A random formula: one part in a sixth of all cases, two in a third, three in half; elements do not repeat."""
    elements = rng.sample(ELEMENTS, rng.choice((1, 2, 2, 3, 3, 3)))
    return Formula(tuple((rng.randint(1, 9), element) for element in elements))


def parse_formula(text: str) -> Formula | None:
    """Read a formula; None if it is none of this world."""
    words = re.sub(r"\bp\d\b|[,;+?]|\band\b", " ", text.lower()).split()
    numbers, elements = words[::2], words[1::2]
    if not 1 <= len(elements) <= MAX_PARTS or len(numbers) != len(elements):
        return None
    if not all(re.fullmatch("[1-9]", n) for n in numbers) or not all(e in PROTONS for e in elements):
        return None
    return Formula(tuple((int(n), e) for n, e in zip(numbers, elements, strict=True)))


@dataclass(frozen=True)
class FormulaTask:
    """Formulas as a task for an expert and a learner."""

    name: str = "formula"
    title: str = "Protons in a formula, last digit"
    about: str = (
        "A formula of up to three parts, hydrogen to krypton: how many protons has it, in the last digit? For 'p1 3 "
        "carbon p2 2 oxygen' that is 3 × 6 + 2 × 8 = 34, so 4."
    )
    limit: str = (
        "One round takes in one part, so three parts need three rounds. Only the expert knows the elements; the "
        "learner was never told a single proton number, and only it multiplies and adds."
    )
    placeholder: str = "p1 3 carbon p2 2 oxygen   or   4 iron, 2 zinc"

    def formulas(self, *, seed: int = 0, split: str = "test") -> Iterator[Formula]:
        """Endless distinct formulas of a split; the same seed gives the same ones."""
        return distinct(Random(f"{self.name}/{split}/{seed}"), split, draw_formula, lambda f: f.text)

    def example(self, formula: Formula) -> Example:
        """The example a formula makes."""
        expert, learner, n = [], [], len(formula.parts)
        for round_ in range(MAX_ROUNDS):
            total = formula.totals[min(round_, n)]
            expert.append(formula.expert(round_, total))
            if round_ < n:
                learner.append(formula.learner(round_ + 1, PROTONS[formula.parts[round_][1]], total))
            else:
                learner.append(formula.finished(total))
        targets = {"expert": tuple(expert), "learner": tuple(learner)}
        return Example(formula.text, formula.answer, targets, f"{n} part{'s' * (n > 1)}", rounds=n)

    def sample(self, n: int, *, seed: int = 0, split: str = "test") -> list[Example]:
        """Draw `n` distinct examples.

        Raises:
            BadInput: If the split does not exist or `n` is negative.
        """
        if n < 0:
            raise BadInput("n", f"is {n}", "Ask for zero examples or more.")
        formulas = self.formulas(seed=seed, split=split)
        return [self.example(next(formulas)) for _ in range(n)]

    def read(self, question: str) -> Reading:
        """Take a typed question as a formula if it is one, and say how many rounds it needs."""
        formula = parse_formula(question)
        if formula is None:
            return Reading(
                question,
                None,
                "Outside the little world: these small agents only know formulas such as 'p1 3 carbon p2 2 oxygen', "
                "with counts of 1 to 9 and elements up to krypton. What follows is what they really made of it.",
                "outside",
            )
        n = len(formula.parts)
        if len({element for _, element in formula.parts}) < n:
            note = "The agents never saw an element twice in one formula; they may be wrong."
            return Reading(formula.text, formula.answer, note, "unseen")
        note = f"{counted(n, 'part')}: needs {counted(n, 'round')}."
        return Reading(formula.text, formula.answer, note, "needs", {"parts": n, "rounds": n})

    def grade(self, example: Example, text: str) -> bool:
        """Whether the first word of `text` is the true answer."""
        return text.split()[:1] == [example.answer]

    def transplant(self, example: Example, donor: Example, turn: int) -> str | None:
        """The answer when a turn's message is the donor's: its protons or its total, and the total so far."""
        mine, theirs = parse_formula(example.question), parse_formula(donor.question)
        round_, by_learner = divmod(turn, 2)
        if mine is None or theirs is None or round_ >= min(len(mine.parts), len(theirs.parts)):
            return None
        if by_learner:
            total = theirs.totals[round_ + 1]
        else:
            total = theirs.totals[round_] + mine.parts[round_][0] * PROTONS[theirs.parts[round_][1]]
        rest = sum(count * PROTONS[element] for count, element in mine.parts[round_ + 1 :])
        answer = str((total + rest) % 10)
        return None if answer == example.answer else answer
