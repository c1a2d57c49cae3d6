"""What the stage shows of a visitor's run: the values of its components, in the order in which the page sends them."""

from __future__ import annotations

import logging
import os
from dataclasses import astuple, dataclass, fields
from html import escape
from typing import Any

import gradio as gr

from recmas_core.errors import RecmasError
from recmas_core.secrets import redacted
from recmas_core.tasks import Task
from recmas_core.tasks.base import Reading
from visualizers.mishaps import in_words
from visualizers.panels.belongings import VisitorShelf
from visualizers.panels.catalogue import Lineup
from visualizers.panels.choices import Choices
from visualizers.panels.contrast import contrast_html
from visualizers.panels.entry import Entry
from visualizers.panels.mapview import Without, map_choice, map_panel, which_map
from visualizers.panels.moments import Scene, scene
from visualizers.panels.render import render
from visualizers.panels.saying import status
from visualizers.panels.session import Moment
from visualizers.words import Words

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
    follow: Any
    tools: Any

    @property
    def choices(self) -> Choices:
        """What decides the run."""
        return Choices(self.question, self.rounds, self.thoughts, self.seed, self.mode, self.tools)

    def shown_rounds(self) -> int:
        """Rounds to draw before there is a run; a value that cannot be run is drawn as one round."""
        rounds = self.rounds
        return int(rounds) if isinstance(rounds, int | float) and 1 <= rounds <= 6 else 1


@dataclass(frozen=True)
class Panels:
    """The values of all outputs, in the order in which the page expects them."""

    topology: Any
    map: Any
    caption: Any
    table: Any
    prompt: Any
    strip: Any
    meters: Any
    detail: Any
    when: Any
    status: Any
    map_of: Any
    contrast: Any
    speech: Any = ""

    def changes(self, before: Panels | None) -> tuple[Any, ...]:
        """The values that differ from what was sent before; all others are left alone."""
        if before is None:
            return astuple(self)
        return tuple(new if new != old else gr.skip() for new, old in zip(astuple(self), astuple(before), strict=True))


OUTPUTS = tuple(field.name for field in fields(Panels))
_STATUS = OUTPUTS.index("status")


def draw_panels(
    shelf: VisitorShelf, lineup: Lineup, moment: Moment, controls: Controls, entry: Entry | None, words: Words
) -> Panels:
    """The stage at a moment of a line-up's session; without its entry all that can be drawn before it is loaded."""
    pattern, task = shelf.pattern(lineup), shelf.catalogue.task(lineup)
    view = scene(pattern, moment.trace, moment.cursor, controls.shown_rounds(), words)
    reading = _reading(moment, controls, task)
    screen = render(view, None if entry is None else entry.notes, task, reading)
    shown = which_map(view, moment)
    if entry is None:
        figure, caption = gr.skip(), ""
        said = words("explore.stage.loading_pattern", pattern=view.pattern.title)
    else:
        without = None if moment.cut is None or moment.twin is None else Without(moment.cut, moment.twin)
        panel = map_panel(view, entry.notes, entry.atlas, shown, without, moment.own)
        figure, caption = panel.figure, panel.caption
        said = status(_now(view), running=moment.streaming)
        if moment.origin:
            said = words(f"share.origin.{moment.origin}", said=said)
    return Panels(
        topology=screen.topology, map=figure, caption=caption, table=screen.table, prompt=screen.prompt,
        strip=screen.strip, meters=screen.meters, detail=screen.detail, when=screen.when, status=status_html(said),
        map_of=map_choice(view, shown), contrast=contrast_html(view, moment, task, reading),
    )  # fmt: skip


def _now(view: Scene) -> Scene:
    """The scene as it is now, whatever the reader looks at."""
    return scene(view.pattern, view.whole, None, view.rounds, view.words)


def _reading(moment: Moment, controls: Controls, task: Task | None) -> Reading | None:
    """What the little world makes of the run's question, or before a run of the one that is typed."""
    if moment.job is not None:
        return moment.job.reading
    return task.read(controls.question) if task is not None and isinstance(controls.question, str) else None


def only_status(message: str, *, error: bool = False) -> tuple[Any, ...]:
    """Outputs that change the status line alone."""
    return tuple(status_html(message, error=error) if i == _STATUS else gr.skip() for i in range(len(OUTPUTS)))


def unchanged() -> tuple[Any, ...]:
    """Outputs that change nothing."""
    return tuple(gr.skip() for _ in OUTPUTS)


def status_html(message: str, *, error: bool = False) -> str:
    """The status line; access.js makes screen readers hear it when it changes."""
    kind = " recmas-error" if error else ""
    return f'<p class="recmas-status{kind}">{escape(message)}</p>'


def say_error(error: Exception, words: Words) -> str:
    """One message for a person, shown as a toast too; what nobody foresaw also goes to the log."""
    if isinstance(error, RecmasError):
        message = redacted(in_words(error, words), os.environ)
    else:
        _log.error("a handler failed", exc_info=error)
        message = words("explore.stage.error", kind=type(error).__name__)
    gr.Warning(escape(message))
    return message
