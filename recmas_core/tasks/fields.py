"""Three little fields: arithmetic, list functions, facts of nature; a question may need two of them.

A question such as ``s1 protons of heaviest carbon oxygen boron s2 + 5`` is a chain of one to three steps. The first
gives a digit; each later one goes on from the digit before it, and always belongs to another field than the step
before. A turn carries the question one step further, and only a specialist of the step's own field can do that.
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

FIELDS = ("math", "code", "science")
MAX_STEPS = 3
MAX_ROUNDS = 6
SIGNS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"+": tuple(range(1, 10)), "-": tuple(range(1, 10)), "*": (3, 7, 9)}  # 3, 7, 9 keep all ten values equally likely
)
ELEMENTS = "hydrogen helium lithium beryllium boron carbon nitrogen oxygen fluorine".split()
PLANETS = "mercury venus earth mars jupiter saturn uranus neptune".split()
LISTS = ("max", "min", "first", "last")
FOLLOWS = ("max", "min", "gap")
_TABLES = (("protons", ELEMENTS, ("lightest", "heaviest")), ("place", PLANETS, ("nearest", "farthest")))
VOCABULARY = (
    *(str(digit) for digit in range(10)),
    *(f"s{step}" for step in range(1, MAX_STEPS + 1)),
    *"+ - * [ ] max min first last gap with to of protons place lightest heaviest nearest farthest".split(),
    *ELEMENTS,
    *PLANETS,
    *"; : gives is for done none math code science summarizer answer".split(),
)


def _apply(sign: str, left: int, right: int) -> int:
    return {"+": left + right, "-": left - right, "*": left * right}[sign] % 10


@dataclass(frozen=True)
class Step:
    """One step of a question.

    Attributes:
        field: The field it belongs to.
        words: Its words, without the label.
    """

    field: str
    words: tuple[str, ...]

    def work(self, value: int | None) -> tuple[str, int]:
        """What a specialist notes on the way, and the step's value; `value` is the digit it goes on from."""
        words = self.words
        if self.field == "math":
            if value is None:
                first = _apply(words[1], int(words[0]), int(words[2]))
                return str(first), _apply(words[3], first, int(words[4]))
            return str(value), _apply(words[0], value, int(words[1]))
        if self.field == "science":
            _, entities, kinds = next(table for table in _TABLES if table[0] == words[0])
            chosen = sorted(words[3:], key=entities.index)[-kinds.index(words[2])]
            return chosen, entities.index(chosen) + 1
        if value is None:
            numbers = [int(word) for word in words[2:-1]]
            chosen_by = {"max": max(numbers), "min": min(numbers), "first": numbers[0], "last": numbers[-1]}
            return words[0], chosen_by[words[0]]
        other = int(words[2])
        return str(value), {"max": max(value, other), "min": min(value, other), "gap": abs(value - other)}[words[0]]


@dataclass(frozen=True)
class Question:
    """A chain of one to three steps."""

    steps: tuple[Step, ...]

    @property
    def values(self) -> tuple[int, ...]:
        """The value after 1, 2, … steps."""
        values: list[int] = []
        for step in self.steps:
            values.append(step.work(values[-1] if values else None)[1])
        return tuple(values)

    @property
    def text(self) -> str:
        """The question as agents read it."""
        return " ".join(f"s{i} {' '.join(step.words)}" for i, step in enumerate(self.steps, 1))

    @property
    def answer(self) -> str:
        """The last value."""
        return str(self.values[-1])

    @property
    def group(self) -> str:
        """The field of a question of one step; "mixed" where several are needed."""
        return self.steps[0].field if len(self.steps) == 1 else "mixed"

    def specialist(self, field: str, done: int, value: int | None) -> str:
        """What a specialist rightly says when `done` steps are done and gave `value`."""
        if done >= len(self.steps):
            return f"s{len(self.steps)} done gives {value}"
        step = self.steps[done]
        if step.field != field:
            return f"s{done + 1} is for {step.field}"
        note, result = step.work(value)
        return f"s{done + 1} {note} gives {result}"

    def summary(self, done: int, value: int) -> str:
        """What the summarizer rightly says once `done` + 1 steps are done, the last one giving `value`."""
        if done >= len(self.steps):
            return f"s{len(self.steps)} done gives {value}"
        return f"s{done + 1} {self.steps[done].field} gives {value}"


