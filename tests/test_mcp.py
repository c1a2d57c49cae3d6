"""The tools that language models may call: the real page in a process of its own, the real client of the protocol."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.error import HTTPError

import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client as connected
from mcp.types import CallToolResult, ListToolsResult

import recmas_core as rm
from app import read_options
from tests.browser.serving import page_server
from visualizers.panels.api import Api
from visualizers.panels.catalogue import read_catalogue
from visualizers.panels.mcp_tools import TOOLS

QUESTION = "start 7 s1 + 3 s2 * 7 s3 - 4"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with page_server(tmp_path_factory.mktemp("mcp") / "log") as url:
        yield url


@pytest.fixture(scope="module")
def embedded() -> rm.System:
    return rm.load_system("sequential")


def _ask(url: str, question: Any) -> Any:
    """What `question(session)` gives in a session with the page's tools."""

    async def ask() -> Any:
        async with connected(f"{url}/gradio_api/mcp/") as (read, write, _), ClientSession(read, write) as it:
            await it.initialize()
            return await question(it)

    with ThreadPoolExecutor(1) as other:  # the browser's tests leave this thread with a loop of their own
        return other.submit(lambda: asyncio.run(ask())).result()


def _called(url: str, name: str, **arguments: Any) -> CallToolResult:
    return _ask(url, lambda session: session.call_tool(name, arguments))


def _result(url: str, name: str, **arguments: Any) -> dict[str, Any]:
    """A tool's result: one text, in JSON."""
    called = _called(url, name, **arguments)
    assert not called.isError, called.content
    assert len(called.content) == 1
    return json.loads(called.content[0].text)  # type: ignore[union-attr]


def test_four_tools_are_offered_and_nothing_else(server: str) -> None:
    listed: ListToolsResult = _ask(server, lambda session: session.list_tools())
    assert [tool.name for tool in listed.tools] == list(TOOLS) == ["run", "probe", "intervene", "train"]
    assert not _ask(server, lambda session: session.list_resources()).resources
    assert not _ask(server, lambda session: session.list_prompts()).prompts
    with urllib.request.urlopen(f"{server}/gradio_api/mcp/schema") as reply:
        assert [tool["name"] for tool in json.load(reply)] == list(TOOLS)


@pytest.mark.parametrize("name", ["status", "solve", "open", "_tabs", "Explore"])
def test_what_is_not_offered_cannot_be_called(server: str, name: str) -> None:
    refused = _called(server, name)
    assert refused.isError
    assert "Unknown tool" in refused.content[0].text  # type: ignore[union-attr]


def test_every_tool_says_what_it_does_and_what_it_takes(server: str) -> None:
    for tool in _ask(server, lambda session: session.list_tools()).tools:
        assert tool.description.count(". ") >= 2
        assert "Returns: " in tool.description
        properties = tool.inputSchema["properties"]
        assert properties
        for name, about in properties.items():
            # gradio reads one line of the docstring: a description that goes on would end in the middle
            assert about["description"].endswith("."), f"{tool.name}: {name}: {about['description']!r}"
            assert {"type", "oneOf", "enum"} & set(about), f"{tool.name}: {name} has no type"
        assert tool.inputSchema.get("required", []) == ([] if tool.name == "train" else ["question"])


def test_run_equals_the_engine(server: str, embedded: rm.System) -> None:
    trace = embedded.solve(QUESTION, rounds=2, latent_steps=3)
    told = _result(server, "run", question=QUESTION, rounds=2)
    assert told["answer"] == trace.answer
    assert told["right"] is True
    assert told["latent_steps"] == len(trace.thoughts)
    assert [turn["role"] for turn in told["turns"]] == [turn.role for turn in trace.turns]
    for said, turn in zip(told["turns"], trace.turns, strict=True):
        words = [row[0] for row in rm.lens(embedded.agents[turn.role], turn.thoughts, 1)] if turn.thoughts.size else []
        assert [word for word, _ in said["thoughts"]] == [word.text for word in words]


def test_probe_equals_the_engine(server: str, embedded: rm.System) -> None:
    trace = embedded.solve(QUESTION, rounds=3, latent_steps=3)
    told = _result(server, "probe", question=QUESTION, turn=1, step=2)
    assert (told["role"], told["speech"]) == ("critic", rm.speak(embedded, trace, 1, 2))


