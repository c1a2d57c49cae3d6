"""The end of a page's stream of messages: a busy server must not take it for a visitor who has gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_STREAM, _LAST = "/queue/data", b'"close_stream"'


class StreamEnds:
    """ASGI middleware around gradio's streams of messages.

    gradio ends a stream with a message that tells the page to close it. The page does so at once; a busy server may
    not have come to the stream's own end by then, takes that for a visitor who has gone, and drops whatever they have
    pressed since: a step stops in the middle, and says nothing more. So once that message is on its way, the closed
    connection is no news.

    Args:
        app: What answers.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or not scope["path"].endswith(_STREAM):
            await self._app(scope, receive, send)
            return
        ended = False

        async def sending(message: Message) -> None:
            nonlocal ended
            ended = ended or _LAST in message.get("body", b"")
            await send(message)

        async def receiving() -> Message:
            message = await receive()
            if ended and message["type"] == "http.disconnect":
                await asyncio.Event().wait()  # whoever waits for it is ended with the answer
            return message

        await self._app(scope, receiving, sending)
