"""A task made of questions that somebody gave, for systems that know no little world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType

from recmas_core.data.splitting import split_held_out
from recmas_core.errors import BadInput
from recmas_core.tasks.base import Example, Reading
from recmas_core.tasks.plain import same_answer

HELD_OUT = 200  # of a fifth of the questions, at most


@dataclass(frozen=True, eq=False)
class GivenQuestions:
    """Questions with answers, some of them held out. It has the attributes of `tasks.Task`, and is in no registry.

    Attributes:
        train: To learn from.
        test: Held out.
        title: The name to show.
    """

    train: tuple[Example, ...]
    test: tuple[Example, ...]
    title: str = "Given questions"
    name: str = field(default="given", init=False)
    _answers: Mapping[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Note the answers."""
        answers = {_key(each.question): each.answer for each in (*self.train, *self.test)}
        object.__setattr__(self, "_answers", MappingProxyType(answers))

    @classmethod
    def of(cls, examples: Sequence[Example], *, title: str = "Given questions") -> GivenQuestions:
        """Hold a fifth of some questions out, 200 at most; always the same ones.

        Raises:
            BadInput: If there are fewer than two different questions.
        """
        different = len({_key(each.question) for each in examples})
        if different < 2:
            raise BadInput("questions", f"are {different} different ones", "Give at least two.")
        train, test = split_held_out(examples, number=min(HELD_OUT, max(1, different // 5)))
        return cls(tuple(train), tuple(test), title)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.train) + len(self.test)

    @property
    def about(self) -> str:
        """What the questions are, for the reader."""
        return f"{len(self):,} questions with answers: {len(self.train):,} to learn from, {len(self.test):,} held out."

    @property
    def limit(self) -> str:
        """What one turn can carry, for the reader: nobody knows."""
        return "What one turn has to carry is not known of given questions."

    @property
    def placeholder(self) -> str:
        """An example of how to type a question."""
        return (self.test or self.train)[0].question

    def lacking(self, roles: Sequence[str]) -> tuple[str, ...]:
        """The roles whose right turn some question lacks."""
        every = (*self.train, *self.test)
        return tuple(role for role in roles if not all(each.targets.get(role) for each in every))

    def sample(self, n: int, *, seed: int = 0, split: str = "test") -> list[Example]:
        """Draw `n` examples, or all where there are fewer; the same seed draws the same ones.

        Raises:
            BadInput: If there is no such split.
        """
        parts = {"train": self.train, "test": self.test}
        if split not in parts:
            raise BadInput("split", f"is {split!r}", "Choose 'train' or 'test'.")
        part = parts[split]
        return Random(seed).sample(part, min(n, len(part)))

    def read(self, question: str) -> Reading:
        """The true answer of a question it holds; of others no answer is known."""
        answer = self._answers.get(_key(question))
        if answer is None:
            note = "This is none of the given questions: its answer is not known here."
            return Reading(question, None, note, "outside")
        return Reading(question, answer, "One of the given questions.", "known")

    def grade(self, example: Example, text: str) -> bool:
        """Whether `text` ends in the example's answer; see `tasks.plain.same_answer`."""
        return same_answer(example, text)

    def transplant(self, example: Example, donor: Example, turn: int) -> str | None:
        """None: what follows from another turn is not known."""
        return None


def _key(question: str) -> str:
    return " ".join(question.casefold().split())
