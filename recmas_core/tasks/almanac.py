"""The almanac: facts of made-up towns that must be looked up, and sums beyond what little agents can do.

A question such as ``How tall is Kesh, plus 48, times 12?`` names a source and operations: up to three after a number,
up to two after a fact about a town. The reflector plans: what kind of source, then which operation, one more in every
round. The tool-caller knows no phrase of a question's language: it writes tool calls from the plan, copying numbers
and names from the question, and reads their results. All towns and facts are inventions: no agent can know them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType

from recmas_core.errors import BadInput
from recmas_core.tasks.base import Example, Reading, counted
from recmas_core.tasks.splits import distinct

MAX_OPERATIONS = 3
MAX_AFTER_FACT = 2
MAX_ROUNDS = 6
UNKNOWN, NOTHING = "?", "."  # in a plan: not planned yet; no further operation
TOWNS = (
    "Adrun Belmar Corvath Dunmere Elsin Farrow Galt Hexley Istra Jorvik Kesh Lomond Marrow Nevis Orm Pellan Quill "
    "Rasken Selby Tarn Ulver Vesk Wick Xanth Yarrow Zembla Arden Brack Calder Dray Esk Fenn Gorse Holm Inver Jute Kell "
    "Lorn Mere Norre"
).split()
PHRASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "height": ("How tall is {}", "How high stands {}"),
        "year": ("When was {} founded", "How old is {}"),
        "people": ("How many live in {}", "How big is {}"),
    }
)
_FACTS: Mapping[str, tuple[str, int, int]] = MappingProxyType(
    {
        "height": ("The height of {} is {} metres.", 101, 999),
        "year": ("{} was founded in the year {}.", 1101, 1899),
        "people": ("The people of {} number {}.", 1002, 9899),
    }
)
OPERATIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"+": ("plus", "gaining", "and"), "-": ("minus", "losing", "less"), "*": ("times", "by")}
)
AGAIN = "again"
_APPLY = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b}
_WORDS = (
    "what how tall is high stands when was founded old many live in big the height of metres year people number "
    "plus gaining and minus losing less times by again and + - * += -= *= . , ? : ; ( ) x = print "
    "<python> </python> <search> </search> <result> </result> error reflector toolcaller answer"
).split()
DIGITS = tuple(str(digit) for digit in range(10))
# A word that begins after a space carries the mark ▁; digits and marks of punctuation also stand inside words.
VOCABULARY = tuple(
    dict.fromkeys(
        [*(f"▁{word}" for word in (*_WORDS, *DIGITS, *(town.lower() for town in TOWNS))), *DIGITS, *".,?:", "▁"]
    )
)


def _facts() -> dict[tuple[str, str], int]:
    rng = Random("almanac")
    return {(kind, town): rng.randint(low, high) for town in TOWNS for kind, (_, low, high) in _FACTS.items()}


FACTS: Mapping[tuple[str, str], int] = MappingProxyType(_facts())


def corpus() -> list[dict[str, str]]:
    """The texts to be searched: one per fact, as {"title", "text"}."""
    return [
        {"title": f"{town}: {kind}", "text": _FACTS[kind][0].format(town, value)}
        for (kind, town), value in FACTS.items()
    ]


@dataclass(frozen=True)
class Sum:
    """A question of this world.

    Attributes:
        kind: "number", or what is to be looked up: "height", "year", "people".
        source: The number, or the town.
        operations: (sign, number, whether the question says "again" in place of the sign) each.
        words: The question as agents read it.
    """

    kind: str
    source: str
    operations: tuple[tuple[str, int, bool], ...]
    words: str

    @property
    def start(self) -> int:
        """The number to start from."""
        return int(self.source) if self.kind == "number" else FACTS[self.kind, self.source]

    def value(self, signs: tuple[str, ...] | None = None) -> int:
        """The result; with other signs than the question's own if given, and then of so many operations only."""
        value = self.start
        for sign, (_, number, _) in zip(self.signs if signs is None else signs, self.operations, strict=False):
            value = _APPLY[sign](value, number)
        return value

    @property
    def signs(self) -> tuple[str, ...]:
        """The signs of the operations."""
        return tuple(sign for sign, _, _ in self.operations)

    @property
    def answer(self) -> str:
        """The result as a text."""
        return str(self.value())

    def plan(self, depth: int) -> str:
        """The right plan when `depth` operations may be planned: four words."""
        return write_plan(self.kind, self.signs, depth)

    def script(self, signs: tuple[str, ...]) -> tuple[tuple[str, bool], ...]:
        """What the tool-caller rightly decodes for a plan with these signs: (text, whether it says it itself)."""
        pieces: list[tuple[str, bool]] = []
        if self.kind != "number":
            pieces.append((f"<search> {self.kind} {self.source.lower()} </search>", True))
            pieces.append((f"<result> {_FACTS[self.kind][0].format(self.source, self.start)} </result>", False))
        if signs:
            steps = "".join(f" x {s}= {n} ;" for s, (_, n, _) in zip(signs, self.operations, strict=False))
            pieces.append((f"<python> x = {self.start} ;{steps} print ( x ) </python>", True))
            pieces.append((f"<result> {self.value(signs)} </result>", False))
        return (*pieces, (str(self.value(signs)), True))


