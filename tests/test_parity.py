"""Every turn of a run equals an independent recomputation over the whole sequence without a cache."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from reference import Said, reference_run
from tiny import FAMILIES, MIXED, QUESTION, WINDOW, added, deliberating, tiny_pattern_system, tiny_system

import recmas_core as rm

CLOSE = 1e-4


def same(array: object, tensor: torch.Tensor) -> None:
    ours = torch.tensor(array)
    assert ours.shape == tensor.shape
    assert (ours - tensor).abs().max() < CLOSE


def compare(trace: rm.Trace, expected: list[Said]) -> None:
    assert [turn.role for turn in trace.turns] == [turn.role for turn in expected]
    for turn, wanted in zip(trace.turns, expected, strict=True):
        assert list(turn.tokens) == wanted.ids
        assert turn.text == " ".join(wanted.words)
        assert [(c.tool, c.call, c.result) for c in turn.tool_calls] == wanted.calls
        assert len(turn.thoughts) == len(wanted.thoughts)
        if wanted.thoughts:
            same(turn.thoughts, torch.stack(wanted.thoughts))
            same(turn.self_embeds, wanted.self_embeds)
            assert set(turn.sent) == set(wanted.sent)
            for receiver, vectors in turn.sent.items():
                same(vectors, wanted.sent[receiver])
    assert trace.answer == expected[-1].answer


@pytest.mark.parametrize("families", [*MIXED, *((family,) * 3 for family in FAMILIES)], ids="-".join)
def test_every_family_three_rounds(families: tuple[str, ...]) -> None:
    system = tiny_system(families)
    trace = system.solve(QUESTION, rounds=3, latent_steps=3, max_new_tokens=6)
    compare(trace, reference_run(system, QUESTION, rounds=3, m=3))


@pytest.mark.parametrize("families", MIXED, ids="-".join)
@pytest.mark.parametrize(("rounds", "m"), [(1, 1), (1, 8), (2, 1), (2, 8), (3, 8)])
def test_rounds_and_thoughts(families: tuple[str, ...], rounds: int, m: int) -> None:
    system = tiny_system(families)
    trace = system.solve(QUESTION, rounds=rounds, latent_steps=m, max_new_tokens=6)
    compare(trace, reference_run(system, QUESTION, rounds=rounds, m=m))


@pytest.mark.parametrize("families", [*MIXED, *((family,) * 3 for family in FAMILIES)], ids="-".join)
def test_text_mode(families: tuple[str, ...]) -> None:
    system = tiny_system(families, seed=1)
    trace = system.solve(QUESTION, rounds=2, mode="text", max_new_tokens=6)
    compare(trace, reference_run(system, QUESTION, rounds=2, m=3, mode="text"))
    assert any(turn.text for turn in trace.turns[:-1])


@pytest.mark.parametrize("families", [("qwen3", "gemma3_text", "llama", "mistral"), FAMILIES[::-1]], ids="-".join)
@pytest.mark.parametrize("rounds", [1, 2, 3])
@pytest.mark.parametrize("pattern", ["mixture", "distillation", "deliberation", "loop2", "loop5"])
def test_every_pattern(pattern: str, rounds: int, families: tuple[str, ...]) -> None:
    system = tiny_pattern_system(rm.PATTERNS[pattern], families)
    trace = system.solve(QUESTION, rounds=rounds, latent_steps=3, max_new_tokens=6, tools=False)
    compare(trace, reference_run(system, QUESTION, rounds=rounds, m=3))


@pytest.mark.parametrize("pattern", ["mixture", "distillation", "deliberation"])
def test_every_pattern_in_text(pattern: str) -> None:
    system = tiny_pattern_system(rm.PATTERNS[pattern], seed=1)
    trace = system.solve(QUESTION, rounds=2, mode="text", max_new_tokens=6, tools=False)
    compare(trace, reference_run(system, QUESTION, rounds=2, m=3, mode="text"))
    assert sum(bool(turn.text) for turn in trace.turns[:-1]) >= len(trace.turns) // 2


CALLERS = [
    ("gemma3_text", "qwen2", 2), ("gemma3_text", "qwen2", 1), ("qwen2", "mistral", 0), ("llama", "qwen3", 1),
    ("qwen3", "llama", 5), ("mistral", "gemma3_text", 3), ("llama", "qwen3_5_text", 3),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second", "seed"), CALLERS)
def test_tool_calls(first: str, second: str, seed: int) -> None:
    system, made = deliberating((first, second), seed=seed), []
    functions = dict.fromkeys(system.tools, added)
    for mode, rounds in product(("latent", "text"), (1, 2, 3)):
        trace = system.solve(QUESTION, rounds=rounds, latent_steps=3, mode=mode, max_new_tokens=24)
        expected = reference_run(system, QUESTION, rounds=rounds, m=3, mode=mode, max_new_tokens=24, tools=functions)
        compare(trace, expected)
        made.append(len(trace.turns[-1].tool_calls))
    assert sum(made) >= 5


@pytest.mark.parametrize("family", FAMILIES)
def test_the_comparison_can_fail(family: str) -> None:
    """One word of the question moves every thought, far more than the tolerance: a wrong cache would be seen."""
    system = tiny_system((family,) * 3)
    one = system.solve(QUESTION, rounds=2, latent_steps=3, max_new_tokens=1)
    other = system.solve(QUESTION.replace("4", "5"), rounds=2, latent_steps=3, max_new_tokens=1)
    assert len(system.agents["critic"].encode(QUESTION)) > WINDOW
    for turn in range(5):
        moved = abs(one.turns[turn].thoughts - other.turns[turn].thoughts).max(axis=1)
        assert (moved > 100 * CLOSE).all()
