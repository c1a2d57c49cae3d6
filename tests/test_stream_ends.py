"""A stream that was told to close is not a visitor who has gone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from visualizers.panels.stream_ends import StreamEnds


def told(path: str, last: bytes) -> list[str]:
    """What a stream of these bytes hears, whose client goes as soon as it has them."""
    heard: list[str] = []

    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.body", "body": b'data: {"msg": "process_completed"}\n\n'})
        await send({"type": "http.response.body", "body": last})
        try:
            heard.append((await asyncio.wait_for(receive(), 0.05))["type"])
        except TimeoutError:
            heard.append("nothing")

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        assert message["body"]

    asyncio.run(StreamEnds(stream)({"type": "http", "path": path}, receive, send))
    return heard


@pytest.mark.parametrize(
    ("path", "last", "heard"),
    [
        ("/gradio_api/queue/data", b'data: {"msg": "close_stream", "event_id": null}\n\n', "nothing"),
        ("/gradio_api/queue/data", b'data: {"msg": "heartbeat"}\n\n', "http.disconnect"),
        ("/gradio_api/heartbeat/x", b'data: {"msg": "close_stream"}\n\n', "http.disconnect"),
    ],
)
def test_only_a_page_that_left_before_the_streams_end_has_gone(path: str, last: bytes, heard: str) -> None:
    assert told(path, last) == [heard]


def test_what_is_no_request_goes_through() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    asyncio.run(StreamEnds(app)({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == ["lifespan"]
