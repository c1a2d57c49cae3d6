"""What the Train tab does when something is pressed: small handlers over a visitor's training."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from html import escape
from typing import Any

import gradio as gr

from recmas_core.errors import RecmasError
from recmas_core.patterns import Pattern
from visualizers.mishaps import in_words
from visualizers.names import named_pattern
from visualizers.panels.belongings import VisitorShelf
from visualizers.panels.catalogue import Lineup
from visualizers.panels.shelf import Shelf
from visualizers.panels.spread import RECEIVED, THOUGHTS, Shown
from visualizers.panels.stage import say_error, status_html
from visualizers.panels.train_choices import Plan
from visualizers.panels.train_form import EXPLORE, Filled, form_html, read_form
from visualizers.panels.train_manners import manner_of
from visualizers.panels.train_map import first_map, map_choice_html, trained_map
from visualizers.panels.train_questions import questions_html
from visualizers.panels.train_session import TrainSession
from visualizers.panels.train_troubles import not_begun, other_links
from visualizers.panels.train_view import OUTPUTS, TrainPanels, train_panels
from visualizers.panels.train_ways import plan_of
from visualizers.panels.visitors import Visitor, Visitors
from visualizers.panels.wanted import is_borrowed
from visualizers.words import Words

_BEAT = 0.3  # seconds between two drawings of a training that goes on, at least
_STATUS = OUTPUTS.index("status")
_NO_MAP = (gr.skip(), gr.skip(), gr.skip())
Outputs = tuple[Any, ...]


class Train:
    """The handlers of one page. Those that follow a training give (panels …, map, its caption, the map's choice).

    Args:
        shelf: The systems that can be run.
        visitors: Who trains what.
        words: What the page says.
    """

    def __init__(self, shelf: Shelf, visitors: Visitors, words: Words) -> None:
        self._shelf, self._visitors, self.words = shelf, visitors, words

    @property
    def everybodys(self) -> Shelf:
        """The shelf of all visitors."""
        return self._shelf

    def visitor(self, request: gr.Request) -> Visitor:
        """Whose request it is."""
        return self._visitors.get(str(request.session_hash))

    def shelf(self, visitor: Visitor) -> VisitorShelf:
        """The systems that a visitor can train."""
        return VisitorShelf(self._shelf, visitor.belongings)

    def lineup(self, visitor: Visitor, system: str) -> Lineup:
        """The line-up that the form names.

        Raises:
            SystemNotFound: If there is no such system.
        """
        if system == EXPLORE:
            return visitor.lineup
        catalogue = visitor.belongings.catalogue
        return catalogue.lineup(system or catalogue.systems[0])

    def form(self, visitor: Visitor, filled: Filled, *, trouble: str = "") -> str:
        """The form with these values, for what this visitor is offered; `trouble` with a file of questions is told."""
        catalogue, explored = visitor.belongings.catalogue, visitor.lineup
        own = explored == catalogue.lineup(explored.system)
        lineup = self.lineup(visitor, filled.system)
        wanted = catalogue.offer(lineup.system).wanted
        note = self.words("train.hints.borrowed") if wanted is not None and is_borrowed(wanted) else ""
        manner, pattern = manner_of(catalogue, lineup), catalogue.pattern(lineup.system)
        filled, given = filled.suited(manner), None
        try:
            given = visitor.belongings.given(pattern) if manner.given else None
        except RecmasError as error:  # they were read for another pattern
            trouble = in_words(error, self.words)
        questions = questions_html(pattern, manner, filled.form, given, self.words, trouble=trouble)
        return form_html(catalogue, None if own else explored, filled, self.words, manner, questions, note=note)

    def plan(self, visitor: Visitor, filled: Filled) -> Plan:
        """The plan that a form asks for.

        Raises:
            RecmasError: If a value is out of range, or there is no such system.
        """
        lineup, catalogue = self.lineup(visitor, filled.system), visitor.belongings.catalogue
        manner = manner_of(catalogue, lineup)
        given = visitor.belongings.given(catalogue.pattern(lineup.system)) if manner.given else None
        return filled.suited(manner).form.plan(lineup, manner, given)

    def look(self, request: gr.Request, sent: Any) -> Outputs:
        """The form drawn anew, and the panels: (form, panels …, map, caption, map's choice, questions' button)."""
        try:
            visitor = self.visitor(request)
            return self.drawn(visitor, read_form(visitor.learning.form_for(sent)))
        except Exception as error:
            return (gr.skip(), *self._said(say_error(error, self.words)), *_NO_MAP, gr.skip())

    drawn_outputs = 1 + len(OUTPUTS) + len(_NO_MAP) + 1

    def drawn(self, visitor: Visitor, filled: Filled, *, trouble: str = "") -> Outputs:
        """What `look` gives, for a form's values; `trouble` with a file of questions is told in the form."""
        try:
            pattern = self._pattern(visitor, filled)
            chosen = visitor.shown_map or first_map(pattern)
            if chosen.role not in {role.name for role in pattern.roles}:
                chosen = visitor.shown_map = first_map(pattern)
            panels = train_panels(visitor.training.moment, pattern, self.words).changes(None)
            asks = manner_of(visitor.belongings.catalogue, self.lineup(visitor, filled.system)).given
            form = self.form(visitor, filled, trouble=trouble)
            choice = map_choice_html(pattern, chosen, self.words)
            return (form, *panels, gr.skip(), gr.skip(), choice, gr.update(visible=asks))
        except Exception as error:
            return (gr.skip(), *self._said(say_error(error, self.words)), *_NO_MAP, gr.skip())

    def start(self, request: gr.Request, sent: Any) -> Iterator[Outputs]:
        """Begin the course that the form asks for, and follow it."""
        visitor = self.visitor(request)

        yield from self._begin(request, visitor, lambda: self.plan(visitor, read_form(sent)))

    def way(self, event: gr.EventData, request: gr.Request) -> Iterator[Outputs]:
        """Take a way out of a training that stalled or diverged."""
        visitor, key = self.visitor(request), str(event.value)
        if key == "undo":
            yield self.undo(request)
            return

        def plan() -> Plan:
            before = visitor.training.moment.plan
            if before is None:
                raise not_begun(self.words)
            return plan_of(key, before)

        yield from self._begin(request, visitor, plan)

    def go_on(self, request: gr.Request) -> Iterator[Outputs]:
        """Go on from a pause."""
        visitor = self.visitor(request)
        visitor.training.go_on()
        yield from self._follow(request, visitor)

    def pause(self, request: gr.Request) -> Outputs:
        """Stop after the step under way."""
        visitor = self.visitor(request)
        visitor.training.pause()
        return self._drawn(visitor)

    def stop(self, request: gr.Request) -> Outputs:
        """End the course; its links stay as they are."""
        visitor = self.visitor(request)
        visitor.training.stop()
        return self._drawn(visitor)

    def undo(self, request: gr.Request) -> Outputs:
        """Back to the last good links."""
        visitor = self.visitor(request)
        if not visitor.training.undo():
            gr.Info(self.words("train.hints.first"))
        return (*self._drawn(visitor)[: len(OUTPUTS)], *self._map(visitor))

    def draw(self, request: gr.Request) -> Outputs:
        """The map as it is now: (map, caption, map's choice). A training that goes on waits meanwhile."""
        return self._map(self.visitor(request))

    def choose_agent(self, event: gr.EventData, request: gr.Request) -> Outputs:
        """The map of another agent."""
        return self._choose(request, lambda shown: Shown(str(event.value), shown.space))

    def choose_seen(self, event: gr.EventData, request: gr.Request) -> Outputs:
        """What an agent received, or what it thinks."""
        space = THOUGHTS if event.value == THOUGHTS else RECEIVED
        return self._choose(request, lambda shown: Shown(shown.role, space))

    def _choose(self, request: gr.Request, change: Callable[[Shown], Shown]) -> Outputs:
        visitor = self.visitor(request)
        pattern = self._pattern(visitor, Filled())
        wish = change(visitor.shown_map or first_map(pattern))
        if wish.role in {role.name for role in pattern.roles}:
            visitor.shown_map = wish
        return self._map(visitor)

    def _begin(self, request: gr.Request, visitor: Visitor, make_plan: Callable[[], Plan]) -> Iterator[Outputs]:
        try:
            plan = make_plan()
            visitor.training.begin(plan, self._maker(visitor, plan))
        except Exception as error:
            yield (*self._said(say_error(error, self.words)), *_NO_MAP)
            return
        yield from self._follow(request, visitor)

    def _maker(self, visitor: Visitor, plan: Plan) -> Callable[[], Any]:
        """What makes a plan's course, in the training's own thread."""
        shelf, session = self.shelf(visitor), visitor.training
        if not plan.form.beginning.follows:
            return lambda: plan.course(shelf.entry(plan.lineup).system)
        before = session.moment.plan
        if before is None or before.lineup != plan.lineup:
            raise other_links(self.words)
        from recmas_core.training import private_copy

        with session.between_steps() as course:
            base = private_copy(course.system)
        return lambda: plan.course(base)

    def _follow(self, request: gr.Request, visitor: Visitor) -> Iterator[Outputs]:
        session, sent, seen = visitor.training, None, -1
        newest = session.follow()
        try:
            while newest():
                moment = session.moment
                panels = self._panels(visitor)
                yield (*panels.changes(sent), *_NO_MAP)
                sent = panels
                if not moment.at_work:
                    yield (*panels.changes(panels), *self._map(visitor))
                    yield (*panels.changes(panels), *_NO_MAP)  # gradio sends the last values once more: see Pen
                    return
                seen = session.wait(seen, 2.0)
                time.sleep(_BEAT)
                self._visitors.get(str(request.session_hash))  # whoever trains is here
        except GeneratorExit:
            self._visitors.close(str(request.session_hash))  # the tab went away
            raise
        except Exception as error:
            yield (*self._said(say_error(error, self.words)), *_NO_MAP)

    def _panels(self, visitor: Visitor) -> TrainPanels:
        pattern = self._pattern(visitor, Filled())
        return train_panels(visitor.training.moment, pattern, self.words)

    def _drawn(self, visitor: Visitor) -> Outputs:
        return (*self._panels(visitor).changes(None), *_NO_MAP)

    def _map(self, visitor: Visitor) -> Outputs:
        """(map, caption, map's choice); nothing changes where nothing has been trained."""
        session: TrainSession = visitor.training
        moment = session.moment
        pattern = self._pattern(visitor, Filled())
        shown = visitor.shown_map or first_map(pattern)
        choice = map_choice_html(pattern, shown, self.words)
        if moment.plan is None or not moment.has_links:
            return gr.skip(), gr.skip(), choice
        try:
            entry = self.shelf(visitor).entry(moment.plan.lineup)
            panel = trained_map(session, moment.plan, entry, shown, self.words)
            return panel.figure, panel.caption, choice
        except Exception as error:
            said = escape(say_error(error, self.words))
            return gr.skip(), f'<p class="recmas-hint recmas-outside">{said}</p>', choice

    def _shown(self, visitor: Visitor, filled: Filled) -> Lineup:
        """Whose panels are shown: what is trained, or before that what the form names."""
        plan = visitor.training.moment.plan
        return self.lineup(visitor, filled.system) if plan is None else plan.lineup

    def _pattern(self, visitor: Visitor, filled: Filled) -> Pattern:
        """The pattern whose panels are shown, with the page's names."""
        return named_pattern(self.shelf(visitor).pattern(self._shown(visitor, filled)), self.words)

    def _said(self, message: str) -> Outputs:
        said = status_html(message, error=True)
        return tuple(said if i == _STATUS else gr.skip() for i in range(len(OUTPUTS)))
