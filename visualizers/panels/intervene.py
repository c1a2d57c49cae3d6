"""The Intervene tab: wires its components to its handlers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gradio as gr

from visualizers.panels.explore import LIMIT, ExplorePage
from visualizers.panels.intervene_branching import Branching
from visualizers.panels.intervene_experiments import Experiments
from visualizers.panels.intervene_handlers import Intervene
from visualizers.panels.intervene_layout import SharingBranch, intervening
from visualizers.panels.intervene_share import ShareBranch
from visualizers.panels.intervene_view import OUTPUTS
from visualizers.panels.share import copied, saved
from visualizers.panels.shell import Shell
from visualizers.panels.stage import Controls

_GATHER = "() => recmas.gather('intervene', 'patch', 'layers')"  # all typed values at the moment of pressing


def build_intervene(
    tabs: gr.Tabs, tab: gr.Tab, handlers: Intervene, explore: ExplorePage, shell: Shell
) -> None:
    """Add the tab's content (inside `with tab`).

    Args:
        tabs: All tabs.
        tab: This one.
        handlers: Its handlers.
        explore: The Explore tab, whose run is worked upon.
        shell: The page's frame.
    """
    parts = intervening(shell, handlers.words)
    drawing = [getattr(parts, name) for name in OUTPUTS]
    private: dict[str, Any] = {
        "show_progress": "hidden", "api_visibility": "private", "concurrency_limit": LIMIT, "trigger_mode": "multiple",
    }  # fmt: skip
    common = private | {"inputs": parts.sent, "outputs": drawing, "js": _GATHER}
    drawn: dict[Any, Any] = {handlers.look: tab.select(handlers.look, **common | {"concurrency_limit": None})}
    experiments, branching = Experiments(handlers), Branching(handlers)
    for event, work in (
        (parts.go.click, branching.run_on), (parts.influence.weigh, experiments.weigh),
        (parts.patch.once, experiments.patch), (parts.patch.many, experiments.patch_many),
        (parts.layers.read, experiments.layers), (parts.settle.longer, experiments.settle),
    ):  # fmt: skip
        drawn[work] = event(work, **common)
    for event, handler in (
        (parts.strip.pick, handlers.pick), (parts.form.sample, handlers.sample), (parts.kept.branch, handlers.show),
        (parts.map_of.imap, handlers.choose_map), (parts.forget.click, handlers.forget),
        (parts.stop.click, handlers.stop), (parts.influence.pick, handlers.pick),
        (parts.patch.draw, experiments.draw), (parts.patch.halt, handlers.stop), (parts.settle.halt, handlers.stop),
    ):  # fmt: skip
        drawn[handler] = event(handlers.in_order(handler), **common)

    def explored(request: gr.Request, *values: Any) -> tuple[Any, ...]:
        """The Explore tab, whose run was made from here: a run of latent thoughts, whatever was to be passed on."""
        controls = replace(Controls(*values), mode="latent")
        return (controls.mode, *explore.choose.again(handlers.visitor(request), controls))

    made = parts.here.click(handlers.here, explore.everything["inputs"], drawing, **private)
    everything = explore.everything | {"outputs": [explore.left.mode, *explore.everything["outputs"]]}
    drawn[handlers.here] = made.then(explore.in_order(explored), **everything)
    drawn[branching.arrived] = explore.arrived.then(branching.arrived, None, [tabs, *drawing], **private)
    for shown in (
        handlers.look, handlers.here, branching.run_on, handlers.show, handlers.choose_map, branching.arrived,
    ):  # fmt: skip
        drawn[shown].then(handlers.arrivals, None, drawing, **private | {"concurrency_limit": None})
    _wire_share(parts.share, ShareBranch(handlers, handlers.catalogue))


def _wire_share(parts: SharingBranch, sharing: ShareBranch) -> None:
    private: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": LIMIT}
    parts.link.click(sharing.link, None, parts.said, **private).then(
        None, None, None, js=copied("recmas-i-said"), api_visibility="private"
    )
    parts.trace.click(sharing.trace, None, [parts.file, parts.said], **private).then(
        None, None, None, js=saved("recmas-i-file"), api_visibility="private"
    )
