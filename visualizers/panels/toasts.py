"""Short messages in the page's corner, headed in the page's language."""

from __future__ import annotations

from html import escape

import gradio as gr

from visualizers.words import Words


def warn(message: str, words: Words) -> None:
    """Something did not go as asked. The message is plain text."""
    gr.Warning(escape(message), title=escape(words("page.toasts.warning")))


def inform(message: str, words: Words) -> None:
    """Something to know. The message is plain text."""
    gr.Info(escape(message), title=escape(words("page.toasts.info")))
