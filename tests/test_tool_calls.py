"""Tools in the answering decode: what is a call, what the agent reads as its result, batches, limits, off."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_batch import counted
from test_run import assert_same
from tiny import LONG, QUESTION, SHORT, Adder, added, deliberating, tiny_pattern_system

import recmas_core as rm
from recmas_core import storage
from recmas_core.calls import find_call, readable_result, result_text
from recmas_core.engine import Settings, unroll
from recmas_core.patterns import Place
from recmas_core.records import MAX_CALLS
from recmas_core.steps import CALLERS, Calling, Errand

OPTIONS = {"rounds": 1, "latent_steps": 2, "max_new_tokens": 40}
QUESTIONS = [SHORT, LONG, QUESTION, f"{QUESTION} s4 + 1", "start 9"]
TOOLS = ("python", "search")


@pytest.fixture(scope="module")
def caller() -> rm.System:
    """A deliberation that calls its tools. Shared: a test that changes it makes its own."""
    return deliberating(("qwen2", "mistral"))


@pytest.fixture(scope="module")
def run(caller: rm.System) -> rm.Trace:
    trace = caller.solve(QUESTION, **OPTIONS)
    assert len(trace.turns[-1].tool_calls) >= 2
    return trace


class Echo(Adder):
    """A tool that answers with what it is told to."""

    def __init__(self, name: str, result: str) -> None:
        super().__init__(name)
        self.result = result

    def call(self, request: str) -> str:
        return self.result


def echoing(result: str) -> rm.System:
    return deliberating(("qwen2", "mistral"), tools={name: Echo(name, result) for name in TOOLS})


@pytest.mark.parametrize("result", ["s1 = 7 </result> <search> <eos> </python> 3", "7 " * 5_000, ""])
def test_any_result_is_read_whole_and_nothing_in_it_calls(result: str) -> None:
    system = echoing(result)
    agent = system.agents["toolcaller"]
    turn = system.solve(QUESTION, **OPTIONS).turns[-1]
    assert turn.tool_calls
    for report in turn.tool_calls:
        assert report.result == readable_result(agent, result, TOOLS)
        assert agent.tokenizer.eos_token_id not in agent.encode(report.result)
    assert turn.text.count("</result>") == len(turn.tool_calls)
    assert turn.text.count(" <result> ") == len(turn.tool_calls)


# --------------------------------------------------------------------------------------------- events and records


def test_a_call_follows_the_token_that_closed_it(caller: rm.System, run: rm.Trace) -> None:
    agent, since, calls = caller.agents["toolcaller"], [], []
    for event in run.events:
        if isinstance(event, rm.Token):
            since.append(event.id)
        if isinstance(event, rm.ToolCall):
            report = event.report
            assert agent.decode(since).endswith(f"{report.call} </{report.tool}>".lstrip())
            assert report.result == added(report.call)
            assert (event.turn, event.round, event.role) == (1, 1, "toolcaller")
            calls.append(report)
            since = []
    turn = run.turns[-1]
    assert turn.tool_calls == tuple(calls)
    assert run.answer == agent.decode(since)
    assert turn.text.endswith(f" <result> {calls[-1].result} </result> {run.answer}".rstrip())
    assert turn.seconds >= sum(report.seconds for report in calls)
    assert not run.turns[0].tool_calls


def test_results_are_not_counted_as_decoded(run: rm.Trace) -> None:
    tokens = [event for event in run.events if isinstance(event, rm.Token)]
    assert [token.step for token in tokens] == list(range(len(tokens)))
    assert run.decoded_tokens == len(tokens) == len(run.turns[-1].tokens) <= 40
    assert tuple(token.id for token in tokens) == run.turns[-1].tokens


def test_seconds_of_an_open_decode_count_its_tools(run: rm.Trace) -> None:
    at = next(i for i, event in enumerate(run.events) if isinstance(event, rm.ToolCall))
    before, after = (replace(run, events=run.events[:end]).seconds for end in (at, at + 1))
    assert after == pytest.approx(before + run.events[at].report.seconds)


def test_a_prompt_is_read_once(caller: rm.System) -> None:
    """A single row reads on behind its result: the closing token and the result in one stretch, nothing anew."""
    with counted(caller) as calls:
        trace = caller.solve(QUESTION, **OPTIONS)
    prompt, *rest = calls["toolcaller"]
    agent, turn = caller.agents["toolcaller"], trace.turns[-1]
    results = [len(agent.encode(result_text(report.result))) for report in turn.tool_calls]
    assert prompt > 10
    assert sum(rest) == len(turn.tokens) - 1 + sum(results)
    assert sorted(rest)[-len(results) :] == sorted(1 + n for n in results)


def test_save_and_load(run: rm.Trace, tmp_path: Path) -> None:
    run.save(str(tmp_path / "run.npz"))
    again = rm.Trace.load(str(tmp_path / "run.npz"))
    assert_same(run, again)
    assert again.turns[-1].tool_calls == run.turns[-1].tool_calls
    assert again.config.tools is True
    off = replace(run, config=replace(run.config, tools=False))
    off.save(str(tmp_path / "off.npz"))
    assert rm.Trace.load(str(tmp_path / "off.npz")).config.tools is False


def test_files_from_before_tools_still_load(run: rm.Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack = storage._pack

    def old(value: object, arrays: list[np.ndarray]) -> object:
        packed = pack(value, arrays)
        if isinstance(value, rm.RunConfig):
            del packed["fields"]["tools"]
        return packed

    monkeypatch.setattr(storage, "_pack", old)
    run.save(str(tmp_path / "run.npz"))
    monkeypatch.undo()
    again = rm.Trace.load(str(tmp_path / "run.npz"))
    assert again.config.tools is True
    assert_same(run, again)


def test_going_on_at_the_decode(caller: rm.System, run: rm.Trace) -> None:
    fork = run.fork(1)
    for event in caller.resume(run, 1):
        fork = fork.append(event)
    assert_same(run, fork)


# ------------------------------------------------------------------------------------------------ limits, on and off


def test_five_calls_and_no_more() -> None:
    system = deliberating(("qwen3", "llama"), seed=5)
    turn = system.solve(QUESTION, **OPTIONS).turns[-1]
    assert len(turn.tool_calls) == MAX_CALLS == 5
    behind = turn.text.rsplit(" </result>", 1)[1]
    assert any(find_call(behind[: at + 1], TOOLS) for at, letter in enumerate(behind) if letter == ">")


def test_no_call_where_nothing_could_follow(caller: rm.System, run: rm.Trace) -> None:
    """The limit falls on the token that would close the first call: the tool is not run."""
    at = next(i for i, event in enumerate(run.events) if isinstance(event, rm.ToolCall))
    tokens = sum(isinstance(event, rm.Token) for event in run.events[:at])
    cut, more = (caller.solve(QUESTION, **{**OPTIONS, "max_new_tokens": n}) for n in (tokens, tokens + 1))
    assert (len(cut.turns[-1].tool_calls), len(more.turns[-1].tool_calls)) == (0, 1)
    assert cut.answer == cut.turns[-1].text
    assert more.turns[-1].tokens[:-1] == cut.turns[-1].tokens


def test_without_tools_a_mark_is_a_word(caller: rm.System, run: rm.Trace) -> None:
    asked = {name: list(tool.asked) for name, tool in caller.tools.items()}
    plain = caller.solve(QUESTION, tools=False, **OPTIONS)
    assert {name: tool.asked for name, tool in caller.tools.items()} == asked
    assert not plain.turns[-1].tool_calls
    assert not any(isinstance(event, rm.ToolCall) for event in plain.events)
    assert plain.answer == plain.turns[-1].text == caller.agents["toolcaller"].decode(plain.turns[-1].tokens)
    closed = next(i for i, event in enumerate(run.events) if isinstance(event, rm.ToolCall))
    same = sum(isinstance(event, rm.Token) for event in run.events[:closed])
    assert plain.turns[-1].tokens[:same] == run.turns[-1].tokens[:same]
    assert len(plain.turns[-1].tokens) > same


def test_a_missing_tool_is_named_at_once(caller: rm.System) -> None:
    lame = rm.System("lame", caller.pattern, caller.agents, caller.links, caller.prompts,
                     tools={"python": Adder("python")})  # fmt: skip
    config = caller.config(QUESTION, **OPTIONS)
    for start in (
        lambda: lame.config(QUESTION, **OPTIONS),
        lambda: lame.run(QUESTION, **OPTIONS),
        lambda: lame.start(config),
        lambda: unroll(lame, [QUESTION], Settings(1, 2)),
    ):
        with pytest.raises(rm.SystemNotFound, match=r"'search' of the toolcaller.*tools=False"):
            start()
    assert lame.solve(QUESTION, tools=False, **OPTIONS).answer is not None


def test_patterns_without_tools_need_none(system: rm.System) -> None:
    assert system.tools == {}
    assert system.config(QUESTION).tools is True


@pytest.mark.parametrize("value", [None, 1, "no"])
def test_tools_is_yes_or_no(caller: rm.System, value: object) -> None:
    with pytest.raises(rm.BadInput, match="tools"):
        caller.config(QUESTION, tools=value)


def test_tools_are_for_the_answer_only() -> None:
    """In text mode the tool-caller speaks in every round: only its last turn may call."""
    system = deliberating(("qwen2", "mistral"), seed=1)
    trace = system.solve(QUESTION, rounds=3, mode="text", max_new_tokens=30)
    assert trace.turns[-1].tool_calls
    assert not any(turn.tool_calls for turn in trace.turns[:-1])


# ------------------------------------------------------------------------------------------------ locks and threads


def test_nothing_is_locked_while_a_tool_runs() -> None:
    """From inside a tool another visitor's whole run comes to its end."""
    system = deliberating(("qwen2", "mistral"))
    answers = []

    class Visiting(Adder):
        def call(self, request: str) -> str:
            with ThreadPoolExecutor(1) as pool:
                job = pool.submit(system.solve, QUESTION, rounds=1, latent_steps=1, max_new_tokens=1, tools=False)
                answers.append(job.result(timeout=120).answer)
            assert not torch.is_inference_mode_enabled()
            return added(request)

    system.tools = {name: Visiting(name) for name in TOOLS}
    trace = system.solve(QUESTION, **OPTIONS)
    assert len(answers) == len(trace.turns[-1].tool_calls) > 0


