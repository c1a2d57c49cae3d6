"""Small buttons beside a figure that save it as SVG or PNG, drawn by the browser as it is shown."""

from __future__ import annotations

from html import escape

import gradio as gr

from visualizers.panels.shell import Shell
from visualizers.words import Words


def save_buttons(element_id: str, name: str, words: Words, shell: Shell, *, title: str) -> gr.HTML:
    """Add them to the page that is being built.

    Args:
        element_id: Id of the element that the figure is in: a plotly figure, or an inline SVG.
        name: What to call the file, without its ending.
        words: What the page says.
        shell: The page's frame.
        title: What the figure is, for screen readers.
    """
    buttons = "".join(
        f'<button type="button" data-format="{kind}" '
        f'aria-label="{escape(words("share.figure.save", title=title, kind=kind.upper()))}">{kind.upper()}</button>'
        for kind in ("svg", "png")
    )
    return gr.HTML(
        f'<span class="recmas-saves">{escape(words("share.figure.as"))} {buttons}</span>',
        elem_id=f"{element_id}-save", elem_classes="recmas-saving", apply_default_css=False, head=shell.head,
        js_on_load=f"recmas.saving(element, {element_id!r}, {name!r});",
    )  # fmt: skip
