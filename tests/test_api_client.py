"""The endpoints from Python: a server of their own in this process, and gradio's client."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

import recmas_core as rm
from recmas_core.records import RunConfig
from tests.browser.explorer import wait_for
from visualizers.panels.api import Api
from visualizers.panels.catalogue import Board, read_catalogue
from visualizers.panels.entry import Entry
from visualizers.panels.intervene_api import InterveneApi
from visualizers.panels.shelf import Shelf
from visualizers.panels.visitors import Visitors

QUESTION = "start 7 s1 + 3 s2 * 7 s3 - 4"


@pytest.fixture(scope="module")
def page() -> Iterator[gr.Blocks]:
    catalogue = read_catalogue()
    shelf = Shelf(catalogue)
    with gr.Blocks(analytics_enabled=False) as demo:
        Api(shelf, Visitors(Board(catalogue))).register()
        InterveneApi(shelf).register()
    demo.queue().launch(prevent_thread_lock=True, quiet=True, ssr_mode=False)
    yield demo
    demo.close(verbose=False)
    shelf.close()


@pytest.fixture
def client(page: gr.Blocks) -> Client:
    return Client(page.local_url, verbose=False)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How many runs began and how many ended, and the events they made."""
    counted, start = {"begun": 0, "ended": 0, "events": 0}, Entry.start

    def counting(self: Entry, config: RunConfig) -> Iterator[Any]:
        counted["begun"] += 1
        try:
            for event in start(self, config):
                counted["events"] += 1
                yield event
        finally:
            counted["ended"] += 1

    monkeypatch.setattr(Entry, "start", counting)
    return counted


def test_a_run_streams_to_its_end(client: Client, runs: dict[str, int]) -> None:
    events = list(client.submit(QUESTION, 2, api_name="/run"))
    trace = rm.load_system("sequential").solve(QUESTION, rounds=2, latent_steps=3)
    assert len(events) == len(trace.events)
    assert events[-1] == {"type": "answer", "turn": 5, "role": "solver", "text": trace.answer}
    wait_for(lambda: runs == {"begun": 1, "ended": 1, "events": len(events)}, what="the run to be over")


def test_cancelling_a_stream_ends_the_run(client: Client, runs: dict[str, int]) -> None:
    whole = sum(1 for _ in rm.load_system("sequential").run(QUESTION, rounds=6, latent_steps=80))
    job = client.submit(QUESTION, 6, 80, api_name="/run")
    assert [event["type"] for event in itertools.islice(job, 2)] == ["turn_start", "thought"]
    job.cancel()
    wait_for(lambda: runs["ended"] == runs["begun"] == 1, what="the run to end")
    assert runs["events"] < whole


def test_errors_reach_python_in_words(client: Client) -> None:
    with pytest.raises(AppError, match="Turns 0 to 7 send thoughts"):
        client.predict(QUESTION, turn=8, api_name="/intervene")
    with pytest.raises(AppError, match="Rounds is 9"):
        client.submit(QUESTION, 9, api_name="/run").result(timeout=60)


def test_every_endpoint_is_described(client: Client) -> None:
    described = client.view_api(return_format="dict")["named_endpoints"]
    assert set(described) == {"/run", "/solve", "/sample", "/probe", "/status", "/intervene"}
    for name, endpoint in described.items():
        assert endpoint["description"].endswith("."), name
