"""A visitor's survey: it runs in a thread of its own, and what is known of it. No gradio here."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from recmas_core.errors import BadInput, RecmasError
from visualizers.panels.gate import Gate

if TYPE_CHECKING:
    from recmas_core.comparing import Survey

Phase: TypeAlias = Literal["idle", "waiting", "preparing", "running", "stopped", "done", "failed"]
Records: TypeAlias = "Generator[Survey, None, None]"
_AT_WORK = ("waiting", "preparing", "running")
_log = logging.getLogger("recmas.page")


@dataclass(frozen=True)
class SurveyMoment:
    """A survey at a moment.

    Attributes:
        phase: How it stands.
        number: Counts this visitor's surveys.
        title: What is surveyed.
        place: Place in the queue, from 1, while waiting.
        survey: What is measured so far; None before the first record.
        error: Why it failed, in words; "" where nobody foresaw it.
    """

    phase: Phase = "idle"
    number: int = 0
    title: str = ""
    place: int = 0
    survey: Survey | None = None
    error: str = ""

    @property
    def at_work(self) -> bool:
        """Whether it goes on by itself."""
        return self.phase in _AT_WORK


class SurveySession:
    """One visitor's survey. A new one takes the place of the one before.

    Args:
        gate: Lets a few surveys work at once.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate, self._state = gate, threading.Condition()
        self._moment, self._changes, self._followers = SurveyMoment(), 0, 0
        self.closed = False

    @property
    def moment(self) -> SurveyMoment:
        """The survey as it is now."""
        with self._state:
            return self._moment

    def begin(self, title: str, make: Callable[[], Records]) -> None:
        """Begin a survey.

        Args:
            title: What is surveyed.
            make: Gives its records; called in the survey's own thread, once it may work.

        Raises:
            BadInput: If the visitor has gone.
        """
        with self._state:
            if self.closed:
                raise BadInput("session", "is over", "Reload the page.")
            number = self._moment.number + 1
            self._moment = SurveyMoment("waiting", number, title)
            self._tell()
        threading.Thread(target=self._work, args=(number, make), name="survey", daemon=True).start()

    def stop(self) -> None:
        """End the survey after the batch or the run under way; what is measured stays."""
        with self._state:
            if self._moment.at_work:
                self._moment = replace(self._moment, phase="stopped", place=0)
                self._tell()

    def close(self) -> None:
        """End the session for good: the visitor has gone."""
        self.closed = True
        self.stop()

    def follow(self) -> Callable[[], bool]:
        """Begin to follow the survey; the result says whether nobody else of this visitor has begun to since."""
        with self._state:
            self._followers += 1
            mine = self._followers
        return lambda: mine == self._followers

    def wait(self, seen: int, seconds: float) -> int:
        """Wait until something has changed since `seen` (an earlier return value) or the time is up."""
        with self._state:
            self._state.wait_for(lambda: self._changes != seen, timeout=seconds)
            return self._changes

    def _work(self, number: int, make: Callable[[], Records]) -> None:
        def wanted() -> bool:
            return self._moment.number == number and self._moment.at_work

        def tell(place: int) -> None:
            self._set(number, phase="waiting", place=place)

        try:
            with self._gate.place(wanted, tell) as inside:
                if inside:
                    self._set(number, phase="preparing", place=0)
                    with closing(make()) as records:
                        self._measure(number, records, wanted)
        except RecmasError as error:
            self._set(number, phase="failed", error=str(error))
        except Exception:
            _log.exception("a survey failed")
            self._set(number, phase="failed")

    def _measure(self, number: int, records: Records, wanted: Callable[[], bool]) -> None:
        for survey in records:
            if not wanted():
                return
            self._set(number, phase="running", survey=survey)
        self._set(number, phase="done")

    def _set(self, number: int, **changes: object) -> None:
        with self._state:
            if self._moment.number == number and self._moment.at_work:
                self._moment = replace(self._moment, **changes)  # type: ignore[arg-type]
                self._tell()

    def _tell(self) -> None:
        self._changes += 1
        self._state.notify_all()
