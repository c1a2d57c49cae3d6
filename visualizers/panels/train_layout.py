"""The components of the Train tab and where they stand. What they do is wired in train.py."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import gradio as gr

from visualizers.panels.layout import html
from visualizers.panels.questions import SUFFIXES
from visualizers.panels.shell import Shell
from visualizers.panels.stage import status_html

_KEYS = (
    ("S", "Start"), ("P", "Pause"), ("C", "Continue"), ("X", "Stop"), ("U", "Undo: back to the last good links"),
)  # fmt: skip


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


def training(shell: Shell) -> Training:
    """The tab: what to train on the left, the training on the right."""
    with gr.Row(elem_id="recmas-train", elem_classes="recmas-tab"):
        with gr.Column(elem_id="recmas-t-choices", min_width=260):
            form = html(
                "", "t-form", js_on_load="recmas.form(element, trigger, watch, 'redraw');", head=shell.head
            )
            sent = gr.Textbox("", visible=False)
            questions = gr.UploadButton(
                "Questions", elem_id="recmas-t-questions", file_types=list(SUFFIXES), visible=False, size="sm"
            )
            with gr.Row(elem_id="recmas-t-transport"):
                start = gr.Button("Start", elem_id="recmas-t-start", variant="primary")
                pause = gr.Button("Pause", elem_id="recmas-t-pause", interactive=False)
                go_on = gr.Button("Continue", elem_id="recmas-t-continue", interactive=False)
                stop = gr.Button("Stop", elem_id="recmas-t-stop", interactive=False)
                undo = gr.Button("Undo", elem_id="recmas-t-undo", interactive=False)
            with gr.Accordion("Keyboard", open=False):
                rows = "".join(f"<li><kbd>{escape(key)}</kbd> {escape(what)}</li>" for key, what in _KEYS)
                html(f'<ul class="recmas-keys">{rows}</ul>')
        with gr.Column(elem_id="recmas-t-stage", min_width=280):
            status = html(status_html(""), "t-status")
            meters = html("", "t-meters")
            with gr.Row(elem_id="recmas-t-middle"):
                with gr.Column(elem_id="recmas-t-left", min_width=280):
                    curves = _figure("t-curves", "curves", shell)
                with gr.Column(elem_id="recmas-t-right", min_width=240):
                    with gr.Column(elem_id="recmas-t-signal"):
                        html('<h3 class="recmas-h3">The shared credit signal</h3>')
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
                        draw = gr.Button(
                            "Draw now", elem_id="recmas-t-draw", size="sm", interactive=False, min_width=70
                        )
                    picture = _figure("t-map", "map", shell)
                    caption = html(
                        '<p class="recmas-hint">Before and after: drawn when a training pauses or ends.</p>',
                        "t-caption",
                    )
                with gr.Column(elem_id="recmas-t-results", min_width=240):
                    html('<h3 class="recmas-h3">What came of it</h3>')
                    with gr.Row(elem_classes="recmas-buttons"):
                        use = gr.Button("Use in Explore", elem_id="recmas-t-use", variant="primary", interactive=False)
                        compare = gr.Button("Compare with before", elem_id="recmas-t-compare", interactive=False)
                    compared = html("", "t-compared")
                    html('<h3 class="recmas-h3">Take it along</h3>')
                    with gr.Row(elem_classes="recmas-buttons"):
                        download = gr.Button("Download the system", elem_id="recmas-t-download", interactive=False)
                        released = gr.Button(
                            "Links as in the release", elem_id="recmas-t-released", interactive=False
                        )
                        upload = gr.UploadButton("Upload a system", elem_id="recmas-t-upload", file_types=[".zip"])
                    file = gr.DownloadButton("Save", elem_id="recmas-t-file", visible=True)
                    uploaded = html(
                        '<p class="recmas-hint">Download: a zip of the whole system, which the page, the shell and '
                        "<code>load_system</code> read back to the same latents, bit for bit. As in the release: the "
                        "links alone, in bf16, as the paper&#39;s public release stores them; of agents of "
                        "gigabytes only this.</p>", "t-uploaded",
                    )  # fmt: skip
    return Training(
        form, sent, questions, start, pause, go_on, stop, undo, status, meters, curves, credit, notice, map_of, draw,
        picture, caption, use, compare, download, released, file, upload, compared, uploaded,
    )  # fmt: skip


def _figure(name: str, kind: str, shell: Shell) -> gr.HTML:
    box = f'<div class="recmas-figure recmas-figure-{kind}" data-plotly="{escape(shell.plotly)}"></div>'
    return html("", name, head=shell.head, html_template=box, js_on_load="recmas.figure(element, props, watch);")
