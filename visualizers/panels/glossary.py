"""Ten terms explained: as a list, and as a button with an explanation wherever one of the words appears."""

from __future__ import annotations

from html import escape

from visualizers.words import Words

TERMS = (
    "agent", "role", "round", "thought", "inner", "outer", "slot", "transfer", "lens", "map",
)  # fmt: skip


def term(words: Words, name: str, text: str = "") -> str:
    """A word with its explanation, as HTML: a button that opens it, with the mouse, a finger or the keyboard.

    The explanations themselves stand once on the page, see `explanations_html`.

    Args:
        words: The page's language.
        name: One of `TERMS`.
        text: How the word reads there; by default the term itself.

    Raises:
        ValueError: If there is no such term.
    """
    if name not in TERMS:
        raise ValueError(f"There is no term {name!r}. The glossary has {', '.join(TERMS)}.")
    shown = text or words(f"glossary.{name}.name")
    hint = words("glossary.hint", term=words(f"glossary.{name}.name"))
    return (
        f'<button type="button" class="recmas-term" popovertarget="recmas-term-{name}" data-key="term-{name}" '
        f'aria-label="{escape(f"{shown}: {hint}")}">{escape(shown)}</button>'
    )


def terms(words: Words, *names: str) -> str:
    """A short line of terms, to stand behind a heading or a caption in which they appear.

    Raises:
        ValueError: If one of them is no term.
    """
    listed = " · ".join(term(words, name) for name in names)
    return f'<span class="recmas-terms">{escape(words("glossary.see"))} {listed}</span>'


def explanations_html(words: Words) -> str:
    """What the buttons of `term` open: one explanation for each term, hidden until then."""
    return "".join(
        f'<div popover id="recmas-term-{name}" class="recmas-explanation" role="note">'
        f"<b>{escape(words(f'glossary.{name}.name'))}</b> {escape(words(f'glossary.{name}.text'))}</div>"
        for name in TERMS
    )


def glossary_html(words: Words) -> str:
    """All terms with their explanations, as a list."""
    rows = "".join(
        f"<div><dt>{escape(words(f'glossary.{name}.name'))}</dt><dd>{escape(words(f'glossary.{name}.text'))}</dd></div>"
        for name in TERMS
    )
    return (
        f'<div class="recmas-glossary"><h2>{escape(words("glossary.title"))}</h2>'
        f'<p class="recmas-hint">{escape(words("glossary.about"))}</p><dl>{rows}</dl></div>'
    )