def draw_start(rng: Random, field: str) -> Step:
    """A random first step of a field."""
    if field == "math":
        one, other = rng.choice("+-*"), rng.choice("+-*")
        return Step(field, (str(rng.randrange(10)), *_with(rng, one), *_with(rng, other)))
    if field == "code":
        numbers = [str(rng.randrange(10)) for _ in range(rng.randint(3, 5))]
        return Step(field, (rng.choice(LISTS), "[", *numbers, "]"))
    name, entities, kinds = rng.choice(_TABLES)
    return Step(field, (name, "of", rng.choice(kinds), *rng.sample(entities, rng.randint(2, 3))))


def _with(rng: Random, sign: str) -> tuple[str, str]:
    return sign, str(rng.choice(SIGNS[sign]))


def draw_follow(rng: Random, field: str) -> Step:
    """A random later step: of arithmetic or of code, which alone can go on from a digit."""
    if field == "math":
        return Step(field, _with(rng, rng.choice("+-*")))
    name = rng.choice(FOLLOWS)
    return Step(field, (name, "to" if name == "gap" else "with", str(rng.randrange(10))))


def draw_question(rng: Random, fields: tuple[str, ...] = FIELDS) -> Question:
    """A random question: half have one step, three in ten two, two in ten three; the first is of one of `fields`."""
    steps = [draw_start(rng, rng.choice(fields))]
    for _ in range(rng.choices((0, 1, 2), weights=(5, 3, 2))[0]):
        steps.append(draw_follow(rng, rng.choice([f for f in ("math", "code") if f != steps[-1].field])))
    return Question(tuple(steps))


_NUMBER = r"\d"
_SIGNED = r"[+*-] \d"
_FORMS: tuple[tuple[str, str, bool], ...] = (
    ("math", rf"{_NUMBER} {_SIGNED} {_SIGNED}", True),
    ("code", rf"(?:{'|'.join(LISTS)}) \[(?: {_NUMBER}){{3,5}} \]", True),
    ("science", rf"protons of (?:lightest|heaviest)(?: (?:{'|'.join(ELEMENTS)})){{2,3}}", True),
    ("science", rf"place of (?:nearest|farthest)(?: (?:{'|'.join(PLANETS)})){{2,3}}", True),
    ("math", _SIGNED, False),
    ("code", rf"(?:(?:max|min) with|gap to) {_NUMBER}", False),
)


def parse_question(text: str) -> Question | None:
    """Read a question; None if it is not one of this world."""
    spaced = re.sub(r"([-+*\[\]])", r" \1 ", text.lower().replace("×", "*").replace("−", "-").replace(",", " "))
    plain = " ".join(spaced.split())
    if not re.match(r"s1\b", plain):
        plain = f"s1 {plain}"
    steps: list[Step] = []
    for i, part in enumerate(re.split(r"\s*\bs(?=\d\b)", plain)[1:], 1):
        label, _, words = part.partition(" ")
        form = next((f for f, pattern, first in _FORMS if first == (i == 1) and re.fullmatch(pattern, words)), None)
        repeats = form == "science" and len(set(words.split())) < len(words.split())
        if form is None or repeats or label != str(i) or i > MAX_STEPS:
            return None
        steps.append(Step(form, tuple(words.split())))
    return Question(tuple(steps)) if steps else None


