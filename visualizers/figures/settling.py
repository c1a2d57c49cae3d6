"""Does a system settle? How alike each agent's thoughts are from one round to the next, as lines over the rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from visualizers import theme
from visualizers.figures.latent_map import ROUND_SYMBOLS
from visualizers.words import Words

if TYPE_CHECKING:
    import plotly.graph_objects as go

_LINE = "rgba(133,139,148,0.28)"


@dataclass(frozen=True)
class SettlingLine:
    """One agent's thoughts, from its second round on.

    Attributes:
        title: The agent's name to show.
        colour: Its colour, `#rrggbb`.
        rounds: 1-based rounds.
        cosines: For each the mean cosine of its thoughts with those of the round before, position by position.
        least, most: The smallest and the largest of these cosines in each round.
    """

    title: str
    colour: str
    rounds: tuple[int, ...]
    cosines: tuple[float, ...]
    least: tuple[float, ...]
    most: tuple[float, ...]


def settling_lines(
    lines: Sequence[SettlingLine], words: Words, *, rounds: int, trained: int | None = None, key: str = ""
) -> go.Figure:
    """The lines as a plotly figure on a transparent ground; bars reach from the least to the most like thought.

    Args:
        lines: One for each agent.
        words: What the page says.
        rounds: Where the axis of rounds ends.
        trained: The last round that the links were trained for, marked by a dotted line; None if that is not known.
        key: What tells this run from another: a reader's zoom is kept while it is the same.
    """
    import plotly.graph_objects as go

    small = {"size": 11, "color": theme.NEUTRAL}
    plain: dict[str, Any] = {"zeroline": False, "tickfont": small, "gridcolor": _LINE}
    traces = [
        {
            "type": "scatter", "name": line.title, "mode": "lines+markers", "x": list(line.rounds),
            "y": list(line.cosines), "line": {"width": 2, "color": line.colour},
            "marker": {"size": 9, "color": line.colour, "symbol": ROUND_SYMBOLS[i % len(ROUND_SYMBOLS)]},
            "error_y": {
                "type": "data", "symmetric": False, "thickness": 1, "width": 3, "color": line.colour,
                "array": [m - c for m, c in zip(line.most, line.cosines, strict=True)],
                "arrayminus": [c - m for m, c in zip(line.least, line.cosines, strict=True)],
            },
            "hovertemplate": words("intervene.settle.hover", who=theme.plain(line.title), x="%{x}", y="%{y:.3f}")
            + "<extra></extra>",
        }
        for i, line in enumerate(lines)
    ]  # fmt: skip
    low = min((value for line in lines for value in line.least), default=0.0)
    shapes, notes = [], []
    if trained is not None and trained < rounds:
        shapes.append(
            {"type": "line", "x0": trained + 0.5, "x1": trained + 0.5, "y0": 0, "y1": 1, "yref": "paper",
             "line": {"width": 1.5, "dash": "dot", "color": theme.NEUTRAL}}
        )  # fmt: skip
        notes.append(
            {"x": trained + 0.5, "y": 1.0, "yref": "paper", "yanchor": "bottom", "showarrow": False, "font": small,
             "text": words("intervene.settle.trained")}
        )  # fmt: skip
    layout = theme.layout() | {
        "margin": {"l": 44, "r": 14, "t": 26, "b": 62},
        "showlegend": True,
        "legend": {"orientation": "h", "y": -0.22, "x": 0, "font": {"size": 12}},
        "xaxis": plain | {"range": [1.6, rounds + 0.4], "dtick": 1, "showgrid": False,
                          "title": {"text": words("intervene.settle.round"), "font": small, "standoff": 2}},
        "yaxis": plain | {"range": [min(0.0, low) - 0.05, 1.06], "nticks": 6,
                          "title": {"text": words("intervene.settle.cosine"), "font": small, "standoff": 4}},
        "shapes": shapes,
        "annotations": notes,
        "meta": {"key": key},
    }  # fmt: skip
    return go.Figure(data=traces, layout=layout)
