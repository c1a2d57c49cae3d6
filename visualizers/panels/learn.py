"""The Learn tab: the lessons to choose from, the card that leads through one, and the glossary."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from visualizers.panels.explore import LIMIT, ExplorePage
from visualizers.panels.glossary import glossary_html
from visualizers.panels.layout import html
from visualizers.panels.learn_handlers import Learn
from visualizers.panels.lessons import LESSONS
from visualizers.panels.shell import Shell
from visualizers.words import Words

_BOX = '<div class="recmas-coach-box"></div><div class="recmas-unseen" aria-live="polite"></div>'


def coach_card(shell: Shell) -> gr.HTML:
    """The card, to be put above the tabs: it stays while the page goes from one to another."""
    script = "recmas.coach(element, props, trigger, watch, 'go', 'did', 'check', 'leave');"
    return html("", "coach", head=shell.head, html_template=_BOX, js_on_load=script)


def build_learn(tabs: gr.Tabs, coach: gr.HTML, handlers: Learn, explore: ExplorePage, shell: Shell) -> None:
    """Add the tab's content (inside `with tab`); after the tabs whose parts it drives, wherever it stands.

    Args:
        tabs: All tabs.
        coach: The card, made by `coach_card`.
        handlers: The lessons' handlers.
        explore: The Explore tab.
        shell: The page's frame.
    """
    words = handlers.words
    with gr.Row(elem_id="recmas-learn", elem_classes="recmas-tab"):
        listed = html(
            lessons_html(words), "lessons", head=shell.head,
            js_on_load="recmas.lessons(element, trigger, watch, 'begin');",
        )  # fmt: skip
        html(glossary_html(words), "glossary")
    private: dict[str, Any] = {
        "show_progress": "hidden", "api_visibility": "private", "concurrency_limit": LIMIT, "trigger_mode": "multiple",
    }  # fmt: skip
    everything = explore.everything
    rooms = everything | {"outputs": [tabs, coach, explore.left.mode, explore.left.pace, *everything["outputs"]]}
    for event, handler in ((listed.begin, handlers.begin), (coach.leave, handlers.leave)):
        explore.go_on(event(explore.in_order(handler), **rooms))
    for event, told in ((coach.go, handlers.go), (coach.did, handlers.did), (coach.check, handlers.check)):
        event(told, None, [tabs, coach], **private)


def lessons_html(words: Words) -> str:
    """The lessons to choose from; lessons.js marks those that are done, which the browser remembers."""
    names = {name: escape(words(f"learn.{name}.title")) for name in LESSONS}
    begins = {name: escape(words("learn.list.begin_of", title=words(f"learn.{name}.title"))) for name in LESSONS}
    cards = "".join(
        f'<li class="recmas-lesson"><span class="recmas-lesson-number" aria-hidden="true">{number}</span>'
        f'<div><h3>{names[name]}</h3><p>{escape(words(f"learn.{name}.about"))}</p></div>'
        f'<span class="recmas-lesson-done" data-done="{name}" hidden>{escape(words("learn.list.done"))}</span>'
        f'<button type="button" class="recmas-button recmas-coach-primary" data-begin="{name}" '
        f'data-key="begin-{name}" aria-label="{begins[name]}"'
        f'>{escape(words("learn.list.begin"))}</button></li>'
        for number, name in enumerate(LESSONS, 1)
    )
    count = escape(words("learn.list.count", n="{n}", m=len(LESSONS)))
    return (
        f'<div class="recmas-lessons"><h2>{escape(words("learn.list.title"))}</h2>'
        f'<p class="recmas-hint">{escape(words("learn.list.about"))}</p><ol>{cards}</ol>'
        f'<p class="recmas-hint" data-count="{count}" role="status"></p></div>'
    )
