"""A page's stream of messages: kept between presses, and its end kept apart from what the page asks meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

REST = 20.0  # seconds that a page's stream stays open behind the last message
PATIENCE = 10.0  # seconds for a page to close a stream that has ended; one that is gone for good never says so
_STREAM, _JOIN, _LAST = "/queue/data", "/queue/join", b'"close_stream"'


class _Stream:
    """One open stream: what else its page has asked for since the last message, and whether the page has closed it."""

    def __init__(self) -> None:
        self.pressed, self.replaced, self.closed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.ending = False


class StreamEnds:
    """ASGI middleware around gradio's streams of messages.

    When nothing is under way any more, gradio's last message tells the page to close its stream; the next thing that is
    pressed opens another. On a busy machine that goes wrong, and leaves a run standing still with nothing in the log:

    - The page hears that its next press was taken up before it has read that last message. It believes the stream open,
      then closes it, and opens none for what was pressed.
    - The page has closed before the server has come to the stream's own end. gradio takes that for a visitor who has
      gone, and drops what was pressed since.

    So a browser's stream is kept: the last message is held back, and what is pressed next goes over the same stream.
    Only a page that presses nothing for a while is told to close it; a press that comes just then is answered once the
    page has closed, and behind the last message a closed connection is no news.

    Args:
        app: What answers.
        rest: Seconds to keep a browser's stream behind its last message.
        patience: Seconds to wait for a page to close a stream that has ended.
    """

    def __init__(self, app: App, rest: float = REST, patience: float = PATIENCE) -> None:
        self._app, self._rest, self._patience = app, rest, patience
        self._open: dict[str, _Stream] = {}  # by session, the newest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        path = str(scope["path"]).rstrip("/") if scope["type"] == "http" else ""
        if path.endswith(_STREAM):
            await self._stream(scope, receive, send)
        elif path.endswith(_JOIN):
            await self._join(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        session = parse_qs(scope["query_string"].decode()).get("session_hash", [""])[0]
        stream, before = _Stream(), self._open.get(session)
        if before is not None:
            before.replaced.set()
        self._open[session] = stream
        try:
            last = await self._until_last(stream, scope, receive, send)
            while last is not None and _is_browser(scope) and await self._goes_on(stream, receive):
                last = await self._until_last(stream, scope, receive, _without_start(send))
            if last is not None and not stream.replaced.is_set():  # else the page would close its newer one
                stream.ending = True
                await send(last)
                await self._first_of(_gone(receive), seconds=self._patience)
                stream.closed.set()
            if last is not None:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            stream.closed.set()
            if self._open.get(session) is stream:
                del self._open[session]

    async def _until_last(self, stream: _Stream, scope: Scope, receive: Receive, send: Send) -> Message | None:
        """Pass on what gradio sends, up to its last message, which is returned; None where it ended without one."""
        last: Message | None = None

        async def sending(message: Message) -> None:
            nonlocal last
            if last is None and _LAST in message.get("body", b""):
                last = message
                stream.pressed.clear()  # all that was asked for until now has been answered
            elif last is None:
                await send(message)

        async def receiving() -> Message:
            message = await receive()
            if last is not None and message["type"] == "http.disconnect":
                await asyncio.Event().wait()  # whoever waits for it is ended with the answer
            return message

        await self._app(scope, receiving, sending)
        return last

    async def _goes_on(self, stream: _Stream, receive: Receive) -> bool:
        """Wait for the page's next press; False if none comes, or the page has gone or opened another stream."""
        pressed = stream.pressed
        if not pressed.is_set():
            await self._first_of(pressed.wait(), stream.replaced.wait(), _gone(receive), seconds=self._rest)
        return pressed.is_set()

    @staticmethod
    async def _first_of(*waiting: Awaitable[Any], seconds: float) -> None:
        tasks = [asyncio.ensure_future(each) for each in waiting]
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()

    async def _join(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = bytearray()

        async def receiving() -> Message:
            message = await receive()
            asked.extend(message.get("body", b""))
            return message

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                stream = self._open.get(_session(asked))
                if stream is not None and stream.ending:
                    await stream.closed.wait()
                elif stream is not None:
                    stream.pressed.set()
            await send(message)

        await self._app(scope, receiving, sending)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _without_start(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] != "http.response.start":
            await send(message)

    return sending


def _is_browser(scope: Scope) -> bool:
    """Whether a page asks; a program would wait for its stream's end before it ends itself."""
    return any(name == b"user-agent" and b"Mozilla" in value for name, value in scope.get("headers", ()))


def _session(asked: bytes | bytearray) -> str:
    """Whose request it is; "" for one that is none, which the app refuses by itself."""
    try:
        found = json.loads(asked)
    except ValueError:
        return ""
    return str(found.get("session_hash", "")) if isinstance(found, dict) else ""
