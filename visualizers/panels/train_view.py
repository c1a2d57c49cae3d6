"""A training as the pieces the Train tab shows: HTML, texts and figures. Pure: one moment gives one screen."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from html import escape
from typing import Any

import gradio as gr

from recmas_core.patterns import Pattern
from visualizers.figures.credit import credit_html
from visualizers.figures.curves import training_curves
from visualizers.figures.meters import Meter, meters_html
from visualizers.panels.stage import status_html
from visualizers.panels.train_choices import stage_texts
from visualizers.panels.train_moment import TrainMoment
from visualizers.panels.train_ways import DIVERGED, STALLED, WAYS
from visualizers.words import Words

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


def train_panels(moment: TrainMoment, pattern: Pattern, words: Words) -> TrainPanels:
    """All pieces of a training at a moment.

    Args:
        moment: The training.
        pattern: That of the system trained, or of the one chosen before the first start.
        words: What the page says.
    """
    return TrainPanels(
        status=status_html(says(moment, words), error=moment.phase in _BAD),
        meters=meters(moment, words),
        curves=curves(moment, words),
        credit=credit(moment, pattern, words),
        notice=notice(moment, words),
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


def says(moment: TrainMoment, words: Words) -> str:
    """What goes on, in one sentence."""
    last, stage, plan = moment.last, "", moment.plan
    if last is not None:
        stage = words(stage_texts(last.stage) + ".title")
        if last.laps > 1:
            stage = words("train.says.stage", title=stage, lap=last.lap + 1, laps=last.laps)
    phase: str = moment.phase
    if phase == "running" and last is None:
        phase = "preparing"
    if phase == "failed" and plan is not None and plan.manner.given and plan.given is None:
        phase = "no_questions"
    after = "" if last is None else words("train.says.after", n=len(moment.steps))
    return words(
        f"train.says.{phase}", place=max(1, moment.place), stage=stage, step=0 if last is None else last.step,
        steps=0 if last is None else last.steps, after=after, error=moment.error,
    )  # fmt: skip


def stage_titles(words: Words) -> dict[str, str]:
    """The name to show of every stage."""
    from recmas_core.training import STAGES

    return {name: words(stage_texts(name) + ".title") for name in STAGES}


def meters(moment: TrainMoment, words: Words) -> str:
    """The numbers of a training."""
    last = moment.last
    left = None if last is None or not moment.pace else (last.steps - last.step) * moment.pace
    return meters_html(
        [
            Meter(words("train.meters.stage"), "–" if last is None else _of(last.lap + 1, last.laps, words)),
            Meter(words("train.meters.step"), "–" if last is None else _of(last.step, last.steps, words)),
            Meter(words("train.meters.loss"), "–" if last is None else words.written(f"{last.loss:.3g}")),
            Meter(
                words("train.meters.running"),
                "–" if last is None or last.accuracy is None else words.written(f"{last.accuracy:.2f}"),
                words("train.meters.running_hint"),
            ),
            _held(moment, words),
            Meter(
                words("train.meters.pace"), "–" if not moment.pace else _seconds(moment.pace, words),
                words("train.meters.pace_hint"),
            ),
            Meter(
                words("train.meters.left"),
                "–" if left is None else _seconds(left, words) if moment.at_work else "–",
                words("train.meters.left_hint"),
            ),
        ]
    )  # fmt: skip


def _held(moment: TrainMoment, words: Words) -> Meter:
    """Right answers on held-out questions when they were asked last, with the most rounds."""
    held = moment.before if moment.held is None else moment.held.held_out
    if not held:
        return Meter(words("train.meters.held"), "–")
    best = held[-1]
    low, high = best.interval
    return Meter(
        words("train.meters.held_rounds", rounds=words.count("train.rounds", best.rounds)),
        words("train.meters.held_value", share=best.accuracy, low=low, high=high),
        words("train.meters.held_hint", right=best.right, n=best.n, low=low, high=high),
    )


def _of(n: int, every: int, words: Words) -> str:
    return words("train.meters.of", n=n, all=every)


def _seconds(value: float, words: Words) -> str:
    if value < 1:
        return words("train.meters.ms", n=f"{1000 * value:.0f}")
    if value < 10:
        return words("train.meters.seconds", n=words.written(f"{value:.1f}"))
    whole = round(value)
    if whole < 100:
        return words("train.meters.seconds", n=whole)
    return words("train.meters.minutes", minutes=whole // 60, seconds=whole % 60)


def curves(moment: TrainMoment, words: Words) -> str:
    """The curves as a plotly figure in JSON."""
    key = "" if moment.plan is None else str(id(moment.plan))
    return training_curves(
        moment.steps, words, titles=stage_titles(words), before=moment.before, marks=moment.marks, key=key
    ).to_json()


def credit(moment: TrainMoment, pattern: Pattern, words: Words) -> str:
    """The shared credit signal of the newest step."""
    inner = [(role.name, role.name) for role in pattern.roles if (role.name, role.name) in moment.links]
    links = [*(edge.key for edge in pattern.edges), *inner]
    rounds = 3 if moment.plan is None else moment.plan.rounds
    norms = {} if moment.last is None else moment.last.grad_norms
    table = credit_html(pattern, norms, words, links=links, rounds=rounds, distance=moment.distance)
    return f'{table}<p class="recmas-hint">{words("train.credit.why")}</p>'


def notice(moment: TrainMoment, words: Words) -> str:
    """What the stage has to say, with a button for every way out."""
    trouble = DIVERGED if moment.phase == "diverged" else STALLED if moment.note else ""
    if not trouble:
        return ""
    text = moment.error if trouble == DIVERGED else moment.note
    ways = [(key, f"{way.texts}.title") for key, way in WAYS.items() if way.out_of == trouble]
    buttons = "".join(
        f'<button type="button" class="recmas-button" data-send="way" data-value="{key}">{escape(words(text))}</button>'
        for key, text in (*ways, ("undo", "train.ways.undo.title"))
    )
    return f'<div class="recmas-notice" role="status"><p>{escape(text)}</p>{buttons}</div>'
