"""Where a visitor is: what they look at and do by themselves, or a lesson's own runs beside it. No gradio here."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from visualizers.panels.catalogue import Lineup
from visualizers.panels.session import Session
from visualizers.panels.spread import Shown
from visualizers.panels.train_session import TrainSession


@dataclass(frozen=True, eq=False)
class Room:
    """What a visitor left as it was, to find it again: systems, agents, runs and training.

    Attributes:
        system: The system looked at.
        last: For each offer of several systems the one looked at last.
        chosen: For each system the line-up chosen.
        asked: For each system what was typed for it.
        desks: For each line-up its run.
        training: The training.
        shown_map: The map chosen on the Train tab.
    """

    system: str
    last: dict[str, str]
    chosen: dict[str, Lineup]
    asked: dict[str, Any]
    desks: OrderedDict[Lineup, Session]
    training: TrainSession
    shown_map: Shown | None = None

    def close(self) -> None:
        """End its runs and its training for good."""
        for session in self.desks.values():
            session.close()
        self.training.close()


@dataclass(eq=False)
class Learning:
    """A visitor's lesson: where they are in it, and what it has measured.

    Attributes:
        lesson: The lesson under way, "" for none.
        step: 0-based step of it.
        done: Names of the steps that were done.
        values: What its runs showed, by name, as texts.
        picked: The choice picked last in its question, "" before.
        own: What the visitor did by themselves, while a lesson is under way.
        controls: What they had typed then, as the page sent it.
        left: The room of the lesson that was left last, to go on there.
        form: The Train tab's form as the visitor had filled it in, once a lesson has come there; None before.
    """

    lesson: str = ""
    step: int = 0
    done: set[str] = field(default_factory=set)
    values: dict[str, str] = field(default_factory=dict)
    picked: str = ""
    own: Room | None = None
    controls: Any = None
    left: Room | None = None
    form: Any = None

    @property
    def under_way(self) -> bool:
        """Whether a lesson is under way."""
        return self.own is not None

    def rooms(self) -> Iterable[Room]:
        """The rooms that the visitor is not in."""
        return (room for room in (self.own, self.left) if room is not None)

    def form_for(self, sent: Any) -> Any:
        """What the Train tab's form is to be drawn with, from what the page has in it.

        A lesson begins with a form of its own; afterwards the visitor's is there again.
        """
        if self.under_way and self.form is None:
            self.form, sent = sent or "", ""
        elif not self.under_way and self.form is not None:
            sent, self.form = self.form, None
        return sent

    def afresh(self, lesson: str) -> None:
        """Begin a lesson with nothing known."""
        self.lesson, self.step, self.picked = lesson, 0, ""
        self.done, self.values = set(), {}