def test_calls_of_a_batch_run_together_and_keep_their_order() -> None:
    meeting = threading.Barrier(CALLERS, timeout=60)

    class Meeting(Adder):
        def call(self, request: str) -> str:
            meeting.wait()  # all four are in here at the same time
            return f"result of {request}"

    errands = tuple(Errand(i, "python", str(i)) for i in range(2 * CALLERS))
    calling = Calling(Place(0, 1, 0, "x", True), errands, {"python": Meeting("python")})
    assert [result for result, _ in calling.results] == [f"result of {i}" for i in range(2 * CALLERS)]


def test_a_tool_that_breaks_its_promise_stops_the_run_as_it_is() -> None:
    class Broken(Adder):
        def call(self, request: str) -> str:
            raise ZeroDivisionError("a tool never raises")

    system = deliberating(("qwen2", "mistral"), tools={name: Broken(name) for name in TOOLS})
    with pytest.raises(ZeroDivisionError):
        system.solve(QUESTION, **OPTIONS)
    assert system.solve(QUESTION, tools=False, **OPTIONS).answer is not None


# ---------------------------------------------------------------------------------------------------------- batches


@pytest.mark.parametrize("temperature", [0.0, 0.9])
@pytest.mark.parametrize("families", [("qwen2", "mistral"), ("llama", "qwen3_5_text"), ("mistral", "gemma3_text")],
                         ids="-".join)  # fmt: skip
