"""Two runs side by side, turn by turn: what every thought says in each, and what differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import zip_longest

from visualizers.figures.probe_table import shown_word
from visualizers.words import Words


@dataclass(frozen=True)
class SentPair:
    """What a changed transfer is read as, in both runs: the nearest of the receiver's own words to each vector.

    Attributes:
        receiver: The receiver's name to show.
        mine, theirs: A word for every vector of the run and of the branch; "" for a vector of length 0.
    """

    receiver: str
    mine: tuple[str, ...]
    theirs: tuple[str, ...]


@dataclass(frozen=True)
class TurnPair:
    """One turn in both runs.

    Attributes:
        index: 0-based turn.
        round: 1-based round.
        title: The role's name to show.
        colour: The role's colour, `#rrggbb`.
        mine, theirs: The likeliest word after each thought, or the text in one piece, of the run and of the branch;
            None where the branch has not come so far.
        kept: Whether the branch took this turn over from the run.
        alike: Mean cosine of the turn's thoughts with those of the run; None where there are no thoughts to compare.
        sent: What was changed on its way from here.
        answers: Whether this turn writes the answer.
    """

    index: int
    round: int
    title: str
    colour: str
    mine: tuple[str, ...]
    theirs: tuple[str, ...] | None
    kept: bool
    alike: float | None = None
    sent: tuple[SentPair, ...] = ()
    answers: bool = False


def turn_pairs_html(pairs: Sequence[TurnPair], words: Words) -> str:
    """A table with a row for every turn; words that differ are marked, by more than a colour.

    Args:
        pairs: The turns, in order.
        words: What the page says.
    """
    heads = "".join(
        f'<th scope="col">{escape(name)}</th>'
        for name in (
            words("intervene.turns.turn"), words("intervene.turns.run"), words("intervene.turns.branch"),
            words("intervene.turns.alike"),
        )
    )  # fmt: skip
    rows = "".join(_row(pair, words) + "".join(_sent_row(pair, sent, words) for sent in pair.sent) for pair in pairs)
    return (
        f'<table class="recmas-pairs"><caption>{escape(words("intervene.turns.caption"))}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(pair: TurnPair, words: Words) -> str:
    name = words("intervene.turns.name", round=pair.round, who=pair.title)
    alike = "–" if pair.alike is None else words.written(f"{pair.alike:.2f}".replace("-0.00", "0.00"))
    if pair.kept:
        theirs = f'<span class="recmas-same">{escape(words("intervene.turns.kept"))}</span>'
    elif pair.theirs is None:
        theirs = '<span class="recmas-same">…</span>'
    else:
        theirs = _said(pair.theirs, pair.mine, words)
    classes = " recmas-kept" if pair.kept else ""
    return (
        f'<tr class="recmas-pair{classes}" data-pair="{pair.index}" style="--recmas-role:{escape(pair.colour)}">'
        f'<th scope="row"><span class="recmas-dot"></span>{escape(name)}</th><td>{_said(pair.mine, None, words)}</td>'
        f"<td>{theirs}</td><td>{alike}</td></tr>"
    )


def _sent_row(pair: TurnPair, sent: SentPair, words: Words) -> str:
    name = words("intervene.turns.sent", who=sent.receiver)
    return (
        f'<tr class="recmas-sent" data-sent="{pair.index}" style="--recmas-role:{escape(pair.colour)}">'
        f'<th scope="row">{escape(name)}</th><td>{_said(sent.mine, None, words)}</td>'
        f"<td>{_said(sent.theirs, sent.mine, words)}</td><td></td></tr>"
    )


def _said(said: Sequence[str], other: Sequence[str] | None, words: Words) -> str:
    """Words in a row; those that are not the other run's are marked."""
    if other is None:
        return "".join(f'<span class="recmas-w">{_word(word, words)}</span> ' for word in said)
    parts = []
    for mine, theirs in zip_longest(said, other):
        if mine is None:
            continue
        if mine == theirs:
            parts.append(f'<span class="recmas-w">{_word(mine, words)}</span> ')
        else:
            hint = escape(words("intervene.turns.differs"))
            parts.append(f'<mark class="recmas-w recmas-differs" title="{hint}">{_word(mine, words)}</mark> ')
    return "".join(parts)


def _word(word: str, words: Words) -> str:
    if not word:
        return f'<abbr title="{escape(words("intervene.turns.zero"))}">∅</abbr>'
    return escape(shown_word(word))
