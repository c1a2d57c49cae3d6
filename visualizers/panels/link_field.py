"""A link to copy, and what is said of sharing, as HTML."""

from __future__ import annotations

from html import escape

from visualizers.words import Words


def link_field(query: str, label: str, about: str, words: Words) -> str:
    """A field that holds a link, which share.js makes whole and copies.

    Args:
        query: The link's query.
        label: What it is.
        about: What whoever opens it sees.
        words: What the page says.
    """
    return (
        f'<label class="recmas-copy"><span>{escape(label)}</span><input type="text" readonly '
        f'data-query="{escape(query)}"></label><p class="recmas-hint" data-copied="{escape(words("share.copied"))}" '
        f'data-uncopied="{escape(words("share.uncopied"))}" role="status">{escape(about)}</p>'
    )


def hint(text: str, *, outside: bool = False) -> str:
    """A sentence that is read aloud when it changes; `outside` marks what cannot be had."""
    kind = " recmas-outside" if outside else ""
    return f'<p class="recmas-hint{kind}" role="status">{escape(text)}</p>'
