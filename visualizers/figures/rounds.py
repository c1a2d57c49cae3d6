"""Accuracy by rounds of several ways to answer, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from recmas_core.intervals import Share
from visualizers import theme
from visualizers.words import Words

if TYPE_CHECKING:
    import plotly.graph_objects as go

_LINE = "rgba(133,139,148,0.28)"
_ASIDE = 0.05  # rounds by which neighbours stand apart, so that equal ones can be told apart
_APART = 0.115  # of the height of the figure, at least, between two labels
_TOP = 1.02


@dataclass(frozen=True)
class Look:
    """How a way is drawn: never by colour alone."""

    colour: str
    symbol: str
    dash: str


LOOKS: Mapping[str, Look] = MappingProxyType(
    {
        "single": Look(theme.NEUTRAL, "square", "dot"),
        "text": Look("#d55e00", "diamond", "dash"),
        "latent": Look(theme.ACCENT, "circle", "solid"),
    }
)


@dataclass(frozen=True)
class Line:
    """The accuracies of one way.

    Attributes:
        way: Its key in `LOOKS`.
        label: What to call it.
        points: (rounds, share) in order; one point alone of a way that has no rounds is drawn as a level.
        level: Whether it is such a way.
    """

    way: str
    label: str
    points: Sequence[tuple[int, Share]]
    level: bool = False


def rounds_figure(lines: Sequence[Line], *, rounds: Sequence[int], words: Words, key: str) -> go.Figure:
    """The accuracies as a plotly figure on a transparent ground, with 95 % intervals.

    Args:
        lines: What was measured so far.
        rounds: All numbers of rounds, those to come too: the axis holds still.
        words: What the page says.
        key: What tells this survey from another: a reader's zoom is kept while it is the same.
    """
    import plotly.graph_objects as go

    small = {"size": 12, "color": theme.NEUTRAL}
    plain = {"showgrid": True, "gridcolor": _LINE, "zeroline": False, "tickfont": small}
    span = [min(rounds) - 0.35, max(rounds) + 0.35]
    traces = [trace for i, line in enumerate(lines) for trace in _traces(line, i - (len(lines) - 1) / 2, span, words)]
    figure_layout = theme.layout() | {
        "margin": {"l": 44, "r": 104, "t": 8, "b": 40},
        "xaxis": plain | {"range": span, "tickvals": list(rounds), "showgrid": False, "fixedrange": True,
                          "title": {"text": words("compare.survey.axis"), "font": small, "standoff": 6}},
        "yaxis": plain | {"range": [-0.02, 1.04], "tickvals": [0, 0.25, 0.5, 0.75, 1], "tickformat": ".0%"},
        "annotations": _labels(lines, words),
        "uirevision": key,
        "meta": {"key": key},
    }  # fmt: skip
    return go.Figure(data=traces, layout=figure_layout)


def _traces(line: Line, place: float, span: Sequence[float], words: Words) -> list[dict[str, Any]]:
    look, shares = LOOKS[line.way], [share for _, share in line.points]
    if not shares:
        return []
    low, high = zip(*(share.interval for share in shares), strict=True)
    says = [
        words("compare.survey.hover", label=line.label, rounds=r, share=s.accuracy, low=a, high=b, n=s.n)
        for (r, s), a, b in zip(line.points, low, high, strict=True)
    ]
    common = {"type": "scatter", "name": line.way, "text": says, "hovertemplate": "%{text}<extra></extra>"}
    drawn = {"width": 2, "color": look.colour, "dash": look.dash}
    if line.level:
        band = {"type": "scatter", "name": f"{line.way} band", "mode": "lines", "line": {"width": 0},
                "x": [*span, *reversed(span)], "y": [low[0], low[0], high[0], high[0]], "fill": "toself",
                "fillcolor": _pale(look.colour), "hoverinfo": "skip"}  # fmt: skip
        middle = sum(span) / 2
        level = common | {"mode": "lines", "x": [span[0], middle, span[1]], "y": [shares[0].accuracy] * 3,
                          "line": drawn, "text": says * 3}  # fmt: skip
        return [band, level]
    values = [share.accuracy for share in shares]
    return [
        common | {
            "mode": "lines+markers", "x": [r + _ASIDE * place for r, _ in line.points], "y": values, "line": drawn,
            "marker": {"size": 9, "symbol": look.symbol, "color": look.colour},
            "error_y": {"type": "data", "symmetric": False, "thickness": 1.5, "width": 5, "color": look.colour,
                        "array": [b - v for b, v in zip(high, values, strict=True)],
                        "arrayminus": [v - a for a, v in zip(low, values, strict=True)]},
        }
    ]  # fmt: skip


def _labels(lines: Sequence[Line], words: Words) -> list[dict[str, Any]]:
    """Each way's name and newest share at the right edge; never two on one spot."""
    ends = sorted((line.points[-1][1].accuracy, i) for i, line in enumerate(lines) if line.points)
    places: list[float] = []
    for share, _ in ends:
        places.append(max(share, places[-1] + _APART) if places else share)
    most = _TOP
    for i in reversed(range(len(places))):  # what would stand above the top moves down, and with it what is below it
        places[i] = min(places[i], most)
        most = places[i] - _APART
    return [
        {"x": 1.01, "xref": "paper", "xanchor": "left", "y": place, "yref": "y", "yanchor": "middle", "name": "end",
         "text": f"{theme.plain(lines[i].label)}<br>{words.written(f'{share:.3f}')}", "showarrow": False,
         "align": "left", "font": {"size": 12, "color": LOOKS[lines[i].way].colour}}
        for (share, i), place in zip(ends, places, strict=True)
    ]  # fmt: skip


def _pale(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.16)"
