"""What the controls say, checked and turned into a job for a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from recmas_core.errors import BadInput
from recmas_core.records import MAX_ROUNDS, Mode, check_question
from recmas_core.tasks.base import Reading
from visualizers.panels.session import Job

if TYPE_CHECKING:
    from recmas_core.system import System

MAX_THOUGHTS = 80  # the most that the paper's agents make


@dataclass(frozen=True)
class Choices:
    """The controls' values as they came, unchecked: a person or a program may send anything.

    Attributes:
        question: The question as typed.
        rounds, thoughts, seed: Whole numbers, or whatever was typed instead.
        mode: "latent" or "text".
        tools: Whether roles that have tools may call them.
    """

    question: Any
    rounds: Any
    thoughts: Any
    seed: Any = 0
    mode: Any = "latent"
    tools: Any = True

    def job(self, system: System) -> Job:
        """The job these choices ask for.

        Raises:
            BadInput: If a value is out of range or the question cannot be used.
        """
        check_question(self.question)
        rounds = whole("Rounds", self.rounds, 1, MAX_ROUNDS)
        thoughts = whole("Thoughts per turn", self.thoughts, 1, MAX_THOUGHTS)
        seed = whole("Seed", self.seed, 0, 2**31 - 1)
        if self.mode not in get_args(Mode):
            raise BadInput("Pass", f"is {str(self.mode)[:40]!r}", f"Choose one of {', '.join(get_args(Mode))}.")
        reading: Reading | None = None if system.task is None else system.task.read(self.question)
        question = self.question if reading is None else reading.question
        config = system.config(
            question, rounds=rounds, latent_steps=thoughts, seed=seed, mode=self.mode, tools=bool(self.tools),
        )  # fmt: skip
        return Job(config, reading, self.question)


def whole(name: str, value: Any, low: int, high: int) -> int:
    """A whole number in a range, from a number or its text.

    Raises:
        BadInput: If it is anything else.
    """
    todo = f"Choose a whole number from {low} to {high}."
    if value is None or isinstance(value, bool) or not isinstance(value, int | float | str) or value == "":
        raise BadInput(name, "is missing" if value in (None, "") else "is not a number", todo)
    try:
        number = float(value)
    except ValueError as error:
        raise BadInput(name, f"is {str(value)[:40]!r}", todo) from error
    if not number.is_integer() or not low <= number <= high:
        raise BadInput(name, f"is {str(value)[:40]}", todo)
    return int(number)


def number(name: str, value: Any, low: float, high: float) -> float:
    """A number in a range, from a number or its text.

    Raises:
        BadInput: If it is anything else.
    """
    todo = f"Choose a number from {low:g} to {high:g}."
    try:
        found = float(value)
    except (TypeError, ValueError) as error:
        raise BadInput(name, f"is {str(value)[:40]!r}", todo) from error
    if isinstance(value, bool) or not low <= found <= high:
        raise BadInput(name, f"is {str(value)[:40]}", todo)
    return found
