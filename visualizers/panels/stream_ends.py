"""The end of a page's stream of messages, kept apart from whatever the page asks meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

PATIENCE = 10.0  # seconds for a page to close a stream that has ended; one that is gone for good never says so
_STREAM, _JOIN, _LAST = "/queue/data", "/queue/join", b'"close_stream"'


class StreamEnds:
    """ASGI middleware around gradio's streams of messages.

    When nothing is under way any more, gradio's last message tells the page to close its stream; the next thing that is
    pressed opens another. On a busy machine two things go wrong with that, and both leave a run standing still in the
    middle, with nothing in the log:

    - The page hears that its next press was taken up before it has read that last message. It believes the stream open,
      then closes it, and opens none for what was pressed. So the answer to a press waits until the page has closed.
    - The page has closed before the server has come to the stream's own end. gradio takes that for a visitor who has
      gone, and drops what was pressed since. So behind the last message a closed connection is no news.

    Args:
        app: What answers.
        patience: Seconds to wait for a page to close a stream that has ended.
    """

    def __init__(self, app: App, patience: float = PATIENCE) -> None:
        self._app, self._patience = app, patience
        self._ending: dict[str, asyncio.Event] = {}  # by session: streams that were told to close and are open yet

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request."""
        path = str(scope["path"]).rstrip("/") if scope["type"] == "http" else ""
        if path.endswith(_STREAM):
            await self._stream(scope, receive, send)
        elif path.endswith(_JOIN):
            await self._join(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _stream(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        session = parse_qs(scope["query_string"].decode()).get("session_hash", [""])[0]
        closed: asyncio.Event | None = None  # set when the page has closed a stream that was told to

        async def sending(message: Message) -> None:
            nonlocal closed
            if closed is None and _LAST in message.get("body", b""):
                closed = self._ending[session] = asyncio.Event()
            elif closed is not None and not message.get("more_body", False):
                await self._until_gone(receive)  # the end of the answer would hide that the page has closed
                closed.set()
            await send(message)

        async def receiving() -> Message:
            message = await receive()
            if closed is not None and message["type"] == "http.disconnect":
                await asyncio.Event().wait()  # whoever waits for it is ended with the answer
            return message

        try:
            await self._app(scope, receiving, sending)
        finally:
            if closed is not None:
                closed.set()
                if self._ending.get(session) is closed:
                    del self._ending[session]

    async def _until_gone(self, receive: Receive) -> None:
        async def gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        await asyncio.wait([task := asyncio.ensure_future(gone())], timeout=self._patience)
        task.cancel()

    async def _join(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        asked = bytearray()

        async def receiving() -> Message:
            message = await receive()
            asked.extend(message.get("body", b""))
            return message

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                ending = self._ending.get(_session(asked))
                if ending is not None:
                    await ending.wait()
            await send(message)

        await self._app(scope, receiving, sending)


def _session(asked: bytes | bytearray) -> str:
    """Whose request it is; "" for one that is none, which the app refuses by itself."""
    try:
        found = json.loads(asked)
    except ValueError:
        return ""
    return str(found.get("session_hash", "")) if isinstance(found, dict) else ""
