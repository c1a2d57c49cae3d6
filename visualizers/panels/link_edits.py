"""Changes to what a run passes on, as short texts of a link, and such texts as changes. No gradio here.

A change is "turn:kind", then where they count its number, "at-0-2" for its positions and "to-solver" for its receiver.
"""

from __future__ import annotations

import math
import re

from recmas_core.errors import BadInput
from recmas_core.records import EDIT_KINDS, Edit
from visualizers.panels.choices import MAX_THOUGHTS
from visualizers.panels.intervene_change import KINDS, MAX_TEXT, Change

NO_LINK = "Download the run as a trace instead: that holds everything."
WHOLE = re.compile(r"\d{1,19}")
_NUMBER = re.compile(r"-?\d{1,12}(\.\d{1,20})?(e-?\d{1,2})?")


def edit_text(edit: Edit) -> str:
    """An edit of a run.

    Raises:
        BadInput: If it is made of vectors: a link cannot carry them.
    """
    if edit.kind not in ("zero", "noise", "scale") or not isinstance(edit.value, int | float | None):
        raise BadInput("link", "cannot carry vectors that were put in", NO_LINK)
    return _text(edit.turn, edit.kind, edit.value, edit.positions, edit.receiver)


def read_edit(text: str) -> Edit:
    """The edit that `edit_text` wrote.

    Raises:
        BadInput: If it is no such text.
    """
    turn, kind, value, positions, receiver = _read("edits", text)
    if kind not in EDIT_KINDS or kind in ("swap", "set"):
        raise _strange("edits", text)
    return Edit(turn, kind, positions, value, receiver=receiver)


def change_text(change: Change) -> str:
    """A change made on the Intervene tab; what was typed for it goes beside it."""
    return _text(change.turn, change.kind, change.amount, change.positions, change.receiver)


def read_change(text: str, put: str) -> Change:
    """The change that `change_text` wrote, with what was typed for it.

    Raises:
        BadInput: If it is no such text, or does not hold what its kind takes.
    """
    turn, kind, amount, positions, receiver = _read("change", text)
    known = KINDS.get(kind)
    if known is None or (amount is not None) != bool(known.amount) or bool(put) != bool(known.text):
        raise _strange("change", text)
    if amount is not None and not known.low <= amount <= known.high:
        raise BadInput("link: change", f"has {amount:g}", f"Give a number from {known.low:g} to {known.high:g}.")
    if len(put) > MAX_TEXT:
        raise BadInput("link: put", f"has {len(put):,} characters", f"At most {MAX_TEXT:,} are taken.")
    return Change(turn, kind, positions, receiver, amount, put)


def read_number(name: str, text: str) -> float:
    """A finite number.

    Raises:
        BadInput: If it is none.
    """
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise BadInput(f"link: {name}", f"is {text[:40]!r}", "Give a number.")
    return float(text)


def _text(
    turn: int, kind: str, value: float | None, positions: tuple[int, ...] | None, receiver: str | None
) -> str:
    parts = [str(turn), kind]
    if value is not None:
        parts.append(repr(float(value)))
    if positions is not None:
        parts.append("at-" + "-".join(map(str, positions)))
    if receiver is not None:
        parts.append(f"to-{receiver}")
    return ":".join(parts)


def _read(name: str, text: str) -> tuple[int, str, float | None, tuple[int, ...] | None, str | None]:
    turn, _, rest = text.partition(":")
    kind, *more = rest.split(":")
    if not WHOLE.fullmatch(turn):
        raise _strange(name, text)
    value: float | None = None
    positions: tuple[int, ...] | None = None
    receiver: str | None = None
    for part in more:
        if part.startswith("at-"):
            positions = tuple(_position(name, each) for each in part[3:].split("-"))
        elif part.startswith("to-"):
            receiver = part[3:]
        else:
            value = read_number(name, part)
    return int(turn), kind, value, positions, receiver


def _position(name: str, text: str) -> int:
    if not WHOLE.fullmatch(text) or int(text) >= MAX_THOUGHTS:
        todo = f"Thoughts count from 0 to {MAX_THOUGHTS}."
        raise BadInput(f"link: {name}", f"names the thought {text[:20]!r}", todo)
    return int(text)


def _strange(name: str, text: str) -> BadInput:
    return BadInput(f"link: {name}", f"has {text[:60]!r}", "Copy the link again from the page.")
