"""What a visitor does to their run: the change under way, the branches kept, and what was found out. No gradio here."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from recmas_core.records import Trace
from visualizers.panels.intervene_change import Change, Filled
from visualizers.panels.offers import Lineup
from visualizers.panels.session import Job, Moment

KEPT = 12  # branches to look at again
BRANCH = "branch"  # the work of the first part; each experiment's is called by its own name


@dataclass(frozen=True, eq=False)
class Origin:
    """The run that is worked upon: finished, and of latent thoughts.

    Attributes:
        lineup: The system that made it.
        job: What was run.
        trace: The run.
    """

    lineup: Lineup
    job: Job
    trace: Trace


@dataclass(frozen=True, eq=False)
class Branch:
    """The run with a change.

    Attributes:
        number: Its number, from 1; the numbers of one run's branches never come twice.
        change: What was changed.
        trace: The branch from the first turn on, as far as it is made.
        done: Whether it has its answer.
    """

    number: int
    change: Change
    trace: Trace
    done: bool = False


@dataclass(frozen=True)
class Work:
    """What goes on.

    Attributes:
        name: `BRANCH` or an experiment's name.
        done, of: How far it has come; 0 of 0 where that cannot be said.
    """

    name: str
    done: int = 0
    of: int = 0


@dataclass(frozen=True, eq=False)
class InterveneMoment:
    """A consistent picture of the session, for the views.

    Attributes:
        origin: The run worked upon, None without one.
        lacks: Why there is none: "none", "unfinished" or "text".
        turn: The turn that is chosen.
        filled: The form as it was sent last.
        thought: The (turn, step) of the thought that is chosen.
        branches: The branches kept, the oldest first.
        shown: The number of the one looked at; None for the newest.
        map_of: The role whose map is chosen; None for the first whose thoughts differ.
        work: What goes on, None when nothing does.
        said: The outcome of the last command, for the status line; `bad` where it is an error.
        found: What each experiment found, by its name.
        epoch: Changes with every command; whoever works for an older one should stop.
    """

    origin: Origin | None = None
    lacks: str = "none"
    turn: int = 0
    filled: Filled = field(default_factory=Filled)
    thought: tuple[int, int] | None = None
    branches: tuple[Branch, ...] = ()
    shown: int | None = None
    map_of: str | None = None
    work: Work | None = None
    said: str = ""
    bad: bool = False
    found: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    epoch: int = 0

    @property
    def branch(self) -> Branch | None:
        """The branch looked at."""
        newest = self.branches[-1] if self.branches else None
        return next((branch for branch in self.branches if branch.number == self.shown), newest)


class InterveneSession:
    """One visitor's interventions. Commands may come from several threads at once; the newest one wins."""

    def __init__(self) -> None:
        self._state = threading.Lock()
        self._moment = InterveneMoment()
        self._numbers = 0
        self._planned: Change | None = None
        self.closed = False

    @property
    def moment(self) -> InterveneMoment:
        """The session as it is now."""
        with self._state:
            return self._moment

    def adopt(self, lineup: Lineup, run: Moment) -> InterveneMoment:
        """Work on the run of the Explore tab. Another one than before: everything about that is forgotten."""
        origin, lacks = origin_of(lineup, run)
        with self._state:
            before = self._moment
            if origin is None:
                same = before.origin is None and before.lacks == lacks
            else:
                same = before.origin is not None and before.origin.trace is origin.trace
            if not same:
                filled = replace(before.filled, ticked=None, which="all", receiver="")
                self._moment = InterveneMoment(origin, lacks, filled=filled, epoch=before.epoch + 1)
                self._numbers = 0
            return self._moment

    def plan(self, change: Change | None) -> None:
        """Keep a change that is to be made once its run is there."""
        with self._state:
            self._planned = change

    def planned(self) -> Change | None:
        """The change that is to be made; it is given once."""
        with self._state:
            change, self._planned = self._planned, None
            return change

    def choose(self, turn: int, step: int | None = None) -> None:
        """Choose a turn to change, and a thought of it or all of them."""
        with self._state:
            filled, thought = self._moment.filled, None if step is None else (turn, step)
            ticked = None if step is None else frozenset({step})
            another = turn != self._moment.turn
            filled = replace(
                filled, which="all" if step is None else "some", ticked=ticked,
                receiver="" if another else filled.receiver,
            )  # fmt: skip
            self._moment = replace(self._moment, turn=turn, thought=thought, filled=filled, said="", bad=False)

    def fill(self, filled: Filled) -> None:
        """Keep the form as it was sent."""
        with self._state:
            self._moment = replace(self._moment, filled=filled)

    def show(self, number: int) -> None:
        """Look at another branch."""
        with self._state:
            self._moment = replace(self._moment, shown=number)

    def show_map(self, role: str) -> None:
        """Look at another agent's map."""
        with self._state:
            self._moment = replace(self._moment, map_of=role)

    def say(self, text: str, *, bad: bool = False) -> None:
        """Put something into the status line."""
        with self._state:
            self._moment = replace(self._moment, said=text, bad=bad)

    def begin(self, name: str, of: int = 0) -> int:
        """Begin a piece of work in place of what goes on, if anything does. Returns its epoch."""
        with self._state:
            epoch = self._moment.epoch + 1
            kept = tuple(branch for branch in self._moment.branches if branch.done)
            self._moment = replace(
                self._moment, branches=kept, work=Work(name, 0, of), epoch=epoch, said="", bad=False
            )
            return epoch

    def goes_on(self, epoch: int) -> bool:
        """Whether a piece of work is still wanted."""
        with self._state:
            return self._moment.epoch == epoch and not self.closed

    def progress(self, epoch: int, done: int, of: int) -> None:
        """Say how far a piece of work has come."""
        with self._state:
            if self._moment.epoch == epoch and self._moment.work is not None:
                self._moment = replace(self._moment, work=replace(self._moment.work, done=done, of=of))

    def grow(self, epoch: int, change: Change, trace: Trace) -> None:
        """The branch under way, as far as it has come: it is looked at from its beginning on."""
        with self._state:
            if self._moment.epoch != epoch:
                return
            kept = tuple(branch for branch in self._moment.branches if branch.done)
            branch = Branch(self._numbers + 1, change, trace)
            self._moment = replace(self._moment, branches=(*kept, branch), shown=None)

    def keep(self, epoch: int, change: Change, trace: Trace) -> None:
        """The branch has its answer: keep it, and forget the oldest where there are too many."""
        with self._state:
            if self._moment.epoch != epoch:
                return
            self._numbers += 1
            kept = tuple(branch for branch in self._moment.branches if branch.done)
            kept = (*kept, Branch(self._numbers, change, trace, done=True))[-KEPT:]
            self._moment = replace(self._moment, branches=kept, shown=None, work=None)

    def find(self, epoch: int, name: str, found: object) -> None:
        """What an experiment has found so far."""
        with self._state:
            if self._moment.epoch == epoch:
                results = MappingProxyType({**self._moment.found, name: found})
                self._moment = replace(self._moment, found=results)

    def over(self, epoch: int, said: str) -> None:
        """An experiment has come to its end."""
        with self._state:
            if self._moment.epoch == epoch:
                self._moment = replace(self._moment, work=None, said=said, bad=False)

    def stop(self, epoch: int | None = None) -> bool:
        """End what goes on; a branch that has no answer yet is not kept. Returns whether anything went on.

        Args:
            epoch: Only if this piece of work still goes on; None for whatever does.
        """
        with self._state:
            moment = self._moment
            if moment.work is None or (epoch is not None and moment.epoch != epoch):
                return False
            kept = tuple(branch for branch in moment.branches if branch.done)
            self._moment = replace(moment, branches=kept, work=None, epoch=moment.epoch + 1)
            return True

    def forget(self) -> None:
        """Forget all branches."""
        with self._state:
            moment = self._moment
            under_way = tuple(branch for branch in moment.branches if not branch.done)
            self._moment = replace(moment, branches=under_way, shown=None)

    def close(self) -> None:
        """End the session for good: the visitor has gone."""
        with self._state:
            self.closed = True
            self._moment = InterveneMoment(epoch=self._moment.epoch + 1)


def origin_of(lineup: Lineup, run: Moment) -> tuple[Origin | None, str]:
    """The run to work upon; else None and why there is none: "none", "unfinished" or "text"."""
    if run.job is None or run.trace is None or not run.trace.events:
        return None, "none"
    if run.job.config.mode == "text":
        return None, "text"
    if not run.finished:
        return None, "unfinished"
    return Origin(lineup, run.job, run.trace), ""
