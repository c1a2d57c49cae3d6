"""Does a system settle: likeness of thoughts between rounds, and rounds beyond those it was run with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_resume import assert_same_within
from tiny import QUESTION, tiny_pattern_system

import recmas_core as rm
from recmas_core.settling import likeness

OPTIONS = {"latent_steps": 3, "max_new_tokens": 4}


def test_each_thought_against_the_round_before_and_the_last(system: rm.System) -> None:
    trace = system.solve(QUESTION, rounds=4, **OPTIONS)
    settled = rm.settling(trace)
    assert [(each.role, each.round) for each in settled] == [(t.role, t.round) for t in trace.turns if len(t.thoughts)]
    for each in settled:
        mine = trace.turns[each.turn].thoughts
        of_role = {turn.round: turn.thoughts for turn in trace.turns if turn.role == each.role and len(turn.thoughts)}
        last = max(of_role)
        assert (each.before is None) == (each.round == 1)
        assert (each.last is None) == (each.round == last)
        for other, likeness_ in ((each.round - 1, each.before), (last, each.last)):
            if likeness_ is None:
                continue
            assert likeness_.round == other
            for p in range(3):
                a, b = mine[p], of_role[other][p]
                cosine = a @ b / np.sqrt((a @ a) * (b @ b))
                assert likeness_.cosine[p] == pytest.approx(cosine, abs=1e-5)
                assert likeness_.distance[p] == pytest.approx(np.sqrt(((a - b) ** 2).sum() / (b @ b)), abs=1e-5)


def test_a_thought_is_like_itself_and_half_as_long_is_half_away(system: rm.System) -> None:
    turn = system.solve(QUESTION, rounds=1, **OPTIONS).turns[0]
    same = likeness(turn, turn)
    assert same.cosine == pytest.approx(np.ones(3), abs=1e-6)
    assert not same.distance.any()
    half = likeness(replace(turn, thoughts=turn.thoughts / 2), turn)
    assert half.cosine == pytest.approx(np.ones(3), abs=1e-6)
    assert half.distance == pytest.approx(np.full(3, 0.5), abs=1e-6)
    with pytest.raises(rm.DimensionMismatch, match="turns 0 and 0"):
        likeness(replace(turn, thoughts=turn.thoughts[:2]), turn)


def test_a_text_run_has_nothing_to_settle(system: rm.System) -> None:
    with pytest.raises(rm.BadInput, match="latent"):
        rm.settling(system.solve(QUESTION, rounds=1, mode="text", **OPTIONS))


@pytest.mark.parametrize("pattern", ["sequential", "mixture"])
def test_going_on_equals_a_longer_run(pattern: str) -> None:
    system = tiny_pattern_system(rm.PATTERNS[pattern])
    run, fresh = (system.solve(QUESTION, rounds=rounds, **OPTIONS) for rounds in (2, 4))
    whole = rm.longer_fork(system, run, 4)
    assert len(whole.turns) == len(run.turns) - 1
    for event in rm.longer(system, run, 4):
        whole = whole.append(event)
    assert_same_within(fresh, whole)
    with pytest.raises(rm.BadInput, match="the run has 4"):
        rm.longer(system, whole, 4)


def test_a_running_trace_goes_on_for_more_rounds(system: rm.System) -> None:
    run = system.solve(QUESTION, rounds=2, **OPTIONS).until(1)
    assert len(rm.longer_fork(system, run, 3).turns) == 1
    assert next(e for e in rm.longer(system, run, 3) if isinstance(e, rm.TurnDone)).turn.index == 1


@pytest.mark.parametrize("mode", ["latent", "text"])
def test_answers_by_round_are_those_of_shorter_runs(system: rm.System, mode: str) -> None:
    trace = system.solve(QUESTION, rounds=3, mode=mode, **OPTIONS)
    answers = list(rm.answers_by_round(system, trace))
    assert [each.round for each in answers] == [1, 2, 3]
    for each in answers:
        assert each.answer == system.solve(QUESTION, rounds=each.round, mode=mode, **OPTIONS).answer


def test_a_finished_chain_comes_to_rest() -> None:
    """Five steps take two rounds: from then on the embedded agents think the same in every round."""
    system = rm.load_system("sequential")
    run = system.solve("start 5 s1 + 6 s2 + 1 s3 * 7 s4 + 3 s5 + 1", rounds=6)
    settled = rm.settling(run)
    moved = {
        round_: max(float(each.before.distance.max()) for each in settled if each.before and each.round == round_)
        for round_ in range(2, 7)
    }
    assert moved[2] > 0.5
    assert max(moved[round_] for round_ in (4, 5, 6)) < 0.01
    assert rm.resting_round(settled) == 4
    assert rm.resting_round(settled, most=2.0) == 2
    assert rm.resting_round(rm.settling(system.solve(run.config.question, rounds=2))) is None
    assert [each.answer for each in rm.answers_by_round(system, run)] == ["4", "8", "8", "8", "8", "8"]
