"""The Explore tab: wires its components to its handlers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from recmas_core.allowed import Allowance
from visualizers.panels.choose_handlers import SETTING, Choose
from visualizers.panels.explore_handlers import Explore
from visualizers.panels.layout import Choosing, Showing, choosing, showing
from visualizers.panels.offers import Wanted
from visualizers.panels.open_handlers import Opening
from visualizers.panels.open_layout import OpenParts, open_parts
from visualizers.panels.share import share_parts, wire_share
from visualizers.panels.share_handlers import Share
from visualizers.panels.shelf import Shelf
from visualizers.panels.shell import Shell
from visualizers.panels.stage import OUTPUTS
from visualizers.words import Words

LIMIT = 32  # handlers of one kind at work at once; nobody waits for another visitor's run


@dataclass(frozen=True)
class ExplorePage:
    """What other tabs need of this one.

    Attributes:
        left: The components of its left side.
        choose: The handlers of its left side.
        everything: Options of an event that draws the whole tab, its inputs and outputs among them.
        in_order: Makes of a handler for such an event one whose drawing does not cross another's.
        go_on: Given such an event, sees to what comes once the agents are loaded.
        more: The components that open further systems; None where this server opens none.
        opening: Their handlers.
        arrived: The event after which the run that the page's address asks for is there.
    """

    left: Choosing
    choose: Choose
    everything: dict[str, Any]
    in_order: Callable[[Callable[..., Any]], Callable[..., Any]]
    go_on: Callable[[Any], None]
    more: OpenParts | None
    opening: Opening
    arrived: Any


def build_explore(
    demo: gr.Blocks,
    shelf: Shelf,
    handlers: Explore,
    shell: Shell,
    allowance: Allowance,
    first: Wanted | None,
    words: Words,
) -> ExplorePage:
    """Add the tab to the page that is being built (inside `with demo`).

    Args:
        demo: The page.
        shelf: The systems that can be run.
        handlers: The stage's handlers.
        shell: The page's frame.
        allowance: What else may be opened.
        first: What to open for everybody.
        words: What the page says.
    """

    def unfold() -> OpenParts | None:
        return open_parts(allowance, words, unfolded=first is not None)

    with gr.Row(elem_id="recmas-explore"):
        with gr.Column(elem_id="recmas-choices", min_width=260):
            left, more = choosing(shelf.catalogue, shelf.first, shell, unfold, words)
        with gr.Column(elem_id="recmas-stage", min_width=280):
            stage = showing(shelf.catalogue, shelf.first, shell, words)
            sharing = share_parts(words, shell)
    common: dict[str, Any] = {
        "inputs": [
            left.question, left.rounds, left.thoughts, left.seed, left.mode, left.pace, stage.follow, left.tools,
        ],
        "outputs": [getattr(stage, name) for name in OUTPUTS],
        "show_progress": "hidden", "api_visibility": "private", "concurrency_limit": LIMIT,
        "trigger_mode": "multiple",
    }  # fmt: skip
    _wire_run(demo, left, stage, handlers, common)
    _wire_view(stage, handlers, common)
    choose = Choose(shelf, handlers)
    everything, go_on = _wire_choices(demo, left, stage, choose, handlers, common)
    opening = Opening(shelf, handlers, choose, allowance, first, words)
    if more is not None:
        _wire_opening(demo, more, opening, everything, go_on)
    arrived = wire_share(demo, sharing, left.mode, Share(handlers, choose, words), everything, go_on)
    return ExplorePage(left, choose, everything, handlers.in_order, go_on, more, opening, arrived)


def _wire_run(
    demo: gr.Blocks, left: Choosing, stage: Showing, handlers: Explore, common: dict[str, Any]
) -> None:
    demo.unload(handlers.leave)
    for chosen in (
        left.step.click(handlers.step, **common), left.round.click(handlers.round, **common),
        gr.on([left.run.click, left.question.submit], handlers.run, **common),
    ):  # fmt: skip
        _arriving(chosen, handlers, common)
    for button, handler in (
        (left.pause, handlers.pause), (left.reset, handlers.reset), (stage.back, handlers.back),
        (stage.forward, handlers.forward), (stage.first, handlers.first), (stage.now, handlers.now),
    ):  # fmt: skip
        button.click(handlers.in_order(handler), **common)


def _arriving(drawn: Any, handlers: Explore, common: dict[str, Any]) -> None:
    """Let maps that a drawing has asked for be drawn when they are there."""
    drawn.then(handlers.arrivals, **common | {"concurrency_limit": None})


def _wire_view(stage: Showing, handlers: Explore, common: dict[str, Any]) -> None:
    for part in (stage.strip, stage.table, stage.map, stage.when):
        part.pick(handlers.in_order(handlers.pick), **common)
    for chosen in (
        stage.map_of.map(
            handlers.in_order(handlers.choose_map), **common | {"outputs": [*common["outputs"], stage.follow]}
        ),
        stage.map_of.space(handlers.in_order(handlers.choose_space), **common),
        stage.follow.input(handlers.in_order(handlers.choose_follow), **common),
    ):  # fmt: skip
        _arriving(chosen, handlers, common)
    stage.contrast.cut(handlers.cut, **common)
    private: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": LIMIT}
    stage.speak.click(handlers.speak, None, stage.speech, **private)


def _wire_choices(
    demo: gr.Blocks, left: Choosing, stage: Showing, choose: Choose, handlers: Explore, common: dict[str, Any]
) -> tuple[dict[str, Any], Callable[[Any], None]]:
    private: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": LIMIT}
    waiting = private | {"concurrency_limit": None}
    setting = [stage.follow if name == "follow" else getattr(left, name) for name in SETTING]
    everything = common | {"outputs": [*setting, *common["outputs"]]}
    settled = common | {"outputs": [left.trained, left.cast, left.toolnote, *common["outputs"]]}
    demo.load(choose.note, left.question, left.note, **private)

    def warmed(settling: Any) -> None:
        # A page that is open when umap-learn gets ready is drawn again, its points placed by umap-learn.
        looked = settling.then(handlers.warm, None, None, **waiting).then(handlers.in_order(handlers.look), **common)
        _arriving(looked, handlers, common)

    def go_on(chosen: Any) -> None:
        warmed(chosen.then(choose.settle, **settled))

    for event, handler in (
        (left.cards.choose, choose.choose), (left.cast.choose, choose.choose), (left.cast.cast, choose.cast),
        (left.links.links, choose.links),
    ):  # fmt: skip
        go_on(event(handlers.in_order(handler), **everything))
    left.question.change(choose.note, left.question, left.note, trigger_mode="always_last", **private)
    left.examples.input(choose.example, left.examples, [left.question, left.examples], **private)
    left.dice.click(choose.draw, None, left.question, **private)
    left.thoughts.change(choose.trained, left.thoughts, left.trained, **private)
    return everything, go_on


def _wire_opening(
    demo: gr.Blocks, parts: OpenParts, opening: Opening, everything: dict[str, Any], go_on: Callable[[Any], None]
) -> None:
    common: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": LIMIT}
    for part in (parts.what, parts.task, parts.device, parts.weights):
        part.input(opening.look, parts.form, [parts.outlook, parts.task, *parts.agents], **common)
    showing = everything | {"outputs": [parts.progress, *everything["outputs"]]}
    go_on(parts.open.click(opening.open, **showing | {"inputs": [*parts.form, *everything["inputs"]]}))
    if opening.first is not None:
        go_on(demo.load(opening.open_first, **showing))
    parts.stop.click(opening.stop, None, parts.progress, **common | {"queue": False})
