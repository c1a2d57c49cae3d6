"""The components of the Explore tab and where they stand. What they do is wired in explore.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any, TypeVar, get_args

import gradio as gr

from recmas_core.records import Mode
from visualizers.panels import render
from visualizers.panels.asides import about_html, placeholder
from visualizers.panels.cards import cards_html, cast_html
from visualizers.panels.catalogue import Catalogue, Lineup
from visualizers.panels.choose_handlers import ROUNDS
from visualizers.panels.examples import examples_of
from visualizers.panels.explore_handlers import PACES
from visualizers.panels.glossary import terms
from visualizers.panels.mapview import map_choice
from visualizers.panels.moments import scene
from visualizers.panels.numbers import meters
from visualizers.panels.save_buttons import save_buttons
from visualizers.panels.shell import Shell
from visualizers.panels.spread import THOUGHTS, Shown
from visualizers.panels.stage import status_html
from visualizers.words import Words

Further = TypeVar("Further")
_LETTERS = {"step": "S", "round": "R", "run": "G", "pause": "P", "reset": "X"}
_NAMED = {"moments": "arrows", "first": "home", "now": "end", "leave": "escape"}  # keys that bear names


@dataclass(frozen=True)
class Choosing:
    """The components of the left side. Those named as the fields of `Setting` are outputs of choosing a pattern."""

    cards: gr.HTML
    links: gr.HTML
    question: gr.Textbox
    note: gr.HTML
    examples: gr.Dropdown
    dice: gr.Button
    rounds: gr.Number
    thoughts: gr.Number
    seed: gr.Number
    trained: gr.HTML
    step: gr.Button
    round: gr.Button
    run: gr.Button
    pause: gr.Button
    reset: gr.Button
    mode: gr.Radio
    pace: gr.Radio
    tools: gr.Checkbox
    toolnote: gr.HTML
    agents: gr.Accordion
    cast: gr.HTML
    about: gr.HTML


@dataclass(frozen=True)
class Showing:
    """The components of the stage. Those named as the fields of `Panels` are the handlers' outputs."""

    topology: gr.HTML
    map: gr.HTML
    caption: gr.HTML
    table: gr.HTML
    prompt: gr.HTML
    strip: gr.HTML
    meters: gr.HTML
    detail: gr.HTML
    when: gr.HTML
    status: gr.HTML
    map_of: gr.HTML
    contrast: gr.HTML
    speech: gr.HTML
    follow: gr.Checkbox
    speak: gr.Button
    back: gr.Button
    forward: gr.Button
    first: gr.Button
    now: gr.Button


def html(value: str, name: str | None = None, **options: Any) -> gr.HTML:
    """A piece of HTML with the page's own styles and nothing of gradio's."""
    return gr.HTML(value, elem_id=None if name is None else f"recmas-{name}", apply_default_css=False, **options)


def choosing(
    catalogue: Catalogue, lineup: Lineup, shell: Shell, more: Callable[[], Further], words: Words
) -> tuple[Choosing, Further]:
    """The left side: what to run; and what `more` made below the agents."""
    task, offer = catalogue.task(lineup), catalogue.offer(lineup.system)
    examples_shown, has_tools = examples_of(task), any(role.tools for role in catalogue.pattern(lineup.system).roles)
    fields = {"js_on_load": "recmas.fields(element, trigger, watch, 'choose', 'cast', 'train');", "head": shell.head}
    cards = html(cards_html(catalogue, offer.name, words), "cards", **fields)
    links = html("", "links", js_on_load="recmas.fields(element, trigger, watch, 'links');", head=shell.head)
    question = gr.Textbox(
        examples_shown[0], label=words("explore.question.label"), placeholder=placeholder(task, words), lines=1,
        max_lines=4, elem_id="recmas-question",
    )  # fmt: skip
    note = html("", "note")
    with gr.Row(elem_id="recmas-asking"):
        examples = gr.Dropdown(
            list(examples_shown), value=None, label=words("explore.question.examples"), elem_id="recmas-examples",
            min_width=120,
        )  # fmt: skip
        dice = gr.Button(words("explore.question.dice"), elem_id="recmas-dice", size="sm", min_width=80)
    with gr.Row(elem_id="recmas-fields"):
        rounds = gr.Number(ROUNDS, label=words("explore.fields.rounds"), elem_id="recmas-rounds", min_width=60)
        thoughts = gr.Number(
            offer.thoughts, label=words("explore.fields.thoughts"), elem_id="recmas-thoughts", min_width=60
        )
        seed = gr.Number(0, label=words("explore.fields.seed"), elem_id="recmas-seed", min_width=60)
    trained = html("", "trained")
    with gr.Row(elem_id="recmas-transport"):
        step = gr.Button(words("explore.buttons.step"), elem_id="recmas-step", variant="primary")
        round_ = gr.Button(words("explore.buttons.round"), elem_id="recmas-round")
        run = gr.Button(words("explore.buttons.run"), elem_id="recmas-run")
        pause = gr.Button(words("explore.buttons.pause"), elem_id="recmas-pause")
        reset = gr.Button(words("explore.buttons.reset"), elem_id="recmas-reset")
    with gr.Group(elem_id="recmas-how"):
        mode = gr.Radio(
            [(words(f"explore.mode.{mode}"), mode) for mode in get_args(Mode)], value="latent",
            label=words("explore.mode.label"),
        )  # fmt: skip
        paces = [(words(f"explore.pace.{pace}"), pace) for pace in PACES]
        pace = gr.Radio(paces, value="calm", label=words("explore.pace.label"))
    tools = gr.Checkbox(
        True, label=words("explore.tools.label"), elem_id="recmas-tools", container=False, visible=has_tools,
        min_width=120,
    )  # fmt: skip
    toolnote = html("", "toolnote", visible=has_tools)
    with gr.Accordion(words("explore.agents.title"), open=not offer.cast, elem_id="recmas-agents") as agents:
        cast = html(cast_html(catalogue, lineup, None, words), "cast", **fields)
    further = more()
    with gr.Accordion(words("explore.agents.about"), open=False):
        about = html(about_html(task, words), "about")
    with gr.Accordion(words("explore.keys.title"), open=False):
        html(_keys_html(words))
    return Choosing(
        cards, links, question, note, examples, dice, rounds, thoughts, seed, trained, step, round_, run, pause, reset,
        mode, pace, tools, toolnote, agents, cast, about,
    ), further  # fmt: skip


