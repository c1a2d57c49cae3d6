"""What a turn reads: its prompt, with every slot of latent thoughts shown as a coloured chip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from recmas_core.patterns import Pattern
from recmas_core.records import Segment
from visualizers.theme import role_colour
from visualizers.words import Words


def prompt_html(segments: Sequence[Segment], pattern: Pattern, words: Words, *, filled: Mapping[str, int]) -> str:
    """A turn's prompt as the agent reads it.

    Args:
        segments: The prompt, in order; a segment with a sender is a slot.
        pattern: The pattern, for the senders' titles and colours.
        words: What the page says.
        filled: For each sender the number of thoughts in its slot; a slot that is missing here counts as text if
            its segment has text, else as empty.
    """
    titles = {role.name: role.title for role in pattern.roles}
    parts = []
    for segment in segments:
        if segment.sender is None:
            parts.append(f'<span class="recmas-prompt-text">{escape(segment.text)}</span>')
            continue
        title = titles.get(segment.sender, segment.sender)
        colour = role_colour(pattern, segment.sender) if segment.sender in titles else "var(--recmas-muted)"
        said = _said(title, filled.get(segment.sender, 0), segment.text, words)
        parts.append(f'<span class="recmas-chip" style="--recmas-role:{escape(colour)}">{escape(said)}</span>')
    return f'<div class="recmas-prompt">{"".join(parts)}</div>'


def _said(title: str, count: int, text: str, words: Words) -> str:
    if count:
        return words.count("figures.prompt.slot", count, who=title)
    return words("figures.prompt.wrote", who=title, text=text) if text else words("figures.prompt.nothing", who=title)
