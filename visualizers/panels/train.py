"""The Train tab: wires its components to its handlers."""

from __future__ import annotations

from typing import Any

import gradio as gr

from visualizers.panels.explore import LIMIT, ExplorePage
from visualizers.panels.question_handlers import Questions
from visualizers.panels.result_handlers import Results
from visualizers.panels.share import saved
from visualizers.panels.shell import Shell
from visualizers.panels.train_handlers import Train
from visualizers.panels.train_layout import Training, training
from visualizers.panels.train_view import OUTPUTS

_GATHER = "() => recmas.gather('train')"  # the form's values, all at once, at the moment of pressing
_WITH_FILE = "(file) => [file, recmas.gather('train')]"
_START = "() => recmas.watchIt('train', 'recmas-t-stage')"


def build_train(tabs: gr.Tabs, tab: gr.Tab, handlers: Train, explore: ExplorePage, shell: Shell) -> None:
    """Add the tab's content (inside `with tab`).

    Args:
        tabs: All tabs, to go from one to another.
        tab: This one.
        handlers: Its handlers.
        explore: The Explore tab.
        shell: The page's frame.
    """
    parts = training(shell, handlers.words)
    common: dict[str, Any] = {
        "show_progress": "hidden", "api_visibility": "private", "concurrency_limit": LIMIT, "trigger_mode": "multiple",
    }  # fmt: skip
    results = Results(handlers, explore.choose)
    drawing = [getattr(parts, name) for name in OUTPUTS] + [parts.map, parts.caption, parts.map_of]
    _wire_training(tab, parts, handlers, drawing, common)
    _wire_results(tabs, parts, results, explore, drawing, common)
    parts.questions.upload(
        Questions(handlers).upload, [parts.questions, parts.sent], [parts.form, *drawing, parts.questions],
        js=_WITH_FILE, **common,
    )  # fmt: skip


def _wire_training(
    tab: gr.Tab, parts: Training, handlers: Train, drawing: list[Any], common: dict[str, Any]
) -> None:
    quick = common | {"queue": False}
    for event in (tab.select, parts.form.redraw):
        event(handlers.look, parts.sent, [parts.form, *drawing, parts.questions], js=_GATHER, **quick)
    parts.start.click(handlers.start, parts.sent, drawing, js=_START, **common)
    parts.go_on.click(handlers.go_on, None, drawing, **common)
    parts.notice.way(handlers.way, None, drawing, **common)
    parts.pause.click(handlers.pause, None, drawing, **quick)
    parts.stop.click(handlers.stop, None, drawing, **quick)
    parts.undo.click(handlers.undo, None, drawing, **common)
    maps = [parts.map, parts.caption, parts.map_of]
    parts.draw.click(handlers.draw, None, maps, **common)
    parts.map_of.agent(handlers.choose_agent, None, maps, **common)
    parts.map_of.seen(handlers.choose_seen, None, maps, **common)


def _wire_results(
    tabs: gr.Tabs,
    parts: Training,
    results: Results,
    explore: ExplorePage,
    drawing: list[Any],
    common: dict[str, Any],
) -> None:
    everything = explore.everything
    used = parts.use.click(explore.in_order(results.use), **everything | {"outputs": [tabs, *everything["outputs"]]})
    looked = [parts.form, *drawing, parts.questions]
    opened = explore.left.cast.train(results.to_train, parts.sent, [tabs, *looked], js=_GATHER, **common)
    for event in (used, opened):
        event.then(None, None, None, js="() => window.scrollTo(0, 0)", api_visibility="private")
    explore.go_on(used)
    parts.compare.click(results.compare, None, parts.compared, **common)
    for button, handler in ((parts.download, results.download), (parts.released, results.released)):
        pressed = button.click(handler, None, parts.file, **common)
        pressed.then(None, None, None, js=saved("recmas-t-file"), api_visibility="private")
    parts.upload.upload(
        results.upload, [parts.upload, parts.sent], [parts.uploaded, explore.left.cards, *looked], js=_WITH_FILE,
        **common,
    )  # fmt: skip
