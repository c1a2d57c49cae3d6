"""A visitor's training: a course that runs in a thread of its own, step by step, and what is known of it. No gradio."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from recmas_core.errors import BadInput, Diverged, RecmasError
from recmas_core.records import TrainStep
from visualizers.figures.curves import Mark
from visualizers.panels.gate import Gate
from visualizers.panels.train_choices import Plan
from visualizers.panels.train_moment import AT_WORK, Phase, Training, TrainMoment

_GAIN = 0.05  # of running accuracy, after which a run that was said to stand still has moved
_log = logging.getLogger("recmas.page")


class TrainSession:
    """One visitor's training. Commands may come from several threads at once; the newest command wins.

    Between two shifts (paused, ended) no thread is alive and no place on the machine is taken.

    Args:
        gate: Lets a few trainings work at once.
        heard: Given every step as it was made, in the training's own thread.
        clock: Seconds, monotonic; for tests.
    """

    def __init__(
        self,
        gate: Gate,
        *,
        heard: Callable[[TrainStep], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gate, self._heard, self._clock = gate, heard, clock
        self._spent, self._noted = (0, 0.0), 0.0
        self._turnstile = threading.Lock()  # held while the course makes one step, or while somebody looks at it
        self._state = threading.Condition()
        self._moment, self._steps = TrainMoment(), list[TrainStep]()
        self._epoch = self._guests = self._changes = self._followers = 0
        self._make: Callable[[], Training] | None = None
        self._course: Training | None = None
        self.closed = False

    @property
    def moment(self) -> TrainMoment:
        """The training as it is now."""
        with self._state:
            return replace(self._moment, steps=tuple(self._steps), has_links=self._course is not None)

    @property
    def at_work(self) -> bool:
        """Whether the training goes on by itself."""
        with self._state:
            return self._moment.at_work

    def begin(self, plan: Plan, make: Callable[[], Training]) -> None:
        """Begin a course in place of the one before.

        Args:
            plan: What is trained.
            make: Makes the course; called in the training's own thread.

        Raises:
            BadInput: If the visitor has gone.
        """
        epoch = self._command("waiting")
        with self._turnstile:
            self._drop()
            if self.closed:
                raise BadInput("session", "is over", "Reload the page.")
            with self._state:
                self._steps = []
                self._moment = TrainMoment("waiting" if self._epoch == epoch else "idle", plan)
                self._make = make
        self._work(epoch)

    def pause(self) -> None:
        """Stop after the step under way; everything stays as it is."""
        if self.at_work:
            self._command("paused")

    def go_on(self) -> None:
        """Go on from a pause; nothing happens otherwise."""
        with self._state:
            paused = self._moment.phase == "paused" and self._make is not None
        if paused:
            self._work(self._command("waiting"))

    def stop(self) -> None:
        """End the course after the step under way; its links stay as they are."""
        with self._state:
            ended = self._moment.phase not in (*AT_WORK, "paused")
        if ended:
            return
        self._command("stopped")
        with self._turnstile:
            if self._course is not None:
                self._course.close()

    def undo(self) -> bool:
        """Back to the last good links; a training that was at work is paused. False if none were kept."""
        with self._state:
            working = self._moment.at_work
        if working:
            self._command("paused")
        with self._turnstile:
            done = self._course is not None and self._course.undo()
            if done:
                with self._state:
                    mark = Mark(len(self._steps), "undone")
                    self._moment = replace(self._moment, marks=(*self._moment.marks, mark), note="")
                    self._tell()
        return done

    @contextmanager
    def between_steps(self) -> Iterator[Training]:
        """The course while it rests between two steps; the training waits meanwhile.

        Raises:
            BadInput: If nothing has been trained.
        """
        with self._state:
            self._guests += 1
        try:
            with self._turnstile:
                if self._course is None:
                    raise BadInput("training", "has not begun", "Press Start first.")
                yield self._course
        finally:
            with self._state:
                self._guests -= 1
                self._state.notify_all()

    def follow(self) -> Callable[[], bool]:
        """Begin to follow the training; the result says whether nobody else of this visitor has begun to since."""
        with self._state:
            self._followers += 1
            mine = self._followers
        return lambda: mine == self._followers

    def wait(self, seen: int, seconds: float) -> int:
        """Wait until something has changed since `seen` (an earlier return value) or the time is up."""
        with self._state:
            self._state.wait_for(lambda: self._changes != seen, timeout=seconds)
            return self._changes

    def close(self) -> None:
        """End the session for good: the visitor has gone. Does not wait for the step under way."""
        self.closed = True
        self._command("idle")
        if self._turnstile.acquire(blocking=False):
            try:
                self._drop()
            finally:
                self._turnstile.release()

    def _command(self, phase: Phase) -> int:
        with self._state:
            self._epoch += 1
            self._moment = replace(self._moment, phase=phase, place=0)
            self._tell()
            return self._epoch

    def _work(self, epoch: int) -> None:
        threading.Thread(target=self._shift, args=(epoch,), name="training", daemon=True).start()

    def _shift(self, epoch: int) -> None:
        def wanted() -> bool:
            return self._epoch == epoch

        def tell(place: int) -> None:
            self._set(epoch, phase="waiting", place=place)

        with self._gate.place(wanted, tell) as inside:
            while inside and self._advance(epoch):
                with self._state:  # the lock is not fair: whoever wants to look at the course goes first
                    self._state.wait_for(lambda: not self._guests or self._epoch != epoch)
        if self.closed:
            with self._turnstile:
                self._drop()

    def _advance(self, epoch: int) -> bool:
        """One step, or the making of the course; False when there is no more to do in this shift."""
        with self._turnstile:
            if self._epoch != epoch or self._make is None:
                return False
            try:
                if self._course is None:
                    self._set(epoch, phase="preparing", place=0)
                    self._course = self._make()
                    before = self._course.measure()
                    with self._state:  # it holds whatever was pressed meanwhile
                        self._moment = replace(self._moment, before=before)
                    self._set(epoch, phase="running")
                else:
                    self._set(epoch, phase="running", place=0)
                    started = self._clock()
                    step = next(self._course)
                    self._keep(step, self._clock() - started)
                return True
            except StopIteration:
                self._set(epoch, phase="done")
            except Diverged as error:
                self._set(epoch, phase="diverged", error=str(error))
            except RecmasError as error:
                self._set(epoch, phase="failed", error=str(error))
            except Exception as error:
                _log.exception("a training failed")
                what = f"Something went wrong that should not have: {type(error).__name__}. The page goes on."
                self._set(epoch, phase="failed", error=what)
            return False

    def _keep(self, step: TrainStep, seconds: float) -> None:
        if self._heard is not None:
            self._heard(step)
        with self._state:
            fresh = not self._steps or self._steps[-1].lap != step.lap
            count, total = (0, 0.0) if fresh else self._spent
            self._spent = count + 1, total + seconds
            links = self._moment.links | {link for _, link in step.grad_norms}
            self._moment = replace(self._moment, links=links, pace=self._spent[1] / self._spent[0])
            if self._steps:  # gradient norms are shown for the newest step only, and are most of what a step holds
                self._steps[-1] = replace(self._steps[-1], grad_norms={})
            self._steps.append(step)
            if step.distance:
                self._moment = replace(self._moment, distance=step.distance)
            if step.held_out:
                self._moment = replace(self._moment, held=step)
            if step.note:
                self._moment, self._noted = replace(self._moment, note=step.note), step.accuracy or 0.0
            elif fresh or (step.accuracy or 0.0) > self._noted + _GAIN:  # what was said does not hold any more
                self._moment = replace(self._moment, note="")
            self._tell()

    def _set(self, epoch: int, **changes: object) -> None:
        with self._state:
            if self._epoch == epoch:
                self._moment = replace(self._moment, **changes)  # type: ignore[arg-type]
                self._tell()

    def _tell(self) -> None:
        self._changes += 1
        self._state.notify_all()

    def _drop(self) -> None:
        course, self._course, self._make = self._course, None, None
        if course is not None:
            course.close()
