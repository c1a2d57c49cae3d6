"""Latent steps over fixed buffers give what the growing cache gives, from one recording, whatever it is used for."""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest
import torch
from recording import call_again, taped
from test_run import assert_same
from tiny import FAMILIES, LONG, QUESTION, SHORT, tiny_agent, tiny_pattern_system, tiny_system
from torch import Tensor

import recmas_core as rm
from recmas_core import captures
from recmas_core.captures import MOST, Captures, capacity_for
from recmas_core.engine import Settings, roll_out, unroll
from recmas_core.patterns import Place
from recmas_core.reading import Reader
from recmas_core.residence import Residence
from recmas_core.static_steps import FAMILIES as STATIC
from recmas_core.static_steps import StaticSteps, why_not

CLOSE = 1e-5
PLACE = Place(turn=0, round=1, stage=0, role="planner", decodes=False)
RECORDS = {"called": call_again, "taped": taped}


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == captures.__name__]


def words(agent: rm.Agent, *, length: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return agent.embed(torch.randint(8, (length,), generator=generator) + 8)


def read(agent: rm.Agent, lengths: list[int], *, seed: int = 0) -> tuple[Reader, Tensor]:
    """A reader of rows of these lengths, and their last states."""
    reader = Reader(agent)
    rows = [words(agent, length=length, seed=10 * seed + at) for at, length in enumerate(lengths)]
    return reader, reader.start(rows)[:, -1]


def thoughts(agent: rm.Agent, lengths: list[int], m: int, *, seed: int = 0, kind: str = "eager") -> Tensor:
    """States and R_in of every thought, (2, B, m, d)."""
    reader, hidden = read(agent, lengths, seed=seed)
    steps = list(roll_out(reader, agent.inner, hidden, m, place=PLACE, kind=kind))
    return torch.stack([torch.stack([s.hidden for s in steps], 1), torch.stack([s.embed for s in steps], 1)])


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
@pytest.mark.parametrize("lengths", [[9], [9, 9, 9], [4, 13, 9]], ids=["one", "three", "padded"])
@pytest.mark.parametrize("family", STATIC)
def test_turns_from_one_recording_equal_the_growing_cache(
    family: str, lengths: list[int], record: Callable[..., Callable[[], None]]
) -> None:
    """Long and short turns in turn, over buffers that hold the worst there is before each of them."""
    agent = tiny_agent(family)
    made = agent.captures = Captures(record)
    for seed, (more, m) in enumerate([(20, 9), (0, 2), (3, 12), (0, 1), (11, 5), (0, 8)]):
        rows = [length + more for length in lengths]
        for _, steps in made._kept:
            for tensor in (*(t for layer in steps._layers for t in (layer.keys, layer.values)), steps._hidden):
                tensor.fill_(float("nan"))
        ours, theirs = (thoughts(agent, rows, m, seed=seed, kind=kind) for kind in ("captured", "eager"))
        assert (ours - theirs).abs().max() < CLOSE
    assert made.fallbacks == ()
    assert len(made._kept) == 1


def test_every_family_of_the_tests_but_the_recurrent_one_is_covered() -> None:
    assert set(FAMILIES) - set(STATIC) == {"qwen3_5_text"}


@pytest.mark.parametrize("family", STATIC)
def test_the_comparison_can_fail(family: str) -> None:
    """A column that should be hidden and is seen moves the thoughts far more than the tolerance."""
    agent = tiny_agent(family)
    reader, hidden = read(agent, [30])
    embed = agent.inner(hidden)
    made = [StaticSteps(agent, agent.inner, reader, embed, capacity=64, record=call_again) for _ in range(2)]
    for steps in made:
        steps.load(reader, embed)
    made[1]._at.add_(1)  # it writes one further, and sees the empty column before
    right, wrong = (steps.step()[0] for steps in made)
    assert (right - wrong).abs().max() > 100 * CLOSE


def test_a_python_number_that_changes_is_noticed_by_the_tape() -> None:
    total, count = torch.zeros(1), [0]

    def step() -> None:
        count[0] += 1
        total.copy_(total + count[0])

    repeat = taped(step, torch.device("cpu"))
    total.zero_()
    repeat()
    repeat()
    assert total.item() == 4  # twice the number of the recorded call, not 3 + 4


@pytest.mark.parametrize("refused", [lambda: torch.ones(1).item(), lambda: torch.tensor([1.0]) + 1])
def test_the_tape_refuses_what_a_capture_refuses(refused: Callable[[], object]) -> None:
    with pytest.raises(RuntimeError, match="while a step is recorded"):
        taped(refused, torch.device("cpu"))


@pytest.mark.parametrize("family", STATIC)
def test_a_step_compiles_in_one_piece(family: str) -> None:
    """torch.compile finds no break in it, and what it makes of it computes the same."""

    def compiled(step: Callable[[], None], device: torch.device) -> Callable[[], None]:
        return call_again(torch.compile(step, fullgraph=True, dynamic=False, backend="aot_eager"), device)

    agent = tiny_agent(family)
    agent.captures = Captures(compiled)
    ours, theirs = (thoughts(agent, [9, 12], 6, kind=kind) for kind in ("fused", "eager"))
    assert agent.captures.fallbacks == ()
    assert (ours - theirs).abs().max() < CLOSE


@pytest.mark.parametrize("pattern", ["sequential", "mixture"])
def test_whole_runs_are_the_same(pattern: str) -> None:
    """Under inference mode, with turns of one stage in lockstep; recordings are kept from run to run."""
    system = tiny_pattern_system(rm.PATTERNS[pattern], STATIC)
    options = {"rounds": 2, "latent_steps": 4, "max_new_tokens": 6}
    plain = [system.solve(question, **options) for question in (QUESTION, SHORT)]
    for agent in system.agents.values():
        agent.captures = Captures(taped)
    for _ in range(2):
        for question, wanted in zip((QUESTION, SHORT), plain, strict=True):
            trace = system.solve(question, **options)
            for ours, theirs in zip(trace.turns, wanted.turns, strict=True):
                assert ours.tokens == theirs.tokens
                assert abs(ours.thoughts - theirs.thoughts).max(initial=0) < 1e-4
    out = unroll(system, [QUESTION], Settings(2, 4, max_new_tokens=6))  # the same recordings outside inference mode
    assert out.texts[0] == plain[0].answer
    assert sum(len(agent.captures._kept) for agent in system.agents.values()) >= len(system.agents) - 1


@pytest.mark.parametrize("families", [("qwen3", "mistral", "gemma3_text"), ("llama", "qwen2", "qwen3")], ids="-".join)
def test_a_batch_of_questions_of_several_lengths_is_the_same(families: tuple[str, ...]) -> None:
    system, settings = tiny_system(families), Settings(2, 4, max_new_tokens=5)
    wanted = unroll(system, [SHORT, LONG, QUESTION], settings)
    for agent in system.agents.values():
        agent.captures = Captures(taped)
    out = unroll(system, [SHORT, LONG, QUESTION], settings)
    assert out.texts == wanted.texts
    for turn, expected in wanted.thoughts.items():
        assert (out.thoughts[turn] - expected).abs().max() < 1e-4


def test_one_agent_in_several_roles_of_a_stage_has_a_recording_for_each_turn() -> None:
    system = tiny_pattern_system(rm.PATTERNS["mixture"], ["qwen3"])
    shared = system.agents["math"]
    same = rm.System(
        "same", system.pattern, dict.fromkeys(system.agents, shared), system.links, system.prompts, latent_steps=4
    )
    plain = same.solve(QUESTION, rounds=2, max_new_tokens=4)
    shared.captures = Captures(taped)
    trace = same.solve(QUESTION, rounds=2, max_new_tokens=4)
    for ours, theirs in zip(trace.turns, plain.turns, strict=True):
        assert abs(ours.thoughts - theirs.thoughts).max(initial=0) < 1e-4
    assert len({id(steps) for _, steps in shared.captures._kept}) >= 3
    assert shared.captures._busy == []


def test_more_turns_at_once_than_recordings_are_taken_plainly(caplog: pytest.LogCaptureFixture) -> None:
    agent = tiny_agent("qwen3")
    agent.captures = Captures(call_again)
    wanted = thoughts(agent, [9], 4)
    turns = []
    with ExitStack() as stack:
        for _ in range(MOST + 1):
            reader, hidden = read(agent, [9])
            turns.append(roll_out(reader, agent.inner, hidden, 4, place=PLACE))
            stack.callback(turns[-1].close)
        with caplog.at_level(logging.WARNING):
            steps = [[next(turn) for turn in turns] for _ in range(4)]
    for turn in range(MOST + 1):
        assert (torch.stack([s[turn].hidden for s in steps], 1) - wanted[0]).abs().max() < CLOSE
    assert said(caplog) == [
        f"qwen3 takes latent steps without a CUDA graph: all of its {MOST} recordings are in use"
    ]
    assert agent.captures._busy == []


def test_a_turn_that_is_given_up_gives_its_recording_back() -> None:
    agent = tiny_agent("llama")
    agent.captures = Captures(call_again)
    for _ in range(MOST + 2):
        reader, hidden = read(agent, [9])
        turn = roll_out(reader, agent.inner, hidden, 4, place=PLACE)
        next(turn), next(turn)
        turn.close()
    assert agent.captures._busy == []
    assert len(agent.captures._kept) == 1


def test_few_recordings_are_kept_and_the_oldest_goes_first() -> None:
    agent = tiny_agent("qwen2")
    agent.captures = Captures(call_again)
    for batch in (1, 2, 3, 1, 4, 5):
        thoughts(agent, [9] * batch, 2, kind="captured")
    assert [key.batch for key, _ in agent.captures._kept] == [3, 1, 4, 5]


def test_weights_that_moved_are_recorded_anew() -> None:
    agent = tiny_agent("qwen3")
    agent.captures = Captures(taped)
    before = thoughts(agent, [9], 4, kind="captured")
    old = agent.captures._kept[0][1]
    agent.inner.proj1.weight.mul_(0.5)  # in place: the recording reads the new numbers
    changed = thoughts(agent, [9], 4, kind="captured")
    assert agent.captures._kept[0][1] is old
    assert (changed - before).abs().max() > 100 * CLOSE
    assert (changed - thoughts(agent, [9], 4)).abs().max() < CLOSE
    agent.inner.proj1.weight.data = agent.inner.proj1.weight.data * 2  # somewhere else
    again = thoughts(agent, [9], 4, kind="captured")
    assert len(agent.captures._kept) == 1
    assert agent.captures._kept[0][1] is not old
    assert (again - before).abs().max() < CLOSE


def test_another_inner_link_has_recordings_of_its_own() -> None:
    agent = tiny_agent("qwen3")
    agent.captures = Captures(call_again)
    other = agent.with_inner(copy.deepcopy(agent.inner))
    assert other.captures is not agent.captures
    thoughts(agent, [9], 3, kind="captured")
    thoughts(other, [9], 3, kind="captured")
    assert len(agent.captures._kept) == 1


def test_what_cannot_be_recorded_is_taken_plainly_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    agent = tiny_agent("qwen3_5_text")
    agent.captures = Captures(call_again)
    with caplog.at_level(logging.WARNING):
        ours, theirs = (thoughts(agent, [9], 4, kind=kind) for kind in ("captured", "eager"))
        thoughts(agent, [9], 4, kind="captured")
    assert torch.equal(ours, theirs)
    assert len(said(caplog)) == 1
    assert "qwen3_5_text" in said(caplog)[0]


def test_a_recording_that_fails_is_not_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    tried = []

    def failing(step: Callable[[], None], device: torch.device) -> Callable[[], None]:
        tried.append(1)
        step()
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    agent = tiny_agent("mistral")
    agent.captures = Captures(failing)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert torch.equal(thoughts(agent, [9], 3, kind="captured"), thoughts(agent, [9], 3))
    assert len(tried) == 1
    reason = "recording 'captured' steps failed (operation not permitted when stream is capturing)"
    assert agent.captures.fallbacks == (reason,)
    assert said(caplog) == [f"mistral takes latent steps without a CUDA graph: {reason}"]


def test_reasons_name_what_stands_in_the_way() -> None:
    agent = tiny_agent("qwen3")
    reader, _ = read(agent, [9])
    assert why_not(reader, agent.inner) == ""
    assert "inner link" in why_not(reader, lambda x: x)
    agent.residence = Residence(torch.device("cpu"), 0)
    assert "shares the device" in why_not(reader, agent.inner)
    agent.residence = None
    agent.model.config.rope_parameters = {"rope_type": "dynamic"}
    assert "dynamic" in why_not(reader, agent.inner)
    agent.model.set_attn_implementation("flex_attention")
    assert "flex_attention" in why_not(reader, agent.inner)


def test_nothing_is_recorded_with_gradients_or_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: object) -> None:
        raise AssertionError("nothing is to be recorded here")

    system = tiny_system(("qwen3", "llama", "qwen2"))
    plain = system.solve(QUESTION, rounds=1, max_new_tokens=2)
    monkeypatch.setattr(captures, "cuda_graph", never)
    assert_same(system.solve(QUESTION, rounds=1, max_new_tokens=2), plain)
    agent = tiny_agent("qwen3")
    agent.captures = Captures(never)
    with torch.enable_grad():
        thoughts(agent, [9], 3, kind="captured")
    thoughts(agent, [9], 1, kind="captured")  # a single thought takes no step


