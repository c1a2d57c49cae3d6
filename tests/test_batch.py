"""A batch of questions gives what each question gives alone; a prompt's beginning is read once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from tiny import FAMILIES, LONG, MIXED, QUESTION, SHORT, tiny_system

import recmas_core as rm
from recmas_core.engine import Settings, unroll

QUESTIONS = [SHORT, LONG, QUESTION]
SYSTEMS = [*MIXED, *((family,) * 3 for family in FAMILIES)]


@contextmanager
def counted(system: rm.System) -> Iterator[dict[str, list[int]]]:
    """Lengths of every call of each role's decoder, in order."""
    calls: dict[str, list[int]] = defaultdict(list)

    def hook(role: str) -> object:
        return lambda module, args, kwargs: calls[role].append(kwargs["inputs_embeds"].shape[1])

    handles = [
        agent.model.get_decoder().register_forward_pre_hook(hook(role), with_kwargs=True)
        for role, agent in system.agents.items()
    ]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


@pytest.mark.parametrize("families", SYSTEMS, ids="-".join)
@torch.no_grad()
def test_latent_batch_equals_single(families: tuple[str, ...]) -> None:
    system, settings = tiny_system(families), Settings(2, 3, max_new_tokens=5)
    batch = unroll(system, QUESTIONS, settings)
    for row, question in enumerate(QUESTIONS):
        alone = unroll(system, [question], settings)
        assert alone.thoughts.keys() == batch.thoughts.keys() == {0, 1, 2, 3, 4}
        for turn in alone.thoughts:
            assert torch.allclose(alone.thoughts[turn][0], batch.thoughts[turn][row], atol=1e-4)
            assert torch.allclose(alone.self_embeds[turn][0], batch.self_embeds[turn][row], atol=1e-4)
        for edge in alone.sent:
            assert torch.allclose(alone.sent[edge][0], batch.sent[edge][row], atol=1e-4)
        assert alone.texts[0] == batch.texts[row]
        assert alone.tokens[0] == batch.tokens[row]


@pytest.mark.parametrize("families", SYSTEMS, ids="-".join)
@torch.no_grad()
def test_text_batch_equals_single(families: tuple[str, ...]) -> None:
    system = tiny_system(families, seed=1)
    settings = Settings(2, 3, mode="text", max_new_tokens=7)
    batch = unroll(system, QUESTIONS, settings)
    for row, question in enumerate(QUESTIONS):
        alone = unroll(system, [question], settings)
        assert alone.texts[0] == batch.texts[row]
        assert alone.tokens[0] == batch.tokens[row]


@torch.no_grad()
def test_sampled_batch_equals_single(system: rm.System) -> None:
    settings = Settings(2, 3, mode="text", max_new_tokens=7, temperature=0.9, seed=5)
    batch = unroll(system, QUESTIONS, settings)
    assert [unroll(system, [q], settings).texts[0] for q in QUESTIONS] == list(batch.texts)


def test_run_equals_unroll(system: rm.System) -> None:
    trace = system.solve(QUESTION, rounds=2, latent_steps=3, max_new_tokens=5)
    with torch.no_grad():
        out = unroll(system, [QUESTION], Settings(2, 3, max_new_tokens=5))
    for turn in trace.turns[:-1]:
        assert torch.equal(torch.tensor(turn.thoughts), out.thoughts[turn.index][0])
        for receiver, vectors in turn.sent.items():
            assert torch.equal(torch.tensor(vectors), out.sent[turn.index, receiver][0])
    assert trace.answer == out.texts[0]
    assert trace.decoded_tokens == out.tokens[0]


@pytest.mark.parametrize("families", MIXED, ids="-".join)
def test_a_prompts_beginning_is_read_once(families: tuple[str, ...]) -> None:
    """Every agent puts its shared beginning, at least the question, through the model a single time."""
    system, m = tiny_system(families), 3
    with counted(system) as calls:
        trace = system.solve(QUESTION, rounds=3, latent_steps=m, max_new_tokens=1)
    for role, agent in system.agents.items():
        prompts = [
            sum(m if s.sender else len(s.ids) for s in turn.prompt) for turn in trace.turns if turn.role == role
        ]
        shared, *rest = calls[role]
        assert shared >= len(agent.encode(f"<bos> {QUESTION} ;"))
        tails = [length - shared for length in prompts]
        steps = [1] * (m - 1)
        expected = [n for tail in tails for n in (tail, *steps)]
        assert rest == (expected[: -len(steps)] if role == "solver" else expected)


def test_one_forward_per_thought(system: rm.System) -> None:
    with counted(system) as calls:
        system.solve(QUESTION, rounds=1, latent_steps=8, max_new_tokens=1)
    assert calls["planner"][1:] == [1] * 7
    assert calls["critic"][1:] == [1] * 7
    assert len(calls["solver"]) == 1
