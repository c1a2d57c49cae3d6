"""A training as the pieces the Train tab shows: HTML, texts and figures. Pure: one moment gives one screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from html import escape
from types import MappingProxyType
from typing import Any

import gradio as gr

from recmas_core.patterns import Pattern
from visualizers.figures.credit import credit_html
from visualizers.figures.curves import training_curves
from visualizers.figures.meters import Meter, meters_html
from visualizers.panels.stage import status_html
from visualizers.panels.train_moment import TrainMoment
from visualizers.panels.train_ways import DIVERGED, STALLED, WAYS

WHY = (
    "Read it beside the loss: a system that is solved and one that has collapsed both have tiny gradients, and only "
    "the loss tells them apart."
)
_SAYS: Mapping[str, str] = MappingProxyType(
    {
        "idle": "Nothing has been trained yet. Press Start.",
        "waiting": "Others are training on this machine: you are number {place} in the queue.",
        "preparing": "Preparing: the agents are loaded, the links copied, questions drawn.",
        "running": "{stage}: step {step} of {steps}.",
        "paused": "Paused{after}. Continue goes on from exactly here.",
        "stopped": "Stopped{after}. The links are as they were then.",
        "done": "Finished{after}.",
        "diverged": "Stopped by itself: {error}",
        "failed": "{error}",
    }
)
_BAD = ("diverged", "failed")


@dataclass(frozen=True)
class TrainPanels:
    """The values of the outputs that follow a training, in the order in which the page expects them."""

    status: Any
    meters: Any
    curves: Any
    credit: Any
    notice: Any
    start: Any
    pause: Any
    go_on: Any
    stop: Any
    undo: Any
    use: Any
    compare: Any
    download: Any
    released: Any
    draw: Any

    def changes(self, before: TrainPanels | None) -> tuple[Any, ...]:
        """The values that differ from what was sent before; all others are left alone."""
        mine = astuple(self)
        old = (None,) * len(mine) if before is None else astuple(before)
        switches = {i for i, name in enumerate(OUTPUTS) if name in SWITCHES}
        return tuple(
            gr.skip() if new == was else gr.update(interactive=new) if i in switches else new
            for i, (new, was) in enumerate(zip(mine, old, strict=True))
        )


OUTPUTS = tuple(field.name for field in fields(TrainPanels))
SWITCHES = OUTPUTS[OUTPUTS.index("start") :]  # buttons: what changes is whether they can be pressed


def train_panels(moment: TrainMoment, pattern: Pattern) -> TrainPanels:
    """All pieces of a training at a moment.

    Args:
        moment: The training.
        pattern: That of the system trained, or of the one chosen before the first start.
    """
    return TrainPanels(
        status=status_html(says(moment), error=moment.phase in _BAD),
        meters=meters(moment),
        curves=curves(moment),
        credit=credit(moment, pattern),
        notice=notice(moment),
        start=not moment.at_work,
        pause=moment.at_work,
        go_on=moment.phase == "paused",
        stop=moment.at_work or moment.phase == "paused",
        undo=moment.has_links,
        use=moment.has_links,
        compare=moment.has_links,
        download=moment.has_links,
        released=moment.has_links,
        draw=moment.has_links,
    )


def says(moment: TrainMoment) -> str:
    """What goes on, in one sentence."""
    last, stage = moment.last, ""
    if last is not None:
        of = f" (stage {last.lap + 1} of {last.laps})" if last.laps > 1 else ""
        stage = f"{stage_titles().get(last.stage, last.stage)}{of}"
    phase = moment.phase
    if phase == "running" and last is None:
        phase = "preparing"
    after = "" if last is None else f" after {len(moment.steps)} steps"
    return _SAYS[phase].format(
        place=max(1, moment.place), stage=stage, step=0 if last is None else last.step,
        steps=0 if last is None else last.steps, after=after, error=moment.error,
    )  # fmt: skip


def stage_titles() -> dict[str, str]:
    """The name to show of every stage."""
    from recmas_core.training import STAGES

    return {name: info.title for name, info in STAGES.items()}


def meters(moment: TrainMoment) -> str:
    """The numbers of a training."""
    last = moment.last
    held = moment.before if moment.held is None else moment.held.held_out
    best = held[-1] if held else None
    low, high = (0.0, 0.0) if best is None else best.interval
    asked = "" if best is None else f"{best.right} of {best.n} held-out questions; 95 %: {low:.3f} to {high:.3f}."
    left = None if last is None or not moment.pace else (last.steps - last.step) * moment.pace
    return meters_html(
        [
            Meter("Stage", "–" if last is None else f"{last.lap + 1} of {last.laps}"),
            Meter("Step", "–" if last is None else f"{last.step} of {last.steps}"),
            Meter("Loss", "–" if last is None else f"{last.loss:.3g}"),
            Meter(
                "Running accuracy", "–" if last is None or last.accuracy is None else f"{last.accuracy:.2f}",
                "The stage's own measure of success on the questions it learns from, a running mean.",
            ),
            Meter("Held-out" if best is None else f"Held-out, {_rounds(best.rounds)}",
                  "–" if best is None else f"{best.accuracy:.3f} ({low:.2f} to {high:.2f})", asked),
            Meter("Per step", "–" if not moment.pace else _seconds(moment.pace), "Measuring included."),
            Meter("Left in this stage", "–" if left is None else _seconds(left) if moment.at_work else "–",
                  "An estimate; a stage that reaches its aim ends sooner."),
        ]
    )  # fmt: skip


def _rounds(rounds: int) -> str:
    return f"{rounds} round{'s' * (rounds > 1)}"


def _seconds(value: float) -> str:
    if value < 1:
        return f"{1000 * value:.0f} ms"
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    return f"{whole} s" if whole < 100 else f"{whole // 60} min {whole % 60:02d} s"


def curves(moment: TrainMoment) -> str:
    """The curves as a plotly figure in JSON."""
    key = "" if moment.plan is None else str(id(moment.plan))
    return training_curves(
        moment.steps, titles=stage_titles(), before=moment.before, marks=moment.marks, key=key
    ).to_json()


def credit(moment: TrainMoment, pattern: Pattern) -> str:
    """The shared credit signal of the newest step."""
    inner = [(role.name, role.name) for role in pattern.roles if (role.name, role.name) in moment.links]
    links = [*(edge.key for edge in pattern.edges), *inner]
    rounds = 3 if moment.plan is None else moment.plan.rounds
    norms = {} if moment.last is None else moment.last.grad_norms
    table = credit_html(pattern, norms, links=links, rounds=rounds, distance=moment.distance)
    return f'{table}<p class="recmas-hint">{WHY}</p>'


def notice(moment: TrainMoment) -> str:
    """What the stage has to say, with a button for every way out."""
    trouble = DIVERGED if moment.phase == "diverged" else STALLED if moment.note else ""
    if not trouble:
        return ""
    text = moment.error if trouble == DIVERGED else moment.note
    ways = [(key, way.title) for key, way in WAYS.items() if way.out_of == trouble]
    buttons = "".join(
        f'<button type="button" class="recmas-button" data-send="way" data-value="{key}">{escape(title)}</button>'
        for key, title in (*ways, ("undo", "Back to the last good links"))
    )
    return f'<div class="recmas-notice" role="status"><p>{escape(text)}</p>{buttons}</div>'
