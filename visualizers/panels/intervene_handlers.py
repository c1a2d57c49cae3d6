"""What the Intervene tab does when something is pressed: small handlers over a visitor's interventions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

import gradio as gr

from recmas_core.errors import BadInput
from visualizers.panels.beats import whole_run
from visualizers.panels.belongings import VisitorShelf
from visualizers.panels.catalogue import Catalogue
from visualizers.panels.contrast import can_compare, compare
from visualizers.panels.entry import Entry
from visualizers.panels.intervene_change import read_filled
from visualizers.panels.intervene_drawing import Drawings
from visualizers.panels.intervene_session import InterveneSession, Origin
from visualizers.panels.intervene_view import OUTPUTS, IntervenePanels, empty_panels, intervene_panels
from visualizers.panels.offers import Lineup
from visualizers.panels.pen import in_order
from visualizers.panels.session import Job, Session
from visualizers.panels.shelf import Shelf
from visualizers.panels.stage import Controls, say_error, status_html
from visualizers.panels.visitors import Visitor, Visitors
from visualizers.words import Words

DRAWN_EVERY = 0.12  # seconds between two drawings of what goes on
STATUS = OUTPUTS.index("status")
_MAP = ("map", "caption")
Outputs = tuple[Any, ...]


class Intervene:
    """The handlers of one page; each that draws gives the values of `IntervenePanels`.

    Args:
        shelf: The systems that can be run.
        visitors: Who looks at what.
        words: What the page says.
    """

    def __init__(self, shelf: Shelf, visitors: Visitors, words: Words) -> None:
        self._shelf, self._visitors, self.words = shelf, visitors, words

    @property
    def catalogue(self) -> Catalogue:
        """What everybody is offered."""
        return self._shelf.catalogue

    def visitor(self, request: gr.Request) -> Visitor:
        """Whose request it is."""
        return self._visitors.get(str(request.session_hash))

    def in_order(self, handler: Callable[..., Any]) -> Callable[..., Iterator[Any]]:
        """That handler, its drawings of this tab sent in the order of what they show; see `Pen`."""
        return in_order(handler, lambda request: self.visitor(request).intervening_pen)

    def look(self, request: gr.Request, sent: Any) -> Iterator[Outputs]:
        """The tab is shown: take the run of the Explore tab up. While that goes on there, wait for its end."""
        visitor = self.visitor(request)
        try:
            if sent:  # else there is no form on the page yet: what a link asked for stands in the session
                visitor.intervening.fill(read_filled(sent))
            drawings = self.drawings(visitor)
            while visitor.session.moment.streaming:
                yield from drawings.next(self._far(visitor.session))
                time.sleep(DRAWN_EVERY)
            yield from self.last(visitor)
        except Exception as error:
            yield self.said(say_error(error, self.words))
            yield unchanged()

    def here(self, request: gr.Request, *values: Any) -> Iterator[Outputs]:
        """Run the question of the Explore tab to its answer, in latent thoughts, and take that run up.

        It is the Explore tab's own run, begun anew or gone on with. This tab is drawn only when the run is over and
        its session says so: whatever is drawn before that shows no run to work upon.
        """
        visitor = self.visitor(request)
        controls, session, lineup = replace(Controls(*values), mode="latent"), visitor.session, visitor.lineup
        epoch, due, drawings = session.command(), 0.0, self.drawings(visitor)
        try:
            entry = self.entry(visitor, lineup)
            _ready(session, controls.choices.job(entry.system), entry)
            session.look(None)
            for _ in session.events(whole_run, epoch=epoch):
                if time.monotonic() < due:
                    continue
                yield from drawings.next(self._far(session))
                due = time.monotonic() + DRAWN_EVERY
            if can_compare(session.moment) and session.moment.epoch == epoch:
                compare(session, entry)
            yield from self.last(visitor)
        except GeneratorExit:
            self.leave(request)
            raise
        except Exception as error:
            visitor.intervening.say(say_error(error, self.words), bad=True)
            yield from self.last(visitor)

    def pick(self, event: gr.EventData, request: gr.Request, sent: Any) -> Outputs:
        """Choose a turn to change in the strip, or a thought of it in the table of influence."""
        turn, step = int(event.turn), int(event.step)

        def choose(session: InterveneSession) -> None:
            origin = session.moment.origin
            if origin is None or not 0 <= turn < len(origin.trace.turns):
                return
            if len(origin.trace.turns[turn].thoughts):
                session.choose(turn, step if step >= 0 else None)
            else:
                session.say(self.words("intervene.says.answers", turn=turn + 1))

        return self._then(request, sent, choose)

    def sample(self, request: gr.Request, sent: Any) -> Outputs:
        """Draw another question to swap with."""
        visitor = self.visitor(request)

        def draw(session: InterveneSession) -> None:
            task = VisitorShelf(self._shelf, visitor.belongings).catalogue.task(visitor.lineup)
            if task is None:
                session.say(self.words("intervene.says.no_sample"))
            else:
                drawn = task.sample(1, seed=time.time_ns() % 2**31, split="test")[0].question
                session.fill(replace(session.moment.filled, question=drawn))

        return self._then(request, sent, draw)

    def show(self, event: gr.EventData, request: gr.Request, sent: Any) -> Outputs:
        """Look at another branch."""
        return self._then(request, sent, lambda session: session.show(int(event.value)))

    def choose_map(self, event: gr.EventData, request: gr.Request, sent: Any) -> Outputs:
        """Look at another agent's map."""
        return self._then(request, sent, lambda session: session.show_map(str(event.value)))

    async def arrivals(self, request: gr.Request) -> AsyncIterator[Outputs]:
        """Draw the map again as better places arrive, and only it: the rest may be typed into meanwhile."""
        visitor = self.visitor(request)
        origin, own = visitor.intervening.moment.origin, visitor.session.moment.own
        loading = None if origin is None else VisitorShelf(self._shelf, visitor.belongings).load(origin.lineup)
        if loading is not None and loading.done() and loading.exception() is None:
            atlas = loading.result().atlas
            atlas.warm_up()
            late = own.stale
            while own.busy or atlas.warming or late:
                while own.busy or atlas.warming:
                    await asyncio.sleep(0.1)
                news = own.news
                if visitor.intervening.moment.origin is not origin or visitor.session.moment.own is not own:
                    break
                async with visitor.intervening_pen.awaited():
                    yield await asyncio.to_thread(self._map, visitor)
                late = own.news != news
        yield unchanged()

    def forget(self, request: gr.Request, sent: Any) -> Outputs:
        """Forget all branches."""
        return self._then(request, sent, lambda session: session.forget())

    def stop(self, request: gr.Request, sent: Any) -> Outputs:
        """End what goes on, after the event under way."""

        def end(session: InterveneSession) -> None:
            if session.stop():
                session.say(self.words("intervene.says.stopped"))

        return self._then(request, sent, end)

    def taken(self, visitor: Visitor) -> tuple[Origin, Entry]:
        """The run to work upon and its system.

        Raises:
            BadInput: If there is none any more.
        """
        moment = visitor.intervening.adopt(visitor.lineup, visitor.session.moment)
        if moment.origin is None:
            raise BadInput("the run", "is not there any more", "Press “Run the question here”.")
        return moment.origin, self.entry(visitor, moment.origin.lineup)

    def entry(self, visitor: Visitor, lineup: Lineup) -> Entry:
        """A system, once it is loaded.

        Raises:
            RecmasError: If it cannot be.
        """
        return VisitorShelf(self._shelf, visitor.belongings).entry(lineup)

    def leave(self, request: gr.Request) -> None:
        """The browser's tab was closed while something went on: end the visitor's runs."""
        self._visitors.close(str(request.session_hash))

    def drawings(self, visitor: Visitor) -> Drawings:
        """What a handler draws while it goes on."""
        return Drawings(visitor, lambda running: self.panels(visitor, running=running))

    def drawn(self, visitor: Visitor) -> Outputs:
        """The whole tab as it is now; see `panels`."""
        try:
            return self.panels(visitor).changes(None)
        except Exception as error:
            return self.said(say_error(error, self.words))

    def panels(self, visitor: Visitor, *, running: str = "") -> IntervenePanels:
        """The tab as it is now; `running` says how far a run has come that is being made to work upon."""
        moment = visitor.intervening.adopt(visitor.lineup, visitor.session.moment)
        if moment.origin is None or running:
            return empty_panels(moment, self.words, running=running)
        entry = self.entry(visitor, moment.origin.lineup)
        return intervene_panels(moment, moment.origin, entry, visitor.session.moment.own, self.words)

    def said(self, message: str) -> Outputs:
        """Outputs that change the status line alone, with an error."""
        line = status_html(message, error=True)
        return tuple(line if i == STATUS else gr.skip() for i in range(len(OUTPUTS)))

    def _then(self, request: gr.Request, sent: Any, change: Callable[[InterveneSession], None]) -> Outputs:
        """Keep what is typed, change the session, draw the tab."""
        visitor = self.visitor(request)
        try:
            visitor.intervening.fill(read_filled(sent))
            change(visitor.intervening)
        except Exception as error:
            return self.said(say_error(error, self.words))
        return self.drawn(visitor)

    def last(self, visitor: Visitor) -> Iterator[Outputs]:
        """The tab as a handler leaves it."""
        with visitor.intervening_pen:
            yield self.drawn(visitor)
        yield unchanged()  # gradio sends the last values once more, without the pen

    def _map(self, visitor: Visitor) -> Outputs:
        try:
            panels = self.panels(visitor)
        except Exception as error:
            return self.said(say_error(error, self.words))
        return tuple(getattr(panels, name) if name in _MAP else gr.skip() for name in OUTPUTS)

    def _far(self, session: Session) -> str:
        moment = session.moment
        turns = 0 if moment.trace is None else len(moment.trace.turns)
        return self.words("intervene.says.running", done=turns)


def unchanged() -> Outputs:
    """Outputs that change nothing."""
    return tuple(gr.skip() for _ in OUTPUTS)


def _ready(session: Session, job: Job, entry: Entry) -> None:
    """Begin a run in a session unless one that asks for the same is under way there."""
    moment = session.moment
    if moment.job is None or not moment.job.same_as(job) or not session.running:
        session.begin(job, entry.system.pattern, entry.start(job.config))
