"""Sharing, below the stage: the components, and their wiring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from visualizers.panels.layout import html
from visualizers.panels.share_handlers import Share
from visualizers.panels.shell import Shell
from visualizers.words import Words

_WHERE = "() => location.origin + location.pathname"


def copied(element_id: str) -> str:
    """The script that copies what the field in an element holds, once it is drawn."""
    return f"() => {{ setTimeout(() => recmas.copy('{element_id}'), 100); }}"


def saved(element_id: str) -> str:
    """The script that presses a download button, once its file is there."""
    return f"() => {{ setTimeout(() => recmas.save('{element_id}'), 150); }}"


@dataclass(frozen=True)
class ShareParts:
    """The components."""

    link: gr.Button
    trace: gr.Button
    table: gr.Button
    report: gr.Button
    code: gr.Button
    script: gr.Button
    notebook: gr.Button
    upload: gr.UploadButton
    file: gr.DownloadButton
    said: gr.HTML
    address: gr.Textbox


def share_parts(words: Words, shell: Shell) -> ShareParts:
    """Add the components to the page that is being built."""
    with gr.Column(elem_id="recmas-share"):
        html(f'<h2 class="recmas-heading">{escape(words("share.title"))}</h2>')
        with gr.Row(elem_classes="recmas-buttons"):
            link = _button(words("share.buttons.link"), "link")
            trace = _button(words("share.buttons.trace"), "trace")
            table = _button(words("share.buttons.table"), "table")
            report = _button(words("share.buttons.report"), "report")
            code = _button(words("share.buttons.code"), "code")
            script = _button(words("share.buttons.script"), "script")
            notebook = _button(words("share.buttons.notebook"), "notebook")
            upload = gr.UploadButton(
                words("share.buttons.upload"), elem_id="recmas-s-upload", file_types=[".npz"], size="sm", min_width=60
            )
        file = gr.DownloadButton("", elem_id="recmas-s-file", elem_classes="recmas-absent")
        about = f'<p class="recmas-hint">{escape(words("share.about"))}</p>'
        said = html(about, "s-said", head=shell.head, js_on_load="recmas.copying(element);")
        address = gr.Textbox(visible=False)
    return ShareParts(link, trace, table, report, code, script, notebook, upload, file, said, address)


def _button(text: str, name: str) -> gr.Button:
    return gr.Button(text, elem_id=f"recmas-s-{name}", size="sm", min_width=60)


def wire_share(
    demo: gr.Blocks,
    parts: ShareParts,
    mode: gr.Radio,
    handlers: Share,
    everything: dict[str, Any],
    go_on: Callable[[Any], None],
) -> Any:
    """Let the components do what they say, and the page open what its address asks for.

    Args:
        demo: The page.
        parts: The components.
        mode: What is passed on: the one control that choosing a system leaves alone.
        handlers: The handlers.
        everything: Options of an event that draws the whole Explore tab.
        go_on: Sees to what comes once the agents are loaded.

    Returns:
        The event after which what the page's address asks for is there.
    """
    private: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 32}
    opening = everything | {"outputs": [*everything["outputs"], mode, parts.said]}
    arrived = demo.load(handlers.arrive, **opening)
    go_on(arrived)
    go_on(parts.upload.upload(handlers.upload, **opening | {"inputs": [parts.upload, *everything["inputs"]]}))
    parts.link.click(handlers.link, None, parts.said, **private).then(
        None, None, None, js=copied("recmas-s-said"), api_visibility="private"
    )
    parts.code.click(handlers.code, parts.address, parts.said, js=_WHERE, **private)
    for button, handler, sent in (
        (parts.trace, handlers.trace, False), (parts.table, handlers.table, False),
        (parts.report, handlers.report, True), (parts.script, handlers.script, True),
        (parts.notebook, handlers.notebook, True),
    ):  # fmt: skip
        where: dict[str, Any] = {"inputs": parts.address, "js": _WHERE} if sent else {"inputs": None}
        pressed = button.click(handler, outputs=[parts.file, parts.said], **where, **private)
        pressed.then(None, None, None, js=saved("recmas-s-file"), api_visibility="private")
    return arrived
