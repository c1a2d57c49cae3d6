"""What the Explore tab does when something is pressed: small handlers over a visitor's session."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from html import escape
from typing import Any

import gradio as gr

from visualizers.panels.beats import Goal, beat_over, one_step, round_end, whole_run
from visualizers.panels.belongings import VisitorShelf
from visualizers.panels.contrast import can_compare, compare, edge_of
from visualizers.panels.entry import Entry
from visualizers.panels.mapview import which_map
from visualizers.panels.moments import move, scene
from visualizers.panels.pen import in_order
from visualizers.panels.session import Cursor, Job, Session
from visualizers.panels.shelf import Shelf
from visualizers.panels.stage import Controls, Panels, draw_panels, only_status, say_error, unchanged
from visualizers.panels.visitors import Visitor, Visitors
from visualizers.words import Words

PACES = {"calm": 0.12, "fast": 0.0}
SLOW = tuple(pace for pace, seconds in PACES.items() if seconds)
_DRAWN_EVERY = 0.1  # seconds between drawings of a run that goes on faster
Outputs = tuple[Any, ...]


class Explore:
    """The handlers of one page.

    Args:
        shelf: The systems that can be run.
        visitors: Who looks at what.
        words: What the page says.
    """

    def __init__(self, shelf: Shelf, visitors: Visitors, words: Words) -> None:
        self._shelf, self._visitors, self.words = shelf, visitors, words

    def step(self, request: gr.Request, *values: Any) -> Iterator[Outputs]:
        """One thought (of all who think at once), the hops along the links, one decoded token, or one tool call."""
        yield from self._advance(request, values, lambda job, entry: one_step)

    def round(self, request: gr.Request, *values: Any) -> Iterator[Outputs]:
        """On to the end of the round."""
        yield from self._advance(request, values, lambda job, entry: round_end(entry.system.pattern, job.config.rounds))

    def run(self, request: gr.Request, *values: Any) -> Iterator[Outputs]:
        """On to the answer."""
        yield from self._advance(request, values, lambda job, entry: whole_run)

    def pause(self, request: gr.Request, *values: Any) -> Outputs:
        """Stop after the event under way; everything stays as it is."""
        self.visitor(request).session.command()
        return self.look(request, *values)

    def reset(self, request: gr.Request, *values: Any) -> Outputs:
        """Forget the run."""
        self.visitor(request).session.reset()
        return self.look(request, *values)

    def look(self, request: gr.Request, *values: Any) -> Outputs:
        """Draw the moment that is looked at once more: a control of the view has changed."""
        return self._drawn(self.visitor(request), Controls(*values))

    def pick(self, event: gr.EventData, request: gr.Request, *values: Any) -> Outputs:
        """Travel to the turn, thought or tool call that was chosen in the strip, the table or the map."""
        turn, step, call = int(event.turn), int(event.step), int(event.call)
        cursor = Cursor(turn, step if step >= 0 else None, call if call >= 0 else None)
        self.visitor(request).session.look(None if turn < 0 else cursor)
        return self.look(request, *values)

    def back(self, request: gr.Request, *values: Any) -> Outputs:
        """Travel one moment back."""
        return self._move(request, values, -1)

    def forward(self, request: gr.Request, *values: Any) -> Outputs:
        """Travel one moment forward."""
        return self._move(request, values, 1)

    def first(self, request: gr.Request, *values: Any) -> Outputs:
        """Travel to the first thought."""
        session = self.visitor(request).session
        if session.moment.trace is not None and session.moment.trace.events:
            session.look(Cursor(0, 0))
        return self.look(request, *values)

    def now(self, request: gr.Request, *values: Any) -> Outputs:
        """Back to now."""
        self.visitor(request).session.look(None)
        return self.look(request, *values)

    def choose_map(self, event: gr.EventData, request: gr.Request, *values: Any) -> Outputs:
        """Keep to the map that was chosen: following would take it away again. The last value unticks `follow`."""
        visitor = self.visitor(request)
        known = {role.name for role in self.shelf(visitor).pattern(visitor.lineup).roles}
        if event.value in known:
            visitor.session.show_map(str(event.value))
        return (*self.look(request, *values), False)

    def choose_space(self, event: gr.EventData, request: gr.Request, *values: Any) -> Outputs:
        """Show the maps of thoughts, or of what was received."""
        self.visitor(request).session.show_space(str(event.value))
        return self.look(request, *values)

    def choose_follow(self, request: gr.Request, *values: Any) -> Outputs:
        """Follow whoever thinks, or stay with the map that is shown."""
        visitor, controls = self.visitor(request), Controls(*values)
        session = visitor.session
        moment, pattern = session.moment, self.shelf(visitor).pattern(visitor.lineup)
        view = scene(pattern, moment.trace, moment.cursor, controls.shown_rounds(), self.words)
        session.show_map(None if controls.follow else which_map(view, moment).role)
        return self.look(request, *values)

    def cut(self, event: gr.EventData, request: gr.Request, *values: Any) -> Iterator[Outputs]:
        """Compare with another edge cut, or with none: the run with it is made once this run has its answer."""
        visitor, controls = self.visitor(request), Controls(*values)
        visitor.session.compare(edge_of(str(event.value), self.shelf(visitor).pattern(visitor.lineup)))
        with visitor.pen:
            yield self._drawn(visitor, controls)
        yield from self.compared(request, *values)

    def compared(self, request: gr.Request, *values: Any) -> Iterator[Outputs]:
        """Make the run with the chosen edge cut, if it is wanted and not there yet, and draw it."""
        visitor, controls = self.visitor(request), Controls(*values)
        session, lineup = visitor.session, visitor.lineup
        try:
            if can_compare(session.moment):
                compare(session, self.shelf(visitor).entry(lineup))
                with visitor.pen:
                    yield self._drawn(visitor, controls)
        except Exception as error:
            yield only_status(say_error(error, self.words), error=True)
        yield unchanged()

    def speak(self, request: gr.Request) -> str:
        """What the agent of the chosen thought would say if it spoke now."""
        import recmas_core as rm

        visitor = self.visitor(request)
        moment, lineup, words = visitor.session.moment, visitor.lineup, self.words
        try:
            shelf = self.shelf(visitor)
            view = scene(shelf.pattern(lineup), moment.trace, moment.cursor, 1, words)
            if view.whole is None or view.chosen is None:
                return f'<p class="recmas-hint">{escape(words("explore.detail.speechless"))}</p>'
            system, thought = shelf.entry(lineup).system, view.chosen
            text = rm.speak(system, view.whole, thought.turn, thought.step, max_new_tokens=8)
        except Exception as error:
            return f'<p class="recmas-hint">{escape(say_error(error, words))}</p>'
        name = words("explore.detail.spoken", who=view.title(thought.role), thought=thought.step + 1)
        said = text.strip() or words("explore.detail.nothing")
        return f'<p class="recmas-hint">{escape(name)} <b>{escape(said)}</b></p>'

    async def warm(self, request: gr.Request) -> None:
        """Let umap-learn get ready for the maps looked at, and come back when it is (or never will be)."""
        visitor = self.visitor(request)
        loading = self.shelf(visitor).load(visitor.lineup)
        while not loading.done():
            await asyncio.sleep(0.2)
        if loading.exception() is None:
            atlas = loading.result().atlas
            atlas.warm_up()
            while atlas.warming:
                await asyncio.sleep(0.5)

    async def arrivals(self, request: gr.Request, *values: Any) -> AsyncIterator[Outputs]:
        """Draw again as better places of the run's own thoughts arrive; whoever goes on with the run draws anyway."""
        visitor = self.visitor(request)
        session = visitor.session
        moment = session.moment
        own, late = moment.own, moment.own.stale
        while own.busy or late:
            while own.busy:
                await asyncio.sleep(0.1)
            now, news = session.moment, own.news
            if visitor.session is not session or now.trace is not moment.trace or now.epoch != moment.epoch:
                break
            # drawing asks for what is due next, transforms after a fit: then this waits for that too
            async with visitor.pen.awaited():
                yield await asyncio.to_thread(self._drawn, visitor, Controls(*values))
            late = own.news != news
        yield unchanged()

    def leave(self, request: gr.Request) -> None:
        """The tab was closed: end its runs."""
        self._visitors.close(str(request.session_hash))

    def in_order(self, handler: Callable[..., Any]) -> Callable[..., Iterator[Any]]:
        """That handler, its drawings sent in the order of what they show; see `Pen`."""
        return in_order(handler, lambda request: self.visitor(request).pen)

    def visitor(self, request: gr.Request) -> Visitor:
        """Whose request it is."""
        return self._visitors.get(str(request.session_hash))

    def shelf(self, visitor: Visitor) -> VisitorShelf:
        """The systems that a visitor can run."""
        return VisitorShelf(self._shelf, visitor.belongings)

    def _move(self, request: gr.Request, values: Outputs, way: Any) -> Outputs:
        session = self.visitor(request).session
        moment = session.moment
        session.look(move(moment.trace, moment.cursor, way))
        return self.look(request, *values)

    def _advance(
        self, request: gr.Request, values: Outputs, goal: Callable[[Job, Entry], Goal]
    ) -> Iterator[Outputs]:
        visitor, controls = self.visitor(request), Controls(*values)
        lineup, session = visitor.lineup, visitor.session
        epoch = session.command()
        sent: Panels | None = None
        due, number = 0.0, 0
        try:
            shelf = self.shelf(visitor)
            entry = shelf.entry(lineup)
            job = controls.choices.job(entry.system)
            self._ready(session, job, entry)
            session.look(None)
            for event in session.events(goal(job, entry), epoch=epoch, pace=PACES.get(str(controls.pace), 0.0)):
                trace = session.moment.trace
                if trace is not None and not beat_over(trace, event):
                    continue
                if controls.pace not in SLOW and time.monotonic() < due:
                    continue  # a fast model thinks and says more than a page can draw: the next drawing has it all
                with visitor.pen as now:
                    panels = draw_panels(shelf, lineup, session.moment, controls, entry, self.words)
                    if visitor.session is not session:
                        return  # the visitor looks at another system: this would be drawn over it
                    if now != number + 1:
                        sent = None  # somebody else drew meanwhile
                    if panels != sent:
                        yield panels.changes(sent)
                        sent, due = panels, time.monotonic() + _DRAWN_EVERY
                    number = now
            yield from self._settled(visitor, session, controls, epoch)
            if can_compare(session.moment) and session.moment.epoch == epoch:
                compare(session, entry)
                yield from self._settled(visitor, session, controls, epoch)
        except GeneratorExit:
            self.leave(request)  # the tab went away while the run was streaming
            raise
        except Exception as error:
            yield only_status(say_error(error, self.words), error=True)
        yield unchanged()  # gradio sends the last values once more, and would empty the page if there were none

    def _ready(self, session: Session, job: Job, entry: Entry) -> None:
        """Begin a new run unless the one under way is the one that is asked for."""
        moment = session.moment
        if moment.job is None or moment.trace is None or not moment.job.same_as(job) or not session.running:
            session.begin(job, entry.system.pattern, entry.start(job.config))

    def _settled(
        self, visitor: Visitor, session: Session, controls: Controls, epoch: int
    ) -> Iterator[Outputs]:
        """The stage as the run leaves it; after a newer command that one sees to it."""
        with visitor.pen:
            if visitor.session is session and session.moment.epoch == epoch:
                yield self._drawn(visitor, controls)

    def _drawn(self, visitor: Visitor, controls: Controls) -> Outputs:
        """The stage as it is for what the visitor looks at now."""
        lineup, session = visitor.lineup, visitor.session
        try:
            shelf = self.shelf(visitor)
            entry = shelf.entry(lineup)
            return draw_panels(shelf, lineup, session.moment, controls, entry, self.words).changes(None)
        except Exception as error:
            return only_status(say_error(error, self.words), error=True)
