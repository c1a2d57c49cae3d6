"""One way to answer a question, as a column: its numbers, and what every turn says, round by round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Literal

from visualizers.figures.meters import Meter, meters_html


@dataclass(frozen=True)
class ColumnTurn:
    """One turn in a column.

    Attributes:
        heading: What stands above the turns of its round, e.g. "Round 1".
        title: Who speaks.
        colour: Their colour, `#rrggbb`.
        says: What the turn says so far; "" if nothing yet.
        hint: How it says it, for readers who point at it.
        state: Whether the turn is over, under way, or to come.
        latent: Whether it thinks instead of writing: its words are what the thoughts would say.
    """

    heading: str
    title: str
    colour: str
    says: str
    hint: str
    state: Literal["done", "running", "waiting"]
    latent: bool


def column_html(title: str, about: str, meters: Sequence[Meter], turns: Sequence[ColumnTurn]) -> str:
    """A column: a heading, what it shows, its numbers, and its turns."""
    rounds = "".join(
        f'<div class="recmas-column-round"><h4>{escape(heading)}</h4>{"".join(_turn(turn) for turn in group)}</div>'
        for heading, group in groupby(turns, key=lambda turn: turn.heading)
    )
    return (
        f'<section class="recmas-column" aria-label="{escape(title)}"><h3>{escape(title)}</h3>'
        f'<p class="recmas-hint">{escape(about)}</p>{meters_html(meters)}'
        f'<div class="recmas-column-turns">{rounds}</div></section>'
    )


def _turn(turn: ColumnTurn) -> str:
    kind = " recmas-column-latent" if turn.latent else ""
    live = " recmas-live" if turn.state == "running" else ""
    return (
        f'<div class="recmas-column-turn recmas-{turn.state}{kind}{live}" style="--recmas-role:{turn.colour}" '
        f'title="{escape(turn.hint)}"><span class="recmas-column-who">{escape(turn.title)}</span>'
        f'<samp>{escape(turn.says) or "&nbsp;"}</samp></div>'
    )
