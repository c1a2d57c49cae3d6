"""A plotly figure to look at, with the buttons that save it."""

from __future__ import annotations

from html import escape

import gradio as gr

from visualizers.panels.layout import html
from visualizers.panels.save_buttons import save_buttons
from visualizers.panels.shell import Shell
from visualizers.words import Words


def figure_box(name: str, kind: str, shell: Shell, words: Words) -> gr.HTML:
    """Add both to the page that is being built; while nothing is drawn, there are no buttons.

    Args:
        name: What the component is called on the page.
        kind: What is drawn: `share.figure.<kind>` says it in the page's words.
        shell: The page's frame.
        words: What the page says.
    """
    box = f'<div class="recmas-figure recmas-figure-{kind}" data-plotly="{escape(shell.plotly)}"></div>'
    drawn = html("", name, head=shell.head, html_template=box, js_on_load="recmas.figure(element, props, watch);")
    save_buttons(f"recmas-{name}", f"recmas-{kind}", words, shell, title=words(f"share.figure.{kind}"))
    return drawn