def test_full_buffers_refuse_a_step() -> None:
    agent = tiny_agent("llama")
    reader, hidden = read(agent, [9])
    steps = StaticSteps(agent, agent.inner, reader, agent.inner(hidden), capacity=11, record=call_again)
    steps.load(reader, agent.inner(hidden))
    steps.step(), steps.step()
    with pytest.raises(IndexError, match="11"):
        steps.step()


def test_capacities_are_few_and_never_too_small() -> None:
    sizes = {capacity_for(n) for n in range(1, 1025)}
    assert sizes == {64, 128, 256, 512, 768, 1024}
    assert all(capacity_for(n) >= n for n in range(1, 5000))
    assert len(LONG.split()) > len(SHORT.split())


class Devices:
    """What `cuda_graph` asks of torch.cuda, as a diary: no GPU is needed to see the order of things."""

    def __init__(self, patch: pytest.MonkeyPatch, *, fails: bool) -> None:
        self.diary: list[str] = []
        self.fails = fails
        signature = inspect.signature(torch.cuda.graph.__init__)

        class Stream:
            def __init__(self, name: str = "side") -> None:
                self.name = name

            def wait_stream(own, other: Stream) -> None:  # noqa: N805
                self.diary.append(f"{own.name} waits for {other.name}")

        class Graph:
            def replay(own) -> None:  # noqa: N805
                self.diary.append("replay")

        def graph(*args: object, **kwargs: object) -> AbstractContextManager[None]:
            bound = signature.bind(None, *args, **kwargs).arguments
            assert bound["capture_error_mode"] == "thread_local"
            assert bound["stream"].name == "side"
            return self.during("capture")

        patch.setattr(captures, "_side_stream", lambda device: Stream())
        patch.setattr(torch.cuda, "current_stream", lambda device: Stream("current"))
        patch.setattr(torch.cuda, "CUDAGraph", Graph)
        patch.setattr(torch.cuda, "graph", graph)
        patch.setattr(torch.cuda, "device", lambda device: self.during(str(device)))
        patch.setattr(torch.cuda, "stream", lambda stream: self.during(stream.name))

    @contextmanager
    def during(self, name: str) -> Iterator[None]:
        self.diary.append(f"{name} {{")
        try:
            yield
        finally:
            self.diary.append("}")

    def step(self) -> None:
        self.diary.append("step")
        if self.fails and "capture {" in self.diary:
            raise RuntimeError("not while capturing")


def test_a_graph_is_recorded_aside_after_warming_up_and_replayed_where_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = Devices(monkeypatch, fails=False)
    repeat = captures.cuda_graph(devices.step, torch.device("cuda", 1))
    assert devices.diary == [
        "cuda:1 {", "side waits for current", "side {", *["step"] * captures.WARM_UPS, "capture {", "step", "}", "}",
        "current waits for side", "}",
    ]  # fmt: skip
    devices.diary.clear()
    repeat()
    assert devices.diary == ["cuda:1 {", "replay", "}"]


def test_a_capture_that_fails_leaves_no_stream_or_lock_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = Devices(monkeypatch, fails=True)
    with pytest.raises(RuntimeError, match="not while capturing"):
        captures.cuda_graph(devices.step, torch.device("cuda", 0))
    assert devices.diary[-3:] == ["}", "}", "}"]
    assert not captures._CAPTURING.locked()