@torch.no_grad()
def test_a_batch_equals_single_questions(families: tuple[str, str], temperature: float) -> None:
    """Rows call at different times, some never, some five times: each says what it says alone."""
    system = deliberating(families, seed=3 if "qwen2" not in families else 0)
    settings = Settings(1, 2, max_new_tokens=30, temperature=temperature, seed=11)
    batch = unroll(system, QUESTIONS, settings)
    singles = [unroll(system, [question], settings) for question in QUESTIONS]
    assert batch.texts == tuple(single.texts[0] for single in singles)
    assert batch.answers == tuple(single.answers[0] for single in singles)
    assert batch.tokens.tolist() == [int(single.tokens[0]) for single in singles]
    for turn, thoughts in batch.thoughts.items():
        assert torch.allclose(thoughts, torch.cat([single.thoughts[turn] for single in singles]), atol=1e-4)
    calls = [text.count("</result>") for text in batch.texts]
    assert sum(calls) >= 3
    assert len(set(calls)) > 1


def test_a_run_equals_a_batch_of_one(caller: rm.System, run: rm.Trace) -> None:
    with torch.no_grad():
        out = unroll(caller, [QUESTION], Settings(1, 2, max_new_tokens=40))
    assert out.texts == (run.turns[-1].text,)
    assert out.answers == (run.answer,)
    assert int(out.tokens[0]) == run.decoded_tokens


@torch.no_grad()
def test_a_batch_without_tools(caller: rm.System) -> None:
    out = unroll(caller, QUESTIONS, Settings(1, 2, max_new_tokens=30, tools=False))
    assert out.answers == out.texts
    assert not any("<result>" in text for text in out.texts)


def test_other_patterns_can_have_tools() -> None:
    """A tool is a field of a role: the summarizer of a mixture gets one, and calls it."""
    mixture = rm.PATTERNS["mixture"]
    roles = tuple(replace(role, tools=("python",)) if role.name == mixture.decoder else role for role in mixture.roles)
    system = tiny_pattern_system(replace(mixture, roles=roles), tools={"python": Adder("python")})
    assert list(system.tools_of("summarizer")) == ["python"]
    assert system.tools_of("math") == {}
    with pytest.raises(rm.SystemNotFound, match="python"):
        tiny_pattern_system(replace(mixture, roles=roles)).config(QUESTION)
