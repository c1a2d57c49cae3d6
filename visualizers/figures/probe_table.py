"""What every thought says: a table of its likeliest words, with a thin bar for each word's score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from visualizers.words import Words


@dataclass(frozen=True)
class ProbeRow:
    """One thought and its likeliest words.

    Attributes:
        turn: 0-based turn.
        step: 0-based position of the thought in its turn.
        round: 1-based round.
        role: The role's name to show.
        colour: The role's colour, `#rrggbb`.
        words: (word, score) from the likeliest down; scores in 0..1 (probabilities) or -1..1 (cosines).
        selected: Whether this is the thought the reader has chosen.
    """

    turn: int
    step: int
    round: int
    role: str
    colour: str
    words: tuple[tuple[str, float], ...]
    selected: bool = False


def probe_table_html(rows: Sequence[ProbeRow], words: Words, *, measure: str = "") -> str:
    """An accessible table, one row per thought; the button in its first cell carries `data-turn` and `data-step`.

    Args:
        rows: The thoughts, in the order to show.
        words: What the page says.
        measure: What the scores are, for the hover text; probabilities unless it is said.
    """
    if not rows:
        return f'<p class="recmas-empty">{escape(words("figures.probe.empty"))}</p>'
    width = max(len(row.words) for row in rows)
    head = "".join(f'<th scope="col">{i}.</th>' for i in range(1, width + 1))
    measured = measure or words("figures.probe.probability")
    body = "".join(_row(row, width, measured, words) for row in rows)
    return (
        f'<table class="recmas-probe"><caption>{escape(words("figures.probe.caption"))}</caption>'
        f'<thead><tr><th scope="col">{escape(words("figures.probe.thought"))}</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def shown_word(word: str) -> str:
    """A word as a reader can see it: outer spaces dropped, white space alone named."""
    return word.strip() or {"": "∅", "\n": "⏎"}.get(word, "␣")


def _row(row: ProbeRow, width: int, measure: str, words: Words) -> str:
    who, step = row.role, row.step + 1
    label = (
        words("figures.probe.top", round=row.round, who=who, thought=step, word=shown_word(row.words[0][0]))
        if row.words
        else words("figures.probe.row", round=row.round, who=who, thought=step)
    )
    short = words("figures.probe.short", round=row.round, who=who, thought=step)
    button = (
        f'<button type="button" class="recmas-pick" data-turn="{row.turn}" data-step="{row.step}" '
        f'data-key="probe-{row.turn}-{row.step}" aria-pressed="{str(row.selected).lower()}" '
        f'aria-label="{escape(label)}"><span class="recmas-dot" style="background:{escape(row.colour)}"></span>'
        f"{escape(short)}</button>"
    )
    cells = "".join(_cell(word, score, row.colour, measure, words) for word, score in row.words)
    cells += "<td></td>" * (width - len(row.words))
    chosen = ' class="recmas-selected"' if row.selected else ""
    return f'<tr{chosen} data-turn="{row.turn}" data-step="{row.step}"><th scope="row">{button}</th>{cells}</tr>'


def _cell(word: str, score: float, colour: str, measure: str, words: Words) -> str:
    share = 100 * min(max(score, 0.0), 1.0)
    faint = ' class="recmas-faint"' if score < 0.02 else ""
    exact = words.written(f"{score:.3f}")
    hint = escape(words("figures.probe.score", word=shown_word(word), measure=measure, score=exact))
    return (
        f'<td title="{hint}"{faint}>'
        f'<span class="recmas-bar" style="width:{share:.1f}%;background:{escape(colour)}"></span>'
        f'<span class="recmas-word">{escape(shown_word(word))}</span> '
        f'<span class="recmas-score">{words.written(f"{score:.2f}")}</span></td>'
    )
