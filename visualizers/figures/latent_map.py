"""The latent map: live thoughts among the reference thoughts of the same agent, coloured by what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from visualizers import theme
from visualizers.figures.islands import Island, find_islands, legible, span_of
from visualizers.theme import plain
from visualizers.words import Words

if TYPE_CHECKING:
    import plotly.graph_objects as go

ROUND_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "pentagon", "star")
_MARGIN = 0.06  # share of the cloud's span left free around it


@dataclass(frozen=True)
class MapPoint:
    """One live thought on the map.

    Attributes:
        x, y: Its place.
        label: What it is, e.g. "round 1 · thought 2".
        words: Its likeliest words with their probabilities, for the hover.
        colour: The role's colour, `#rrggbb`.
        turn: 0-based turn.
        round: 1-based round.
        step: 0-based position in its turn.
        selected: Whether it is the thought the reader has chosen.
    """

    x: float
    y: float
    label: str
    words: str
    colour: str
    turn: int
    round: int
    step: int
    selected: bool = False


@dataclass(frozen=True, eq=False)
class Cloud:
    """Reference points: `xy` (n, 2) float32 and the word of each."""

    xy: NDArray[np.float32]
    words: tuple[str, ...]

    @cached_property
    def islands(self) -> tuple[Island, ...]:
        """Its islands, worked out once per cloud."""
        return find_islands(self.xy, self.words)

    @cached_property
    def colours(self) -> tuple[str, ...]:
        """The colour of each point's word."""
        colour = {word: theme.word_colour(word) for word in set(self.words)}
        return tuple(colour[word] for word in self.words)


def latent_map(
    *,
    points: Sequence[MapPoint],
    cloud: Cloud | None,
    words: Words,
    title: str = "",
    method: str = "",
    anchors: Cloud | None = None,
    shadows: Sequence[MapPoint] = (),
    paths: bool = True,
    frame: NDArray[np.float32] | None = None,
) -> go.Figure:
    """The map as a plotly figure on a transparent ground.

    The live points are the one trace named "thoughts", with customdata [turn, step]; all else explains them. The axes
    have no unit and keep their range unless a live point lies outside.

    Args:
        points: Live points in the order in which they were made.
        cloud: Reference thoughts, or None if the system ships none.
        words: What the page says.
        title: Shown above the map; "" for none.
        method: How the points were placed, in small print; "" for none.
        anchors: Fixed points to show as crosses with their words: the receiver's own tokens.
        shadows: The same thoughts in another run, drawn hollow, each tied to its live point by a dotted line.
        paths: Whether a thin line goes through the thoughts of each turn, and a ring round the newest.
        frame: (n, 2) places that the axes hold even where nothing is drawn; they count where there is no cloud.
    """
    import plotly.graph_objects as go

    traces: list[dict[str, Any]] = []
    if cloud is not None and len(cloud.xy):
        traces.append(_cloud_trace(cloud, words("figures.map.reference")))
    if anchors is not None and len(anchors.xy):
        traces.append(_anchor_trace(anchors, words("figures.map.token")))
    known = [c.xy for c in (cloud, anchors) if c is not None and len(c.xy)]
    if known:
        islands = [*(cloud.islands if cloud else ()), *(anchors.islands if anchors else ())]
        traces.append(_word_trace(legible(islands, span_of(np.concatenate(known)))))
    if shadows:
        traces.extend((_tie_trace(points, shadows), _shadow_trace(shadows)))
    if paths:
        traces.extend((_path_trace(points), _ring_trace(points)))
    traces.append(_thought_trace(points, even=not paths))

    (x0, x1), (y0, y1) = _ranges(known or ([] if frame is None or not len(frame) else [frame]), (*points, *shadows))
    bare = {"visible": True, "showgrid": False, "zeroline": False, "showticklabels": False, "ticks": ""}
    figure_layout = theme.layout() | {
        "xaxis": bare | {"range": [x0, x1], "constrain": "domain"},
        "yaxis": bare | {"range": [y0, y1], "scaleanchor": "x", "scaleratio": 1, "constrain": "domain"},
        # Axes without a unit; the view belongs to one map, so a reader's zoom is kept while that map is shown.
        "uirevision": f"{title}|{len(known[0]) if known else 0}",
        "meta": {"method": method},
    }
    if title:
        figure_layout["title"] = {"text": plain(title), "font": {"size": 14}, "x": 0.01, "y": 0.985, "yanchor": "top"}
        figure_layout["margin"] = figure_layout["margin"] | {"t": 30}
    if method:
        figure_layout["annotations"] = [_small_print(method)]
    return go.Figure(data=traces, layout=figure_layout)


def _cloud_trace(cloud: Cloud, what: str) -> dict[str, Any]:
    return {
        # Not scattergl: plotly lays its canvas over all SVG, so the cloud would hide the live points and the words.
        "type": "scatter",
        "name": "reference",
        "mode": "markers",
        "x": cloud.xy[:, 0],
        "y": cloud.xy[:, 1],
        "text": [plain(word) for word in cloud.words],
        "hovertemplate": f"{plain(what)} <b>%{{text}}</b><extra></extra>",
        "marker": {"size": 5, "color": list(cloud.colours), "opacity": 0.45, "line": {"width": 0}},
    }


def _anchor_trace(anchors: Cloud, what: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "name": "tokens",
        "mode": "markers",
        "x": anchors.xy[:, 0],
        "y": anchors.xy[:, 1],
        "text": [plain(word) for word in anchors.words],
        "hovertemplate": f"{plain(what)} <b>%{{text}}</b><extra></extra>",
        "marker": {"size": 8, "symbol": "cross-thin", "line": {"width": 1.5, "color": list(anchors.colours)}},
    }


