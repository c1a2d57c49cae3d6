"""The part of the left side where further systems are opened: its components. They are wired in explore.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from recmas_core.allowed import Allowance
from visualizers.panels.layout import html
from visualizers.panels.open_form import MOST_ROLES, TASKS, OpenForm, choices, devices, outlook, weights

_NOTHING = (
    '<p class="recmas-hint">This server offers the embedded systems only. On a machine of your own this page opens the '
    "authors&#39; released systems and any causal language models: the README says how.</p>"
)


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


def open_parts(allowance: Allowance, *, unfolded: bool) -> OpenParts | None:
    """The components (inside the left column); None where this server opens nothing.

    Args:
        allowance: What may be opened.
        unfolded: Whether to show them at once, as where something is being opened for everybody.
    """
    offered = choices(allowance)
    with gr.Accordion("More systems", open=unfolded and bool(offered), elem_id="recmas-more"):
        if not offered:
            html(_NOTHING, "nothing-more")
            return None
        first = offered[0][1]
        what = gr.Dropdown(offered, value=first, label="System", elem_id="recmas-open-what")
        task = gr.Radio(list(TASKS), value="math", label="Links for", elem_id="recmas-open-task")
        with gr.Row():
            device = gr.Dropdown(
                devices(), value=devices()[0], label="Device", elem_id="recmas-open-device", min_width=100
            )
            kept = gr.Dropdown(
                weights(), value="bfloat16", label="Weights", elem_id="recmas-open-weights", min_width=100
            )
        form = OpenForm(first, "math", devices()[0], "bfloat16", ())
        own, roles = form.style is None, form.pattern.roles
        agents = tuple(
            gr.Textbox(
                label=roles[i].title if i < len(roles) else "", visible=own and i < len(roles), max_lines=1,
                placeholder="owner/name on the hub", elem_id=f"recmas-open-agent-{i}",
            )
            for i in range(MOST_ROLES)
        )  # fmt: skip
        told = html(outlook(form), "outlook")
        with gr.Row():
            start = gr.Button("Open", elem_id="recmas-open", variant="primary", min_width=80)
            stop = gr.Button("Stop", elem_id="recmas-open-stop", min_width=60)
        progress = html("", "opening")
    return OpenParts(what, task, device, kept, agents, told, start, stop, progress)
