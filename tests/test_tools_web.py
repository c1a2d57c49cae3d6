"""The web search against an API on this machine: what it asks, what it makes of answers, and that its key stays put."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from recmas_core.errors import BadInput
from recmas_core.tools import WebSearch
from recmas_core.tools.web import WebTrouble

KEY = "tvly-0123456789-secret"
FOUND = {"title": "Oslo", "url": "https://example.org/oslo", "content": "Oslo is the capital.", "score": 0.9}


class Api(ThreadingHTTPServer):
    """Answers every request with what it was told to, and keeps the requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.body = 200, json.dumps({"results": [FOUND]}).encode()
        self.headers: dict[str, str] = {}
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self.wait = threading.Event()  # cleared: it never answers
        self.wait.set()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answers(self, value: object) -> None:
        self.body = json.dumps(value).encode()


class _Handler(BaseHTTPRequestHandler):
    server: Api

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), json.loads(sent)))
        self.server.wait.wait()
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("NO_PROXY", "*")
    server = Api()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.wait.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def search(api: Api) -> WebSearch:
    return WebSearch(KEY, base=api.base, seconds=30)


def test_asks_as_documented(api: Api, search: WebSearch) -> None:
    assert search.call("capital of\n Norway") == "Oslo is the capital."
    ((path, headers, body),) = api.requests
    assert path == "/search"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["Content-Type"] == "application/json"
    assert body == {"query": "capital of Norway", "max_results": 1, "search_depth": "basic"}


def test_hits_for_the_page(api: Api, search: WebSearch) -> None:
    api.answers({"results": [FOUND, {**FOUND, "title": "Bergen", "score": 0.5}, FOUND]})
    hits = search.hits("Norway", 2)
    assert [(hit.title, hit.score, hit.url) for hit in hits] == [
        ("Oslo", 0.9, "https://example.org/oslo"),
        ("Bergen", 0.5, "https://example.org/oslo"),
    ]
    with pytest.raises(BadInput):
        search.hits("Norway", 21)


def test_a_long_excerpt_and_a_long_query_are_cut(api: Api, search: WebSearch) -> None:
    api.answers({"results": [{**FOUND, "content": "x" * 10**5}]})
    assert search.call("y" * 10**5) == "x" * 2_000
    assert len(api.requests[0][2]["query"]) == 400


@pytest.mark.parametrize("query", ["", " \n "])
def test_an_empty_query_is_not_sent(api: Api, search: WebSearch, query: str) -> None:
    assert search.call(query) == "error: nothing found for ''"
    assert api.requests == []


def test_a_query_that_is_no_text(search: WebSearch) -> None:
    assert search.call("\ud800") == "Oslo is the capital."


def test_nothing_found(api: Api, search: WebSearch) -> None:
    api.answers({"results": []})
    assert search.call("zebra") == "error: nothing found for 'zebra'"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "the request was refused"),
        (401, "the key was refused"),
        (403, "the key was refused"),
        (429, "too many searches"),
        (432, "plan is used up"),
        (500, "it answered with an error"),
        (302, "it answered with an error"),
    ],
)
def test_a_refusal_is_a_result(api: Api, search: WebSearch, status: int, said: str) -> None:
    api.status, api.body = status, f"your key {KEY} is bad".encode()
    result = search.call("x")
    assert result.startswith("error: the web search failed: ")
    assert said in result
    assert str(status) in result
    assert KEY not in result


def test_a_redirect_is_not_followed_with_the_key(api: Api, search: WebSearch) -> None:
    api.status, api.headers = 307, {"Location": f"{api.base}/elsewhere"}
    assert "(307)" in search.call("x")
    assert [path for path, _, _ in api.requests] == ["/search"]


@pytest.mark.parametrize(
    "body",
    [b"", b"rubbish", b"[]", b"{}", b'{"results": 3}', b'{"results": [3]}', b'{"results": [{"title": "x"}]}',
     b'{"results": [{"title": "x", "url": "u", "content": "c", "score": "much"}]}', b"[" * 10**5, b"\xff"],
)  # fmt: skip
def test_an_answer_that_is_none(api: Api, search: WebSearch, body: bytes) -> None:
    api.body = body
    assert search.call("x") == "error: the web search answered with something else than results"


def test_an_answer_that_is_too_long(api: Api, search: WebSearch) -> None:
    api.body = b" " * (5 << 20)
    assert search.call("x") == "error: the web search answered with too much"


def test_no_answer_in_time(api: Api) -> None:
    api.wait.clear()
    assert WebSearch(KEY, base=api.base, seconds=0.5).call("x") == "error: the web search took longer than 0.5 s"


@pytest.mark.parametrize("base", ["http://127.0.0.1:1", "http://[bad", "nonsense", "ftp://127.0.0.1"])
def test_nobody_there(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    result = WebSearch(KEY, base=base, seconds=30).call("x")
    assert result.startswith("error: the web search could not be reached")
    assert KEY not in result


def test_the_key_is_in_no_log_message_or_copy(
    api: Api, search: WebSearch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    search.call("x")
    api.status = 401
    with pytest.raises(WebTrouble) as caught:
        search.hits("x")
    out, err = capfd.readouterr()
    seen = [repr(search), str(search), search.source, repr(caught.value), str(caught.value), out, err, caplog.text]
    assert all(KEY not in text for text in seen)
    assert "127.0.0.1" in caplog.text  # there was something to read
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="holds a key"):
            copied(search)


@pytest.mark.parametrize("key", ["", "  ", "two words", "tvly-é", "tvly\n-x", "tvly-\0"])
def test_what_cannot_be_a_key_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(BadInput) as caught:
        WebSearch(key)
    assert not key.strip() or key not in str(caught.value)


def test_making_and_warming_sends_nothing(api: Api, search: WebSearch) -> None:
    search.warm()
    search.close()
    assert api.requests == []
