"""The Compare tab: wires its components to its handlers."""

from __future__ import annotations

from typing import Any

import gradio as gr

from visualizers.panels.compare_handlers import Compare
from visualizers.panels.compare_layout import comparing
from visualizers.panels.explore import LIMIT, ExplorePage
from visualizers.panels.shell import Shell
from visualizers.panels.survey_view import SURVEY_OUTPUTS


def build_compare(tabs: gr.Tabs, tab: gr.Tab, handlers: Compare, explore: ExplorePage, shell: Shell) -> None:
    """Add the tab's content (inside `with tab`).

    Args:
        tabs: All tabs, to go from one to another.
        tab: This one.
        handlers: Its handlers.
        explore: The Explore tab: its system, question, rounds, thoughts and seed are compared.
        shell: The page's frame.
    """
    parts, left = comparing(shell, handlers.words), explore.left
    common: dict[str, Any] = {
        "show_progress": "hidden", "api_visibility": "private", "concurrency_limit": LIMIT, "trigger_mode": "multiple",
    }  # fmt: skip
    quick = common | {"queue": False}
    chosen = [left.question, left.rounds, left.thoughts, left.seed, left.pace, left.tools]
    survey = [parts.which, *(getattr(parts, name) for name in SURVEY_OUTPUTS)]
    tab.select(handlers.look, chosen, survey, **quick)
    parts.run.click(
        handlers.run, chosen, [parts.which, parts.said, parts.single, parts.text, parts.latent], **common
    )
    parts.halt.click(handlers.halt, None, parts.said, **quick)
    parts.start.click(handlers.start, [parts.size, parts.timed, parts.rounds, *chosen], survey, **common)
    parts.stop.click(handlers.stop, None, survey[1:], **quick)
