"""A page that reads several messages of a generator at once still sees each: the later ones do not edit the earlier."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from visualizers.panels.whole_updates import WholeUpdates


def edited_in_place(old: Any, edits: list[Any]) -> Any:
    """What the page makes of edits: gradio's client changes the older value itself."""
    for action, path, value in edits:
        if not path:
            old = value if action == "replace" else old + value
            continue
        at = old
        for key in path[:-1]:
            at = at[key]
        if action == "delete":
            del at[path[-1]]
        else:
            at[path[-1]] = at[path[-1]] + value if action == "append" else value
    return old


def read_at_once(frame: type[gr.Blocks], yielded: list[list[Any]]) -> list[list[Any]]:
    """What a page that reads all messages before it shows any has of each of them."""
    with frame() as page:
        outputs: list[Any] = [gr.Tabs(), gr.HTML(), gr.JSON()]
        gr.Button().click(lambda: None, None, outputs)
    read: list[list[Any]] = []
    for values in yielded:
        sent = page.handle_streaming_diffs(page.fns[0], list(values), "session", "run", False)
        last = read[-1] if read else None
        read.append(sent if last is None else [edited_in_place(*each) for each in zip(last, sent, strict=True)])
    done = page.handle_streaming_diffs(page.fns[0], list(yielded[-1]), "session", "run", True)
    assert done == yielded[-1]
    return read


def yields() -> list[list[Any]]:
    """As gradio brings them to the page: what is given as a component has become an update."""
    return [
        [gr.update(selected="intervene"), "begun", {"seen": 1}],
        [gr.skip(), "begun, and on", gr.skip()],
        [gr.update(selected="explore"), gr.skip(), {"seen": 2}],
        [gr.skip(), "over", {"seen": 2}],
    ]


def test_every_change_is_read_as_it_was_yielded() -> None:
    assert read_at_once(WholeUpdates, yields()) == yields()


def test_gradio_itself_loses_a_change() -> None:
    """Why the class is there; once this fails, gradio has mended it and the class can go."""
    read = read_at_once(gr.Blocks, yields())
    assert read != yields()
    assert "selected" not in read[0][0]


def test_what_has_not_changed_is_not_sent_again() -> None:
    with WholeUpdates() as page:
        gr.Button().click(lambda: None, None, [gr.HTML(), gr.Tabs()])
    page.handle_streaming_diffs(page.fns[0], ["one", gr.skip()], "session", "run", False)
    sent = page.handle_streaming_diffs(page.fns[0], ["one and two", gr.skip()], "session", "run", False)
    assert sent == [[["append", [], " and two"]], []]


@pytest.mark.parametrize(("session", "run"), [(None, "run"), ("session", None)])
def test_without_a_session_values_are_sent_as_they_are(session: str | None, run: str | None) -> None:
    with WholeUpdates() as page:
        gr.Button().click(lambda: None, None, gr.HTML())
    for value in ("one", "two"):
        assert page.handle_streaming_diffs(page.fns[0], [value], session, run, False) == [value]
