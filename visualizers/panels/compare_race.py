"""One question answered in three ways side by side, and a visitor's say in it. No gradio here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from recmas_core.errors import BadInput
from recmas_core.patterns import ALONE, Pattern
from recmas_core.records import Event, Trace
from recmas_core.tasks import Task
from recmas_core.tasks.base import Reading
from visualizers.panels.beats import SETTLED
from visualizers.panels.choices import Choices
from visualizers.panels.entry import Entry
from visualizers.panels.notes import Notes

if TYPE_CHECKING:
    from recmas_core.timing import Way


@dataclass(frozen=True, eq=False)
class Lane:
    """One way to answer, and its run so far.

    Attributes:
        way: The way.
        notes: The readings of its agents' thoughts.
        trace: The run's events so far.
        reading: What the task made of the question.
        whole: The pattern of the system that is compared.
        taught: Whether the single agent is one that was taught the whole job.
    """

    way: Way
    notes: Notes
    trace: Trace
    reading: Reading | None
    whole: Pattern
    taught: bool

    @property
    def pattern(self) -> Pattern:
        """The pattern of whoever answers in this way."""
        return self.way.system.pattern

    @property
    def single(self) -> bool:
        """Whether one agent answers by itself."""
        return self.pattern.name == ALONE.name

    @property
    def task(self) -> Task | None:
        """Who grades the answer."""
        return self.way.system.task


def lanes_of(entry: Entry, choices: Choices) -> dict[str, Lane]:
    """The three ways to answer what the controls ask, by name; nothing is run yet.

    Raises:
        BadInput: If a value is out of range, or the question cannot be used.
    """
    from recmas_core.comparing import ways_of

    system, job, lanes = entry.system, choices.job(entry.system), {}
    config, taught = job.config, system.alone is not None
    for way in ways_of(system, config.rounds, config.latent_steps):
        own = way.config(config.question, seed=config.seed, tools=config.tools)
        notes = entry.notes if way.system is system else Notes(way.system)
        trace = Trace(own, way.system.pattern.name)
        lanes[way.name] = Lane(way, notes, trace, job.reading, system.pattern, taught)
    return lanes


def race(lanes: Mapping[str, Lane]) -> Generator[dict[str, Lane], None, None]:
    """Run all lanes at once over the one engine: each in turn goes on to its next settled event, or to its end.

    Yields the lanes after every event. Closing it ends all runs.
    """
    now = dict(lanes)
    live: dict[str, Generator[Event, None, None]] = {}
    try:
        for name, lane in lanes.items():
            live[name] = lane.way.system.start(lane.trace.config)
        while live:
            for name, run in tuple(live.items()):
                if _advance(now, name, run):
                    del live[name]
                yield dict(now)
    finally:
        for run in live.values():
            run.close()


def _advance(now: dict[str, Lane], name: str, run: Iterator[Event]) -> bool:
    """On to a run's next settled event; returns whether it is over."""
    for event in run:
        now[name] = replace(now[name], trace=now[name].trace.append(event))
        if isinstance(event, SETTLED) and now[name].trace.answer is None:
            return False
    return True


class Say:
    """A visitor's say in what goes on: the newest command wins, and whoever waits hears it at once."""

    def __init__(self) -> None:
        self._state, self._epoch, self.closed = threading.Condition(), 0, False

    def begin(self) -> Callable[[], bool]:
        """Begin something in place of what was begun before; the result says whether it is still wanted.

        Raises:
            BadInput: If the visitor has gone.
        """
        with self._state:
            if self.closed:
                raise BadInput("session", "is over", "Reload the page.")
            self._epoch += 1
            mine = self._epoch
            self._state.notify_all()
        return lambda: mine == self._epoch

    def stop(self) -> None:
        """End what goes on."""
        with self._state:
            self._epoch += 1
            self._state.notify_all()

    def close(self) -> None:
        """The visitor has gone."""
        self.closed = True
        self.stop()

    def wait(self, wanted: Callable[[], bool], seconds: float) -> None:
        """Wait, at most as long as it is wanted."""
        with self._state:
            self._state.wait_for(lambda: not wanted(), timeout=seconds)
