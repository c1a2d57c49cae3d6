"""A visitor's run: its events so far and the generator that makes the next one. No gradio here."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace

from recmas_core.errors import BadInput
from recmas_core.patterns import Pattern, get_pattern
from recmas_core.records import Answer, Event, RunConfig, Thought, Token, Trace, Transfer, TurnDone, TurnStart
from recmas_core.tasks.base import Reading

SETTLED = (Thought, Transfer, Token, TurnDone)  # events after which a person sees something new
Goal = Callable[[Event], bool]


def one_step(event: Event) -> bool:
    """Goal of Step: one thought, one hop along a link, or one decoded token."""
    return isinstance(event, SETTLED)


def whole_run(event: Event) -> bool:
    """Goal of Run: nothing but the answer, which ends every reader."""
    return False


def round_end(pattern: Pattern, rounds: int) -> Goal:
    """Goal of Round: the last turn of a round is done."""
    last = {place.round: place.turn for place in pattern.schedule(rounds)}

    def reached(event: Event) -> bool:
        return isinstance(event, TurnDone) and event.turn.index == last[event.turn.round]

    return reached


def only_quiet_follows(trace: Trace, event: Event) -> bool:
    """Whether after `event` nothing is computed any more before the turn's end or the answer."""
    if isinstance(event, Token):
        return event.end or event.step + 1 >= trace.config.max_new_tokens
    if isinstance(event, Transfer):
        sent = {e.receiver for e in trace.events if isinstance(e, Transfer) and e.turn == event.turn}
        return sent >= set(get_pattern(trace.pattern).receivers_of(event.sender))
    if isinstance(event, TurnDone):
        return any(isinstance(e, TurnStart) and e.turn == event.turn.index and e.decodes for e in trace.events)
    return False


@dataclass(frozen=True)
class Cursor:
    """A moment of a run to look at: after `step` of `turn`, or after the whole turn when `step` is None."""

    turn: int
    step: int | None = None


@dataclass(frozen=True, eq=False)
class Job:
    """What to run: the agents chosen for the roles, the configuration, and what the task made of the question.

    Attributes:
        agents: (role, agent) pairs as chosen on the page.
        config: The run's configuration.
        reading: What the little world made of the question; None for a system without one.
        asked: The question as it was typed, to tell whether the controls still ask for this run.
    """

    agents: tuple[tuple[str, str], ...]
    config: RunConfig
    reading: Reading | None
    asked: str

    def same_as(self, other: Job) -> bool:
        """Whether both ask for the same run."""
        return (self.agents, self.asked, _settings(self.config)) == (other.agents, other.asked, _settings(other.config))


def _settings(config: RunConfig) -> tuple[object, ...]:
    """What the page's controls decide of a configuration, as something that can be compared."""
    return config.question, config.rounds, config.latent_steps, config.seed, config.mode, config.system


@dataclass(frozen=True, eq=False)
class Moment:
    """A consistent picture of a session, for the views.

    Attributes:
        job: The run's job, None before the first run.
        trace: The events so far.
        cursor: The moment looked at; None is now, following the run.
        epoch: Changes with every command; a reader that started under another epoch should stop.
        map_of: The map the visitor chose; None follows whoever thinks.
    """

    job: Job | None = None
    trace: Trace | None = None
    cursor: Cursor | None = None
    epoch: int = 0
    map_of: str | None = None

    @property
    def finished(self) -> bool:
        """Whether the run has its answer."""
        return self.trace is not None and self.trace.answer is not None


class Session:
    """One visitor's run. Commands may come from several threads at once; the newest command wins.

    Args:
        clock: Seconds, monotonic; for tests.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._turnstile = threading.Lock()  # held while the generator makes one event
        self._state = threading.Condition()
        self._moment = Moment()
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
            self._moment = replace(self._moment, epoch=self._moment.epoch + 1)
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

    def begin(self, job: Job, pattern: Pattern, live: Generator[Event, None, None]) -> None:
        """Put a new run in place of the one before, which is closed."""
        with self._turnstile:
            self._close_live()
            if self.closed:
                live.close()
                raise BadInput("session", "is over", "Reload the page.")
            self._live = live
            with self._state:
                self._moment = replace(self._moment, job=job, trace=Trace(job.config, pattern.name), cursor=None)

    def events(self, goal: Goal, *, epoch: int, pace: float = 0.0) -> Iterator[Event]:
        """Make events until `goal` holds of one, the run ends, or another command comes.

        Events that cost nothing (a turn's end, the answer) are taken in with what brought them about.

        Args:
            goal: Says of an event whether to stop after it.
            epoch: The command this reader serves.
            pace: Seconds to wait after each settled event, without holding any lock.
        """
        while (event := self._next(epoch)) is not None:
            yield event
            if isinstance(event, Answer):
                return
            trace = self.moment.trace
            if trace is not None and only_quiet_follows(trace, event):
                continue
            if goal(event):
                return
            if pace and isinstance(event, SETTLED):
                self._wait(epoch, pace)

    def reset(self) -> None:
        """Forget the run. Its generator is closed after the event under way."""
        self.command()
        with self._turnstile:
            self._close_live()
            with self._state:
                self._moment = Moment(epoch=self._moment.epoch, map_of=self._moment.map_of)

    def close(self) -> None:
        """End the session for good: the visitor has gone."""
        self.closed = True
        self.reset()

    def _next(self, epoch: int) -> Event | None:
        with self._turnstile:
            if self._live is None or self.moment.epoch != epoch:
                return None
            try:
                event = next(self._live, None)
            except BaseException:
                self._close_live()  # a generator that raised is finished: the next press starts anew
                raise
            if event is None or isinstance(event, Answer):
                self._close_live()
            if event is not None:
                with self._state:
                    trace = self._moment.trace
                    self._moment = replace(self._moment, trace=None if trace is None else trace.append(event))
                    self.used = self._clock()
            return event

    def _wait(self, epoch: int, seconds: float) -> None:
        with self._state:
            self._state.wait_for(lambda: self._moment.epoch != epoch, timeout=seconds)

    def _close_live(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.close()


class Sessions:
    """The sessions of all visitors, by session hash. Bounded: the ones unused for longest are closed first.

    Args:
        limit: Most sessions kept.
        keep: Seconds after its last use for which a session is kept.
        clock: Seconds, monotonic; for tests.
    """

    def __init__(self, *, limit: int = 256, keep: float = 3600.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._keep, self._clock = limit, keep, clock
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def get(self, key: str) -> Session:
        """The session of that visitor, made when there is none."""
        with self._lock:
            session = self._sessions.get(key)
            if session is None:
                session = self._sessions[key] = Session(clock=self._clock)
            session.used = self._clock()
            self._sessions.move_to_end(key)
            gone = self._outdated()
        for old in gone:
            old.close()
        return session

    def close(self, key: str) -> None:
        """End the session of a visitor who has gone; nothing happens when there is none."""
        with self._lock:
            session = self._sessions.pop(key, None)
        if session is not None:
            session.close()

    def counts(self) -> tuple[int, int]:
        """(sessions, runs under way, paused ones included)."""
        with self._lock:
            return len(self._sessions), sum(session.running for session in self._sessions.values())

    def _outdated(self) -> list[Session]:
        now = self._clock()
        old = [key for key, session in self._sessions.items() if now - session.used > self._keep]
        gone = [self._sessions.pop(key) for key in old]
        while len(self._sessions) > self._limit:
            gone.append(self._sessions.popitem(last=False)[1])
        return gone
