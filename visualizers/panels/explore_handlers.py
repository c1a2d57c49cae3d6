"""What the Explore tab does when something is pressed: small handlers over a visitor's session."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, fields
from html import escape
from typing import Any

import gradio as gr

from recmas_core.errors import RecmasError
from recmas_core.records import Thought
from recmas_core.tasks.base import Reading
from visualizers.panels.choices import Choices
from visualizers.panels.mapview import map_panel
from visualizers.panels.moments import Scene, move, scene
from visualizers.panels.render import render, status
from visualizers.panels.session import Cursor, Goal, Job, Moment, Session, Sessions, one_step, round_end, whole_run
from visualizers.panels.shelf import Agents, Entry, Shelf

PACES = {"calm": 0.12, "fast": 0.0}
_log = logging.getLogger("recmas.page")


@dataclass(frozen=True)
class Controls:
    """The values of all controls, in the order in which the page sends them."""

    question: Any
    rounds: Any
    thoughts: Any
    seed: Any
    mode: Any
    pace: Any
    map_of: str
    follow: bool
    agents: Agents

    @classmethod
    def read(cls, roles: tuple[str, ...], values: tuple[Any, ...]) -> Controls:
        """Controls from the page's values: eight fixed ones, then the agent of each role."""
        question, rounds, thoughts, seed, mode, pace, map_of, follow, *agents = values
        chosen = tuple(zip(roles, agents, strict=True))
        return cls(question, rounds, thoughts, seed, mode, pace, map_of, follow, chosen)

    @property
    def choices(self) -> Choices:
        """What decides the run."""
        return Choices(self.question, self.rounds, self.thoughts, self.seed, self.mode, self.agents)

    def shown_rounds(self) -> int:
        """Rounds to draw before there is a run; a value that cannot be run is drawn as one round."""
        rounds = self.rounds
        return int(rounds) if isinstance(rounds, int | float) and 1 <= rounds <= 6 else 1


@dataclass(frozen=True)
class Panels:
    """The values of all outputs, in the order in which the page expects them."""

    topology: str
    map: str
    caption: str
    table: str
    prompt: str
    strip: str
    meters: str
    detail: str
    when: str
    status: str
    map_of: str
    speech: str = ""

    def changes(self, before: Panels | None) -> tuple[Any, ...]:
        """The values that differ from what was sent before; all others are left alone."""
        if before is None:
            return astuple(self)
        return tuple(new if new != old else gr.skip() for new, old in zip(astuple(self), astuple(before), strict=True))


OUTPUTS = tuple(field.name for field in fields(Panels))
_STATUS = OUTPUTS.index("status")


def only_status(message: str, *, error: bool = False) -> tuple[Any, ...]:
    """Outputs that change the status line alone."""
    return tuple(status_html(message, error=error) if i == _STATUS else gr.skip() for i in range(len(OUTPUTS)))


def status_html(message: str, *, error: bool = False) -> str:
    """The status line; screen readers hear it when it changes."""
    kind = " recmas-error" if error else ""
    return f'<p class="recmas-status{kind}" role="status" aria-live="polite">{escape(message)}</p>'


def say_error(error: Exception) -> str:
    """One message for a person, shown as a toast too; what nobody foresaw also goes to the log."""
    if isinstance(error, RecmasError):
        message = str(error)
    else:
        _log.error("a handler failed", exc_info=error)
        message = f"Something went wrong that should not have: {type(error).__name__}. The page goes on; try again."
    gr.Warning(escape(message))
    return message


