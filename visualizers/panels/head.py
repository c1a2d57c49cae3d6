"""What stands above the tabs: the page's name, what it is, and its languages."""

from __future__ import annotations

from html import escape

from visualizers.figures.buttons import plotly_buttons
from visualizers.words import LANGUAGES, Words, read_words


def head_html(words: Words) -> str:
    """The head of the page in one language, with links to the others; it tells the page's code the language."""
    links = "".join(_link(words, language) for language in LANGUAGES)
    buttons = plotly_buttons(words)
    return (
        f'<header class="recmas-head" data-language="{words.language}" data-decimal="{words("page.decimal")}" '
        f'data-buttons="{escape(buttons)}">'
        f'<a class="recmas-skip" href="#recmas-stage">{escape(words("page.skip"))}</a>'
        f'<h1>{escape(words("page.title"))}</h1><p>{escape(words("page.tagline"))}</p>'
        f'<nav class="recmas-languages" aria-label="{escape(words("page.languages"))}">{links}</nav></header>'
    )


def _link(words: Words, language: str) -> str:
    """A link to the page in a language; paths are relative, as the page may lie below another site's address."""
    name = escape(read_words(language)("page.language"))
    if language == words.language:
        return f'<span lang="{language}" aria-current="page">{name}</span>'
    there = "./" if language == LANGUAGES[0] else language
    return f'<a href="{there}" lang="{language}" hreflang="{language}">{name}</a>'
