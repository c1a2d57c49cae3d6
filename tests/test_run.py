"""Runs: the order of events, seeds, interleaving, threads, stopping."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from test_batch import counted
from tiny import LONG, QUESTION, SHORT

import recmas_core as rm
from recmas_core import prompting
from recmas_core.reading import Reader

SAMPLED = {"rounds": 2, "latent_steps": 3, "temperature": 0.8, "max_new_tokens": 8}


def assert_same(one: rm.Trace, other: rm.Trace) -> None:
    """Bit for bit the same turns, whatever time they took."""
    assert len(one.turns) == len(other.turns)
    for a, b in zip(one.turns, other.turns, strict=True):
        assert (a.index, a.round, a.role, a.prompt, a.text, a.tokens) == (
            b.index, b.round, b.role, b.prompt, b.text, b.tokens,
        )  # fmt: skip
        assert np.array_equal(a.thoughts, b.thoughts)
        assert np.array_equal(a.self_embeds, b.self_embeds)
        assert a.sent.keys() == b.sent.keys()
        assert all(np.array_equal(a.sent[r], b.sent[r]) for r in a.sent)
    assert one.answer == other.answer


def said(trace: rm.Trace) -> list[tuple[int, ...]]:
    return [turn.tokens for turn in trace.turns]


def test_event_order(system: rm.System) -> None:
    trace = system.solve(SHORT, rounds=2, latent_steps=2, max_new_tokens=3)
    kinds = [type(event).__name__ for event in trace.events]
    turn = ["TurnStart", "Thought", "Thought", "Transfer", "TurnDone"]
    tokens = trace.decoded_tokens
    assert kinds == turn * 5 + ["TurnStart", *["Token"] * tokens, "TurnDone", "Answer"]
    assert 1 <= tokens <= 3
    assert [(t.index, t.round, t.role) for t in trace.turns] == [
        (0, 1, "planner"), (1, 1, "critic"), (2, 1, "solver"), (3, 2, "planner"), (4, 2, "critic"), (5, 2, "solver"),
    ]  # fmt: skip
    thoughts = [event for event in trace.events if isinstance(event, rm.Thought)]
    assert [t.step for t in thoughts] == [0, 1] * 5
    assert np.array_equal(thoughts[3].hidden, trace.turns[1].thoughts[1])
    assert np.array_equal(thoughts[3].embed, trace.turns[1].self_embeds[1])


def test_prompts_name_their_senders(system: rm.System) -> None:
    trace = system.solve(SHORT, rounds=2, latent_steps=2, max_new_tokens=1)
    slots = [[segment.sender for segment in turn.prompt if segment.sender] for turn in trace.turns]
    assert slots == [[], ["planner"], ["critic"], ["solver"], ["planner"], ["critic"]]
    assert "answer :" in trace.turns[-1].prompt[-1].text


def test_records_are_read_only(system: rm.System) -> None:
    turn = system.solve(SHORT, rounds=1, latent_steps=2, max_new_tokens=1).turns[0]
    for array in (turn.thoughts, turn.self_embeds, turn.sent["critic"]):
        assert array.dtype == np.float32
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1.0


def test_decode_stops_at_the_end_token_or_the_limit(system: rm.System) -> None:
    for seed in range(6):
        trace = system.solve(SHORT, rounds=1, mode="text", temperature=2.0, seed=seed, max_new_tokens=30)
        for turn in trace.turns:
            ends = system.agents[turn.role].end_ids
            assert not set(turn.tokens[:-1]) & ends
            assert turn.tokens[-1] in ends or len(turn.tokens) == 30


@pytest.mark.parametrize("mode", ["latent", "text"])
def test_same_seed_same_run(system: rm.System, mode: str) -> None:
    one = system.solve(QUESTION, mode=mode, seed=4, **SAMPLED)
    assert_same(one, system.solve(QUESTION, mode=mode, seed=4, **SAMPLED))
    others = [system.solve(QUESTION, mode=mode, seed=seed, **SAMPLED) for seed in (5, 6, 7)]
    assert any(said(other) != said(one) for other in others)


def test_temperature_zero_ignores_the_seed(system: rm.System) -> None:
    one, other = (system.solve(QUESTION, rounds=2, latent_steps=3, seed=s, max_new_tokens=6) for s in (1, 2))
    assert_same(one, other)


def test_top_p_keeps_the_likeliest(system: rm.System) -> None:
    greedy = system.solve(QUESTION, rounds=1, latent_steps=3, max_new_tokens=6)
    narrow = system.solve(QUESTION, rounds=1, latent_steps=3, max_new_tokens=6, temperature=1.0, top_p=1e-6, seed=9)
    assert said(greedy) == said(narrow)


@pytest.mark.parametrize("mode", ["latent", "text"])
def test_interleaved_runs_do_not_touch_each_other(system: rm.System, mode: str) -> None:
    configs = [system.config(q, mode=mode, seed=i, **SAMPLED) for i, q in enumerate((QUESTION, LONG))]
    alone = [system.drain(rm.Trace(config, "sequential")) for config in configs]
    traces = [rm.Trace(config, "sequential") for config in configs]
    streams = [system.start(config) for config in configs]
    while any(streams):
        for i, stream in enumerate(streams):
            event = next(stream, None) if stream else None
            if event is None:
                streams[i] = None
            else:
                traces[i] = traces[i].append(event)
    for one, other in zip(alone, traces, strict=True):
        assert_same(one, other)


def test_threads_give_the_same_runs(system: rm.System) -> None:
    questions = [QUESTION, LONG, SHORT, QUESTION]
    alone = [system.solve(q, seed=i, **SAMPLED) for i, q in enumerate(questions)]
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(system.solve, q, seed=i, **SAMPLED) for i, q in enumerate(questions)]
        together = [job.result() for job in jobs]
    for one, other in zip(alone, together, strict=True):
        assert_same(one, other)


def test_the_global_random_state_is_left_alone(system: rm.System) -> None:
    import torch

    torch.manual_seed(3)
    before = torch.get_rng_state()
    noise = rm.Edit(turn=0, kind="noise")
    system.solve(QUESTION, edits=[noise], seed=1, **SAMPLED)
    assert torch.equal(torch.get_rng_state(), before)


def test_nothing_is_locked_between_events(system: rm.System) -> None:
    stream = system.run(QUESTION, rounds=1, latent_steps=2)
    next(stream)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(system.lock.acquire, blocking=False).result()
        pool.submit(system.lock.release).result()
    stream.close()


def test_closing_stops_within_one_latent_step(system: rm.System) -> None:
    with counted(system) as calls:
        stream = system.run(QUESTION, rounds=3, latent_steps=8)
        while not (isinstance(event := next(stream), rm.Thought) and event.turn == 1 and event.step == 2):
            pass
        before = {role: len(lengths) for role, lengths in calls.items()}
        stream.close()
        after = {role: len(lengths) for role, lengths in calls.items()}
    assert before == after
    assert after["critic"] <= 4  # the shared beginning, the rest of the prompt, two steps on
    assert "solver" not in after
    with pytest.raises(StopIteration):
        next(stream)


@pytest.mark.parametrize("how", ["close", "drop", "finish"])
def test_the_caches_are_freed(system: rm.System, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    alive: list[weakref.ref[object]] = []

    class Watched(Reader):
        def feed(self, embeds: object) -> object:
            hidden = super().feed(embeds)
            alive.append(weakref.ref(self._cache))
            return hidden

    monkeypatch.setattr(prompting, "Reader", Watched)
    stream = system.run(QUESTION, rounds=2, latent_steps=3, max_new_tokens=2)
    for event in stream:
        if how != "finish" and isinstance(event, rm.Thought) and event.turn == 3:
            break
    assert alive
    assert (how == "finish") != any(ref() is not None for ref in alive)
    if how == "close":
        stream.close()
    elif how == "drop":
        del stream
    gc.collect()
    assert all(ref() is None for ref in alive)
