"""Turns of one stage side by side: their order, the same bits as one after the other, threads, cuts in the middle."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from test_batch import counted
from test_resume import assert_same_within
from test_run import assert_same
from tiny import LONG, QUESTION, SHORT, tiny_pattern_system

import recmas_core as rm
from recmas_core.engine import Settings, unroll
from recmas_core.patterns import Edge, Pattern, Role
from recmas_core.stages import WORTH, side_by_side, worth_threads
from recmas_core.steps import End, Latent

MIXTURE = rm.PATTERNS["mixture"]
SPECIALISTS = ("math", "code", "science")
OPTIONS = {"rounds": 2, "latent_steps": 2, "max_new_tokens": 3}


@pytest.fixture(scope="module")
def mixture() -> rm.System:
    """Shared: a test that changes it makes its own."""
    return tiny_pattern_system(MIXTURE)


@pytest.fixture(scope="module")
def run(mixture: rm.System) -> rm.Trace:
    return mixture.solve(QUESTION, **OPTIONS)


@pytest.fixture
def threaded(mixture: rm.System) -> Iterator[rm.System]:
    """The same system with a thread for each role of a stage."""
    twin = mixture.with_links({})
    twin.threads = True
    yield twin
    assert not stage_threads()


def stage_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("recmas-stage")]


def told(event: rm.Event) -> str:
    """An event in a few letters: what, who, and which step."""
    match event:
        case rm.TurnDone(turn=turn):
            return f"end {turn.role}"
        case rm.TurnStart(role=role):
            return f"begin {role}"
        case rm.Transfer(sender=sender, receiver=receiver):
            return f"{sender}->{receiver}"
        case rm.Thought(role=role, step=step):
            return f"{role} {step + 1}"
        case _:
            return type(event).__name__


def test_the_order_of_events(run: rm.Trace) -> None:
    stage = [
        "begin math", "begin code", "begin science",
        "math 1", "code 1", "science 1", "math 2", "code 2", "science 2",
        "math->summarizer", "code->summarizer", "science->summarizer",
        "end math", "end code", "end science",
    ]  # fmt: skip
    feedback = [
        "begin summarizer", "summarizer 1", "summarizer 2",
        "summarizer->math", "summarizer->code", "summarizer->science", "end summarizer",
    ]  # fmt: skip
    decode = ["begin summarizer", *["Token"] * run.decoded_tokens, "end summarizer", "Answer"]
    assert [told(event) for event in run.events] == [*stage, *feedback, *stage, *decode]
    assert [turn.index for turn in run.turns] == list(range(8))


def test_transfers_of_one_turn_follow_one_another() -> None:
    """Roles with several receivers, side by side: each sends all it has before the next one does."""
    edges = [Edge(s, r, feedback=True) for s in ("one", "two") for r in ("one", "two")]
    roles = tuple(Role(name, name, name) for name in ("one", "two", "last"))
    edges += [Edge("one", "last"), Edge("two", "last")]
    pattern = Pattern("crossed", "", "", roles, (("one", "two"), ("last",)), tuple(edges), "last")
    trace = tiny_pattern_system(pattern).solve(SHORT, rounds=1, latent_steps=1, max_new_tokens=1)
    hops = [(e.sender, e.receiver) for e in trace.events if isinstance(e, rm.Transfer)]
    assert hops == [(s, r) for s in ("one", "two") for r in ("one", "two", "last")]


@pytest.mark.parametrize("options", [{}, {"mode": "text", "temperature": 0.8}], ids=["latent", "text"])
def test_the_same_bits_as_one_after_the_other(mixture: rm.System, options: dict[str, object]) -> None:
    """A pattern that differs only in giving each specialist a stage of its own makes the very same turns."""
    row = replace(MIXTURE, stages=tuple((role.name,) for role in MIXTURE.roles))
    alone = rm.System("row", row, mixture.agents, mixture.links, mixture.prompts)
    one, other = (system.solve(QUESTION, **{**OPTIONS, **options}) for system in (mixture, alone))
    assert_same(one, other)
    assert [type(e) for e in one.events] != [type(e) for e in other.events]


def test_the_prompt_has_a_slot_for_each_sender(run: rm.Trace) -> None:
    slots = [[segment.sender for segment in turn.prompt if segment.sender] for turn in run.turns]
    assert slots == [[], [], [], list(SPECIALISTS), ["summarizer"], ["summarizer"], ["summarizer"], list(SPECIALISTS)]


def test_a_batch_equals_single_questions(mixture: rm.System) -> None:
    settings, questions = Settings(2, 2, max_new_tokens=3), [SHORT, LONG]
    with torch.no_grad():
        batch = unroll(mixture, questions, settings)
        for row, question in enumerate(questions):
            alone = unroll(mixture, [question], settings)
            assert alone.thoughts.keys() == batch.thoughts.keys() == set(range(7))
            for turn, thoughts in alone.thoughts.items():
                assert torch.allclose(thoughts[0], batch.thoughts[turn][row], atol=1e-4)
            assert alone.texts[0] == alone.answers[0] == batch.texts[row]


# ---------------------------------------------------------------------------------------------------------- threads


@pytest.mark.parametrize("options", [{}, {"mode": "text", "temperature": 0.8}], ids=["latent", "text"])
def test_threads_change_nothing(mixture: rm.System, threaded: rm.System, options: dict[str, object]) -> None:
    one, other = (system.solve(QUESTION, **{**OPTIONS, **options}) for system in (mixture, threaded))
    assert_same(one, other)
    assert [told(event) for event in one.events] == [told(event) for event in other.events]


def test_steps_are_made_in_threads_of_their_own(threaded: rm.System) -> None:
    """All three are inside their models at the same time: each waits there for the others."""
    meeting, met = threading.Barrier(len(SPECIALISTS), timeout=60), []

    def wait(role: str) -> object:
        def hook(module: object, args: object, kwargs: object) -> None:
            meeting.wait()
            met.append((role, threading.current_thread().name, torch.is_inference_mode_enabled()))

        return hook

    bodies = {role: threaded.agents[role].model.get_decoder() for role in SPECIALISTS}
    handles = [body.register_forward_pre_hook(wait(role), with_kwargs=True) for role, body in bodies.items()]
    try:
        threaded.solve(QUESTION, rounds=1, latent_steps=2, max_new_tokens=1)
    finally:
        for handle in handles:
            handle.remove()
    assert {role for role, _, _ in met} == set(SPECIALISTS)
    assert all(name.startswith("recmas-stage") and inference for _, name, inference in met)


def test_gradients_are_the_same_with_threads() -> None:
    gradients = []
    for threads in (False, True):
        system = tiny_pattern_system(MIXTURE)
        system.threads = threads
        for link in system.links.values():
            link.requires_grad_(True)
        out = unroll(system, [QUESTION, SHORT], Settings(2, 2), answers=["3", "1"])
        F.cross_entropy(out.logits, out.labels).backward()
        gradients.append([p.grad for link in system.links.values() for p in link.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize("threads", [False, True])
def test_an_error_comes_out_as_it_is(threads: bool) -> None:
    """What came before it in the order of the stage is seen, nothing after it, and no thread stays."""
    system = tiny_pattern_system(MIXTURE)
    system.threads = threads
    system.agents["code"].inner.proj2.bias.data[0] = float("nan")
    seen: list[str] = []
    with pytest.raises(rm.NonFiniteLatent, match="thought 1 of code in round 1"):
        seen.extend(told(event) for event in system.run(QUESTION, **OPTIONS))
    assert seen == ["begin math", "begin code", "begin science", "math 1"]
    assert not stage_threads()


@pytest.mark.parametrize("threads", [False, True])
@pytest.mark.parametrize("stop", ["begin code", "math 1", "code 2", "code->summarizer", "end math"])
def test_closing_in_the_middle_of_a_stage(mixture: rm.System, threads: bool, stop: str) -> None:
    system = mixture.with_links({})
    system.threads = threads
    stream = system.run(QUESTION, **OPTIONS)
    with counted(system) as calls:
        while told(next(stream)) != stop:
            pass
        before = {role: len(lengths) for role, lengths in calls.items()}
        stream.close()
        assert {role: len(lengths) for role, lengths in calls.items()} == before
    assert "summarizer" not in before
    assert not stage_threads()
    assert next(stream, None) is None


def test_turns_are_closed_with_their_stage() -> None:
    closed: list[int] = []

    def turn(number: int) -> Iterator[object]:
        try:
            yield from (Latent(None, step, None, None) for step in range(3))
        finally:
            closed.append(number)
        return End(None)

    steps = side_by_side([turn(0), turn(1)], threads=False)
    assert [next(steps).step for _ in range(3)] == [0, 0, 1]
    steps.close()
    assert sorted(closed) == [0, 1]


def agent(parameters: int, device: str = "cpu") -> SimpleNamespace:
    return SimpleNamespace(parameters=parameters, device=torch.device(device))


def test_threads_are_taken_where_they_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recmas_core.stages._processors", lambda: 2 * torch.get_num_threads())
    assert worth_threads([agent(WORTH), agent(2 * WORTH)])
    assert not worth_threads([agent(WORTH)])
    assert not worth_threads([agent(WORTH), agent(WORTH - 1)])
    assert not worth_threads([agent(WORTH), agent(WORTH, "cuda")])
    monkeypatch.setattr("recmas_core.stages._processors", lambda: 2 * torch.get_num_threads() - 1)
    assert not worth_threads([agent(WORTH), agent(WORTH)])


# ------------------------------------------------------------------------------------------------ traces of open turns


def prefixes(trace: rm.Trace) -> Iterator[rm.Trace]:
    for length in range(len(trace.events) + 1):
        yield replace(trace, events=trace.events[:length])


def test_seconds_count_every_open_turn(run: rm.Trace) -> None:
    seconds = [part.seconds for part in prefixes(run)]
    assert all(a <= b + 1e-9 for a, b in pairwise(seconds))
    assert seconds[-1] == pytest.approx(sum(turn.seconds for turn in run.turns))
    first = [event for event in run.events if isinstance(event, rm.Thought)][:3]
    part = next(p for p in prefixes(run) if len(p.thoughts) == 3)
    assert part.seconds == pytest.approx(sum(event.seconds for event in first))


def test_seconds_with_threads_are_shared_out(threaded: rm.System) -> None:
    trace = threaded.solve(QUESTION, **OPTIONS)
    thoughts = [event.seconds for event in trace.thoughts]
    assert all(seconds > 0 for seconds in thoughts)
    assert trace.seconds == pytest.approx(sum(turn.seconds for turn in trace.turns))


def test_until_keeps_finished_turns_only(run: rm.Trace) -> None:
    part = next(p for p in prefixes(run) if len(p.turns) == 1)
    kept = part.until(1)
    assert [told(e) for e in kept.events] == ["begin math", "math 1", "math 2", "math->summarizer", "end math"]
    assert run.until(6).turns == run.turns[:6]
    assert part.until(0).events == ()
    with pytest.raises(rm.BadInput, match="1 turns are finished"):
        part.until(2)


@pytest.mark.parametrize("mode", ["latent", "text"])
def test_going_on_from_any_turn(mixture: rm.System, mode: str) -> None:
    whole = mixture.solve(QUESTION, mode=mode, **OPTIONS)
    for turn in range(8):
        assert_resumed(mixture, whole, whole, turn)


def assert_resumed(system: rm.System, whole: rm.Trace, part: rm.Trace, turn: int) -> None:
    fork = part.fork(turn)
    for event in system.resume(part, turn):
        fork = fork.append(event)
    assert_same_within(whole, fork)
    assert len(fork.events) == len(whole.events)


@pytest.mark.parametrize("last", ["code 2", "end math", "end code", "summarizer->code"])
def test_going_on_after_a_cut(mixture: rm.System, run: rm.Trace, tmp_path: Path, last: str) -> None:
    """A run cut off in the middle of a stage, and read back from disk: finished turns stay, the rest is made anew."""
    at = [told(event) for event in run.events].index(last) + 1
    part = replace(run, events=run.events[:at])
    part.save(str(tmp_path / "part.npz"))
    part = rm.Trace.load(str(tmp_path / "part.npz"))
    assert len(part.events) == at
    assert_resumed(mixture, run, part, len(part.turns))
