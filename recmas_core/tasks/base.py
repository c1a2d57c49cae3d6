"""What a task is: a little world of questions that can be sampled, taught and graded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Example:
    """One question with its true answer and the right turn of every role in every round.

    Attributes:
        question: The question as agents read it.
        answer: The true answer.
        targets: For each role the right turn text of round 1, 2, … (index 0 is round 1).
        group: The kind of question, where accuracy is worth telling apart by kind.
        rounds: How many rounds the question needs; 0 where nobody knows.
        spoken: What the decoder rightly writes, as pieces (text, whether it says it itself: results of tools it only
            reads); () where that is the answer and nothing else.
    """

    question: str
    answer: str
    targets: Mapping[str, tuple[str, ...]]
    group: str = ""
    rounds: int = 0
    spoken: tuple[tuple[str, bool], ...] = ()

    @property
    def script(self) -> tuple[tuple[str, bool], ...]:
        """What the decoder rightly writes, piece by piece."""
        return self.spoken or ((self.answer, True),)


@dataclass(frozen=True)
class Reading:
    """What a task makes of a typed question.

    Attributes:
        question: The question in the task's own wording (unchanged when it is not of this world).
        answer: The true answer, or None when the question is outside the task's world.
        note: One sentence for the reader: how the question was taken, or why it is outside.
        kind: Which sentence that is, for who says it in other words; "" for one of a kind.
        facts: What stands in it, by name.
    """

    question: str
    answer: str | None
    note: str
    kind: str = ""
    facts: Mapping[str, int | str | tuple[str, ...]] = field(default_factory=dict)


def counted(n: int, thing: str) -> str:
    """A number of things in English words: "1 round", "2 rounds"."""
    return f"{n} {thing}{'' if n == 1 else 's'}"


class Task(Protocol):
    """A little world: anything with these attributes can teach, ask and grade a system."""

    @property
    def name(self) -> str:
        """Key in the registry."""
        ...

    @property
    def title(self) -> str:
        """The name to show."""
        ...

    @property
    def about(self) -> str:
        """What the questions are, for the reader."""
        ...

    @property
    def limit(self) -> str:
        """What one turn can carry, for the reader."""
        ...

    @property
    def placeholder(self) -> str:
        """An example of how to type a question."""
        ...

    def sample(self, n: int, *, seed: int = 0, split: str = "test") -> list[Example]:
        """Draw `n` examples; the same seed draws the same ones."""
        ...

    def read(self, question: str) -> Reading:
        """Read a typed question."""
        ...

    def grade(self, example: Example, text: str) -> bool:
        """Whether `text` answers the example rightly."""
        ...

    def transplant(self, example: Example, donor: Example, turn: int) -> str | None:
        """The answer implied when `turn` of `example` sends what `donor`'s same turn sends.

        None where nothing can be implied: the rest of the question does not go on from that value, or the value
        is the same.
        """
        ...
