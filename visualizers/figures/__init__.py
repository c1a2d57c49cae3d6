"""Data in, figure out: plotly figures, inline SVG and small pieces of HTML. Nothing here knows about gradio."""

from __future__ import annotations

from pathlib import Path


def stylesheet() -> str:
    """The css of the HTML and SVG pieces, all of whose classes begin with `recmas-`.

    Colours come from the page, as `--recmas-ink`, `-muted`, `-line`, `-surface` and `-accent`.
    """
    return Path(__file__).with_name("figures.css").read_text(encoding="utf-8")
