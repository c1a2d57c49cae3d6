"""What every thought says: a table of its likeliest words, with a thin bar for each word's score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


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


def probe_table_html(rows: Sequence[ProbeRow], *, measure: str = "probability") -> str:
    """An accessible table, one row per thought; the button in its first cell carries `data-turn` and `data-step`.

    Args:
        rows: The thoughts, in the order to show.
        measure: What the scores are, for the hover text.
    """
    if not rows:
        return '<p class="recmas-empty">No thoughts yet. Press Step: each thought appears here as it is made.</p>'
    width = max(len(row.words) for row in rows)
    head = "".join(f'<th scope="col">{i}.</th>' for i in range(1, width + 1))
    body = "".join(_row(row, width, measure) for row in rows)
    return (
        '<table class="recmas-probe"><caption>Likeliest words after each thought (r round, t thought)</caption>'
        f'<thead><tr><th scope="col">thought</th>{head}</tr></thead><tbody>{body}</tbody></table>'
    )


def shown_word(word: str) -> str:
    """A word as a reader can see it: outer spaces dropped, white space alone named."""
    return word.strip() or {"": "∅", "\n": "⏎"}.get(word, "␣")


def _row(row: ProbeRow, width: int, measure: str) -> str:
    name = f"Round {row.round}, {row.role}, thought {row.step + 1}"
    top = f": {shown_word(row.words[0][0])}" if row.words else ""
    button = (
        f'<button type="button" class="recmas-pick" data-turn="{row.turn}" data-step="{row.step}" '
        f'data-key="probe-{row.turn}-{row.step}" aria-pressed="{str(row.selected).lower()}" '
        f'aria-label="{escape(name + top)}"><span class="recmas-dot" style="background:{escape(row.colour)}"></span>'
        f"{escape(row.role)} r{row.round} t{row.step + 1}</button>"
    )
    cells = "".join(_cell(word, score, row.colour, measure) for word, score in row.words)
    cells += "<td></td>" * (width - len(row.words))
    chosen = ' class="recmas-selected"' if row.selected else ""
    return f'<tr{chosen} data-turn="{row.turn}" data-step="{row.step}"><th scope="row">{button}</th>{cells}</tr>'


def _cell(word: str, score: float, colour: str, measure: str) -> str:
    share = 100 * min(max(score, 0.0), 1.0)
    faint = ' class="recmas-faint"' if score < 0.02 else ""
    hint = escape(f"{shown_word(word)}: {measure} {score:.3f}")
    return (
        f'<td title="{hint}"{faint}>'
        f'<span class="recmas-bar" style="width:{share:.1f}%;background:{escape(colour)}"></span>'
        f'<span class="recmas-word">{escape(shown_word(word))}</span> '
        f'<span class="recmas-score">{score:.2f}</span></td>'
    )
