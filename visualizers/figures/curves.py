"""The course of a training: loss, right answers on held-out questions, and learning rate over the same steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from recmas_core.records import HeldOut, TrainStep
from visualizers import theme
from visualizers.figures.latent_map import ROUND_SYMBOLS
from visualizers.words import Words

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST = 500  # points drawn of one curve; longer ones are averaged in groups
_SMOOTH = 0.9  # share of the running mean that a step keeps
_PANELS = {"y": (0.53, 0.90), "y2": (0.17, 0.41), "y3": (0.0, 0.07)}
_LINE = "rgba(133,139,148,0.28)"


@dataclass(frozen=True)
class Mark:
    """Something that happened before a step: steps counted from 0 over the whole course, and a key of the marks."""

    at: int
    what: str


def training_curves(
    steps: Sequence[TrainStep],
    words: Words,
    *,
    titles: Mapping[str, str],
    before: Sequence[HeldOut] = (),
    marks: Sequence[Mark] = (),
    key: str = "",
) -> go.Figure:
    """The curves as a plotly figure on a transparent ground; all three share the axis of steps.

    The axis reaches to the end of the stage under way, so that it holds still while the curves grow. The trace named
    "loss" holds every step's own loss, "trend" its running mean within a stage, "held-out r" the accuracy of r rounds.

    Args:
        steps: All steps so far, of all stages, in order.
        words: What the page says.
        titles: For each stage the name to show.
        before: What held-out questions measured before the first step.
        marks: What else happened.
        key: What tells this course from another: a reader's zoom is kept while it is the same.
    """
    import plotly.graph_objects as go

    x = np.arange(1, len(steps) + 1)
    ahead = len(steps) + (steps[-1].steps - steps[-1].step if steps else 0)
    traces = [*_loss_traces(steps, x, words), *_held_out_traces(steps, before, words), _rate_trace(steps, x, words)]
    small = {"size": 11, "color": theme.NEUTRAL}
    plain = {"showgrid": True, "gridcolor": _LINE, "zeroline": False, "tickfont": small, "nticks": 5}
    events = _events(steps, marks, titles, words)
    figure_layout = theme.layout() | {
        "margin": {"l": 40, "r": 88, "t": 6, "b": 34},
        "xaxis": plain | {
            "range": [0, max(ahead, 10) * 1.01], "anchor": "y3", "nticks": 8, "showgrid": False,
            "title": {"text": words("train.curves.step"), "font": small, "standoff": 4},
        },
        "yaxis": plain | {"domain": _PANELS["y"], "type": "log", "dtick": 1, "tickformat": "~g",
                          "range": _decades(steps), "minor": {"ticks": ""}},
        "yaxis2": plain | {"domain": _PANELS["y2"], "range": [0, 1.04], "tickvals": [0, 0.5, 1], "fixedrange": True},
        "yaxis3": plain | {"domain": _PANELS["y3"], "rangemode": "tozero", "nticks": 2, "fixedrange": True,
                           "exponentformat": "e", "showgrid": False},
        "shapes": [_line(at, strong=strong) for at, _, strong in events],
        "annotations": [*_headings(steps, words), *_labels(events, ahead), *_ends(steps, before, words)],
        "uirevision": key,
        "meta": {"key": key},
    }  # fmt: skip
    return go.Figure(data=traces, layout=figure_layout)


def smoothed(steps: Sequence[TrainStep]) -> list[float]:
    """The running mean of the loss, begun anew with every stage."""
    means: list[float] = []
    for i, step in enumerate(steps):
        fresh = i == 0 or steps[i - 1].lap != step.lap
        means.append(step.loss if fresh else _SMOOTH * means[-1] + (1 - _SMOOTH) * step.loss)
    return means


def _loss_traces(steps: Sequence[TrainStep], x: np.ndarray, words: Words) -> list[dict[str, Any]]:
    at, raw = _thinned(x, [step.loss for step in steps])
    _, trend = _thinned(x, smoothed(steps))
    hover = words("train.curves.hover.loss", x="%{x}", y="%{y:.4g}")
    return [
        {"type": "scatter", "name": "loss", "mode": "markers", "x": at, "y": raw, "yaxis": "y",
         "marker": {"size": 3, "color": theme.NEUTRAL, "opacity": 0.45},
         "hovertemplate": f"{hover}<extra></extra>"},
        {"type": "scatter", "name": "trend", "mode": "lines", "x": at, "y": trend, "yaxis": "y",
         "line": {"width": 2, "color": theme.ACCENT}, "hoverinfo": "skip"},
    ]  # fmt: skip


def _held_out_traces(
    steps: Sequence[TrainStep], before: Sequence[HeldOut], words: Words
) -> list[dict[str, Any]]:
    measured: dict[int, list[tuple[int, HeldOut]]] = {}
    for at, results in enumerate((before, *(step.held_out for step in steps))):
        for result in results:
            measured.setdefault(result.rounds, []).append((at, result))
    traces = []
    for rounds, found in sorted(measured.items()):
        low, high = zip(*(result.interval for _, result in found), strict=True)
        share = [result.accuracy for _, result in found]
        hover = words(
            "train.curves.hover.held", x="%{x}", rounds=words.count("train.rounds", rounds), y="%{y:.3f}",
            low="%{customdata[0]:.3f}", high="%{customdata[1]:.3f}", n="%{customdata[2]}",
        )  # fmt: skip
        traces.append(
            {"type": "scatter", "name": f"held-out {rounds}", "mode": "lines+markers", "x": [at for at, _ in found],
             "y": share, "yaxis": "y2", "line": {"width": 1.5, "color": round_colour(rounds)},
             "marker": {"size": 6, "symbol": ROUND_SYMBOLS[(rounds - 1) % len(ROUND_SYMBOLS)]},
             "error_y": {"type": "data", "symmetric": False, "array": [b - s for b, s in zip(high, share, strict=True)],
                         "arrayminus": [s - a for a, s in zip(low, share, strict=True)], "thickness": 1, "width": 2},
             "customdata": [[a, b, r.n] for a, b, (_, r) in zip(low, high, found, strict=True)],
             "hovertemplate": f"{hover}<extra></extra>"}
        )  # fmt: skip
    return traces


def _rate_trace(steps: Sequence[TrainStep], x: np.ndarray, words: Words) -> dict[str, Any]:
    at, rate = _thinned(x, [step.lr for step in steps])
    hover = words("train.curves.hover.rate", x="%{x}", y="%{y:.2e}")
    return {"type": "scatter", "name": "rate", "mode": "lines", "x": at, "y": rate, "yaxis": "y3",
            "line": {"width": 1.5, "color": theme.NEUTRAL},
            "hovertemplate": f"{hover}<extra></extra>"}  # fmt: skip


def round_colour(rounds: int) -> str:
    """The colour of a number of rounds: the more, the stronger."""
    return theme.oklch(0.62, min(0.05 + 0.045 * (rounds - 1), 0.19), 255 - 35 * (rounds - 1))


def _thinned(x: np.ndarray, values: Sequence[float]) -> tuple[list[float], list[float]]:
    """At most `MOST` points: the means of groups of neighbours."""
    if len(values) <= MOST:
        return [float(v) for v in x], [float(v) for v in values]
    parts = np.array_split(np.arange(len(values)), MOST)
    numbers = np.asarray(values, np.float64)
    return [float(x[rows[-1]]) for rows in parts], [float(numbers[rows].mean()) for rows in parts]


def _decades(steps: Sequence[TrainStep]) -> list[float]:
    """Whole powers of ten around every loss: the axis moves rarely."""
    losses = [step.loss for step in steps if step.loss > 0]
    if not losses:
        return [-2.0, 1.0]
    low, high = np.log10(min(losses)), np.log10(max(losses))
    return [float(np.floor(low - 0.05)), float(np.ceil(high + 0.05))]


def _events(
    steps: Sequence[TrainStep], marks: Sequence[Mark], titles: Mapping[str, str], words: Words
) -> list[tuple[int, str, bool]]:
    """(steps before it, what, whether a stage begins there): stages, windows that open, and the marks."""
    found = []
    for i, (before, step) in enumerate(pairwise((None, *steps))):
        if step is None:
            continue
        if before is None or before.lap != step.lap:
            found.append((i, titles.get(step.stage, step.stage), True))
    happened = [(mark.at, words(f"train.curves.marks.{mark.what}"), False) for mark in marks]
    return [*found, *_windows(steps), *happened]


def _windows(steps: Sequence[TrainStep]) -> list[tuple[int, str, bool]]:
    """Where a stage's window begins and where it lengthens; nothing where none ever lengthened."""
    opened = [
        (i, step.lap, step.window)
        for i, (before, step) in enumerate(pairwise((None, *steps)))
        if step is not None and step.window is not None
        and (before is None or (before.window, before.lap) != (step.window, step.lap))
    ]  # fmt: skip
    several = {lap for _, lap, _ in opened if sum(other == lap for _, other, _ in opened) > 1}
    return [(i, str(window), False) for i, lap, window in opened if lap in several]


