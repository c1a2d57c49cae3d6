"""A browser's stream is kept between presses; one that was told to close is waited for: its visitor has not gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from visualizers.panels.stream_ends import StreamEnds

T = TypeVar("T")
LAST = b'data: {"msg": "close_stream", "event_id": null}\n\n'
NEWS = b'data: {"msg": "process_completed", "event_id": "x"}\n\n'
GONE = {"type": "http.disconnect"}


class Page:
    """One request of a page, by hand: what the server sends is in `got`; `goes()` closes the connection."""

    def __init__(self, path: str, *, session: str = "me", body: bytes = b"", agent: bytes = b"python") -> None:
        query = f"session_hash={session}".encode()
        self.scope = {"type": "http", "path": path, "query_string": query, "headers": [(b"user-agent", agent)]}
        self.body, self.got, self._gone, self._told = body, bytearray(), asyncio.Event(), False
        self.started = self.ended = False

    def goes(self) -> None:
        self._gone.set()

    async def receive(self) -> dict[str, Any]:
        if not self._told:
            self._told = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        await self._gone.wait()
        return GONE

    async def send(self, message: Any) -> None:
        self.started = True
        self.got.extend(message.get("body", b""))
        self.ended = message["type"] == "http.response.body" and not message.get("more_body", False)

    async def through(self, app: StreamEnds) -> None:
        await app(self.scope, self.receive, self.send)


class Gradio:
    """What gradio does: a stream sends `chunks`, listening for a page that leaves; a join is answered at once."""

    def __init__(self, *chunks: bytes, slow: float = 0.0) -> None:
        self.chunks, self.slow, self.heard, self.alive = chunks, slow, [], asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if "join" in scope["path"]:
            while (await receive()).get("more_body"):
                pass
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"taken up"})
            return
        listening = asyncio.ensure_future(self._listen(receive))
        for chunk in self.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if not self.chunks or self.chunks[-1] != LAST:
            await self.alive.wait()
        await asyncio.sleep(self.slow)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        listening.cancel()

    async def _listen(self, receive: Any) -> None:
        while (message := await receive())["type"] != "http.disconnect":
            pass
        self.heard.append(message["type"])


def joining(session: str = "me") -> Page:
    return Page("/gradio_api/queue/join", body=json.dumps({"data": [], "session_hash": session}).encode())


def streaming(path: str = "/gradio_api/queue/data", *, agent: bytes = b"python") -> Page:
    return Page(path, agent=agent)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Its result; in a thread aside, as the browser tests have an event loop of their own in this one."""
    with ThreadPoolExecutor(1) as aside:
        return aside.submit(asyncio.run, work).result()


async def soon() -> None:
    await asyncio.sleep(0.02)


def test_a_page_that_closes_as_it_was_told_has_not_gone() -> None:
    async def told() -> list[str]:
        gradio, page = Gradio(NEWS, LAST, slow=0.05), streaming()
        stream = asyncio.ensure_future(page.through(StreamEnds(gradio)))
        await soon()
        page.goes()
        await stream
        assert bytes(page.got) == NEWS + LAST
        return gradio.heard

    assert run(told()) == []


def test_a_page_that_leaves_before_has_gone() -> None:
    async def told(path: str) -> list[str]:
        gradio, page = Gradio(NEWS), streaming(path)
        stream = asyncio.ensure_future(page.through(StreamEnds(gradio)))
        await soon()
        page.goes()
        await soon()
        gradio.alive.set()
        await stream
        return gradio.heard

    assert run(told("/gradio_api/queue/data")) == ["http.disconnect"]
    assert run(told("/gradio_api/heartbeat/me")) == ["http.disconnect"]


