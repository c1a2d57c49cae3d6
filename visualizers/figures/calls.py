"""What an agent writes while it decodes, token by token, and what came from elsewhere: tool calls, words put there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from visualizers.words import Words


@dataclass(frozen=True)
class Written:
    """One decoded token: its step, its text, and whether it ends the text."""

    step: int
    text: str
    end: bool


@dataclass(frozen=True)
class Called:
    """One tool call.

    Attributes:
        number: 0-based place among the turn's calls.
        tool: The tool's name.
        call: What was asked.
        result: What came back; begins with "error:" where the tool could not do it.
        seconds: How long the tool took.
        selected: Whether the reader is looking at this moment.
    """

    number: int
    tool: str
    call: str
    result: str
    seconds: float
    selected: bool = False


@dataclass(frozen=True)
class PutThere:
    """Words that were put behind the text since it held no answer: the agent read them and did not write them."""

    text: str


def writing_html(
    turn: int, lead: str, parts: Sequence[Written | Called | PutThere], words: Words, *, live: bool = False
) -> str:
    """The decode of one turn: a chip per token, a card per tool call and for words put there, in their order.

    Chips carry `data-turn` and `data-step`, cards `data-turn` and `data-call`.

    Args:
        turn: 0-based turn.
        lead: A sentence that says what is seen.
        parts: What was written, called and put there, in order.
        words: What the page says.
        live: Whether more is to come and the page should keep the newest in view (class `recmas-live`).
    """
    pieces: list[str] = []
    chips: list[str] = []
    for part in parts:
        if isinstance(part, Written):
            chips.append(_chip(turn, part, words))
            continue
        pieces.extend((_row(chips), _card(turn, part, words) if isinstance(part, Called) else _note(part, words)))
        chips = []
    pieces.append(_row(chips))
    kind = "recmas-writing recmas-live" if live else "recmas-writing"
    return f'<div class="{kind}"><p class="recmas-empty">{escape(lead)}</p>{"".join(pieces)}</div>'


def took(seconds: float) -> str:
    """A duration: "12 ms", "1.4 s"."""
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _row(chips: Sequence[str]) -> str:
    return f'<div class="recmas-tokens">{"".join(chips)}</div>' if chips else ""


def _chip(turn: int, token: Written, words: Words) -> str:
    shown = words("figures.writing.end") if token.end else token.text.strip() or "␣"
    return (
        f'<button type="button" class="recmas-token" data-turn="{turn}" data-step="{token.step}" '
        f'data-key="token-{turn}-{token.step}">{escape(shown)}</button>'
    )


def _note(put: PutThere, words: Words) -> str:
    return (
        f'<div class="recmas-put"><span>{escape(words("figures.writing.put"))}</span> '
        f"<samp>{escape(put.text.strip())}</samp></div>"
    )


def _card(turn: int, called: Called, words: Words) -> str:
    nothing = escape(words("figures.writing.nothing"))
    failed = " recmas-bad" if called.result.startswith("error:") else ""
    chosen = " recmas-selected" if called.selected else ""
    name = words("figures.writing.call", number=called.number + 1, tool=called.tool)
    return (
        f'<div class="recmas-call{chosen}"><button type="button" class="recmas-pick" data-turn="{turn}" '
        f'data-call="{called.number}" data-key="called-{turn}-{called.number}" '
        f'aria-pressed="{str(called.selected).lower()}">{escape(name)}</button> '
        f'<span class="recmas-call-time">{escape(words.written(took(called.seconds)))}</span>'
        f'<dl><dt>{escape(words("figures.writing.asked"))}</dt>'
        f"<dd><code>{escape(called.call) or nothing}</code></dd>"
        f'<dt>{escape(words("figures.writing.result"))}</dt>'
        f'<dd class="recmas-call-result{failed}"><samp>{escape(called.result) or nothing}</samp>'
        "</dd></dl></div>"
    )
