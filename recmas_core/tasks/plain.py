"""Grading answers of the wide world: whether a text ends in the same answer as the reference."""

from __future__ import annotations

import re
from fractions import Fraction

from recmas_core.boxes import last_box
from recmas_core.tasks.base import Example

# Where a text says what its answer is: "#### 18" and "The answer is 18." up to the end of the line.
_SAID = re.compile(r"(?:####|\banswer(?:\s+is\b|\s*:))[ \t:]*(\S[^\n]*)", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])(?:(?<![)\]])[-+−])?(?:\d{1,3}(?:,\d{3})+|\d{1,60})(?:\.\d{1,60})?(?:/\d{1,60})?")
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([-+]?\d+)\}\s*\{(\d+)\}")
_WRAPPED = re.compile(r"\\(?:text|textbf|mathrm|mathbf|operatorname)\s*\{([^{}]*)\}")
_SPACING = re.compile(r"\\(?:[,;:! ]|left\b|right\b|displaystyle\b)|~")
_DEGREES = re.compile(r"\^\s*(?:\\circ|\{\s*\\circ\s*\})|°")
_AROUND = re.compile(r"\s*([^\w\s])\s*")
_UNITS = re.compile(r"^[$€£]\s*|\s*\\?[%$€£]$")


def same_answer(example: Example, text: str) -> bool:
    r"""Whether `text` answers an example of the wide world rightly.

    Both the reference and the text are asked for their answer: the last \boxed{…}; else what stands behind the last
    "####", "answer is" or "answer:"; else the whole text. The two are compared without case, white space, LaTeX's
    spacing and a full stop at the end, and as numbers where both are some (0.5 is 1/2 is \frac{1}{2}). Where the
    reference's answer is a number and the text has no box, the last number of its answer counts.

    It cannot tell that two programs or two different sentences mean the same.
    """
    wanted, given = final_answer(example.answer), final_answer(text)
    if _same(wanted, given):
        return True
    if _value(wanted) is None or last_box(text) is not None:
        return False
    numbers = _NUMBER.findall(given)
    return bool(numbers) and _same(wanted, numbers[-1])


def final_answer(text: str) -> str:
    """The answer a text ends in; see `same_answer`."""
    box = last_box(text)
    if box is not None:
        return box.strip()
    said = _SAID.findall(text)
    return (said[-1] if said else text).strip()


def _same(one: str, other: str) -> bool:
    numbers = _value(one), _value(other)
    if None not in numbers:
        return numbers[0] == numbers[1]
    return _close(_plain(one)) == _close(_plain(other)) != ""


def _close(text: str) -> str:
    """A text without the spaces around signs: "x = 5" is "x=5", but "3 4" is not "34"."""
    return _AROUND.sub(r"\1", text)


def _plain(text: str) -> str:
    """A text without what makes no difference to what it says."""
    text = _SPACING.sub(" ", text.strip().strip("$*"))
    text = _DEGREES.sub("", _WRAPPED.sub(r"\1", text))
    text = _FRACTION.sub(r"\1/\2", text).replace("−", "-")
    text = " ".join(text.casefold().split()).rstrip(".* ")
    text = _UNITS.sub("", text)
    return text[1:-1] if re.fullmatch(r"\([a-z]\)", text) else text  # (B) is B


def _value(text: str) -> Fraction | None:
    """The number that a text is, if it is one."""
    plain = _plain(text)
    if not _NUMBER.fullmatch(plain):
        return None
    whole, _, below = plain.replace(",", "").partition("/")
    return Fraction(whole) / Fraction(below) if below.strip("0") else Fraction(whole) if not below else None
