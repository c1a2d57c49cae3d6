"""What a handler changes at a part of the page arrives there, even if it is read together with later news."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.blocks import BlockFunction


class WholeUpdates(gr.Blocks):
    """`gr.Blocks` whose generators' changes are sent whole.

    gradio sends what a generator yields as edits of what it yielded before, and the page makes them in place. A page
    reads several messages at once when they come before the answer to the press that they belong to, as on a busy
    machine: a change that the next yield leaves alone is then edited away before it was seen. A tab that was to be
    shown is not, and nothing says so. An update that replaces the one before it leaves that one as it was.
    """

    def handle_streaming_diffs(
        self,
        block_fn: BlockFunction,
        data: list[Any],
        session_hash: str | None,
        run: str | None,
        final: bool,
        simple_format: bool = False,
    ) -> list[Any]:
        """What to send of a yield: per output its value, if it is the first, else edits of the one before."""
        before: list[Any] = []
        if session_hash is not None and run is not None and not final and not simple_format:
            before = list(self.pending_diff_streams[session_hash].get(run, ()))
        now = list(data)
        sent = super().handle_streaming_diffs(block_fn, data, session_hash, run, final, simple_format)
        for i, (old, new) in enumerate(zip(before, now, strict=False)):  # a first yield has none before it
            if (_is_update(old) or _is_update(new)) and old != new:
                sent[i] = [["replace", [], new]]
        return sent


def _is_update(value: Any) -> bool:
    return isinstance(value, dict) and value.get("__type__") == "update"
