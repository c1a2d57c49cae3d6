"""The strip of turns: every turn of a run, grouped by round; choosing one travels there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Literal

from visualizers.words import Words


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
        stage: 0-based stage of its round; turns of one stage think at once and stand one above the other.
        calls: Names of the tools called so far.
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
    stage: int | None = None
    calls: tuple[str, ...] = ()


def turn_strip_html(turns: Sequence[StripTurn], words: Words) -> str:
    """The strip: a group per round, in it one button per turn with `data-turn`; turns to come are disabled.

    A tool call is a small button of its own behind its turn, with `data-turn` and `data-call`.
    """
    rounds = "".join(
        f'<div class="recmas-round" role="group" '
        f'aria-label="{words("figures.strip.group", round=number)}">'
        f'<span class="recmas-round-name">{words("figures.strip.round", round=number)}</span>'
        f'<div class="recmas-round-turns">{_stages(list(group), words)}</div></div>'
        for number, group in groupby(turns, key=lambda turn: turn.round)
    )
    label = escape(words("figures.strip.turns"))
    return f'<div class="recmas-strip" role="group" aria-label="{label}">{rounds}</div>'


def _stages(turns: Sequence[StripTurn], words: Words) -> str:
    parts = []
    label, hint = escape(words("figures.strip.together")), escape(words("figures.strip.hint"))
    for _, group in groupby(turns, key=lambda turn: turn.index if turn.stage is None else -1 - turn.stage):
        together = list(group)
        buttons = "".join(_button(turn, words) + _calls(turn, words) for turn in together)
        if len(together) > 1:
            buttons = f'<div class="recmas-atonce" role="group" aria-label="{label}" title="{hint}">{buttons}</div>'
        parts.append(buttons)
    return "".join(parts)


def _button(turn: StripTurn, words: Words) -> str:
    label = _label(turn, words)
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


def _label(turn: StripTurn, words: Words) -> str:
    state = words(f"figures.strip.state.{turn.state}")
    number, who = turn.index + 1, turn.title
    if not turn.saying:
        return words("figures.strip.turn", turn=number, round=turn.round, who=who, state=state)
    verb = "answers" if turn.decodes else "says"
    return words(
        f"figures.strip.{verb}", turn=number, round=turn.round, who=who, saying=turn.saying, state=state
    )


def _calls(turn: StripTurn, words: Words) -> str:
    def label(number: int, tool: str) -> str:
        return escape(words("figures.strip.call", who=turn.title, number=number + 1, tool=tool))

    return "".join(
        f'<button type="button" class="recmas-call-mark" data-turn="{turn.index}" data-call="{number}" '
        f'data-key="call-{turn.index}-{number}" aria-label="{label(number, tool)}">'
        f"{escape(tool)}</button>"
        for number, tool in enumerate(turn.calls)
    )
