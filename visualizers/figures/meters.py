"""Meters: a few numbers of the run, each with its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal


@dataclass(frozen=True)
class Meter:
    """A named value.

    Attributes:
        label: What it is.
        value: The value as text.
        hint: One sentence on how it is measured, shown on hover; may be "".
        tone: "good", "bad" or "warn" where the value is a verdict.
    """

    label: str
    value: str
    hint: str = ""
    tone: Literal["", "good", "bad", "warn"] = ""


def meters_html(meters: Sequence[Meter]) -> str:
    """The meters as a description list, in the order given."""
    return f'<dl class="recmas-meters">{"".join(_meter(meter) for meter in meters)}</dl>'


def _meter(meter: Meter) -> str:
    tone = f" recmas-{meter.tone}" if meter.tone else ""
    hint = f' title="{escape(meter.hint)}"' if meter.hint else ""
    return (
        f'<div class="recmas-meter{tone}"{hint}><dt>{escape(meter.label)}</dt>'
        f'<dd title="{escape(meter.value)}">{escape(meter.value) or "&nbsp;"}</dd></div>'
    )