@dataclass(frozen=True)
class FieldsTask:
    """The three little fields as a task for specialists and a summarizer."""

    name: str = "fields"
    title: str = "Three little fields"
    about: str = (
        "Arithmetic that keeps the last digit, functions of lists, and facts about elements and planets. 's1' gives a "
        "digit; 's2' and 's3' go on from it: in 's1 protons of heaviest carbon oxygen s2 + 5' the heaviest is oxygen, "
        "with 8 protons, and 8 + 5 keeps 3. 'place' counts planets from the Sun; 'gap to 6' is the distance to 6."
    )
    limit: str = (
        "One round carries a question one step further, and each step is known to one specialist only, so a question "
        "of three steps needs three rounds. The summarizer was never taught any of the fields."
    )
    placeholder: str = "s1 max [ 4 1 7 ] s2 + 5   or   place of farthest mars venus"

    def questions(self, *, seed: int = 0, split: str = "test") -> Iterator[Question]:
        """Endless distinct questions of a split; the same seed gives the same ones."""
        return distinct(Random(f"{self.name}/{split}/{seed}"), split, draw_question, lambda q: q.text)

    def example(self, question: Question) -> Example:
        """The example a question makes."""
        values, n = question.values, len(question.steps)
        turns: dict[str, list[str]] = {role: [] for role in (*FIELDS, "summarizer")}
        for round_ in range(MAX_ROUNDS):
            before = values[min(round_, n) - 1] if round_ else None
            for field in FIELDS:
                turns[field].append(question.specialist(field, round_, before))
            turns["summarizer"].append(question.summary(round_, values[min(round_, n - 1)]))
        targets = {role: tuple(said) for role, said in turns.items()}
        return Example(question.text, question.answer, targets, question.group, rounds=n)

    def sample(self, n: int, *, seed: int = 0, split: str = "test") -> list[Example]:
        """Draw `n` distinct examples.

        Raises:
            BadInput: If the split does not exist or `n` is negative.
        """
        if n < 0:
            raise BadInput("n", f"is {n}", "Ask for zero examples or more.")
        questions = self.questions(seed=seed, split=split)
        return [self.example(next(questions)) for _ in range(n)]

    def read(self, question: str) -> Reading:
        """Take a typed question as one of this world if it is, and say how many rounds it needs."""
        known = parse_question(question)
        if known is None:
            return Reading(
                question,
                None,
                "Outside the little world: these small agents only know questions such as 's1 max [ 4 1 7 ] s2 + 5'. "
                "What follows is what they really made of it, not an answer.",
                "outside",
            )
        odd = next((f"{s.words[-2]} {s.words[-1]}" for s in known.steps if _untaught(s)), None)
        if odd:
            note = f"The agents never saw '{odd}' in training (× is taught with 3, 7 and 9 only); they may be wrong."
            return Reading(known.text, known.answer, note, "unseen", {"step": odd})
        n, fields = len(known.steps), tuple(step.field for step in known.steps)
        note = f"{counted(n, 'step')} ({' then '.join(fields)}): needs {counted(n, 'round')}."
        return Reading(known.text, known.answer, note, "needs", {"steps": n, "rounds": n, "fields": fields})

    def grade(self, example: Example, text: str) -> bool:
        """Whether the first word of `text` is the true answer."""
        return text.split()[:1] == [example.answer]

    def transplant(self, example: Example, donor: Example, turn: int) -> str | None:
        """The answer when the round's specialist sends what it sends in the donor, and the rest goes on from there."""
        mine, theirs = parse_question(example.question), parse_question(donor.question)
        round_, place = divmod(turn, len(FIELDS) + 1)
        if mine is None or theirs is None or round_ >= min(len(mine.steps), len(theirs.steps)):
            return None
        speaker = FIELDS[place] if place < len(FIELDS) else mine.steps[round_].field
        if mine.steps[round_].field != speaker or theirs.steps[round_].field != speaker:
            return None
        value = theirs.values[round_]
        for step in mine.steps[round_ + 1 :]:
            value = step.work(value)[1]
        return None if str(value) == example.answer else str(value)


def _untaught(step: Step) -> bool:
    pairs = zip(step.words, step.words[1:], strict=False)
    return step.field == "math" and any(s in SIGNS and int(n) not in SIGNS[s] for s, n in pairs)
