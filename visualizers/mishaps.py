"""What went wrong, in the page's language: an error's three parts are recognised by their English words."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

from recmas_core.errors import RecmasError
from visualizers.words import Words

_NUMBER = r"[-+]?[\d.,]+(?:e[-+]?\d+)?"
_PLACES = {  # what may stand in a place, by its name; anything in others
    "n": _NUMBER, "low": _NUMBER, "high": _NUMBER, "value": rf"'.*'|\".*\"|{_NUMBER}|nan|-?inf",
    "code": r"[0-9A-F]+",
}  # fmt: skip


def in_words(error: RecmasError, words: Words) -> str:
    """An error as this page says it; as the error itself says it where a part has no words here."""
    parts = {part: _said(part, getattr(error, part), words) for part in ("where", "what", "todo")}
    if parts["what"] is None or parts["todo"] is None:
        return str(error)
    return words("errors.message", **parts | {"where": parts["where"] or error.where})


def _said(part: str, text: str, words: Words) -> str | None:
    """A part in the page's language: by its own entry, else by the first with places that fits it; None if none."""
    fitting = [(key, found) for key, pattern in _patterns(part, words) if (found := pattern.fullmatch(text))]
    fitting.sort(key=lambda each: bool(each[1].groupdict()))
    if not fitting:
        return None
    key, found = fitting[0]
    return words(key, **found.groupdict())


def _patterns(part: str, words: Words) -> Iterator[tuple[str, re.Pattern[str]]]:
    for key, english in words.english.items():
        if key.startswith(f"errors.{part}."):
            yield key, re.compile("".join(_pieces(english)), re.DOTALL)


def _pieces(template: str) -> Iterator[str]:
    for text, name, _, _ in string.Formatter().parse(template):
        yield re.escape(text)
        if name is not None:
            yield f"(?P<{name}>{_PLACES.get(name, '.+')})"
