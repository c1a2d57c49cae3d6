r"""Boxes: a \boxed{…} in a text is where it says its answer."""

from __future__ import annotations

import re

_BOX = re.compile(r"\\f?box(?:ed)?\s*\{")


def last_box(text: str) -> str | None:
    r"""What the last closed \boxed{…} holds, braces within it included; None where there is none."""
    closed, _ = _braces(text)
    starts = [found.end() for found in _BOX.finditer(text) if found.end() in closed]
    return text[starts[-1] : closed[starts[-1]]] if starts else None


def holds_answer(text: str) -> bool:
    """Whether a text says an answer in a closed box: an empty box, as a prompt has it, is none."""
    return bool((last_box(text) or "").strip())


def box_is_open(text: str) -> bool:
    """Whether a text ends within a box."""
    _, opened = _braces(text)
    return any(found.end() in opened for found in _BOX.finditer(text))


def _braces(text: str) -> tuple[dict[int, int], list[int]]:
    """Where braces that are closed begin and end, and where those that stay open begin."""
    opened: list[int] = []
    closed: dict[int, int] = {}
    for place, mark in enumerate(text):
        if mark == "{":
            opened.append(place + 1)
        elif mark == "}" and opened:
            closed[opened.pop()] = place
    return closed, opened
