"""The components of the Explore tab and where they stand. What they do is wired in explore.py."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from recmas_core.patterns import Pattern
from recmas_core.tasks.base import Task
from visualizers.panels import render
from visualizers.panels.explore_handlers import PACES, status_html
from visualizers.panels.mapview import RECEIVED
from visualizers.panels.moments import scene
from visualizers.panels.shell import Shell
from visualizers.theme import role_colour

EXAMPLES = (
    "start 4 s1 + 9 s2 * 3 s3 - 5 s4 + 2 s5 * 7 s6 - 8 s7 + 6",
    "start 7 s1 + 3 s2 * 7 s3 - 4",
    "2 + 9 * 3 - 5 + 8 * 7",
    "9 * 9 - 1 + 6 * 3 + 2 - 8 * 7 + 4",
    "What is the capital of France?",
)
ROUNDS, THOUGHTS = 3, 3
_KEYS = (
    ("S", "Step"), ("R", "Round"), ("G", "Run (go)"), ("P", "Pause"), ("X", "Reset"),
    ("← →", "one moment back, forward"), ("Home", "first thought"), ("End", "back to now"),
    ("Esc", "leave a field, so that keys work again"),
)  # fmt: skip


@dataclass(frozen=True)
class Choosing:
    """The components of the left side."""

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
    agents: tuple[gr.Dropdown, ...]
    links: gr.HTML


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
    map_of: gr.Radio
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


def choosing(pattern: Pattern, task: Task) -> Choosing:
    """The left side: what to run."""
    gr.Radio([(pattern.title, pattern.name)], value=pattern.name, label="Pattern", elem_id="recmas-pattern",
             interactive=True)  # fmt: skip
    html(pattern_card(pattern), "pattern-card")
    question = gr.Textbox(
        EXAMPLES[0], label="Question", placeholder=task.placeholder, lines=1, max_lines=4, elem_id="recmas-question"
    )
    note = html("", "note")
    with gr.Row(elem_id="recmas-asking"):
        examples = gr.Dropdown(list(EXAMPLES), value=None, label="Examples", elem_id="recmas-examples", min_width=120)
        dice = gr.Button("Sample a question", elem_id="recmas-dice", size="sm", min_width=80)
    with gr.Row(elem_id="recmas-fields"):
        rounds = gr.Number(ROUNDS, label="Rounds", elem_id="recmas-rounds", min_width=60)
        thoughts = gr.Number(THOUGHTS, label="Thoughts per turn", elem_id="recmas-thoughts", min_width=60)
        seed = gr.Number(0, label="Seed", elem_id="recmas-seed", min_width=60)
    trained = html("", "trained")
    with gr.Row(elem_id="recmas-transport"):
        step = gr.Button("Step", elem_id="recmas-step", variant="primary")
        round_ = gr.Button("Round", elem_id="recmas-round")
        run = gr.Button("Run", elem_id="recmas-run")
        pause = gr.Button("Pause", elem_id="recmas-pause")
        reset = gr.Button("Reset", elem_id="recmas-reset")
    with gr.Group(elem_id="recmas-how"):
        mode = gr.Radio([("latent thoughts", "latent"), ("text", "text")], value="latent", label="Pass on")
        pace = gr.Radio(list(PACES), value="calm", label="Pace")
    with gr.Accordion("Agents", open=False, elem_id="recmas-agents"):
        agents = tuple(
            gr.Dropdown(
                [(f"{role.title}'s own", f"embedded:{role.name}")], value=f"embedded:{role.name}", label=role.title,
                elem_id=f"recmas-agent-{role.name}",
            )
            for role in pattern.roles
        )  # fmt: skip
        links = html("", "links")
    with gr.Accordion("About this little world", open=False):
        html(f'<p class="recmas-hint">{escape(task.about)}</p><p class="recmas-hint">{escape(task.limit)}</p>')
    with gr.Accordion("Keyboard", open=False):
        rows = "".join(f"<li><kbd>{escape(key)}</kbd> {escape(what)}</li>" for key, what in _KEYS)
        html(f'<ul class="recmas-keys">{rows}</ul>')
    return Choosing(
        question, note, examples, dice, rounds, thoughts, seed, trained, step, round_, run, pause, reset, mode, pace,
        agents, links,
    )  # fmt: skip


def showing(pattern: Pattern, shell: Shell) -> Showing:
    """The stage: what happens."""
    empty = scene(pattern, None, None, ROUNDS)

    def piece(value: str, name: str) -> gr.HTML:
        script = "recmas.piece(element, trigger, watch, 'pick');"
        return html(value, name, js_on_load=script, head=shell.head)

    with gr.Row(elem_id="recmas-top"):
        status = html(status_html("The agents are being loaded."), "status")
        when = piece("", "when")
    topology = html(
        render.topology(empty, None), "topology", head=shell.head,
        html_template='<div class="recmas-picture"></div>', js_on_load="recmas.picture(element, props, watch);",
    )  # fmt: skip
    meters = html(render.meters(empty, None), "meters")
    with gr.Row(elem_id="recmas-middle"):
        with gr.Column(elem_id="recmas-left", min_width=280):
            with gr.Row(elem_id="recmas-mapbar"):
                map_of = gr.Radio(
                    [*(role.name for role in pattern.roles), RECEIVED], value=pattern.roles[0].name, label="Latent map",
                    elem_id="recmas-map-of", container=False, min_width=240,
                )  # fmt: skip
                follow = gr.Checkbox(True, label="follow", elem_id="recmas-follow", container=False, min_width=70)
            plot = html(
                "", "map", head=shell.head,
                html_template=f'<div class="recmas-map" data-plotly="{escape(shell.plotly)}"></div>',
                js_on_load="recmas.map(element, props, trigger, watch, 'pick');",
            )  # fmt: skip
            caption = html("", "caption")
        with gr.Column(elem_id="recmas-right", min_width=240):
            table = piece(render.table(empty, None), "table")
            with gr.Column(elem_id="recmas-saying"):
                detail = html(render.detail(empty, None), "detail")
                with gr.Row(elem_id="recmas-speaking"):
                    speak = gr.Button("Speak", elem_id="recmas-speak", size="sm", min_width=70)
                    speech = html("", "speech")
            with gr.Column(elem_id="recmas-reads"):
                html('<h3 class="recmas-h3">What this turn reads</h3>')
                prompt = html(render.prompt(empty), "prompt")
    strip = piece(render.strip(empty, None), "strip")
    with gr.Row(elem_id="recmas-time"):
        back = gr.Button("Back in time", elem_id="recmas-back")
        forward = gr.Button("Forward in time", elem_id="recmas-forward")
        first = gr.Button("First thought", elem_id="recmas-first")
        now = gr.Button("Now", elem_id="recmas-now")
    return Showing(
        topology, plot, caption, table, prompt, strip, meters, detail, when, status, map_of, speech, follow, speak,
        back, forward, first, now,
    )  # fmt: skip


def pattern_card(pattern: Pattern) -> str:
    """A pattern in one line of coloured names, and what it does."""
    chips = {
        role.name: f'<span class="recmas-role" style="--recmas-role:{role_colour(pattern, role.name)}">'
        f"{escape(role.title)}</span>"
        for role in pattern.roles
    }
    loop = ' <span title="feedback: the next round begins">↺</span>' if any(e.feedback for e in pattern.edges) else ""
    steps = " → ".join(" + ".join(chips[name] for name in stage) for stage in pattern.stages)
    line = f'<p class="recmas-chain">{steps}{loop}</p>'
    return f'{line}<p class="recmas-hint">{escape(pattern.about)}</p>'