def write_plan(kind: str, signs: tuple[str, ...], depth: int) -> str:
    """A plan of four words: the kind of source, then each operation, as far as `depth` operations are settled."""
    slots: list[str] = []
    for i in range(MAX_OPERATIONS):
        if slots and slots[-1] == NOTHING:
            slots.append(NOTHING)
        elif i >= depth:
            slots.append(UNKNOWN)
        else:
            slots.append(signs[i] if i < len(signs) else NOTHING)
    return " ".join((kind, *slots))


def draw_sum(rng: Random) -> Sum:
    """A random question: half start from a number, with one to three operations, half from a fact, with up to two."""
    kind = "number" if rng.random() < 0.5 else rng.choice(sorted(_FACTS))
    count = rng.randint(1, MAX_OPERATIONS) if kind == "number" else rng.randint(0, MAX_AFTER_FACT)
    signs: list[str] = []
    for _ in range(count):  # one product at most: results stay short enough to be read back
        signs.append(rng.choice("+-*" if "*" not in signs else "+-"))
    source = str(rng.randint(11, 99)) if kind == "number" else rng.choice(TOWNS)
    first = f"What is {source}" if kind == "number" else rng.choice(PHRASES[kind]).format(source)
    parts, operations = [first], []
    for i, sign in enumerate(signs):
        number = rng.randint(11, 99)
        repeat = i > 0 and signs[i - 1] == sign and rng.random() < 0.6
        parts.append(f"{AGAIN if repeat else rng.choice(OPERATIONS[sign])} {number}")
        operations.append((sign, number, repeat))
    return Sum(kind, source, tuple(operations), ", ".join(parts) + "?")


def parse_sum(text: str) -> Sum | None:
    """Read a question; None if it is none of this world."""
    first, *rest = [part.strip() for part in text.strip().rstrip("?.").split(",")]
    kind, source = _source(first)
    operations: list[tuple[str, int, bool]] = []
    for part in rest:
        word, _, number = part.lower().partition(" ")
        sign = next((s for s, words in OPERATIONS.items() if word in words), None)
        if word == AGAIN and operations:
            sign = operations[-1][0]
        if sign is None or not re.fullmatch(r"\d{1,4}", number):
            return None
        operations.append((sign, int(number), word == AGAIN))
    if not source or len(operations) > MAX_OPERATIONS:
        return None
    words = ", ".join((first, *(part.strip() for part in rest))) + "?"
    return Sum(kind, source, tuple(operations), words)


def _source(first: str) -> tuple[str, str]:
    """(kind, source) of a question's beginning, the source "" when it is none."""
    number = re.fullmatch(r"what is (\d{1,4})", first.lower())
    if number:
        return "number", number[1]
    for kind, phrases in PHRASES.items():
        for phrase in phrases:
            found = re.fullmatch(re.escape(phrase.lower()).replace(r"\{\}", r"(\w+)"), first.lower())
            town = next((t for t in TOWNS if found and t.lower() == found[1]), None)
            if town:
                return kind, town
    return "", ""