@pytest.mark.parametrize(
    ("arguments", "edit"),
    [
        ({"turn": 2, "kind": "zero"}, lambda system: [rm.Edit(2, "zero")]),
        ({"turn": 2, "kind": "scale", "amount": -1.0, "positions": [2]},
         lambda system: [rm.Edit(2, "scale", (2,), -1.0)]),
        ({"turn": 1, "kind": "set", "text": "s2 = 5"},
         lambda system: rm.text_edits(system, 1, "s2 = 5", 3, rounds=3)),
        ({"turn": 2, "kind": "swap", "text": "start 1 s1 + 1 s2 + 1 s3 + 5"},
         lambda system: [rm.Edit(2, "swap", trace=system.solve("start 1 s1 + 1 s2 + 1 s3 + 5", latent_steps=3))]),
        ({"turn": 1, "kind": "cut"}, lambda system: rm.cut_edits(system.pattern, 3, ("critic", "solver"))),
    ],
    ids=["zero", "scale", "set", "swap", "cut"],
)  # fmt: skip
def test_intervene_equals_the_engine(server: str, embedded: rm.System, arguments: Any, edit: Any) -> None:
    question = "start 7 s1 + 3 s2 * 7 s3 - 4 s4 + 2 s5 * 3 s6 - 1"
    before = embedded.solve(question, rounds=3, latent_steps=3)
    turn, edits = arguments["turn"], edit(embedded)
    after = before.fork(turn, edits=tuple(edits))
    for event in embedded.resume(before, turn, edits):
        after = after.append(event)
    told = _result(server, "intervene", question=question, **arguments)
    assert told["before"]["answer"] == before.answer
    assert told["after"]["answer"] == after.answer
    assert told["same_answer"] == (before.answer == after.answer)
    assert told["before"]["turns"][:turn] == told["after"]["turns"][:turn]
    assert told["before"]["sent"] != told["after"]["sent"]
    last = rm.lens(embedded.agents["critic"], after.turns[7].thoughts, 1)
    assert [word for word, _ in told["after"]["turns"][7]["thoughts"]] == [row[0].text for row in last]


def test_intervene_says_what_the_receivers_got(server: str) -> None:
    told = _result(server, "intervene", question=QUESTION, turn=1, kind="set", text="s2 = 5")
    assert [word for word, _ in told["after"]["sent"]["solver"]] == ["s2", "=", "5"]
    assert told["change"] == {
        "turn": 1, "round": 1, "role": "critic", "kind": "set", "positions": None, "receivers": ["solver"],
        "amount": None, "text": "s2 = 5",
    }  # fmt: skip


def test_train_gives_its_sum_at_the_end_and_steps_on_the_way(server: str) -> None:
    heard: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    called = _ask(
        server, lambda session: session.call_tool("train", {"steps": 3, "rounds": 1}, progress_callback=hear)
    )
    told = json.loads(called.content[0].text)
    assert (told["type"], told["steps"]) == ("end", 3)
    assert told["first_loss"] > 0
    assert told["before"][0]["n"] == 200
    assert len(called.content[0].text) < 4000
    assert len(heard) >= 3


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("run", {}, "'question' is a required property"),
        ("run", {"question": ""}, "question is empty"),
        ("run", {"question": QUESTION, "rounds": 9}, "Choose a whole number from 1 to 6"),
        ("run", {"question": QUESTION, "mode": "aloud"}, "not one of"),
        ("run", {"question": QUESTION, "system": "nobody"}, "nobody"),
        ("run", {"question": QUESTION, "agents": {"critic": "nobody"}}, "nobody"),
        ("probe", {"question": QUESTION, "turn": 70}, "does not exist"),
        ("intervene", {"question": QUESTION, "turn": 8}, "Turns 0 to 7 send thoughts"),
        ("intervene", {"question": QUESTION, "positions": [3]}, "whole number from 0 to 2"),
        ("intervene", {"question": QUESTION, "positions": []}, "are empty"),
        ("intervene", {"question": QUESTION, "receiver": "solver"}, "gets nothing"),
        ("intervene", {"question": QUESTION, "kind": "scale"}, "amount"),
        ("intervene", {"question": QUESTION, "kind": "set"}, "text is empty"),
        ("intervene", {"question": QUESTION, "kind": "set", "text": "bananas"}, "does not know"),
        ("train", {"steps": 0}, "whole number from 1 to 3000"),
        ("train", {"course": "nothing"}, "nothing"),
    ],
)
def test_errors_come_in_words(server: str, name: str, arguments: dict[str, Any], said: str) -> None:
    refused = _called(server, name, **arguments)
    assert refused.isError
    assert said in refused.content[0].text  # type: ignore[union-attr]
    assert "Traceback" not in refused.content[0].text  # type: ignore[union-attr]


def test_the_questions_a_tool_gives_as_examples_can_be_answered() -> None:
    examples = dict(re.findall(r'"(\w+)": "([^"]+)"[;.]', " ".join((Api.solve.__doc__ or "").split())))
    assert sorted(examples) == sorted(rm.embedded_systems())
    for name, question in examples.items():
        catalogue = read_catalogue()
        task = catalogue.task(catalogue.lineup(name))
        assert task is not None
        assert task.read(question).answer, question


def test_an_operator_can_offer_no_tools(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_options([]).mcp
    assert not read_options(["--no-mcp"]).mcp
    monkeypatch.setenv("RECMAS_MCP", "0")
    assert not read_options([]).mcp
    with page_server(tmp_path / "log") as url:
        request = urllib.request.Request(f"{url}/gradio_api/mcp/", data=b"{}", method="POST")
        with pytest.raises(HTTPError) as refused:
            urllib.request.urlopen(request)
    assert refused.value.code in (404, 405)