def _word_trace(islands: Sequence[Island]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "name": "words",
        "mode": "text",
        "x": [island.x for island in islands],
        "y": [island.y for island in islands],
        "text": [f"<b>{plain(island.word)}</b>" for island in islands],
        "textposition": "top center",
        "textfont": {"size": 14, "color": [theme.word_colour(island.word) for island in islands]},
        "cliponaxis": False,  # a long word at the cloud's edge is read whole
        "hoverinfo": "skip",
    }


def _path_trace(points: Sequence[MapPoint]) -> dict[str, Any]:
    """A thin line through the thoughts of each turn, broken between turns."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    for before, point in zip((None, *points), points, strict=False):
        if before is not None and before.turn != point.turn:
            xs.append(None)
            ys.append(None)
        xs.append(point.x)
        ys.append(point.y)
    return {
        "type": "scatter",
        "name": "order",
        "mode": "lines",
        "x": xs,
        "y": ys,
        "connectgaps": False,
        "line": {"width": 1.5, "color": points[-1].colour if points else theme.NEUTRAL},
        "opacity": 0.6,
        "hoverinfo": "skip",
    }


def _tie_trace(points: Sequence[MapPoint], shadows: Sequence[MapPoint]) -> dict[str, Any]:
    """A dotted line from every shadow to the live thought of the same turn and step."""
    live = {(p.turn, p.step): p for p in points}
    tied = [(live[key], s) for s in shadows if (key := (s.turn, s.step)) in live]
    return {
        "type": "scatter",
        "name": "ties",
        "mode": "lines",
        "x": [x for p, s in tied for x in (p.x, s.x, None)],
        "y": [y for p, s in tied for y in (p.y, s.y, None)],
        "connectgaps": False,
        "line": {"width": 1, "dash": "dot", "color": theme.NEUTRAL},
        "hoverinfo": "skip",
    }


def _shadow_trace(shadows: Sequence[MapPoint]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "name": "shadows",
        "mode": "markers",
        "x": [s.x for s in shadows],
        "y": [s.y for s in shadows],
        "text": [f"<b>{plain(s.label)}</b><br>{plain(s.words)}" for s in shadows],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {
            "size": 11,
            "color": [s.colour for s in shadows],
            "symbol": [f"{_symbol(s)}-open" for s in shadows],
            "line": {"width": 2},
        },
    }


def _symbol(point: MapPoint) -> str:
    return ROUND_SYMBOLS[(point.round - 1) % len(ROUND_SYMBOLS)]


def _ring_trace(points: Sequence[MapPoint]) -> dict[str, Any]:
    """A thin ring round the newest thought, a strong one round those chosen."""
    ringed = [p for i, p in enumerate(points) if p.selected or i == len(points) - 1]
    return {
        "type": "scatter",
        "name": "rings",
        "mode": "markers",
        "x": [p.x for p in ringed],
        "y": [p.y for p in ringed],
        "marker": {
            "symbol": "circle-open",
            "size": [27 if p.selected else 22 for p in ringed],
            "color": [p.colour for p in ringed],
            "line": {"width": [3.5 if p.selected else 1.5 for p in ringed]},
        },
        "hoverinfo": "skip",
    }


def _thought_trace(points: Sequence[MapPoint], *, even: bool = False) -> dict[str, Any]:
    """The live points; those of the newest turn stand out, unless all count alike."""
    last = points[-1].turn if points else -1
    return {
        "type": "scatter",
        "name": "thoughts",
        "mode": "markers",
        "x": [p.x for p in points],
        "y": [p.y for p in points],
        "customdata": [[p.turn, p.step] for p in points],
        "text": [f"<b>{plain(p.label)}</b><br>{plain(p.words)}" for p in points],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {
            "size": [14 if p.turn == last and not even else 11 for p in points],
            "color": [p.colour for p in points],
            "symbol": [_symbol(p) for p in points],
            "opacity": [1.0 if even or p.turn == last or p.selected else 0.75 for p in points],
            "line": {"width": 1.5, "color": "#ffffff"},
        },
    }


def _ranges(known: Sequence[NDArray[np.float32]], points: Sequence[MapPoint]) -> tuple[tuple[float, float], ...]:
    """(low, high) of x and of y: the cloud's with a margin, grown where a live point lies outside."""
    live = np.array([(p.x, p.y) for p in points], np.float64).reshape(-1, 2)
    base = np.concatenate(known).astype(np.float64) if known else live
    if not len(base):
        return (-1.0, 1.0), (-1.0, 1.0)
    low, high = base.min(0), base.max(0)
    pad = _MARGIN * max(float((high - low).max()), 1e-3)
    low, high = low - pad, high + pad
    if len(live):
        outside = live[(live < low).any(1) | (live > high).any(1)]
        if len(outside):
            low, high = np.minimum(low, outside.min(0) - pad), np.maximum(high, outside.max(0) + pad)
    return tuple((float(a), float(b)) for a, b in zip(low, high, strict=True))


def _small_print(text: str) -> dict[str, Any]:
    return {
        "name": "method",
        "text": plain(text),
        "showarrow": False,
        "xref": "paper",
        "yref": "paper",
        "x": 1,
        "y": 0,
        "xanchor": "right",
        "yanchor": "bottom",
        "font": {"size": 11, "color": theme.NEUTRAL},
    }

