"""Edits of a turn that sends to several roles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny import LONG, QUESTION, tiny_pattern_system

import recmas_core as rm

SPECIALISTS = ("math", "code", "science")
OPTIONS = {"rounds": 2, "latent_steps": 2, "max_new_tokens": 3}
FEEDBACK = 3  # the summarizer's first turn, which sends to all three specialists


@pytest.fixture(scope="module")
def mixture() -> rm.System:
    return tiny_pattern_system(rm.PATTERNS["mixture"])


@pytest.fixture(scope="module")
def run(mixture: rm.System) -> rm.Trace:
    return mixture.solve(QUESTION, **OPTIONS)


def test_an_edit_for_one_receiver(mixture: rm.System, run: rm.Trace) -> None:
    fork = run.fork(FEEDBACK, edits=(rm.Edit(FEEDBACK, "zero", receiver="code"),))
    for event in mixture.resume(run, FEEDBACK, edits=fork.config.edits):
        fork = fork.append(event)
    assert {e.receiver: e.edited for e in fork.events if isinstance(e, rm.Transfer) and e.turn == FEEDBACK} == {
        "math": False, "code": True, "science": False,
    }  # fmt: skip
    assert not fork.turns[FEEDBACK].sent["code"].any()
    for turn, role in enumerate(SPECIALISTS, start=FEEDBACK + 1):
        close = np.allclose(fork.turns[turn].thoughts, run.turns[turn].thoughts, atol=1e-4)
        assert close == (role != "code")


def test_an_edit_for_all_receivers(mixture: rm.System) -> None:
    trace = mixture.solve(QUESTION, edits=(rm.Edit(FEEDBACK, "zero"),), **OPTIONS)
    assert set(trace.turns[FEEDBACK].sent) == set(SPECIALISTS)
    assert not any(vectors.any() for vectors in trace.turns[FEEDBACK].sent.values())


def test_noise_is_another_for_each_receiver() -> None:
    """Even where two receivers are equally wide."""
    system = tiny_pattern_system(rm.PATTERNS["mixture"], ("qwen3", "mistral", "qwen3", "llama"))
    plain = system.solve(QUESTION, **OPTIONS).turns[FEEDBACK]
    noisy = system.solve(QUESTION, edits=(rm.Edit(FEEDBACK, "noise"),), **OPTIONS).turns[FEEDBACK]
    math, code = ((noisy.sent[r] - plain.sent[r]) / np.sqrt((plain.sent[r] ** 2).mean()) for r in ("math", "code"))
    assert math.shape == code.shape
    assert np.abs(math - code).max() > 0.1


def test_set_must_fit_every_receiver_it_is_for(mixture: rm.System) -> None:
    widths = {role: mixture.agents[role].hidden_size for role in SPECIALISTS}
    assert len(set(widths.values())) > 1
    value = np.ones((2, widths["math"]), np.float32)
    one = rm.Edit(FEEDBACK, "set", value=value, receiver="math")
    assert (mixture.solve(QUESTION, edits=(one,), **OPTIONS).turns[FEEDBACK].sent["math"] == 1).all()
    with pytest.raises(rm.DimensionMismatch, match=r"for 'code'.*receiver="):
        mixture.solve(QUESTION, edits=(replace(one, receiver=None),), **OPTIONS)


def test_edits_for_roles_that_get_nothing(mixture: rm.System) -> None:
    for edit in (rm.Edit(0, "zero", receiver="code"), rm.Edit(FEEDBACK, "zero", receiver="summarizer")):
        with pytest.raises(rm.BadInput, match=edit.receiver):
            mixture.config(QUESTION, edits=(edit,), **OPTIONS)


def test_swap_takes_each_receivers_own(mixture: rm.System) -> None:
    other = mixture.solve(LONG, **OPTIONS)
    trace = mixture.solve(QUESTION, edits=(rm.Edit(FEEDBACK, "swap", trace=other),), **OPTIONS)
    for receiver, vectors in trace.turns[FEEDBACK].sent.items():
        assert np.array_equal(vectors, other.turns[FEEDBACK].sent[receiver])
