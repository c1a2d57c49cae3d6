"""A visitor's run: its events so far and the generator that makes the next one. No gradio here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace

from recmas_core.errors import BadInput, RunInterrupted
from recmas_core.patterns import Pattern
from recmas_core.records import Answer, Event, RunConfig, Trace
from recmas_core.tasks.base import Reading
from visualizers.own_maps import OwnMaps
from visualizers.panels.beats import SETTLED, Goal, beat_over, only_quiet_follows

Edge = tuple[str, str]


@dataclass(frozen=True)
class Cursor:
    """A moment of a run to look at: after a thought or token, after a tool call, or after the whole turn.

    Attributes:
        turn: 0-based turn.
        step: 0-based thought or token of it.
        call: 0-based tool call of it.
    """

    turn: int
    step: int | None = None
    call: int | None = None


@dataclass(frozen=True, eq=False)
class Job:
    """What to run: the agents chosen for the roles, the configuration, and what the task made of the question.

    Attributes:
        config: The run's configuration.
        reading: What the little world made of the question; None for a system without one.
        asked: The question as it was typed, to tell whether the controls still ask for this run.
    """

    config: RunConfig
    reading: Reading | None
    asked: str

    def same_as(self, other: Job) -> bool:
        """Whether both ask for the same run."""
        return (self.asked, _settings(self.config)) == (other.asked, _settings(other.config))


def _settings(config: RunConfig) -> tuple[object, ...]:
    """What the page's controls decide of a configuration, as something that can be compared."""
    return config.question, config.rounds, config.latent_steps, config.seed, config.mode, config.tools


@dataclass(frozen=True, eq=False)
class Moment:
    """A consistent picture of a session, for the views.

    Attributes:
        job: The run's job, None before the first run.
        trace: The events so far.
        cursor: The moment looked at; None is now, following the run.
        epoch: Changes with every command; a reader that started under another epoch should stop.
        map_of: The role whose map the visitor chose; None follows whoever thinks.
        space: "thoughts" or "received": which map of that role.
        cut: The edge whose cutting the visitor wants to compare with; None for no comparison.
        twins: For each edge that was compared so far this same run with that edge cut.
        own: The maps of the run's own thoughts, for agents without a shipped one.
        streaming: Whether somebody goes on with the run at this moment; a paused run is none.
        origin: Where the run came from, as long as nothing was added to it here: "shipped", "file"; else "".
    """

    job: Job | None = None
    trace: Trace | None = None
    cursor: Cursor | None = None
    epoch: int = 0
    map_of: str | None = None
    space: str = "thoughts"
    cut: Edge | None = None
    twins: Mapping[Edge, Trace] = field(default_factory=dict)
    own: OwnMaps = field(default_factory=OwnMaps)
    streaming: bool = False
    origin: str = ""

    @property
    def twin(self) -> Trace | None:
        """The run with the chosen edge cut, once it is there."""
        return None if self.cut is None else self.twins.get(self.cut)

    @property
    def finished(self) -> bool:
        """Whether the run has its answer."""
        return self.trace is not None and self.trace.answer is not None

    @property
    def chosen(self) -> bool:
        """Whether there is a run that the visitor asked for: one shown to whoever comes first is none."""
        return self.trace is not None and self.origin != "shipped"