def _keys_html(words: Words) -> str:
    letters = [(letter, words(f"explore.keys.{what}")) for what, letter in _LETTERS.items()]
    named = [(words(f"explore.keys.{key}"), words(f"explore.keys.{what}")) for what, key in _NAMED.items()]
    rows = "".join(f"<li><kbd>{escape(key)}</kbd> {escape(what)}</li>" for key, what in letters + named)
    return f'<ul class="recmas-keys">{rows}</ul>'


def showing(catalogue: Catalogue, lineup: Lineup, shell: Shell, words: Words) -> Showing:
    """The stage: what happens."""
    empty = scene(catalogue.pattern(lineup.system), None, None, ROUNDS, words)

    def piece(value: str, name: str) -> gr.HTML:
        script = "recmas.piece(element, trigger, watch, 'pick');"
        return html(value, name, js_on_load=script, head=shell.head)

    with gr.Row(elem_id="recmas-top"):
        status = html(status_html(words("explore.stage.loading")), "status")
        when = piece("", "when")
    topology = html(
        render.topology(empty, None), "topology", head=shell.head,
        html_template='<div class="recmas-picture"></div>', js_on_load="recmas.picture(element, props, watch);",
    )  # fmt: skip
    save_buttons("recmas-topology", "recmas-agents", words, shell, title=words("share.figure.topology"))
    numbers = html(meters(empty, None, None), "meters")
    with gr.Row(elem_id="recmas-middle"):
        with gr.Column(elem_id="recmas-left", min_width=280):
            with gr.Row(elem_id="recmas-mapbar"):
                map_of = html(
                    map_choice(empty, Shown(empty.role, THOUGHTS)), "map-of", head=shell.head,
                    js_on_load="recmas.fields(element, trigger, watch, 'map', 'space');",
                )  # fmt: skip
                follow = gr.Checkbox(
                    True, label=words("maps.choice.follow"), elem_id="recmas-follow", container=False, min_width=70
                )
            plot = html(
                "", "map", head=shell.head,
                html_template=f'<div class="recmas-map" data-plotly="{escape(shell.plotly)}"></div>',
                js_on_load="recmas.map(element, props, trigger, watch, 'pick');",
            )  # fmt: skip
            save_buttons("recmas-map", "recmas-map", words, shell, title=words("share.figure.map"))
            caption = html("", "caption")
            contrast = html(
                "", "contrast", head=shell.head, js_on_load="recmas.fields(element, trigger, watch, 'cut');"
            )
        with gr.Column(elem_id="recmas-right", min_width=240):
            table = piece(render.table(empty, None), "table")
            with gr.Column(elem_id="recmas-saying"):
                detail = html(render.detail(empty, None), "detail")
                with gr.Row(elem_id="recmas-speaking"):
                    speak = gr.Button(words("explore.buttons.speak"), elem_id="recmas-speak", size="sm", min_width=70)
                    speech = html("", "speech")
            with gr.Column(elem_id="recmas-reads"):
                explained = terms(words, "slot", "transfer")
                html(f'<h2 class="recmas-heading">{escape(words("explore.prompt.title"))} {explained}</h2>')
                prompt = html(render.prompt(empty), "prompt")
    strip = piece(render.strip(empty, None), "strip")
    with gr.Row(elem_id="recmas-time"):
        back = gr.Button(words("explore.buttons.back"), elem_id="recmas-back")
        forward = gr.Button(words("explore.buttons.forward"), elem_id="recmas-forward")
        first = gr.Button(words("explore.buttons.first"), elem_id="recmas-first")
        now = gr.Button(words("explore.buttons.now"), elem_id="recmas-now")
    return Showing(
        topology, plot, caption, table, prompt, strip, numbers, detail, when, status, map_of, contrast, speech, follow,
        speak, back, forward, first, now,
    )  # fmt: skip
