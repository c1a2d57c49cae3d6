"""What the lessons do when something is pressed: where a visitor is in one, and what its card says."""

from __future__ import annotations

from typing import Any

import gradio as gr

from recmas_core.errors import BadInput
from visualizers.panels.choose_handlers import SETTING, Choose
from visualizers.panels.coach import coach_html, passed
from visualizers.panels.explore_handlers import Explore
from visualizers.panels.lesson_facts import FACTS, Seen, fits
from visualizers.panels.lessons import LESSONS, SYSTEM, Lesson, Step
from visualizers.panels.rooms import Learning
from visualizers.panels.stage import OUTPUTS, Controls, say_error
from visualizers.panels.visitors import Visitor

Outputs = tuple[Any, ...]
_ALL = len(SETTING) + len(OUTPUTS)


class Learn:
    """The handlers of the lessons.

    A lesson has a room of its own: what the visitor did by themselves waits meanwhile, and is there again afterwards.

    Args:
        explore: The handlers of the stage.
        choose: The handlers of the left side.
    """

    def __init__(self, explore: Explore, choose: Choose) -> None:
        self._explore, self._choose, self.words = explore, choose, explore.words

    def begin(self, event: gr.EventData, request: gr.Request, *values: Any) -> Outputs:
        """Begin a lesson, or go on with the one left last: (tabs, card, mode, pace, left side …, stage …)."""
        visitor, controls = self._explore.visitor(request), Controls(*values)
        try:
            return self._begin(visitor, controls, lesson_of(event.lesson))
        except Exception as error:
            say_error(error, self.words)
            return tuple(gr.skip() for _ in range(4 + _ALL))

    def leave(self, request: gr.Request, *values: Any) -> Outputs:
        """Leave the lesson, back to what the visitor did by themselves: outputs as of `begin`."""
        visitor, controls = self._explore.visitor(request), Controls(*values)
        learning = visitor.learning
        own, typed = learning.own, learning.controls
        if own is None:
            return tuple(gr.skip() for _ in range(4 + _ALL))
        learning.left, learning.own = visitor.move(own), None
        back: Controls = typed or controls
        return (gr.Tabs(selected="learn"), "", back.mode, back.pace, *self._choose.afresh(visitor, back))

    def go(self, event: gr.EventData, request: gr.Request) -> Outputs:
        """Another step of the lesson: (tabs, card)."""
        learning = self._explore.visitor(request).learning
        lesson = LESSONS.get(learning.lesson)
        if lesson is None or not learning.under_way:
            return self._forgotten(learning)
        learning.step = min(max(int(event.step), 0), lesson.length - 1)
        return gr.Tabs(selected=_tab(lesson, learning)), coach_html(self.words, learning)

    def did(self, event: gr.EventData, request: gr.Request) -> Outputs:
        """The page shows what a step waits for: take down what is to be seen there: (tabs, card)."""
        visitor = self._explore.visitor(request)
        learning = visitor.learning
        lesson = LESSONS.get(learning.lesson)
        if lesson is None or not learning.under_way:
            return self._forgotten(learning) if event.asked else (gr.skip(), gr.skip())
        if int(event.step) != learning.step or learning.step >= len(lesson.steps):
            return gr.skip(), gr.skip()
        step = lesson.steps[learning.step]
        unseen = step.run is not None and not step.run.course and visitor.session.moment.job is None
        if unseen and not event.asked:
            return gr.skip(), gr.skip()  # nothing has run: what is only typed is not known here
        try:
            taken = self._taken(visitor, step)
        except Exception as error:
            return gr.skip(), coach_html(self.words, learning, trouble=say_error(error, self.words))
        if taken is None:
            if not event.asked:
                return gr.skip(), gr.skip()  # the visitor does something else of their own
            return gr.skip(), coach_html(self.words, learning, trouble=self.words("learn.coach.other"))
        learning.values.update({f"{step.note}_{name}": value for name, value in taken.items()})
        learning.done.add(step.name)
        return gr.skip(), coach_html(self.words, learning)

    def check(self, event: gr.EventData, request: gr.Request) -> Outputs:
        """Look at the answer to the lesson's question: (tabs, card)."""
        learning = self._explore.visitor(request).learning
        lesson = LESSONS.get(learning.lesson)
        if lesson is not None and str(event.choice) in lesson.quiz.choices:
            learning.picked = str(event.choice)
        return gr.skip(), coach_html(self.words, learning)

    def _forgotten(self, learning: Learning) -> Outputs:
        """A lesson that the server knows nothing of: the visitor was away for too long, or has just left it."""
        if learning.lesson:
            return gr.skip(), ""
        gr.Warning(self.words("learn.coach.forgotten"))
        return gr.Tabs(selected="learn"), ""

    def _begin(self, visitor: Visitor, controls: Controls, lesson: Lesson) -> Outputs:
        learning = visitor.learning
        if learning.own is None:
            same = learning.lesson == lesson.name and learning.left is not None
            room, learning.left = (learning.left, None) if same else (None, learning.left)
            learning.controls, learning.own = controls, visitor.move(room, SYSTEM)
            typed = controls
        else:
            same, typed = learning.lesson == lesson.name, controls
        if learning.left is not None:
            learning.left.close()
            learning.left = None
        if not same or passed(lesson, learning):
            learning.afresh(lesson.name)
        drawn = self._choose.afresh(visitor, typed)
        return (
            gr.Tabs(selected=_tab(lesson, learning)), coach_html(self.words, learning), gr.skip(), gr.skip(), *drawn,
        )  # fmt: skip

    def _taken(self, visitor: Visitor, step: Step) -> dict[str, str] | None:
        """The facts of a step; None where the page shows another run than the one it is about."""
        if step.run is None:
            return {}
        shelf = self._explore.shelf(visitor)
        lineup = visitor.lineup
        entry, task = shelf.entry(lineup), shelf.catalogue.task(lineup)
        seen = Seen(visitor.session.moment, visitor.training.moment, entry, task, self.words)
        if lineup.system != SYSTEM or not fits(seen, step.run):
            return None
        return FACTS[step.facts](seen) if step.facts else {}


def lesson_of(name: Any) -> Lesson:
    """The lesson of that name.

    Raises:
        BadInput: If there is none.
    """
    if name not in LESSONS:
        raise BadInput("lesson", f"is {str(name)[:40]!r}", f"Choose from {list(LESSONS)}.")
    return LESSONS[name]


def _tab(lesson: Lesson, learning: Learning) -> str:
    """The tab on which a visitor's step takes place."""
    at = learning.step
    return lesson.quiz.tab if at == lesson.length - 1 else lesson.steps[at].tab