class Session:
    """One visitor's run. Commands may come from several threads at once; the newest command wins.

    Args:
        cut: The edge to compare with at first.
        clock: Seconds, monotonic; for tests.
    """

    def __init__(self, *, cut: Edge | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._turnstile = threading.Lock()  # held while the generator makes one event
        self._state = threading.Condition()
        self._moment = Moment(cut=cut)
        self._live: Generator[Event, None, None] | None = None
        self._clock = clock
        self.used = clock()
        self.closed = False

    @property
    def moment(self) -> Moment:
        """The session as it is now."""
        with self._state:
            return self._moment

    @property
    def running(self) -> bool:
        """Whether a generator is alive, paused or not."""
        return self._live is not None

    def command(self) -> int:
        """Announce a new command: readers of older ones stop after the event under way. Returns the new epoch."""
        with self._state:
            self._moment = replace(self._moment, epoch=self._moment.epoch + 1, streaming=False)
            self.used = self._clock()
            self._state.notify_all()
            return self._moment.epoch

    def look(self, cursor: Cursor | None) -> Moment:
        """Look at another moment of the run; None follows the run again."""
        with self._state:
            self._moment = replace(self._moment, cursor=cursor)
            self.used = self._clock()
            return self._moment

    def show_map(self, map_of: str | None) -> None:
        """Keep to one map, or with None follow whoever thinks. A run that streams meanwhile heeds it at once."""
        with self._state:
            self._moment = replace(self._moment, map_of=map_of)

    def show_space(self, space: str) -> None:
        """Show the maps of thoughts, or of what was received."""
        with self._state:
            self._moment = replace(self._moment, space=space)

    def compare(self, cut: Edge | None) -> None:
        """Compare with this edge cut from now on; None for no comparison."""
        with self._state:
            self._moment = replace(self._moment, cut=cut)

    def keep_twin(self, job: Job, cut: Edge, twin: Trace) -> None:
        """Keep the run with an edge cut, unless another run has been begun since."""
        with self._state:
            if self._moment.job is job:
                self._moment = replace(self._moment, twins={**self._moment.twins, cut: twin})

    def begin(self, job: Job, pattern: Pattern, live: Generator[Event, None, None]) -> None:
        """Put a new run in place of the one before, which is closed."""
        with self._turnstile:
            self._close_live()
            if self.closed:
                live.close()
                raise BadInput("session", "is over", "Reload the page.")
            self._live = live
            with self._state:
                self._moment = _anew(self._moment, job, Trace(job.config, pattern.name))

    def show(
        self, job: Job, trace: Trace, origin: str, live: Generator[Event, None, None] | None = None
    ) -> None:
        """Show a run that was made elsewhere, in place of the one before, which is closed.

        Args:
            job: What was run.
            trace: Its events.
            origin: Where it came from: "shipped" or "file".
            live: Makes the events after these; None if they are not to be gone on with.

        Raises:
            BadInput: If the session is over.
        """
        self.command()
        with self._turnstile:
            self._close_live()
            if self.closed:
                if live is not None:
                    live.close()
                raise BadInput("session", "is over", "Reload the page.")
            self._live = live
            with self._state:
                self._moment = replace(_anew(self._moment, job, trace), origin=origin)

    def events(self, goal: Goal, *, epoch: int, pace: float = 0.0) -> Iterator[Event]:
        """Make events until `goal` holds of one, the run ends, or another command comes.

        A reader stops only at the end of a beat: all who think at once have made their thought. Events that cost
        nothing (a turn's end, the answer) are taken in with what brought them about.

        Args:
            goal: Says of an event whether to stop after it.
            epoch: The command this reader serves.
            pace: Seconds to wait after each settled event, without holding any lock.
        """
        self._stream(epoch, True)
        try:
            yield from self._events(goal, epoch, pace)
        finally:
            self._stream(epoch, False)

    def reset(self) -> None:
        """Forget the run. Its generator is closed after the event under way."""
        self.command()
        with self._turnstile:
            self._close_live()
            with self._state:
                self._moment = _anew(self._moment, None, None)

    def close(self) -> None:
        """End the session for good: the visitor has gone."""
        self.closed = True
        self.reset()

    def _events(self, goal: Goal, epoch: int, pace: float) -> Iterator[Event]:
        while (event := self._next(epoch)) is not None:
            yield event
            if isinstance(event, Answer):
                return
            trace = self.moment.trace
            if trace is not None and (not beat_over(trace, event) or only_quiet_follows(trace, event)):
                continue
            if goal(event):
                return
            if pace and isinstance(event, SETTLED):
                self._wait(epoch, pace)

    def _next(self, epoch: int) -> Event | None:
        with self._turnstile:
            if self._live is None or self.moment.epoch != epoch:
                return None
            try:
                event = next(self._live, None)
            except RunInterrupted:  # it is not over: the next press goes on with it
                raise
            except BaseException:
                self._close_live()  # a generator that raised is finished: the next press starts anew
                raise
            if event is None or isinstance(event, Answer):
                self._close_live()
            if event is not None:
                with self._state:
                    trace = self._moment.trace
                    grown = None if trace is None else trace.append(event)
                    self._moment = replace(self._moment, trace=grown, origin="")
                    self.used = self._clock()
            return event

    def _stream(self, epoch: int, streaming: bool) -> None:
        """Say whether the reader of this command goes on; of an older command nothing is said any more."""
        with self._state:
            if self._moment.epoch == epoch:
                self._moment = replace(self._moment, streaming=streaming)

    def _wait(self, epoch: int, seconds: float) -> None:
        with self._state:
            self._state.wait_for(lambda: self._moment.epoch != epoch, timeout=seconds)

    def _close_live(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.close()


def _anew(moment: Moment, job: Job | None, trace: Trace | None) -> Moment:
    """A moment of another run: nothing of the one before but what the visitor chose to see."""
    return replace(moment, job=job, trace=trace, cursor=None, twins={}, own=OwnMaps(), origin="")
