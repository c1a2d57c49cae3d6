"""The Explore tab: wires its components to its handlers."""

from __future__ import annotations

import random
from html import escape
from typing import Any

import gradio as gr

from recmas_core.errors import RecmasError
from recmas_core.patterns import Pattern
from recmas_core.records import check_question
from recmas_core.tasks import TASKS
from recmas_core.tasks.base import Task
from visualizers.panels.choices import MAX_THOUGHTS
from visualizers.panels.explore_handlers import OUTPUTS, Explore, say_error
from visualizers.panels.layout import Choosing, Showing, choosing, showing
from visualizers.panels.render import model_name
from visualizers.panels.shelf import Shelf
from visualizers.panels.shell import Shell

LIMIT = 32  # handlers of one kind at work at once; nobody waits for another visitor's run


def build_explore(demo: gr.Blocks, shelf: Shelf, handlers: Explore, pattern: Pattern, shell: Shell) -> None:
    """Add the tab to the page that is being built (inside `with demo`)."""
    task = TASKS["chain"]
    with gr.Row(elem_id="recmas-explore"):
        with gr.Column(elem_id="recmas-choices", min_width=260):
            left = choosing(pattern, task)
        with gr.Column(elem_id="recmas-stage", min_width=280):
            stage = showing(pattern, shell)
    _wire_run(demo, left, stage, handlers)
    _wire_choices(demo, left, shelf, task)


def _wire_run(demo: gr.Blocks, left: Choosing, stage: Showing, handlers: Explore) -> None:
    controls = [
        left.question, left.rounds, left.thoughts, left.seed, left.mode, left.pace, stage.map_of, stage.follow,
        *left.agents,
    ]  # fmt: skip
    outputs = [getattr(stage, name) for name in OUTPUTS]
    common: dict[str, Any] = {
        "inputs": controls, "outputs": outputs, "show_progress": "hidden", "api_visibility": "private",
        "concurrency_limit": LIMIT, "trigger_mode": "multiple",
    }  # fmt: skip
    # A page that is open when umap-learn gets ready is drawn again, its points placed by umap-learn.
    demo.load(handlers.look, **common).then(
        handlers.warm, None, None, show_progress="hidden", api_visibility="private", concurrency_limit=None
    ).then(handlers.look, **common)
    demo.unload(handlers.leave)
    left.step.click(handlers.step, **common)
    left.round.click(handlers.round, **common)
    gr.on([left.run.click, left.question.submit], handlers.run, **common)
    quick = common | {"queue": False}
    left.pause.click(handlers.pause, **quick)
    left.reset.click(handlers.reset, **quick)
    stage.back.click(handlers.back, **quick)
    stage.forward.click(handlers.forward, **quick)
    stage.first.click(handlers.first, **quick)
    stage.now.click(handlers.now, **quick)
    for part in (stage.strip, stage.table, stage.map, stage.when):
        part.pick(handlers.pick, **quick)
    stage.map_of.select(handlers.choose_map, **common | {"outputs": [*outputs, stage.follow]})
    stage.follow.input(handlers.choose_follow, **common)
    stage.speak.click(
        handlers.speak, None, stage.speech, show_progress="hidden", api_visibility="private", concurrency_limit=LIMIT
    )


def _wire_choices(demo: gr.Blocks, left: Choosing, shelf: Shelf, task: Task) -> None:
    private: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": LIMIT}
    demo.load(
        lambda text, m: (
            reading_note(task, text), trained_note(shelf, m), *(gr.Dropdown(agent_choices(shelf)) for _ in left.agents)
        ),
        [left.question, left.thoughts], [left.note, left.trained, *left.agents], **private,
    )  # fmt: skip
    left.question.change(
        lambda text: reading_note(task, text), left.question, left.note, trigger_mode="always_last", **private
    )
    left.examples.input(lambda text: text, left.examples, left.question, **private)
    left.dice.click(lambda: draw(task), None, left.question, **private)
    left.thoughts.change(lambda m: trained_note(shelf, m), left.thoughts, left.trained, **private)
    gr.on(
        [agent.input for agent in left.agents], lambda *agents: links_note(shelf, agents), [*left.agents], left.links,
        **private,
    )  # fmt: skip


def draw(task: Task) -> str:
    """A fresh held-out question."""
    return task.sample(1, seed=random.SystemRandom().randrange(2**31), split="test")[0].question


def reading_note(task: Task, text: str) -> str:
    """How a question is taken, and its true answer where there is one."""
    try:
        check_question(text)
    except RecmasError as error:
        return f'<p class="recmas-hint recmas-outside">{escape(str(error))}</p>'
    reading = task.read(text)
    if reading.answer is None:
        return f'<p class="recmas-hint recmas-outside">{escape(reading.note)}</p>'
    taken = "" if reading.question == text else f"Read as <b>{escape(reading.question)}</b>. "
    return f'<p class="recmas-hint">{taken}{escape(reading.note)} True answer: <b>{escape(reading.answer)}</b>.</p>'


def trained_note(shelf: Shelf, thoughts: Any) -> str:
    """Whether the agents ever saw that many thoughts in a slot."""
    try:
        trained = shelf.entry().system.trained_steps
    except RecmasError as error:
        return f'<p class="recmas-hint recmas-outside">{escape(str(error))}</p>'
    whole = isinstance(thoughts, int | float) and float(thoughts).is_integer() and 1 <= thoughts <= MAX_THOUGHTS
    if not whole:
        return f'<p class="recmas-hint recmas-outside">Thoughts per turn: a whole number from 1 to {MAX_THOUGHTS}.</p>'
    if trained is None:
        return ""
    low, high = trained
    if low <= thoughts <= high:
        return f'<p class="recmas-hint">The agents were trained with {low} to {high} thoughts a turn.</p>'
    return (
        f'<p class="recmas-hint recmas-outside">The agents were trained with {low} to {high} thoughts a turn, '
        f"never with {int(thoughts)}: expect wrong answers.</p>"
    )


def links_note(shelf: Shelf, agents: tuple[str, ...]) -> str:
    """Which links the chosen agents leave untrained."""
    try:
        main = shelf.entry().system
        system = shelf.entry(tuple(zip(main.roles, agents, strict=True))).system
    except Exception as error:
        return f'<p class="recmas-hint recmas-outside">{escape(say_error(error))}</p>'
    if not system.untrained:
        return (
            '<p class="recmas-hint">All links between these agents are trained: the inner ones by the paper&#39;s '
            'inner loop, the outer ones by alignment to the receiver&#39;s words, not yet by the '
            'paper&#39;s outer loop.</p>'
        )
    edges = ", ".join(f"{sender} → {receiver}" for sender, receiver in sorted(system.untrained))
    return (
        f'<p class="recmas-hint recmas-outside">The links {escape(edges)} were never trained for these agents: what '
        "passes over them is noise to the receiver, and the answer a guess.</p>"
    )


def agent_choices(shelf: Shelf) -> list[tuple[str, str]]:
    """(what to show, value) of every agent that a role can be given."""
    system = shelf.entry().system
    return [
        (
            f"{model_name(a.family)} · d {a.hidden_size} · {a.parameters / 1000:,.0f}k · trained as {role}",
            f"embedded:{role}",
        )
        for role, a in system.agents.items()
    ]