def _line(at: int, *, strong: bool) -> dict[str, Any]:
    line = {"width": 1, "color": theme.NEUTRAL if strong else _LINE, "dash": "solid" if strong else "dot"}
    place = {"xref": "x", "yref": "paper", "x0": at, "x1": at, "y0": 0, "y1": _PANELS["y"][1]}
    return {"type": "line", **place, "line": line}


def _headings(steps: Sequence[TrainStep], words: Words) -> list[dict[str, Any]]:
    loss = words("train.curves.loss_windows" if _windows(steps) else "train.curves.loss")
    held = words("train.curves.held")
    return [
        _text(0, top + 0.004, text, xref="paper", yref="paper", xanchor="left", yanchor="bottom", name="heading")
        for text, top in ((loss, 0.945), (held, _PANELS["y2"][1]), (words("train.curves.rate"), _PANELS["y3"][1]))
    ]


def _labels(events: Sequence[tuple[int, str, bool]], ahead: int) -> list[dict[str, Any]]:
    """The words beside the lines, stages on two levels; what would lie on another word is left out."""
    labels, free = [], {"mark": [-1.0], "stage": [-1.0, -1.0]}
    for at, text, strong in sorted(events, key=lambda event: event[0]):
        name, place = "stage" if strong else "mark", at / max(ahead, 10)
        level = next((i for i, end in enumerate(free[name]) if place >= end), None)
        if level is None:
            continue
        free[name][level] = place + 0.012 + 0.016 * len(text)
        y, hang = (0.895 - 0.04 * level, "top") if strong else (0.9, "bottom")
        labels.append(_text(at, y, theme.plain(text), yref="paper", xanchor="left", yanchor=hang, name=name))
    return labels


def _ends(steps: Sequence[TrainStep], before: Sequence[HeldOut], words: Words) -> list[dict[str, Any]]:
    """The newest accuracy of every number of rounds, written at the right edge; never two on one spot."""
    every = (*before, *(result for step in steps for result in step.held_out))
    newest = {result.rounds: result.accuracy for result in every}
    labels, least = [], -1.0
    for rounds, share in sorted(newest.items(), key=lambda item: (item[1], item[0])):
        y = least = max(share, least + 0.2)
        text = words("train.curves.end", rounds=words.count("train.rounds", rounds), share=share)
        labels.append(_text(1.005, y - max(0.0, least - 1.15), text, xref="paper", yref="y2", xanchor="left",
                            yanchor="middle", name="end", color=round_colour(rounds)))  # fmt: skip
    return labels


def _text(x: float, y: float, text: str, *, color: str = theme.NEUTRAL, **options: Any) -> dict[str, Any]:
    return {"x": x, "y": y, "text": text, "showarrow": False, "font": {"size": 11, "color": color}} | {
        "xref": "x", "yref": "y", **options
    }