def test_a_press_is_answered_once_the_page_has_closed_its_stream() -> None:
    async def asked() -> None:
        app, page, press, other = StreamEnds(Gradio(NEWS, LAST)), streaming(), joining(), joining("you")
        stream = asyncio.ensure_future(page.through(app))
        await soon()
        answer = asyncio.ensure_future(press.through(app))
        await other.through(app)  # another visitor's is not kept waiting
        await soon()
        assert bytes(other.got) == b"taken up"
        assert not press.started
        assert not page.ended
        page.goes()
        await asyncio.wait_for(asyncio.gather(stream, answer), 1)
        assert bytes(press.got) == b"taken up"

        later = joining()
        await asyncio.wait_for(later.through(app), 1)
        assert bytes(later.got) == b"taken up"

    run(asked())


def test_a_browsers_stream_stays_and_brings_what_is_pressed_next() -> None:
    async def asked() -> None:
        gradio, page = Gradio(NEWS, LAST), streaming(agent=b"Mozilla/5.0")
        app = StreamEnds(gradio)
        stream = asyncio.ensure_future(page.through(app))
        for times in (1, 2, 3):
            await soon()
            assert bytes(page.got) == NEWS * times
            assert not page.ended
            await asyncio.wait_for(joining().through(app), 1)  # answered at once
        await soon()
        page.goes()
        await asyncio.wait_for(stream, 1)
        assert bytes(page.got).startswith(NEWS * 4)
        assert gradio.heard == []
        assert app._open == {}

    run(asked())


def test_a_browser_that_presses_nothing_is_told_to_close_and_answered_when_it_has() -> None:
    async def asked() -> None:
        app, page, press = StreamEnds(Gradio(NEWS, LAST), rest=0.05), streaming(agent=b"Mozilla/5.0"), joining()
        stream = asyncio.ensure_future(page.through(app))
        await asyncio.sleep(0.15)
        assert bytes(page.got) == NEWS + LAST
        answer = asyncio.ensure_future(press.through(app))
        await soon()
        assert not press.started
        page.goes()
        await asyncio.wait_for(asyncio.gather(stream, answer), 1)
        assert press.started

    run(asked())


def test_of_two_streams_of_a_page_the_older_ends_without_a_word() -> None:
    async def asked() -> None:
        app = StreamEnds(Gradio(NEWS, LAST))
        older, newer = streaming(agent=b"Mozilla/5.0"), streaming(agent=b"Mozilla/5.0")
        first = asyncio.ensure_future(older.through(app))
        await soon()
        second = asyncio.ensure_future(newer.through(app))
        await asyncio.wait_for(first, 1)
        assert bytes(older.got) == NEWS
        assert older.ended
        assert not newer.ended
        newer.goes()
        await asyncio.wait_for(second, 1)

    run(asked())


def test_a_press_beside_an_open_stream_is_answered_at_once() -> None:
    async def asked() -> None:
        gradio, page, press = Gradio(NEWS), streaming(), joining()
        app = StreamEnds(gradio)
        stream = asyncio.ensure_future(page.through(app))
        await soon()
        await asyncio.wait_for(press.through(app), 1)
        assert bytes(press.got) == b"taken up"
        gradio.alive.set()
        await stream

    run(asked())


def test_a_page_that_never_closes_is_not_waited_for_longer_than_patience() -> None:
    async def asked() -> None:
        app, page, press = StreamEnds(Gradio(LAST), patience=0.05), streaming(), joining()
        stream = asyncio.ensure_future(page.through(app))
        await soon()
        await asyncio.wait_for(asyncio.gather(stream, press.through(app)), 2)
        assert bytes(press.got) == b"taken up"
        assert page.ended

    run(asked())


def test_what_is_no_request_of_a_page_goes_through() -> None:
    async def asked() -> None:
        seen: list[str] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            seen.append(scope["type"])

        await StreamEnds(app)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
        assert seen == ["lifespan"]
        for body in (b"not json", b"[1]", b"{}"):
            page = Page("/gradio_api/queue/join", body=body)
            await page.through(StreamEnds(Gradio()))
            assert bytes(page.got) == b"taken up"

    run(asked())
