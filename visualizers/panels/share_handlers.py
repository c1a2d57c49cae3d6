"""What sharing does: opening a link or a file of a run, and writing a run down as a link or a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from recmas_core.snippet import notebook
from recmas_core.storage import save_trace, write_whole
from visualizers.panels.choose_handlers import SETTING, Choose
from visualizers.panels.explore_handlers import Explore
from visualizers.panels.link_field import hint, link_field
from visualizers.panels.offers import Lineup
from visualizers.panels.share_link import Linked, read_link
from visualizers.panels.shared_file import check_filed, going_on, read_run
from visualizers.panels.shared_report import make_report
from visualizers.panels.shared_run import SharedRun, shared_run
from visualizers.panels.stage import Controls, only_status, say_error, unchanged
from visualizers.panels.visitors import Asked, Visitor
from visualizers.report import report_html
from visualizers.words import Words

Outputs = tuple[Any, ...]
_TOOLS = SETTING.index("tools")
_SETTLED = tuple(SETTING.index(name) for name in ("trained", "cast", "toolnote"))
_NOTHING = tuple(gr.skip() for _ in SETTING)


class Share:
    """The handlers of one page. Those that open a run give (setting …, stage …, mode, note).

    Args:
        explore: The handlers of the stage.
        choose: The handlers of the left side.
        words: What the page says.
    """

    def __init__(self, explore: Explore, choose: Choose, words: Words) -> None:
        self._explore, self._choose, self._words = explore, choose, words

    def arrive(self, request: gr.Request, *values: Any) -> Iterator[Outputs]:
        """Open what the page's own address asks for: set the controls, and run."""
        visitor = self._explore.visitor(request)
        try:
            linked = read_link(_pairs(request), visitor.belongings.catalogue)
        except Exception as error:
            yield self._refused(error)
            return
        if linked is None:
            yield self._unchanged()
            return
        yield from self._open(request, visitor, linked, Controls(*values))

    def upload(self, file: Any, request: gr.Request, *values: Any) -> Iterator[Outputs]:
        """Show the run of a file."""
        visitor, controls, words = self._explore.visitor(request), Controls(*values), self._words
        try:
            filed = read_run(Path(str(file)), visitor.belongings.catalogue, visitor.lineup)
            entry = self._explore.shelf(visitor).entry(filed.lineup)
            job = check_filed(filed, entry.system)
            live = None if entry.borrowed is not None else going_on(filed.trace, entry.system)
            config = job.config
            asked = Asked(filed.asked, config.rounds, config.latent_steps, config.seed)
            visitor.use(filed.lineup, leaving=_leaving(controls))
            visitor.session.show(job, filed.trace, "file", live)
            with visitor.pen:
                yield self._looked(visitor, filed.lineup, controls, asked, config.mode, config.tools, words(
                    "share.opened.file", name=escape(Path(str(file)).name[:60])
                ))  # fmt: skip
        except Exception as error:
            yield self._refused(error)
            return
        yield self._unchanged()

    def link(self, request: gr.Request) -> str:
        """The link of the run, in a field to copy it from."""
        try:
            run = self._run(request)
        except Exception as error:
            return self._said(error)
        if run.unlinked:
            return hint(self._words("share.link.none", why=run.unlinked), outside=True)
        return link_field(run.query, self._words("share.link.label"), self._words("share.link.about"), self._words)

    def trace(self, request: gr.Request) -> Outputs:
        """The run as npz: (file, note)."""
        return self._file(request, ".npz", lambda run, path: save_trace(run.trace, path, note=run.query))

    def table(self, request: gr.Request) -> Outputs:
        """Its thoughts as CSV: (file, note)."""
        return self._file(request, "-thoughts.csv", lambda run, path: _write(path, run.csv()))

    def report(self, request: gr.Request, address: Any) -> Outputs:
        """A report that opens offline: (file, note)."""

        def write(run: SharedRun, path: Path) -> None:
            _write(path, report_html(make_report(run, _address(address)), self._words))

        return self._file(request, ".html", write)

    def script(self, request: gr.Request, address: Any) -> Outputs:
        """The Python that makes the run again: (file, note)."""
        return self._file(request, ".py", lambda run, path: _write(path, run.code(_address(address))))

    def notebook(self, request: gr.Request, address: Any) -> Outputs:
        """The same as a notebook: (file, note)."""
        return self._file(request, ".ipynb", lambda run, path: _write(path, notebook(run.code(_address(address)))))

    def code(self, request: gr.Request, address: Any) -> str:
        """The same to read and to copy."""
        try:
            code = self._run(request).code(_address(address))
        except Exception as error:
            return self._said(error)
        words = self._words
        return (
            f'<div class="recmas-code"><button type="button" class="recmas-button" data-copy>'
            f"{escape(words('share.buttons.copy'))}</button>"
            f'<textarea readonly rows="{code.count(chr(10)) + 1}" aria-label="{escape(words("share.buttons.code"))}" '
            f'spellcheck="false">{escape(code)}</textarea></div><p class="recmas-hint" data-copied="'
            f'{escape(words("share.copied"))}" data-uncopied="{escape(words("share.uncopied"))}" role="status"></p>'
        )

    def _open(self, request: gr.Request, visitor: Visitor, linked: Linked, controls: Controls) -> Iterator[Outputs]:
        """Look at a link's system with its settings, and run its question."""
        lineup = linked.lineup
        asked = None if linked.asked is None else Asked(linked.asked, linked.rounds, linked.thoughts, linked.seed)
        note = "" if asked is None else self._words("share.opened.link")
        try:
            visitor.use(lineup, leaving=_leaving(controls))
            with visitor.pen:
                yield self._looked(visitor, lineup, controls, asked, linked.mode, linked.tools, note)
            entry = self._explore.shelf(visitor).entry(lineup)
            now = replace(controls, mode=linked.mode, tools=linked.tools)
            if asked is not None:
                job = linked.job(entry.system)
                visitor.session.begin(job, entry.system.pattern, entry.start(job.config))
                now = replace(
                    now, question=linked.asked, rounds=linked.rounds, thoughts=linked.thoughts, seed=linked.seed
                )
        except Exception as error:
            yield self._refused(error)
            return
        values = _values(now)
        for trained, cast, tools, *stage in self._choose.settle(request, *values):
            setting = list(_NOTHING)
            for at, value in zip(_SETTLED, (trained, cast, tools), strict=True):
                setting[at] = value
            yield (*setting, *stage, gr.skip(), gr.skip())
        if asked is not None:
            for drawn in self._explore.run(request, *values):
                yield (*_NOTHING, *drawn, gr.skip(), gr.skip())
            if visitor.session.moment.finished:
                visitor.intervening.plan(linked.change)  # the Intervene tab comes next, see `Branching.arrived`

    def _looked(
        self, visitor: Visitor, lineup: Lineup, controls: Controls, asked: Asked | None, mode: str, tools: bool,
        note: str,
    ) -> Outputs:  # fmt: skip
        """The whole page for a line-up; to be sent with the pen in hand."""
        now = replace(controls, mode=mode, tools=tools)
        drawn = list(self._choose.use(visitor, lineup, now, asked=asked))
        visible = any(role.tools for role in self._explore.shelf(visitor).pattern(lineup).roles)
        drawn[_TOOLS] = gr.Checkbox(tools, visible=visible)
        return (*drawn, mode, hint(note) if note else "")

    def _run(self, request: gr.Request) -> SharedRun:
        visitor = self._explore.visitor(request)
        return shared_run(self._explore.shelf(visitor), visitor.lineup, visitor.session.moment, self._words)

    def _file(self, request: gr.Request, ending: str, write: Callable[[SharedRun, Path], object]) -> Outputs:
        try:
            run = self._run(request)
            folder = self._explore.visitor(request).belongings.folder() / "shared"
            path = folder / f"{run.name}{ending}"
            folder.mkdir(exist_ok=True)
            write(run, path)
        except Exception as error:
            return gr.update(value=None), self._said(error)
        size = self._words.written(f"{path.stat().st_size / 1e3:,.0f}")
        return gr.update(value=str(path)), hint(self._words("share.written", name=path.name, size=size))

    def _said(self, error: Exception) -> str:
        return hint(self._words("share.failed", why=say_error(error, self._words)), outside=True)

    def _refused(self, error: Exception) -> Outputs:
        said = self._words("share.refused", why=say_error(error, self._words))
        return (*_NOTHING, *only_status(said, error=True), gr.skip(), hint(said, outside=True))

    @staticmethod
    def _unchanged() -> Outputs:
        return (*_NOTHING, *unchanged(), gr.skip(), gr.skip())


def _pairs(request: gr.Request) -> list[tuple[str, str]]:
    """The page's query, name by name: what gradio adds is none of a link's."""
    query = request.query_params
    return [(str(name), str(value)) for name, value in query.multi_items()]


def _address(sent: Any) -> str:
    """The page's own address as its browser knows it; nothing that could be anything else."""
    text = str(sent)
    return text if re.fullmatch(r"https?://[\w.:\[\]-]{1,200}(/[\w./~-]{0,200})?", text) else ""


def _leaving(controls: Controls) -> Asked:
    return Asked(controls.question, controls.rounds, controls.thoughts, controls.seed)


def _values(controls: Controls) -> Outputs:
    return (
        controls.question, controls.rounds, controls.thoughts, controls.seed, controls.mode, controls.pace,
        controls.follow, controls.tools,
    )  # fmt: skip


def _write(path: Path, text: str) -> None:
    write_whole(path, lambda file: file.write(text.encode("utf-8")))
