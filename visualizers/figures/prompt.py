"""What a turn reads: its prompt, with every slot of latent thoughts shown as a coloured chip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from recmas_core.patterns import Pattern
from recmas_core.records import Segment
from visualizers.theme import role_colour


def prompt_html(segments: Sequence[Segment], pattern: Pattern, *, filled: Mapping[str, int]) -> str:
    """A turn's prompt as the agent reads it.

    Args:
        segments: The prompt, in order; a segment with a sender is a slot.
        pattern: The pattern, for the senders' titles and colours.
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
        parts.append(_chip(title, colour, filled.get(segment.sender, 0), segment.text))
    return f'<div class="recmas-prompt">{"".join(parts)}</div>'


def _chip(title: str, colour: str, count: int, text: str) -> str:
    if count:
        content = f"{count} latent thought{'' if count == 1 else 's'} from {title}"
    elif text:
        content = f"{title} wrote: {text}"
    else:
        content = f"nothing from {title} yet"
    return f'<span class="recmas-chip" style="--recmas-role:{escape(colour)}">{escape(content)}</span>'
