"""A hub of this machine: as much of the real one's protocol as the client asks for, and its failures."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What it holds, and how it fails.

    Attributes:
        files: The files of each repository.
        refusals: Status and error code with which a repository is refused.
        breaks: How often the connection breaks in the middle of each safetensors file.
        address: Where it listens.
        asked: The paths that were asked for.
        tokens: The tokens that were shown.
    """

    files: dict[str, Mapping[str, bytes]] = field(default_factory=dict)
    refusals: dict[str, tuple[int, str]] = field(default_factory=dict)
    breaks: int = 0
    address: str = ""
    asked: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)


@contextmanager
def running(hub: Hub) -> Iterator[Hub]:
    """Let it listen."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(hub))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def handler_of(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = unquote(self.path.split("?")[0])
            hub.asked.append(f"{self.command} {path}")
            hub.tokens.add(self.headers.get("Authorization", ""))
            parts = path.removeprefix("/api/models").strip("/").split("/")
            name, rest = "/".join(parts[:2]), parts[2:]
            if name in hub.refusals or name not in hub.files:
                status, code = hub.refusals.get(name, (404, "RepoNotFound"))
                self.answer(status, b"{}", {"X-Error-Code": code} if code else {})
            elif not rest or rest[0] == "revision":
                self.answer_json(
                    {"id": name, "sha": COMMIT, "private": False, "tags": [], "downloads": 0, "likes": 0,
                     "siblings": [{"rfilename": n, "size": len(held)} for n, held in hub.files[name].items()]}
                )  # fmt: skip
            elif rest[0] == "tree":
                self.answer_json(
                    [{"type": "file", "path": n, "size": len(held), "oid": hashlib.sha1(held).hexdigest()}
                     for n, held in hub.files[name].items()]
                )  # fmt: skip
            else:
                self.answer_file(hub.files[name]["/".join(rest[2:])], rest[-1])

        def answer_json(self, value: object) -> None:
            self.answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

        def answer_file(self, held: bytes, file: str) -> None:
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
            headers = {"ETag": f'"{hashlib.sha1(held).hexdigest()}"', "X-Repo-Commit": COMMIT}
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(held) - 1}/{len(held)}"
            body = held[start:]
            if self.command == "GET" and hub.breaks and file.endswith(".safetensors"):
                hub.breaks -= 1
                headers["Content-Length"] = str(len(body))
                self.answer(206 if start else 200, body[: len(body) // 2], headers)
                self.close_connection = True
                self.connection.close()
                return
            self.answer(206 if start else 200, body, headers)

        def answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for key, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)
                self.wfile.flush()

    return Handler
