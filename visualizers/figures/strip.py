"""The strip of turns: every turn of a run, grouped by round; choosing one travels there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Literal


@dataclass(frozen=True)
class StripTurn:
    """One turn in the strip.

    Attributes:
        index: 0-based turn.
        round: 1-based round.
        role: The role's name.
        title: The role's name to show.
        colour: The role's colour, `#rrggbb`.
        state: Whether the turn is over, under way, or to come.
        saying: What it says, e.g. "s2 = 8"; the answer's text for the turn that decodes; "" if nothing yet.
        decodes: Whether this turn writes the answer.
        selected: Whether the reader is looking at this turn.
    """

    index: int
    round: int
    role: str
    title: str
    colour: str
    state: Literal["done", "running", "waiting"]
    saying: str
    decodes: bool
    selected: bool = False


_STATES = {"done": "finished", "running": "under way", "waiting": "to come"}


def turn_strip_html(turns: Sequence[StripTurn]) -> str:
    """The strip: one list per round, in it one button per turn with `data-turn`; turns to come are disabled."""
    rounds = "".join(
        f'<div class="recmas-round" role="group" aria-label="Round {number}">'
        f'<span class="recmas-round-name">round {number}</span><div class="recmas-round-turns">'
        f"{''.join(_button(turn) for turn in group)}</div></div>"
        for number, group in groupby(turns, key=lambda turn: turn.round)
    )
    return f'<div class="recmas-strip" role="group" aria-label="Turns of this run">{rounds}</div>'


def _button(turn: StripTurn) -> str:
    verb = "answers" if turn.decodes else "says"
    says = f" {verb} {turn.saying}" if turn.saying else ""
    label = f"Turn {turn.index + 1}, round {turn.round}: {turn.title}{says} ({_STATES[turn.state]})"
    arrow = "→ " if turn.decodes and turn.saying else ""
    classes = f"recmas-turn recmas-{turn.state}" + (" recmas-decodes" if turn.decodes else "")
    disabled = " disabled" if turn.state == "waiting" else ""
    return (
        f'<button type="button" class="{classes}" data-turn="{turn.index}" data-key="turn-{turn.index}" '
        f'aria-pressed="{str(turn.selected).lower()}" aria-label="{escape(label)}" title="{escape(label)}"'
        f'{disabled} style="--recmas-role:{escape(turn.colour)}">'
        f'<span class="recmas-turn-name">{escape(turn.title)}</span>'
        f'<span class="recmas-turn-says">{arrow}{escape(turn.saying) or "&nbsp;"}</span></button>'
    )
