"""The visitors of the page: for each the system they look at, the agents they chose, and the runs they made."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from visualizers.panels.belongings import Belongings
from visualizers.panels.catalogue import Board, Catalogue, Lineup
from visualizers.panels.compare_race import Say
from visualizers.panels.first import Firsts
from visualizers.panels.gate import Gate
from visualizers.panels.intervene_session import InterveneSession
from visualizers.panels.pen import Pen
from visualizers.panels.rooms import Learning, Room
from visualizers.panels.session import Session
from visualizers.panels.spread import Shown
from visualizers.panels.survey_session import SurveySession
from visualizers.panels.train_session import TrainSession

TRAININGS = 2  # at once on one machine: the page has to go on answering
SURVEYS = 2  # at once on one machine, beside the trainings
_DESKS = 16  # line-ups of one visitor whose last run is kept; each holds a trace and the caches of a paused run


@dataclass(frozen=True)
class Asked:
    """What a visitor had typed for a system when they left it, as it came, unchecked."""

    question: Any
    rounds: Any
    thoughts: Any
    seed: Any


class Visitor:
    """One visitor. Every line-up has a session of its own, so that no run is lost by looking at another system.

    Args:
        board: What everybody can choose.
        gate: Lets a few visitors' trainings work at once.
        surveys: Lets a few visitors' surveys work at once.
        firsts: The runs that are shown before a visitor has made any; None for none.
        clock: Seconds, monotonic; for tests.

    Attributes:
        belongings: What is this visitor's alone.
        training: Their training.
        race: Their say in the three columns of the Compare tab.
        survey: Their survey.
        pen: Held by whoever draws their stage.
        intervening: What they do to their run on the Intervene tab.
        intervening_pen: Held by whoever draws that tab.
        opening: Whether they wait for a system that is opened.
        shown_map: The map that they chose on the Train tab, None before they did.
        learning: Their lesson.
    """

    def __init__(
        self,
        board: Board,
        *,
        gate: Gate | None = None,
        surveys: Gate | None = None,
        firsts: Firsts | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        catalogue, self._firsts = board.catalogue, firsts
        self._gate = gate or Gate(1)
        self.belongings, self.training, self.learning = Belongings(board), TrainSession(self._gate), Learning()
        self.race, self.survey = Say(), SurveySession(surveys or Gate(1))
        self.shown_map: Shown | None = None
        self.pen = Pen()
        self.intervening, self.intervening_pen = InterveneSession(), Pen()
        self.opening = False
        self._clock, self._lock = clock, threading.Lock()
        self._system = catalogue.systems[0]
        several = [offer for offer in catalogue.offers if len(offer.patterns) > 1]
        self._last = {offer.name: offer.systems[len(offer.systems) // 2] for offer in several}
        self._chosen: dict[str, Lineup] = {}
        self._asked: dict[str, Asked] = {}
        self._desks: OrderedDict[Lineup, Session] = OrderedDict()
        self.used, self.closed = clock(), False

    @property
    def lineup(self) -> Lineup:
        """The system looked at, with the agents chosen for it."""
        with self._lock:
            return self._lineup()

    @property
    def session(self) -> Session:
        """The session of the line-up looked at."""
        with self._lock:
            return self._desk()

    def choose(self, system: str, *, leaving: Asked | None = None) -> None:
        """Look at another system. The run of the one before is paused after the event under way, and kept.

        Args:
            system: Its name; or an offer's, which stands for the system of it that was looked at last.
            leaving: What was typed for the system that is left.

        Raises:
            SystemNotFound: If it is not offered.
        """
        with self._lock:
            system = self._last.get(system, system)
            self._last[self._catalogue.offer(system).name] = system
            if leaving is not None:
                self._asked[self._system] = leaving
            self._desk().command()
            self._system = system

    def cast(self, role: str, agent: str) -> None:
        """Give a role of the system looked at another agent. The run with the agents before is paused, and kept.

        Raises:
            SystemNotFound: If there is no such role or agent.
        """
        with self._lock:
            lineup = self._catalogue.lineup(self._system, dict(self._lineup().agents) | {role: agent})
            self._desk().command()
            self._chosen[self._system] = lineup

    def choose_links(self, links: str) -> None:
        """Give the agents looked at other links: some that were trained here, or with "" their own."""
        with self._lock:
            self._desk().command()
            self._chosen[self._system] = replace(self._lineup(), links=links)

    def use(self, lineup: Lineup, *, leaving: Asked | None = None) -> None:
        """Look at a line-up; see `choose`."""
        self.choose(lineup.system, leaving=leaving)
        with self._lock:
            self._chosen[lineup.system] = lineup

    def asked(self) -> Asked | None:
        """What was typed for the system looked at when it was left; None if it never was."""
        with self._lock:
            return self._asked.get(self._system)

    def move(self, room: Room | None, system: str = "") -> Room:
        """Go to another room, by default a new one for a system. Returns the one left, its run paused and kept."""
        with self._lock:
            self._desk().command()
            left = Room(
                self._system, self._last, self._chosen, self._asked, self._desks, self.training, self.shown_map
            )
            if room is None:
                training = TrainSession(self._gate)
                room = Room(system or self._system, dict(self._last), {}, {}, OrderedDict(), training)
            self._system, self._last, self._chosen, self._asked = room.system, room.last, room.chosen, room.asked
            self._desks, self.training, self.shown_map = room.desks, room.training, room.shown_map
            return left

    def running(self) -> int:
        """Runs under way, paused ones included."""
        with self._lock:
            return sum(session.running for session in self._desks.values())

    def trainings(self) -> int:
        """Trainings at work or in the queue, those that go on in a room that was left too."""
        return self.training.at_work + sum(room.training.at_work for room in self.learning.rooms())

    def close(self) -> None:
        """End all sessions for good: the visitor has gone."""
        with self._lock:
            self.closed = True
            desks = list(self._desks.values())
        for session in desks:
            session.close()
        self.training.close()
        self.race.close()
        self.survey.close()
        self.intervening.close()
        for room in self.learning.rooms():
            room.close()
        self.belongings.close()

    @property
    def _catalogue(self) -> Catalogue:
        return self.belongings.catalogue

    def _lineup(self) -> Lineup:
        return self._chosen.get(self._system) or self._catalogue.lineup(self._system)

    def _desk(self) -> Session:
        lineup = self._lineup()
        self.used = self._clock()
        if lineup not in self._desks:
            # a second run of large agents costs what the first did: it is made when it is asked for
            large = self._catalogue.offer(lineup.system).wanted is not None
            cut = None if large else self._catalogue.pattern(lineup.system).contrast
            session = Session(cut=cut, clock=self._clock)
            first = None if self._firsts is None else self._firsts.of(self._catalogue, lineup)
            if self.closed:
                session.close()
            elif first is not None:
                session.show(first.job, first.trace, "shipped")
            self._desks[lineup] = session
            while len(self._desks) > _DESKS:
                self._desks.popitem(last=False)[1].close()
        self._desks.move_to_end(lineup)
        return self._desks[lineup]


class Visitors:
    """All visitors, by session hash. Bounded: the ones unused for longest are closed first.

    Args:
        board: What they can choose.
        limit: Most visitors kept.
        keep: Seconds after their last use for which a visitor is kept.
        trainings: How many of them train at once; others wait.
        surveys: How many of them survey at once; others wait.
        firsts: The runs that are shown to whoever comes; None for none.
        clock: Seconds, monotonic; for tests.
    """

    def __init__(
        self,
        board: Board,
        *,
        limit: int = 256,
        keep: float = 3600.0,
        trainings: int = TRAININGS,
        surveys: int = SURVEYS,
        firsts: Firsts | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._board, self._limit, self._keep, self._clock, self._firsts = board, limit, keep, clock, firsts
        self.gate, self.surveys = Gate(trainings), Gate(surveys)
        self._lock = threading.Lock()
        self._visitors: OrderedDict[str, Visitor] = OrderedDict()

    def get(self, key: str) -> Visitor:
        """That visitor, a new one when they are not known."""
        with self._lock:
            visitor = self._visitors.get(key)
            if visitor is None:
                visitor = self._visitors[key] = Visitor(
                    self._board, gate=self.gate, surveys=self.surveys, firsts=self._firsts, clock=self._clock
                )
            visitor.used = self._clock()
            self._visitors.move_to_end(key)
            gone = self._outdated()
        for old in gone:
            old.close()
        return visitor

    def close(self, key: str) -> None:
        """End the sessions of a visitor who has gone; nothing happens when they are not known."""
        with self._lock:
            visitor = self._visitors.pop(key, None)
        if visitor is not None:
            visitor.close()

    def counts(self) -> tuple[int, int]:
        """(visitors, runs under way, paused ones included)."""
        with self._lock:
            return len(self._visitors), sum(visitor.running() for visitor in self._visitors.values())

    def trainings(self) -> int:
        """Trainings at work or in the queue, those of programs left out."""
        with self._lock:
            return sum(visitor.trainings() for visitor in self._visitors.values())

    def _outdated(self) -> list[Visitor]:
        now = self._clock()
        old = [key for key, visitor in self._visitors.items() if now - visitor.used > self._keep]
        gone = [self._visitors.pop(key) for key in old]
        while len(self._visitors) > self._limit:
            gone.append(self._visitors.popitem(last=False)[1])
        return gone
