"""The counterfactual patch as one experiment: what follows the donor's transfer, and what should."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import LONG, QUESTION, tiny_pattern_system, tiny_system

import recmas_core as rm
from recmas_core.intervals import wilson

OPTIONS = {"rounds": 2, "latent_steps": 3, "max_new_tokens": 2}
CHAIN = "start 4 s1 + 9 s2 - 7 s3 - 1 s4 * 3 s5 + 3 s6 + 7"
OTHER = "start 5 s1 - 7 s2 * 7 s3 + 5 s4 + 5 s5 * 7 s6 + 4"


def test_the_branch_goes_on_from_the_donors_transfer(system: rm.System) -> None:
    run = system.solve(QUESTION, **OPTIONS)
    donor = rm.donor_run(system, run, LONG)
    patched = rm.patch(system, run, donor, 1)
    assert patched.donor == LONG
    branch = patched.trace
    assert np.array_equal(branch.turns[1].sent["solver"], donor.turns[1].sent["solver"])
    assert np.allclose(branch.turns[1].thoughts, run.turns[1].thoughts, atol=1e-4)
    assert np.abs(branch.turns[2].thoughts - run.turns[2].thoughts).max() > 1e-2
    assert branch.answer is not None


def test_a_donor_runs_as_the_trace_did_without_its_edits(system: rm.System) -> None:
    run = system.solve(QUESTION, edits=[rm.Edit(0, "zero")], **OPTIONS)
    donor, plain = rm.donor_run(system, run, LONG), system.solve(LONG, **OPTIONS)
    assert donor.config.edits == ()
    assert (donor.config.rounds, donor.config.latent_steps) == (2, 3)
    assert np.allclose(donor.turns[0].sent["critic"], plain.turns[0].sent["critic"], atol=1e-5)


def test_some_positions_for_one_receiver(system: rm.System) -> None:
    run = system.solve(QUESTION, **OPTIONS)
    donor = rm.donor_run(system, run, LONG)
    sent = rm.patch(system, run, donor, 1, positions=(2,), receiver="solver").trace.turns[1].sent["solver"]
    assert np.array_equal(sent[2], donor.turns[1].sent["solver"][2])
    assert np.allclose(sent[:2], run.turns[1].sent["solver"][:2], atol=1e-4)
    with pytest.raises(rm.BadInput, match="planner"):
        rm.patch(system, run, donor, 1, receiver="planner")


def test_what_is_implied(system: rm.System) -> None:
    """Step 1 of the other chain gives 8; 8 - 7 - 1 = 0, * 3, + 3, + 7 makes 0."""
    run = system.solve(CHAIN, **OPTIONS)
    assert rm.implied_answer(system, run, OTHER, 0) == "0"
    assert rm.implied_answer(system, run, OTHER, 5) is None  # nothing comes behind step 6
    assert rm.implied_answer(system, run, "how are you", 0) is None
    assert rm.implied_answer(tiny_system(task=None), run, OTHER, 0) is None


def test_patches_equal_single_ones(system: rm.System) -> None:
    """Batches of donors answer as one donor after the other; so do runs that carry edits of their own."""
    run = system.solve(CHAIN, edits=[rm.Edit(2, "noise", value=0.5), rm.Edit(0, "scale", value=0.5)], **OPTIONS)
    *_, last = rm.patches(system, run, 1, donors=7, seed=3)
    assert len(last.cases) == len({case.donor for case in last.cases}) == 7
    for case in last.cases:
        single = rm.patch(system, run, rm.donor_run(system, run, case.donor), 1)
        assert (single.implied, single.trace.answer, single.followed) == (case.implied, case.answer, case.followed)
    assert last.total.implied == sum(case.followed for case in last.cases)
    assert last.total.interval == wilson(last.total.implied, 7)


def test_patches_come_in_parts_and_are_the_same_for_a_seed(system: rm.System) -> None:
    run = system.solve(CHAIN, **OPTIONS)
    parts = list(rm.patches(system, run, 0, donors=12, seed=1))
    assert [part.total.n for part in parts] == [5, 10, 12]
    assert parts[0].cases == parts[2].cases[:5]
    assert list(rm.patches(system, run, 0, donors=12, seed=1)) == parts
    assert next(rm.patches(system, run, 0, donors=12, seed=2)).cases != parts[0].cases


def test_patches_take_the_lock_step_by_step(own_system: rm.System, monkeypatch: pytest.MonkeyPatch) -> None:
    """No model computes without the system's lock, and it is free between two steps."""
    held: list[bool] = []

    class Watched:
        depth = 0

        def __enter__(self) -> None:
            self.depth += 1

        def __exit__(self, *_: object) -> None:
            self.depth -= 1

    lock = Watched()
    run = own_system.solve(CHAIN, **OPTIONS)
    own_system.lock = lock  # type: ignore[assignment]
    forward = rm.Agent.forward

    def watched(agent: rm.Agent, *args: object, **options: object) -> object:
        held.append(lock.depth > 0)
        return forward(agent, *args, **options)

    monkeypatch.setattr(rm.Agent, "forward", watched)
    for _ in rm.patches(own_system, run, 0, donors=6):
        assert lock.depth == 0
    assert held
    assert all(held)


def test_where_nothing_is_implied(system: rm.System) -> None:
    run = system.solve("start 4 s1 + 9 s2 - 7", **OPTIONS)
    assert rm.patchable(system, run) == (0,)
    with pytest.raises(rm.BadInput, match="behind turn 1"):
        next(rm.patches(system, run, 1))
    with pytest.raises(rm.BadInput, match="sends no thoughts"):
        next(rm.patches(system, run, 5))
    odd = system.solve("critic done", **OPTIONS)
    with pytest.raises(rm.BadInput, match="outside"):
        next(rm.patches(system, odd, 0))
    with pytest.raises(rm.BadInput, match="task"):
        rm.patchable(tiny_system(task=None), run)


def test_runs_that_do_not_fit_each_other(system: rm.System) -> None:
    run = system.solve(QUESTION, **OPTIONS)
    ring = tiny_pattern_system(rm.PATTERNS["loop2"])
    with pytest.raises(rm.BadInput, match="swap"):
        rm.patch(system, run, ring.solve(QUESTION, **OPTIONS), 0)


@pytest.mark.parametrize("name", ["sequential", "mixture", "distillation", "deliberation"])
def test_the_embedded_systems_follow(name: str) -> None:
    """Nearly every answer becomes what the donor's value leads to, behind whichever turn carries it."""
    system = rm.load_system(name)
    torch.set_num_threads(1)
    example = next(e for e in system.task.sample(60, seed=4) if e.rounds >= 2)
    run = system.solve(example.question, rounds=example.rounds)
    turn = rm.patchable(system, run)[0]
    *_, last = rm.patches(system, run, turn, donors=10)
    assert last.total.n == 10
    assert last.total.implied >= 9
