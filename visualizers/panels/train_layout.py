"""The components of the Train tab and where they stand. What they do is wired in train.py."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from visualizers.panels.figure_box import figure_box
from visualizers.panels.glossary import terms
from visualizers.panels.layout import html
from visualizers.panels.questions import SUFFIXES
from visualizers.panels.shell import Shell
from visualizers.panels.stage import status_html
from visualizers.words import Words

_KEYS = (("S", "start"), ("P", "pause"), ("C", "continue"), ("X", "stop"), ("U", "undo"))


@dataclass(frozen=True)
class Training:
    """The components. Those named as the fields of `TrainPanels` are outputs of whatever follows a training."""

    form: gr.HTML
    sent: gr.Textbox
    questions: gr.UploadButton
    start: gr.Button
    pause: gr.Button
    go_on: gr.Button
    stop: gr.Button
    undo: gr.Button
    status: gr.HTML
    meters: gr.HTML
    curves: gr.HTML
    credit: gr.HTML
    notice: gr.HTML
    map_of: gr.HTML
    draw: gr.Button
    map: gr.HTML
    caption: gr.HTML
    use: gr.Button
    compare: gr.Button
    download: gr.Button
    released: gr.Button
    file: gr.DownloadButton
    upload: gr.UploadButton
    compared: gr.HTML
    uploaded: gr.HTML


def training(shell: Shell, words: Words) -> Training:
    """The tab: what to train on the left, the training on the right."""
    with gr.Row(elem_id="recmas-train", elem_classes="recmas-tab"):
        with gr.Column(elem_id="recmas-t-choices", min_width=260):
            form = html(
                "", "t-form", js_on_load="recmas.form(element, trigger, watch, 'redraw');", head=shell.head
            )
            sent = gr.Textbox("", visible=False)
            questions = gr.UploadButton(
                words("train.buttons.questions"), elem_id="recmas-t-questions", file_types=list(SUFFIXES),
                visible=False, size="sm",
            )  # fmt: skip
            with gr.Row(elem_id="recmas-t-transport"):
                start = gr.Button(words("train.buttons.start"), elem_id="recmas-t-start", variant="primary")
                pause = _button(words("train.buttons.pause"), "pause")
                go_on = _button(words("train.buttons.continue"), "continue")
                stop = _button(words("train.buttons.stop"), "stop")
                undo = _button(words("train.buttons.undo"), "undo")
            with gr.Accordion(words("train.keys.title"), open=False):
                rows = "".join(
                    f"<li><kbd>{key}</kbd> {escape(words(f'train.keys.{what}'))}</li>" for key, what in _KEYS
                )
                html(f'<ul class="recmas-keys">{rows}</ul>')
        with gr.Column(elem_id="recmas-t-stage", min_width=280):
            status = html(status_html(""), "t-status")
            meters = html("", "t-meters")
            with gr.Row(elem_id="recmas-t-middle"):
                with gr.Column(elem_id="recmas-t-left", min_width=280):
                    curves = figure_box("t-curves", "curves", shell, words)
                with gr.Column(elem_id="recmas-t-right", min_width=240):
                    with gr.Column(elem_id="recmas-t-signal"):
                        _heading(f"{words('train.headings.credit')} {terms(words, 'outer', 'round')}")
                        credit = html("", "t-credit")
                    notice = html(
                        "", "t-notice", head=shell.head, js_on_load="recmas.fields(element, trigger, watch, 'way');"
                    )
            with gr.Row(elem_id="recmas-t-after"):
                with gr.Column(elem_id="recmas-t-maps", min_width=280):
                    with gr.Row(elem_id="recmas-t-mapbar"):
                        map_of = html(
                            "", "t-map-of", head=shell.head,
                            js_on_load="recmas.fields(element, trigger, watch, 'agent', 'seen');",
                        )  # fmt: skip
                        draw = _button(words("train.buttons.draw"), "draw", size="sm", min_width=70)
                    picture = figure_box("t-map", "before", shell, words)
                    caption = html(f'<p class="recmas-hint">{words("train.hints.map")}</p>', "t-caption")
                with gr.Column(elem_id="recmas-t-results", min_width=240):
                    _heading(words("train.headings.results"))
                    with gr.Row(elem_classes="recmas-buttons"):
                        use = _button(words("train.buttons.use"), "use", variant="primary")
                        compare = _button(words("train.buttons.compare"), "compare")
                    compared = html("", "t-compared")
                    _heading(words("train.headings.files"))
                    with gr.Row(elem_classes="recmas-buttons"):
                        download = _button(words("train.buttons.download"), "download")
                        released = _button(words("train.buttons.released"), "released")
                        upload = gr.UploadButton(
                            words("train.buttons.upload"), elem_id="recmas-t-upload", file_types=[".zip"]
                        )
                    file = gr.DownloadButton(words("train.buttons.save"), elem_id="recmas-t-file", visible=True)
                    uploaded = html(f'<p class="recmas-hint">{words("train.hints.files")}</p>', "t-uploaded")
    return Training(
        form, sent, questions, start, pause, go_on, stop, undo, status, meters, curves, credit, notice, map_of, draw,
        picture, caption, use, compare, download, released, file, upload, compared, uploaded,
    )  # fmt: skip


def _button(text: str, name: str, **options: Any) -> gr.Button:
    """A button that cannot be pressed before there is a training."""
    return gr.Button(text, elem_id=f"recmas-t-{name}", interactive=False, **options)


def _heading(text: str) -> None:
    html(f'<h2 class="recmas-heading">{text}</h2>')
