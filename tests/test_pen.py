"""The pen: drawings reach the page in the order of what they show."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import Any

import gradio as gr
import pytest

from visualizers.panels.pen import Pen, in_order


def test_the_next_drawing_waits_until_the_one_before_is_sent() -> None:
    pen, state, sent = Pen(), {"thoughts": 1}, []
    request = gr.Request()

    def look(_: gr.Request) -> tuple[int]:
        return (state["thoughts"],)

    first = in_order(look, lambda _: pen)(request)
    drawn = next(first)  # drawn, and not yet with the page
    state["thoughts"] = 2
    later = threading.Thread(target=lambda: sent.extend(in_order(look, lambda _: pen)(request)))
    later.start()
    later.join(0.2)
    assert later.is_alive()
    sent.append(drawn)
    sent.extend(first)  # the server asks for more once it has sent that
    later.join(10.0)
    assert [values for values in sent if values != (gr.skip(),)] == [(1,), (2,)]


def test_the_last_values_are_no_changes_because_gradio_sends_them_again_without_the_pen() -> None:
    drawing = in_order(lambda request: ("the stage", "the map"), lambda _: Pen())
    assert list(drawing(gr.Request())) == [("the stage", "the map"), (gr.skip(), gr.skip())]


def test_a_drawing_that_is_given_up_or_fails_hands_the_pen_on() -> None:
    pen = Pen()
    with pen as first:
        pass
    given_up = in_order(lambda request: (1,), lambda _: pen)(gr.Request())
    next(given_up)
    given_up.close()

    def fails(_: gr.Request) -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        next(in_order(fails, lambda _: pen)(gr.Request()))
    with pen as last:
        assert last == first + 3, "every drawing has its number"


def test_a_handler_on_the_loop_waits_without_blocking_it() -> None:
    pen, order = Pen(), []

    async def drawing() -> None:
        async with pen.awaited():
            order.append("drawn")

    async def both() -> None:
        number = pen.__enter__()
        assert number == 1
        waiting = asyncio.create_task(drawing())
        await asyncio.sleep(0.05)
        order.append("the loop goes on")
        pen.__exit__()
        await waiting

    thread = threading.Thread(target=lambda: asyncio.run(both()))
    thread.start()
    thread.join(10.0)
    assert order == ["the loop goes on", "drawn"]


def test_gradio_still_sees_what_a_handler_asks_for() -> None:
    def pick(event: gr.EventData, request: gr.Request, *values: Any) -> int:
        return len(values)

    wrapped = in_order(pick, lambda _: Pen())
    assert list(inspect.signature(wrapped).parameters) == ["event", "request", "values"]
    assert inspect.isgeneratorfunction(wrapped)
