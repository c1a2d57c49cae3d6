"""What plotly's own buttons are called, in the page's words."""

from __future__ import annotations

import json

from visualizers.words import Words

_PLOTLY = {
    "Zoom": "zoom", "Pan": "pan", "Zoom in": "zoom_in", "Zoom out": "zoom_out", "Reset axes": "reset",
    "Double-click to zoom back out": "back",
}  # fmt: skip


def plotly_buttons(words: Words) -> str:
    """A dictionary for plotly's `locales`, as JSON: plots.js reads it from an element with `data-buttons`."""
    return json.dumps({name: words(f"figures.buttons.{key}") for name, key in _PLOTLY.items()})