class Explore:
    """The handlers of one page.

    Args:
        shelf: The systems that can be run.
        sessions: The visitors' sessions.
        roles: The pattern's role names.
    """

    def __init__(self, shelf: Shelf, sessions: Sessions, roles: tuple[str, ...]) -> None:
        self._shelf, self._sessions, self._roles = shelf, sessions, roles

    def step(self, request: gr.Request, *values: Any) -> Iterator[tuple[Any, ...]]:
        """One thought, one hop along a link, or one decoded token."""
        yield from self._advance(request, values, lambda job, entry: one_step)

    def round(self, request: gr.Request, *values: Any) -> Iterator[tuple[Any, ...]]:
        """On to the end of the round."""
        yield from self._advance(request, values, lambda job, entry: round_end(entry.system.pattern, job.config.rounds))

    def run(self, request: gr.Request, *values: Any) -> Iterator[tuple[Any, ...]]:
        """On to the answer."""
        yield from self._advance(request, values, lambda job, entry: whole_run)

    def pause(self, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        """Stop after the event under way; everything stays as it is."""
        session = self._session(request)
        session.command()
        return self._outputs(session, Controls.read(self._roles, values), self._shelf.entry)

    def reset(self, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        """Forget the run."""
        session = self._session(request)
        session.reset()
        return self._outputs(session, Controls.read(self._roles, values), self._shelf.entry)

    def look(self, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        """Draw the moment that is looked at once more: a control of the view has changed."""
        return self._outputs(self._session(request), Controls.read(self._roles, values), self._shelf.entry)

    def pick(self, event: gr.EventData, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        """Travel to the turn or thought that was chosen in the strip, the table or the map."""
        turn, step = int(event.turn), int(event.step)
        session = self._session(request)
        session.look(None if turn < 0 else Cursor(turn, step if step >= 0 else None))
        return self.look(request, *values)

    def back(self, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        """Travel one moment back."""
        return self._move(request, values, -1)

    def forward(self, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        """Travel one moment forward."""
        return self._move(request, values, 1)

    def first(self, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        """Travel to the first thought."""
        session = self._session(request)
        if session.moment.trace is not None and session.moment.trace.events:
            session.look(Cursor(0, 0))
        return self.look(request, *values)

    def now(self, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        """Back to now."""
        self._session(request).look(None)
        return self.look(request, *values)

    def choose_map(self, event: gr.SelectData, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        """Keep to the map that was chosen: following would take it away again. The last value unticks `follow`."""
        # the event's own value: the control's may have been redrawn by the run since the click
        self._session(request).show_map(str(event.value))
        return (*self.look(request, *values), False)

    def choose_follow(self, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        """Follow whoever thinks, or stay with the map that is shown."""
        controls = Controls.read(self._roles, values)
        self._session(request).show_map(None if controls.follow else controls.map_of)
        return self.look(request, *values)

    def speak(self, request: gr.Request) -> str:
        """What the agent of the chosen thought would say if it spoke now."""
        import recmas_core as rm

        session = self._session(request)
        moment = session.moment
        try:
            if moment.job is None or (view := self._scene(moment, 1)) is None or view.chosen is None:
                return '<p class="recmas-hint">There is no thought to speak from yet.</p>'
            entry, thought = self._shelf.entry(moment.job.agents), view.chosen
            text = rm.speak(entry.system, view.whole, thought.turn, thought.step, max_new_tokens=8)  # type: ignore[arg-type]
        except Exception as error:
            return f'<p class="recmas-hint">{escape(say_error(error))}</p>'
        name = f"{view.title(thought.role)}, asked to speak after thought {thought.step + 1}, says"
        return f'<p class="recmas-hint">{escape(name)} <b>{escape(text.strip() or "(nothing)")}</b></p>'

    async def warm(self) -> None:
        """Let umap-learn get ready, and come back when it is (or when it is clear that it never will be)."""
        self._shelf.load()
        while self._shelf.projector_status == "loading" and not self._shelf.failed:
            await asyncio.sleep(0.2)
        if not self._shelf.failed:
            self._shelf.warm_up()
        while self._shelf.projector_status == "neighbours":
            await asyncio.sleep(0.5)

    def leave(self, request: gr.Request) -> None:
        """The tab was closed: end its run."""
        self._sessions.close(str(request.session_hash))

    def _session(self, request: gr.Request) -> Session:
        return self._sessions.get(str(request.session_hash))

    def _move(self, request: gr.Request, values: tuple[Any, ...], way: Any) -> tuple[Any, ...]:
        session = self._session(request)
        moment = session.moment
        session.look(move(moment.trace, moment.cursor, way))
        return self.look(request, *values)

    def _advance(
        self, request: gr.Request, values: tuple[Any, ...], goal: Callable[[Job, Entry], Goal]
    ) -> Iterator[tuple[Any, ...]]:
        controls = Controls.read(self._roles, values)
        session = self._session(request)
        epoch = session.command()
        sent: Panels | None = None
        try:
            entry = self._shelf.entry(controls.agents)
            job = controls.choices.job(entry.system)
            self._ready(session, job, entry)
            session.look(None)
            for _ in session.events(goal(job, entry), epoch=epoch, pace=PACES.get(str(controls.pace), 0.0)):
                panels = self._panels(session, controls, entry, running=True)
                if panels != sent:
                    yield panels.changes(sent)
                    sent = panels
            yield self._panels(session, controls, entry).changes(sent)
        except GeneratorExit:
            self.leave(request)  # the tab went away while the run was streaming
            raise
        except Exception as error:
            yield only_status(say_error(error), error=True)

    def _ready(self, session: Session, job: Job, entry: Entry) -> None:
        """Begin a new run unless the one under way is the one that is asked for."""
        moment = session.moment
        if moment.job is None or moment.trace is None or not moment.job.same_as(job) or not session.running:
            session.begin(job, entry.system.pattern, entry.system.start(job.config))

    def _outputs(self, session: Session, controls: Controls, entry: Callable[[Agents], Entry]) -> tuple[Any, ...]:
        moment = session.moment
        try:
            chosen = entry(controls.agents if moment.job is None else moment.job.agents)
            return astuple(self._panels(session, controls, chosen))
        except Exception as error:
            return only_status(say_error(error), error=True)

    def _scene(self, moment: Moment, rounds: int) -> Scene:
        pattern = self._shelf.entry().system.pattern
        return scene(pattern, moment.trace, moment.cursor, rounds)

    def _panels(self, session: Session, controls: Controls, entry: Entry, *, running: bool = False) -> Panels:
        moment = session.moment
        view = self._scene(moment, controls.shown_rounds())
        screen = render(view, entry.notes, self._reading(moment, controls, entry))
        which = self._which(view, moment)
        panel = map_panel(view, entry.notes, entry.atlas, which)
        now = self._scene(Moment(moment.job, moment.trace), controls.shown_rounds())
        return Panels(
            topology=screen.topology, map=panel.figure, caption=panel.caption, table=screen.table,
            prompt=screen.prompt, strip=screen.strip, meters=screen.meters, detail=screen.detail, when=screen.when,
            status=status_html(status(now, running=running)), map_of=which,
        )  # fmt: skip

    def _reading(self, moment: Moment, controls: Controls, entry: Entry) -> Reading | None:
        """What the little world makes of the run's question, or before a run of the one that is typed."""
        if moment.job is not None:
            return moment.job.reading
        task = entry.system.task
        return task.read(controls.question) if task is not None and isinstance(controls.question, str) else None

    def _which(self, view: Scene, moment: Moment) -> str:
        """The map to show: the one chosen, or while following that of the role that thought last."""
        if moment.map_of is not None:
            return moment.map_of
        thoughts = [e for e in view.events if isinstance(e, Thought)]
        return thoughts[-1].role if thoughts else self._roles[0]
