"""The components of the Intervene tab and where they stand. What they do is wired in intervene.py."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import gradio as gr

from visualizers.panels.figure_box import figure_box
from visualizers.panels.layout import html
from visualizers.panels.shell import Shell
from visualizers.panels.stage import status_html
from visualizers.words import Words


@dataclass(frozen=True)
class SharingBranch:
    """The components that share the branch looked at."""

    link: gr.Button
    trace: gr.Button
    file: gr.DownloadButton
    said: gr.HTML


@dataclass(frozen=True)
class Intervening:
    """The components. Those named as the fields of `IntervenePanels` are outputs of every handler that draws."""

    status: gr.HTML
    empty: gr.HTML
    here: gr.Button
    strip: gr.HTML
    form: gr.HTML
    sent: gr.Textbox
    go: gr.Button
    stop: gr.Button
    outcome: gr.HTML
    turns: gr.HTML
    map_of: gr.HTML
    map: gr.HTML
    caption: gr.HTML
    kept: gr.HTML
    forget: gr.Button
    influence: gr.HTML
    patch: gr.HTML
    layers: gr.HTML
    settle: gr.HTML
    curves: gr.HTML
    share: SharingBranch


def intervening(shell: Shell, words: Words) -> Intervening:
    """The tab: the turns of the run above, the change on the left, what came of it on the right."""
    with gr.Column(elem_id="recmas-intervene", elem_classes="recmas-tab"):
        status = html(status_html(words("intervene.empty.none")), "i-status")
        with gr.Column(elem_id="recmas-i-without"):
            empty = html(f'<p class="recmas-i-empty">{escape(words("intervene.empty.about"))}</p>', "i-empty")
            here = gr.Button(words("intervene.buttons.here"), elem_id="recmas-i-here", variant="primary")
        with gr.Column(elem_id="recmas-i-with"):
            html(_lead(words("intervene.lead.strip")), "i-lead")
            strip = _piece("i-strip", shell)
            with gr.Row(elem_id="recmas-i-main"):
                with gr.Column(elem_id="recmas-i-left", min_width=260):
                    form, sent, go, stop = _change(shell, words)
                    html(f'<h2 class="recmas-heading">{escape(words("intervene.kept.title"))}</h2>')
                    kept = _fields("i-kept", shell, "branch")
                    forget = gr.Button(
                        words("intervene.buttons.forget"), elem_id="recmas-i-forget", size="sm", interactive=False
                    )
                    share = _share(shell, words)
                with gr.Column(elem_id="recmas-i-right", min_width=280):
                    outcome = html("", "i-outcome")
                    with gr.Row(elem_id="recmas-i-both"):
                        turns = html("", "i-turns")
                        with gr.Column(elem_id="recmas-i-mapbox", min_width=260):
                            map_of = _fields("i-map-of", shell, "imap")
                            picture = figure_box("i-map", "branch", shell, words)
                            caption = html("", "i-caption")
            influence, patch, layers, settle, curves = _experiments(shell, words)
    return Intervening(
        status, empty, here, strip, form, sent, go, stop, outcome, turns, map_of, picture, caption, kept, forget,
        influence, patch, layers, settle, curves, share,
    )  # fmt: skip


def _experiments(shell: Shell, words: Words) -> tuple[gr.HTML, gr.HTML, gr.HTML, gr.HTML, gr.HTML]:
    with gr.Row(elem_classes="recmas-i-pair"):
        weighing = "recmas.piece(element, trigger, watch, 'pick'); recmas.fields(element, trigger, watch, 'weigh');"
        influence = html("", "i-influence", js_on_load=weighing, head=shell.head)
        with gr.Column(elem_id="recmas-i-settlebox", min_width=260):
            settle = _fields("i-settle", shell, "longer", "halt")
            curves = figure_box("i-curves", "settle", shell, words)
    with gr.Row(elem_classes="recmas-i-pair"):
        patch = _fields("i-patch", shell, "draw", "once", "many", "halt")
        layers = _fields("i-layers", shell, "read")
    return influence, patch, layers, settle, curves


def _share(shell: Shell, words: Words) -> SharingBranch:
    with gr.Column(elem_id="recmas-i-sharing"):
        with gr.Row(elem_classes="recmas-buttons"):
            link = gr.Button(words("intervene.share.link"), elem_id="recmas-i-link", size="sm", min_width=60)
            trace = gr.Button(words("intervene.share.trace"), elem_id="recmas-i-trace", size="sm", min_width=60)
        file = gr.DownloadButton("", elem_id="recmas-i-file", elem_classes="recmas-absent")
        said = html("", "i-said", head=shell.head, js_on_load="recmas.copying(element);")
    return SharingBranch(link, trace, file, said)


def _change(shell: Shell, words: Words) -> tuple[gr.HTML, gr.Textbox, gr.Button, gr.Button]:
    script = "recmas.form(element, trigger, watch); recmas.fields(element, trigger, watch, 'sample');"
    form = html("", "i-form", js_on_load=script, head=shell.head)
    sent = gr.Textbox("", visible=False)
    with gr.Row(elem_id="recmas-i-transport"):
        go = gr.Button(words("intervene.buttons.go"), elem_id="recmas-i-go", variant="primary", interactive=False)
        stop = gr.Button(words("intervene.buttons.stop"), elem_id="recmas-i-stop", interactive=False)
    return form, sent, go, stop


def _piece(name: str, shell: Shell) -> gr.HTML:
    return html("", name, js_on_load="recmas.piece(element, trigger, watch, 'pick');", head=shell.head)


def _fields(name: str, shell: Shell, *events: str) -> gr.HTML:
    named = ", ".join(f"'{event}'" for event in events)
    return html("", name, js_on_load=f"recmas.fields(element, trigger, watch, {named});", head=shell.head)


def _lead(text: str) -> str:
    return f'<p class="recmas-hint">{escape(text)}</p>'
