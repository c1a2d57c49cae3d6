"""The components of the Compare tab and where they stand. What they do is wired in compare.py."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import gradio as gr

from visualizers.panels.compare_columns import empty_html
from visualizers.panels.figure_box import figure_box
from visualizers.panels.layout import html
from visualizers.panels.shell import Shell
from visualizers.panels.stage import status_html
from visualizers.panels.survey_session import SurveyMoment
from visualizers.panels.survey_view import caption as caption_html
from visualizers.panels.survey_view import measured_html, reported_html, says
from visualizers.words import Words

SIZES = (50, 100, 200, 500)
TIMED = 20


@dataclass(frozen=True)
class Comparing:
    """The components. `single`, `text` and `latent` are the columns; those from `status` on belong to the survey."""

    which: gr.HTML
    run: gr.Button
    halt: gr.Button
    said: gr.HTML
    single: gr.HTML
    text: gr.HTML
    latent: gr.HTML
    size: gr.Radio
    timed: gr.Number
    rounds: gr.Number
    start: gr.Button
    stop: gr.Button
    status: gr.HTML
    figure: gr.HTML
    caption: gr.HTML
    table: gr.HTML


def comparing(shell: Shell, words: Words) -> Comparing:
    """The tab: one question in three columns, and below it a sample."""
    with gr.Column(elem_id="recmas-compare", elem_classes="recmas-tab"):
        with gr.Column(elem_id="recmas-c-question"):
            html(f'<h2 class="recmas-title">{escape(words("compare.question.title"))}</h2>')
            which = html(f'<p class="recmas-hint">{escape(words("compare.question.which_none"))}</p>', "c-which")
            with gr.Row(elem_classes="recmas-buttons"):
                run = gr.Button(words("compare.question.run"), elem_id="recmas-c-run", variant="primary")
                halt = gr.Button(words("compare.question.stop"), elem_id="recmas-c-halt")
                said = html(status_html(words("compare.question.idle")), "c-said")
            with gr.Row(elem_id="recmas-c-columns"):
                single, text, latent = (
                    html(empty_html(words, way), f"c-{way}") for way in ("single", "text", "latent")
                )
            html(f'<p class="recmas-hint">{escape(words("compare.question.caption"))}</p>', "c-how")
        with gr.Column(elem_id="recmas-c-sample"):
            html(f'<h2 class="recmas-title">{escape(words("compare.survey.title"))}</h2>')
            with gr.Row(elem_id="recmas-c-form"):
                size = gr.Radio(
                    list(SIZES), value=SIZES[0], label=words("compare.survey.size"), elem_id="recmas-c-size"
                )
                rounds = gr.Number(3, label=words("compare.survey.rounds"), elem_id="recmas-c-rounds", min_width=90)
                timed = gr.Number(TIMED, label=words("compare.survey.timed"), elem_id="recmas-c-timed", min_width=120)
            with gr.Row(elem_classes="recmas-buttons"):
                start = gr.Button(words("compare.survey.start"), elem_id="recmas-c-start", variant="primary")
                stop = gr.Button(words("compare.survey.stop"), elem_id="recmas-c-stop", interactive=False)
                status = html(status_html(says(words, SurveyMoment())), "c-status")
            with gr.Row(elem_id="recmas-c-found"):
                with gr.Column(elem_id="recmas-c-left", min_width=280):
                    figure = figure_box("c-figure", "rounds", shell, words)
                    caption = html(caption_html(words, None, ""), "c-caption")
                with gr.Column(elem_id="recmas-c-right", min_width=280):
                    table = html(measured_html(words, None), "c-table")
                    html(reported_html(words), "c-paper")
    return Comparing(
        which, run, halt, said, single, text, latent, size, timed, rounds, start, stop, status, figure, caption, table
    )
