"""Every turn of a run equals an independent recomputation over the whole sequence without a cache."""

from __future__ import annotations

import pytest
import torch
from reference import Said, reference_run, text_of
from tiny import FAMILIES, MIXED, QUESTION, WINDOW, tiny_system

import recmas_core as rm

CLOSE = 1e-4


def same(array: object, tensor: torch.Tensor) -> None:
    ours = torch.tensor(array)
    assert ours.shape == tensor.shape
    assert (ours - tensor).abs().max() < CLOSE


def compare(system: rm.System, trace: rm.Trace, expected: list[Said]) -> None:
    assert [turn.role for turn in trace.turns] == [turn.role for turn in expected]
    receiver = {"planner": "critic", "critic": "solver", "solver": "planner"}
    for turn, wanted in zip(trace.turns, expected, strict=True):
        assert list(turn.tokens) == wanted.ids
        assert turn.text == text_of(system.agents[turn.role], wanted.ids)
        assert len(turn.thoughts) == len(wanted.thoughts)
        if wanted.thoughts:
            same(turn.thoughts, torch.stack(wanted.thoughts))
            same(turn.self_embeds, wanted.self_embeds)
            assert set(turn.sent) == {receiver[turn.role]}
            same(turn.sent[receiver[turn.role]], wanted.transfer)


@pytest.mark.parametrize("families", [*MIXED, *((family,) * 3 for family in FAMILIES)], ids="-".join)
def test_every_family_three_rounds(families: tuple[str, ...]) -> None:
    system = tiny_system(families)
    trace = system.solve(QUESTION, rounds=3, latent_steps=3, max_new_tokens=6)
    compare(system, trace, reference_run(system, QUESTION, rounds=3, m=3))


@pytest.mark.parametrize("families", MIXED, ids="-".join)
@pytest.mark.parametrize(("rounds", "m"), [(1, 1), (1, 8), (2, 1), (2, 8), (3, 8)])
def test_rounds_and_thoughts(families: tuple[str, ...], rounds: int, m: int) -> None:
    system = tiny_system(families)
    trace = system.solve(QUESTION, rounds=rounds, latent_steps=m, max_new_tokens=6)
    compare(system, trace, reference_run(system, QUESTION, rounds=rounds, m=m))


@pytest.mark.parametrize("families", [*MIXED, *((family,) * 3 for family in FAMILIES)], ids="-".join)
def test_text_mode(families: tuple[str, ...]) -> None:
    system = tiny_system(families, seed=1)
    trace = system.solve(QUESTION, rounds=2, mode="text", max_new_tokens=6)
    compare(system, trace, reference_run(system, QUESTION, rounds=2, m=3, mode="text"))
    assert any(turn.text for turn in trace.turns[:-1])


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
