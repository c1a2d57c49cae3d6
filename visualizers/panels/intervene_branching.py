"""Branches of the Intervene tab: a change is made to the run, and it goes on from there."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

import gradio as gr

from recmas_core.patterns import Pattern
from recmas_core.records import RunConfig, Trace, TurnDone
from visualizers.panels.beats import beat_over
from visualizers.panels.entry import Entry
from visualizers.panels.intervene_change import (
    Change,
    change_of,
    check_change,
    donor_config,
    edits_of,
    filled_as,
    read_filled,
)
from visualizers.panels.intervene_handlers import DRAWN_EVERY, STATUS, Intervene, unchanged
from visualizers.panels.intervene_session import BRANCH, Origin
from visualizers.panels.intervene_view import OUTPUTS
from visualizers.panels.stage import say_error, status_html
from visualizers.panels.visitors import Visitor

Outputs = tuple[Any, ...]


class Branching:
    """The handlers that make a branch.

    Args:
        tab: The tab's other handlers.
    """

    def __init__(self, tab: Intervene) -> None:
        self._tab = tab

    def run_on(self, request: gr.Request, sent: Any) -> Iterator[Outputs]:
        """Make the change that the form asks for, and run on from there."""
        session = self._tab.visitor(request).intervening

        def asked(pattern: Pattern, config: RunConfig) -> Change:
            filled = read_filled(sent)
            session.fill(filled)
            return change_of(filled, session.moment.turn, pattern, config)

        yield from self._change(request, asked)

    def arrived(self, request: gr.Request) -> Iterator[Outputs]:
        """Make the change that the page's own address asks for, now that its run is there: (tabs, ...)."""
        session = self._tab.visitor(request).intervening
        change = session.planned()
        if change is None:
            yield (gr.skip(), *unchanged())
            return

        def asked(pattern: Pattern, config: RunConfig) -> Change:
            check_change(change, pattern, config)
            session.choose(change.turn)
            session.fill(filled_as(change, session.moment.filled))
            return change

        yield (gr.Tabs(selected="intervene"), *unchanged())
        for drawn in self._change(request, asked):
            yield (gr.skip(), *drawn)

    def _change(self, request: gr.Request, asked: Callable[[Pattern, RunConfig], Change]) -> Iterator[Outputs]:
        visitor = self._tab.visitor(request)
        session = visitor.intervening
        epoch: int | None = None
        try:
            origin, entry = self._tab.taken(visitor)
            change = asked(entry.system.pattern, origin.trace.config)
            epoch = session.begin(BRANCH, len(origin.trace.turns))
            yield from self._branch(visitor, epoch, origin, entry, change)
        except GeneratorExit:
            self._tab.leave(request)
            raise
        except Exception as error:
            message = say_error(error, self._tab.words)
            if epoch is None or session.stop(epoch):
                session.say(message, bad=True)
        yield from self._tab.last(visitor)

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
        due, drawings = 0.0, self._tab.drawings(visitor)
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
        line = status_html(self._tab.words("intervene.says.donor", question=config.question))
        with visitor.intervening_pen:
            yield tuple(line if i == STATUS else gr.skip() for i in range(len(OUTPUTS)))
        try:
            for event in live:
                trace = trace.append(event)
                if isinstance(event, TurnDone) and not visitor.intervening.goes_on(epoch):
                    return None
        finally:
            live.close()
        return trace
