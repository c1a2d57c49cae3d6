"""The part of the left side where further systems are opened: its components. They are wired in explore.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from recmas_core.allowed import Allowance
from visualizers.names import named_pattern
from visualizers.panels.layout import html
from visualizers.panels.open_form import MOST_ROLES, OpenForm, choices, devices, tasks, weights
from visualizers.panels.open_view import outlook
from visualizers.words import Words


@dataclass(frozen=True)
class OpenParts:
    """The components; those of the form in the order of `OpenForm`."""

    what: gr.Dropdown
    task: gr.Radio
    device: gr.Dropdown
    weights: gr.Dropdown
    agents: tuple[gr.Textbox, ...]
    outlook: gr.HTML
    open: gr.Button
    stop: gr.Button
    progress: gr.HTML

    @property
    def form(self) -> list[Any]:
        """The form's components."""
        return [self.what, self.task, self.device, self.weights, *self.agents]


def open_parts(allowance: Allowance, words: Words, *, unfolded: bool) -> OpenParts | None:
    """The components (inside the left column); None where this server opens nothing.

    Args:
        allowance: What may be opened.
        words: What the page says.
        unfolded: Whether to show them at once, as where something is being opened for everybody.
    """
    offered = choices(allowance, words)
    with gr.Accordion(words("open.title"), open=unfolded and bool(offered), elem_id="recmas-more"):
        if not offered:
            html(f'<p class="recmas-hint">{words("open.nothing")}</p>', "nothing-more")
            return None
        first = offered[0][1]
        what = gr.Dropdown(offered, value=first, label=words("open.system"), elem_id="recmas-open-what")
        task = gr.Radio(tasks(words), value="math", label=words("open.task"), elem_id="recmas-open-task")
        with gr.Row():
            device = gr.Dropdown(
                devices(), value=devices()[0], label=words("open.device"), elem_id="recmas-open-device", min_width=100
            )
            kept = gr.Dropdown(
                weights(words), value="bfloat16", label=words("open.weights"), elem_id="recmas-open-weights",
                min_width=100,
            )  # fmt: skip
        form = OpenForm(first, "math", devices()[0], "bfloat16", ())
        own, roles = form.style is None, named_pattern(form.pattern, words).roles
        agents = tuple(
            gr.Textbox(
                label=roles[i].title if i < len(roles) else "", visible=own and i < len(roles), max_lines=1,
                placeholder=words("open.placeholder"), elem_id=f"recmas-open-agent-{i}",
            )
            for i in range(MOST_ROLES)
        )  # fmt: skip
        told = html(outlook(form, words), "outlook")
        with gr.Row():
            start = gr.Button(words("open.start"), elem_id="recmas-open", variant="primary", min_width=80)
            stop = gr.Button(words("open.stop"), elem_id="recmas-open-stop", min_width=60)
        progress = html("", "opening")
    return OpenParts(what, task, device, kept, agents, told, start, stop, progress)
