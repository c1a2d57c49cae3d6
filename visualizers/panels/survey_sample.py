"""What a survey is asked to measure, checked and turned into its records. No gradio here."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recmas_core.errors import BadInput
from recmas_core.records import MAX_ROUNDS
from visualizers.panels.choices import MAX_THOUGHTS, whole
from visualizers.panels.entry import Entry

if TYPE_CHECKING:
    from recmas_core.comparing import Survey

MOST_ASKED, MOST_TIMED = 500, 100


@dataclass(frozen=True)
class Sample:
    """A survey's numbers; a person or a program may have sent anything.

    Attributes:
        n: Questions, `MOST_ASKED` at most.
        timed: How many of them are timed one by one, `MOST_TIMED` at most.
        rounds: The most rounds: every number from 1 on is measured.
        thoughts: Thoughts per turn.
        seed: Of the sample.
    """

    n: int
    timed: int
    rounds: int
    thoughts: int
    seed: int

    @staticmethod
    def read(n: Any, timed: Any, rounds: Any, thoughts: Any, seed: Any) -> Sample:
        """A sample of numbers as they came.

        Raises:
            BadInput: If one of them is out of range.
        """
        asked = whole("Questions", n, 1, MOST_ASKED)
        return Sample(
            asked,
            whole("Timed one by one", timed, 0, min(asked, MOST_TIMED)),
            whole("Rounds up to", rounds, 1, MAX_ROUNDS),
            whole("Thoughts per turn", thoughts, 1, MAX_THOUGHTS),
            whole("Seed", seed, 0, 2**31 - 1),
        )

    def records(self, entry: Entry) -> Generator[Survey, None, None]:
        """The survey of a system.

        Raises:
            BadInput: If the system has no questions of its own.
        """
        from recmas_core.comparing import survey

        system = entry.system
        if system.task is None:
            todo = "Ask single questions, or survey an embedded system."
            raise BadInput(f"system {system.name!r}", "has no questions of its own to be measured on", todo)
        examples = system.task.sample(self.n, seed=self.seed, split="test")
        rounds = range(1, self.rounds + 1)
        return survey(system, examples, rounds=rounds, timed=self.timed, latent_steps=self.thoughts)
