"""Sharing a branch: a link that opens it beside its run, and the branch as a file."""

from __future__ import annotations

from typing import Any

import gradio as gr

from recmas_core.errors import BadInput
from recmas_core.storage import save_trace
from visualizers.panels.catalogue import Catalogue
from visualizers.panels.intervene_handlers import Intervene
from visualizers.panels.intervene_session import Branch, Origin
from visualizers.panels.link_field import hint, link_field
from visualizers.panels.share_link import link_query
from visualizers.panels.stage import say_error
from visualizers.panels.visitors import Visitor


class ShareBranch:
    """The handlers.

    Args:
        tab: The tab's other handlers.
        catalogue: What everybody is offered: a link can name nothing else.
    """

    def __init__(self, tab: Intervene, catalogue: Catalogue) -> None:
        self._tab, self._catalogue = tab, catalogue

    def link(self, request: gr.Request) -> str:
        """The link of the branch looked at, in a field to copy it from."""
        try:
            visitor = self._tab.visitor(request)
            origin, branch = self._shown(visitor)
            usual = self._tab.entry(visitor, origin.lineup).system.decoding
            words = self._tab.words
            query = link_query(self._catalogue, origin.lineup, origin.job, usual, branch.change)
        except Exception as error:
            return self._said(error)
        return link_field(query, words("intervene.share.label"), words("intervene.share.about"), words)

    def trace(self, request: gr.Request) -> tuple[Any, str]:
        """The branch looked at as npz: (file, note)."""
        try:
            visitor = self._tab.visitor(request)
            origin, branch = self._shown(visitor)
            path = visitor.belongings.folder() / "shared" / f"recmas-{branch.trace.pattern}-branch-{branch.number}.npz"
            save_trace(branch.trace, path, note=self._made_by(visitor, origin))
        except Exception as error:
            return gr.update(value=None), self._said(error)
        size = self._tab.words.written(f"{path.stat().st_size / 1e3:,.0f}")
        return gr.update(value=str(path)), hint(self._tab.words("share.written", name=path.name, size=size))

    def _shown(self, visitor: Visitor) -> tuple[Origin, Branch]:
        origin, _ = self._tab.taken(visitor)
        branch = visitor.intervening.moment.branch
        if branch is None or not branch.done:
            raise BadInput("branch", "is not there yet", "Press “Run on from here” first.")
        return origin, branch

    def _made_by(self, visitor: Visitor, origin: Origin) -> str:
        """The run's link, by which the page knows whose run a file is; "" where a link cannot say it."""
        usual = self._tab.entry(visitor, origin.lineup).system.decoding
        try:
            return link_query(self._catalogue, origin.lineup, origin.job, usual)
        except BadInput:
            return ""

    def _said(self, error: Exception) -> str:
        return hint(self._tab.words("share.failed", why=say_error(error, self._tab.words)), outside=True)
