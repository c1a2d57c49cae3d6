"""What the Intervene tab does when something is pressed: small handlers over a visitor's interventions."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import Any

import gradio as gr

from recmas_core.errors import BadInput
from recmas_core.records import RunConfig, Trace, TurnDone
from visualizers.panels.beats import beat_over, whole_run
from visualizers.panels.belongings import VisitorShelf
from visualizers.panels.contrast import can_compare, compare
from visualizers.panels.entry import Entry
from visualizers.panels.intervene_change import Change, change_of, donor_config, edits_of, read_filled
from visualizers.panels.intervene_drawing import Drawings
from visualizers.panels.intervene_session import BRANCH, InterveneSession, Origin
from visualizers.panels.intervene_view import OUTPUTS, IntervenePanels, empty_panels, intervene_panels
from visualizers.panels.offers import Lineup
from visualizers.panels.pen import in_order
from visualizers.panels.session import Job, Session
from visualizers.panels.shelf import Shelf
from visualizers.panels.stage import Controls, say_error, status_html
from visualizers.panels.visitors import Visitor, Visitors
from visualizers.words import Words

DRAWN_EVERY = 0.12  # seconds between two drawings of what goes on
_STATUS = OUTPUTS.index("status")
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

    def forget(self, request: gr.Request, sent: Any) -> Outputs:
        """Forget all branches."""
        return self._then(request, sent, lambda session: session.forget())

    def stop(self, request: gr.Request, sent: Any) -> Outputs:
        """End what goes on, after the event under way."""

        def end(session: InterveneSession) -> None:
            if session.stop():
                session.say(self.words("intervene.says.stopped"))

        return self._then(request, sent, end)

    def run_on(self, request: gr.Request, sent: Any) -> Iterator[Outputs]:
        """Make the change that the form asks for, and run on from there."""
        visitor = self.visitor(request)
        session = visitor.intervening
        epoch: int | None = None
        try:
            filled = read_filled(sent)
            session.fill(filled)
            origin, entry = self.taken(visitor)
            change = change_of(filled, session.moment.turn, entry.system.pattern, origin.trace.config)
            turns = len(origin.trace.turns)
            epoch = session.begin(BRANCH, turns)
            yield from self._branch(visitor, epoch, origin, entry, change)
        except GeneratorExit:
            self.leave(request)
            raise
        except Exception as error:
            message = say_error(error, self.words)
            if epoch is None or session.stop(epoch):
                session.say(message, bad=True)
        yield from self.last(visitor)

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
        return tuple(line if i == _STATUS else gr.skip() for i in range(len(OUTPUTS)))

    def _branch(
        self, visitor: Visitor, epoch: int, origin: Origin, entry: Entry, change: Change
    ) -> Iterator[Outputs]:
        session, system, run = visitor.intervening, entry.system, origin.trace
        config = donor_config(change, system, run.config)
        donor = None
        if config is not None:
            donor = yield from self._donor(visitor, epoch, entry, config)
            if donor is None:
                return
        edits = edits_of(change, system, run.config, donor)
        trace = run.fork(change.turn, edits=edits)
        live = entry.resume(run, change.turn, edits)
        due, drawings = 0.0, self.drawings(visitor)
        try:
            for event in live:
                trace = trace.append(event)
                if not session.goes_on(epoch):
                    return
                if time.monotonic() < due or not beat_over(trace, event):
                    continue
                session.grow(epoch, change, trace)
                session.progress(epoch, len(trace.turns), len(run.turns))
                yield from drawings.next()
                due = time.monotonic() + DRAWN_EVERY
        finally:
            live.close()
        session.keep(epoch, change, trace)

    def _donor(
        self, visitor: Visitor, epoch: int, entry: Entry, config: RunConfig
    ) -> Generator[Outputs, None, Trace | None]:
        """The run of the other question; None if nobody wants it any more."""
        trace, live = Trace(config, entry.system.pattern.name), entry.start(config)
        line = status_html(self.words("intervene.says.donor", question=config.question))
        with visitor.intervening_pen:
            yield tuple(line if i == _STATUS else gr.skip() for i in range(len(OUTPUTS)))
        try:
            for event in live:
                trace = trace.append(event)
                if isinstance(event, TurnDone) and not visitor.intervening.goes_on(epoch):
                    return None
        finally:
            live.close()
        return trace

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
