"""Opening a released system, or agents of one's own: with progress, a way to stop, nothing lost if it fails."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

import gradio as gr

from recmas_core.allowed import Allowance
from recmas_core.errors import RecmasError
from visualizers.names import named_pattern
from visualizers.panels.choose_handlers import SETTING, Choose
from visualizers.panels.explore_handlers import Explore
from visualizers.panels.offers import Lineup, Wanted
from visualizers.panels.open_form import MOST_ROLES, OpenForm
from visualizers.panels.open_view import failed_html, outlook, progress_html
from visualizers.panels.opening import OpeningStopped, opened
from visualizers.panels.shelf import Shelf
from visualizers.panels.stage import OUTPUTS, Controls, say_error
from visualizers.panels.titles import offer_title
from visualizers.panels.visitors import Visitor
from visualizers.words import Words

FIELDS = 4 + MOST_ROLES
Outputs = tuple[Any, ...]


class Opening:
    """The handlers of one page.

    Args:
        shelf: The systems that can be run.
        explore: The handlers of the stage.
        choose: The handlers of the left side.
        allowance: What may be opened.
        first: What the server's operator wants opened for everybody; None for nothing.
        words: What the page says.
    """

    def __init__(
        self, shelf: Shelf, explore: Explore, choose: Choose, allowance: Allowance, first: Wanted | None, words: Words
    ) -> None:
        self._shelf, self._explore, self._choose, self.words = shelf, explore, choose, words
        self._allowance, self.first = allowance, first

    def look(self, *values: Any) -> Outputs:
        """What the form asks for now: (outlook, links' task, a field for each role)."""
        form = OpenForm.read(values)
        try:
            roles = named_pattern(form.pattern, self.words).roles
        except RecmasError as error:
            said = failed_html(say_error(error, self.words), self.words)
            return said, gr.skip(), *(gr.skip() for _ in range(MOST_ROLES))
        own = form.style is None
        fields = [
            gr.Textbox(label=roles[i].title if i < len(roles) else "", visible=own and i < len(roles))
            for i in range(MOST_ROLES)
        ]
        return outlook(form, self.words), gr.Radio(visible=not own), *fields

    def open(self, request: gr.Request, *values: Any) -> Iterator[Outputs]:
        """Open what the form asks for, and look at it: (progress, setting ..., stage ...)."""
        form, controls = OpenForm.read(values[:FIELDS]), Controls(*values[FIELDS:])
        visitor = self._explore.visitor(request)
        try:
            wanted = form.wanted(self._allowance)
        except Exception as error:
            yield self._only(failed_html(say_error(error, self.words), self.words))
            return
        yield from self._show(visitor, wanted, controls)

    def open_first(self, request: gr.Request, *values: Any) -> Iterator[Outputs]:
        """What the operator chose, for somebody who has just come; the embedded systems are there meanwhile."""
        if self.first is None:
            yield self._only("")
            return
        yield from self._show(self._explore.visitor(request), self.first, Controls(*values), asked=False)

    def stop(self, request: gr.Request) -> str:
        """Wait no more for what is opened; if nobody else does either, its loading ends at the next chance."""
        visitor = self._explore.visitor(request)
        if not visitor.opening:
            return ""
        visitor.opening = False
        return f'<p class="recmas-hint">{self.words("open.said.stopping")}</p>'

    def _show(
        self, visitor: Visitor, wanted: Wanted, controls: Controls, *, asked: bool = True
    ) -> Iterator[Outputs]:
        """Open it and look at it.

        Args:
            visitor: For whom.
            wanted: What.
            controls: What is typed now.
            asked: Whether they asked for it themselves: else a run of theirs is not taken away.
        """
        before = visitor.lineup
        visitor.opening = True
        opening = opened(self._shelf, wanted, still=lambda: visitor.opening)
        try:
            while True:
                yield self._only(progress_html(next(opening), self.words))
        except StopIteration as ended:
            with visitor.pen:
                yield self._look_at(visitor, ended.value, controls, unless_busy=None if asked else before)
            yield tuple(gr.skip() for _ in range(1 + len(SETTING) + len(OUTPUTS)))
        except OpeningStopped:
            said = self.words("open.said.stopped")
            gr.Warning(said)
            yield self._only(failed_html(said, self.words))
        except Exception as error:
            yield self._only(failed_html(say_error(error, self.words), self.words))
        finally:
            opening.close()
            visitor.opening = False

    def _look_at(
        self, visitor: Visitor, lineup: Lineup, controls: Controls, *, unless_busy: Lineup | None
    ) -> Outputs:
        """Show what is open; it is only offered if `unless_busy` is given and they have left that, or have run it."""
        title = escape(offer_title(self._shelf.catalogue.offer(lineup.system), self.words))
        busy = visitor.lineup != unless_busy or visitor.session.moment.chosen
        try:
            if unless_busy is not None and busy:
                return self._only(f'<p class="recmas-hint">{self.words("open.said.offered", title=title)}</p>')
            done = f'<p class="recmas-hint" role="status">{self.words("open.said.open", title=title)}</p>'
            return (done, *self._choose.use(visitor, lineup, controls))
        except Exception as error:
            return self._only(failed_html(say_error(error, self.words), self.words))

    @staticmethod
    def _only(progress: str) -> Outputs:
        return (progress, *(gr.skip() for _ in (*SETTING, *OUTPUTS)))