@dataclass(frozen=True)
class AlmanacTask:
    """The almanac as a task for a reflector and a tool-caller."""

    name: str = "almanac"
    title: str = "An almanac and large sums"
    about: str = (
        "Start from a number, then up to three operations from left to right: 'What is 37, plus 48, again 12, times "
        "31?' ('again' repeats the operation before it). Or start from a fact about a made-up town, then up to two: "
        "'How tall is Kesh, plus 48, times 31?' The facts stand in a corpus of 120 short texts that come with the page."
    )
    limit: str = (
        "The reflector understands the question but cannot act; one turn of it plans one more operation, so three "
        "operations need three rounds. The tool-caller understands no phrase of the question: it turns the plan into "
        "calls. Without its tools it can neither look up nor work out anything."
    )
    placeholder: str = "What is 37, plus 48, times 12?   or   When was Vesk founded?"

    def sums(self, *, seed: int = 0, split: str = "test") -> Iterator[Sum]:
        """Endless distinct questions of a split; the same seed gives the same ones."""
        return distinct(Random(f"{self.name}/{split}/{seed}"), split, draw_sum, lambda s: s.words)

    def example(self, question: Sum) -> Example:
        """The example a question makes."""
        plans = tuple(question.plan(round_) for round_ in range(1, MAX_ROUNDS + 1))
        group = "sum" if question.kind == "number" else "fact and sum" if question.operations else "fact"
        targets = {"reflector": plans, "toolcaller": plans}
        rounds, spoken = max(1, len(question.operations)), question.script(question.signs)
        return Example(question.words, question.answer, targets, group, rounds=rounds, spoken=spoken)

    def sample(self, n: int, *, seed: int = 0, split: str = "test") -> list[Example]:
        """Draw `n` distinct examples.

        Raises:
            BadInput: If the split does not exist or `n` is negative.
        """
        if n < 0:
            raise BadInput("n", f"is {n}", "Ask for zero examples or more.")
        sums = self.sums(seed=seed, split=split)
        return [self.example(next(sums)) for _ in range(n)]

    def read(self, question: str) -> Reading:
        """Take a typed question as one of this world if it is, and say how many rounds it needs."""
        known = parse_sum(question)
        if known is None:
            return Reading(
                question,
                None,
                "Outside the little world: these small agents only know questions such as 'What is 37, plus 48?' or "
                "'How tall is Kesh, times 12?'. What follows is what they really made of it, not an answer.",
                "outside",
            )
        if known.signs.count("*") > 1 or any(not 11 <= n <= 99 for _, n, _ in known.operations):
            note = "The agents were taught numbers from 11 to 99 and one product at most; they may be wrong."
            return Reading(known.words, known.answer, note, "unseen")
        n = len(known.operations)
        if known.kind != "number" and n > MAX_AFTER_FACT:
            note = f"The agents were taught {MAX_AFTER_FACT} operations at most after a fact; they may be wrong."
            return Reading(known.words, known.answer, note, "long", {"most": MAX_AFTER_FACT})
        need = max(1, n)
        note = f"{counted(n, 'operation')}: needs {counted(need, 'round')}."
        return Reading(known.words, known.answer, note, "needs", {"operations": n, "rounds": need})

    def grade(self, example: Example, text: str) -> bool:
        """Whether `text`, what is said behind the last result, is the true number and nothing else."""
        return text.split() == [example.answer]

    def transplant(self, example: Example, donor: Example, turn: int) -> str | None:
        """The answer when the plan of a turn is the donor's and the rest of the question's own is added to it."""
        mine, theirs = parse_sum(example.question), parse_sum(donor.question)
        depth = turn // 2 + 1
        if mine is None or theirs is None or mine.kind != theirs.kind or len(mine.signs) != len(theirs.signs):
            return None
        signs = list(theirs.signs[:depth])
        for sign, _, repeat in mine.operations[depth:]:
            signs.append(signs[-1] if repeat else sign)
        answer = str(mine.value(tuple(signs)))
        return None if answer == example.answer else answer
