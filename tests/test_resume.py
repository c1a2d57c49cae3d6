"""Going on from any turn equals the original; edits change what their docstring says, and nothing before."""

from __future__ import annotations

import numpy as np
import pytest
from test_run import assert_same
from tiny import LONG, MIXED, QUESTION, tiny_system

import recmas_core as rm

OPTIONS = {"rounds": 2, "latent_steps": 3, "max_new_tokens": 6, "seed": 3}
LAST = 5  # the decoding turn of two rounds


def follow(system: rm.System, trace: rm.Trace, turn: int | None, **options: object) -> rm.Trace:
    """The whole trace of a resumed run."""
    whole = trace.fork(len(trace.turns) if turn is None else turn, **options)
    for event in system.resume(trace, turn, **options):
        whole = whole.append(event)
    return whole


@pytest.fixture(scope="module")
def run(system: rm.System) -> rm.Trace:
    return system.solve(QUESTION, **OPTIONS)


@pytest.mark.parametrize("mode", ["latent", "text"])
@pytest.mark.parametrize("families", MIXED, ids="-".join)
@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_resumed_equals_original(families: tuple[str, ...], mode: str, temperature: float) -> None:
    system = tiny_system(families)
    original = system.solve(QUESTION, mode=mode, temperature=temperature, **OPTIONS)
    for turn in range(LAST + 1):
        resumed = follow(system, original, turn)
        assert len(resumed.events) == len(original.events)
        assert_same_within(original, resumed)


def assert_same_within(one: rm.Trace, other: rm.Trace) -> None:
    """As assert_same, with the 1e-4 that reading a prompt in other stretches may cost."""
    assert one.answer == other.answer
    for a, b in zip(one.turns, other.turns, strict=True):
        assert (a.index, a.role, a.prompt, a.tokens) == (b.index, b.role, b.prompt, b.tokens)
        assert np.allclose(a.thoughts, b.thoughts, atol=1e-4)
        assert a.sent.keys() == b.sent.keys()
        assert all(np.allclose(a.sent[r], b.sent[r], atol=1e-4) for r in a.sent)


def test_an_unfinished_run_goes_on(system: rm.System, run: rm.Trace) -> None:
    part = rm.Trace(run.config, run.pattern)
    for event in system.start(run.config):
        part = part.append(event)
        if isinstance(event, rm.Thought) and (event.turn, event.step) == (3, 1):
            break
    whole = follow(system, part, None)
    assert_same_within(run, whole)


def test_new_events_only(system: rm.System, run: rm.Trace) -> None:
    events = list(system.resume(run, 4))
    assert isinstance(events[0], rm.TurnStart)
    assert events[0].turn == 4


@pytest.mark.parametrize(("kept", "rounds"), [(0, 1), (2, 1), (2, 3), (5, 3), (5, 4)])
def test_fork_with_another_number_of_rounds(system: rm.System, run: rm.Trace, kept: int, rounds: int) -> None:
    fresh = system.solve(QUESTION, **{**OPTIONS, "rounds": rounds})
    forked = follow(system, run, kept, rounds=rounds)
    assert forked.config.rounds == rounds
    assert_same_within(fresh, forked)


@pytest.mark.parametrize("mode", ["latent", "text"])
def test_a_kept_answer_cannot_become_a_thinking_turn(system: rm.System, mode: str) -> None:
    """Turn 5 answered; in a run of three rounds it would have to think: it cannot be kept."""
    run = system.solve(QUESTION, mode=mode, **OPTIONS)
    with pytest.raises(rm.BadInput, match="decode"):
        list(system.resume(run, 6, rounds=3))


@pytest.mark.parametrize(("turn", "rounds"), [(6, 1), (4, 1), (-1, None), (7, None)])
def test_resume_refuses_turns_that_do_not_exist(
    system: rm.System, run: rm.Trace, turn: int, rounds: int | None
) -> None:
    with pytest.raises(rm.BadInput):
        list(system.resume(run, turn, rounds=rounds))


def test_resume_refuses_another_pattern(system: rm.System, run: rm.Trace) -> None:
    with pytest.raises(rm.BadInput, match="pattern 'mixture'"):
        system.resume(rm.Trace(run.config, "mixture", run.events), 2)


# ------------------------------------------------------------------------------------------------------------ edits


def sent(trace: rm.Trace, turn: int) -> np.ndarray:
    (vectors,) = trace.turns[turn].sent.values()
    return vectors


def edited(system: rm.System, run: rm.Trace, **edit: object) -> rm.Trace:
    """The run forked at turn 1 with one edit of it, after checking that nothing before it changed."""
    trace = follow(system, run, 1, edits=(rm.Edit(turn=1, **edit),))
    assert np.allclose(trace.turns[1].thoughts, run.turns[1].thoughts, atol=1e-4)
    transfers = {event.turn: event.edited for event in trace.events if isinstance(event, rm.Transfer)}
    assert [turn for turn, changed in transfers.items() if changed] == [1]
    return trace


def test_zero(system: rm.System, run: rm.Trace) -> None:
    trace = edited(system, run, kind="zero")
    assert not sent(trace, 1).any()
    assert np.abs(trace.turns[2].thoughts - run.turns[2].thoughts).max() > 1e-2


def test_zero_at_positions(system: rm.System, run: rm.Trace) -> None:
    trace = edited(system, run, kind="zero", positions=(0, 2))
    assert not sent(trace, 1)[[0, 2]].any()
    assert np.allclose(sent(trace, 1)[1], sent(run, 1)[1], atol=1e-4)


def test_scale(system: rm.System, run: rm.Trace) -> None:
    trace = edited(system, run, kind="scale", value=0.5, positions=(1,))
    assert np.allclose(sent(trace, 1)[1], 0.5 * sent(run, 1)[1], atol=1e-4)
    assert np.allclose(sent(trace, 1)[[0, 2]], sent(run, 1)[[0, 2]], atol=1e-4)


def test_set(system: rm.System, run: rm.Trace) -> None:
    value = np.arange(2 * sent(run, 1).shape[1], dtype=np.float32).reshape(2, -1) / 10
    trace = edited(system, run, kind="set", value=value, positions=(2, 0))
    assert np.array_equal(sent(trace, 1)[[2, 0]], value)
    assert np.allclose(sent(trace, 1)[1], sent(run, 1)[1], atol=1e-4)


def test_noise(system: rm.System, run: rm.Trace) -> None:
    trace = edited(system, run, kind="noise", value=0.5)
    added, old = sent(trace, 1) - sent(run, 1), sent(run, 1)
    assert 0.3 < np.sqrt((added**2).mean() / (old**2).mean()) < 0.7
    assert np.allclose(sent(edited(system, run, kind="noise", value=0.5), 1), sent(trace, 1), atol=1e-4)
    default = sent(edited(system, run, kind="noise"), 1) - old
    assert np.allclose(default, 2 * added, atol=1e-3)


def test_swap(system: rm.System, run: rm.Trace) -> None:
    other = system.solve(LONG, **OPTIONS)
    trace = edited(system, run, kind="swap", trace=other, positions=(1, 2))
    assert np.array_equal(sent(trace, 1)[1:], sent(other, 1)[1:])
    assert np.allclose(sent(trace, 1)[0], sent(run, 1)[0], atol=1e-4)


def test_edits_apply_in_order(system: rm.System, run: rm.Trace) -> None:
    edits = (rm.Edit(1, "zero"), rm.Edit(1, "set", positions=(1,), value=np.ones((1, sent(run, 1).shape[1]))))
    trace = follow(system, run, 1, edits=edits)
    assert sent(trace, 1).sum(axis=1).tolist() == [0.0, sent(run, 1).shape[1], 0.0]


def test_receiver(system: rm.System, run: rm.Trace) -> None:
    """The critic sends to the solver: an edit for the solver works, one for another role is refused."""
    assert not sent(edited(system, run, kind="zero", receiver="solver"), 1).any()
    with pytest.raises(rm.BadInput, match="planner"):
        list(system.resume(run, 1, edits=(rm.Edit(1, "zero", receiver="planner"),)))


def test_an_edit_changes_nothing_before_it(system: rm.System, run: rm.Trace) -> None:
    for turn in range(1, LAST):
        trace = system.solve(QUESTION, edits=(rm.Edit(turn=turn, kind="zero"),), **OPTIONS)
        for before in range(turn):
            assert np.array_equal(trace.turns[before].thoughts, run.turns[before].thoughts)
            assert np.array_equal(sent(trace, before), sent(run, before))
        assert np.array_equal(trace.turns[turn].thoughts, run.turns[turn].thoughts)
        assert not np.allclose(sent(trace, turn), sent(run, turn), atol=1e-2)


def test_edits_fork_and_run_alike(system: rm.System, run: rm.Trace) -> None:
    edit = rm.Edit(turn=2, kind="noise", value=2.0)
    assert_same_within(system.solve(QUESTION, edits=(edit,), **OPTIONS), follow(system, run, 2, edits=(edit,)))


BAD_EDITS = {
    "position behind the end": {"kind": "zero", "positions": (3,)},
    "negative position": {"kind": "zero", "positions": (-1,)},
    "set: too narrow": {"kind": "set", "value": np.ones((3, 5), np.float32)},
    "set: too few rows": {"kind": "set", "value": np.ones((2, 24), np.float32)},
    "set: a row too many axes": {"kind": "set", "value": np.ones((2, 3, 24), np.float32)},
    "scale by an array": {"kind": "scale", "value": np.ones((3, 24), np.float32)},
    "noise by a word": {"kind": "noise", "value": "loud"},
    "set to a word": {"kind": "set", "value": "seven"},
}


@pytest.mark.parametrize("edit", BAD_EDITS.values(), ids=BAD_EDITS.keys())
def test_edits_that_do_not_fit(system: rm.System, run: rm.Trace, edit: dict[str, object]) -> None:
    assert sent(run, 1).shape == (3, 24)
    with pytest.raises((rm.BadInput, rm.DimensionMismatch)):
        list(system.resume(run, 1, edits=(rm.Edit(turn=1, **edit),)))


def test_a_nan_in_an_edit_stops_the_run(system: rm.System, run: rm.Trace) -> None:
    value = np.full((3, 24), np.nan, np.float32)
    with pytest.raises(rm.NonFiniteLatent, match="critic->solver in round 1"):
        list(system.resume(run, 1, edits=(rm.Edit(turn=1, kind="set", value=value),)))


@pytest.mark.parametrize(
    "edit",
    [
        {"turn": 0, "kind": "melt"},
        {"turn": -1, "kind": "zero"},
        {"turn": 0, "kind": "swap"},
        {"turn": 0, "kind": "scale"},
        {"turn": 0, "kind": "set"},
    ],
)
def test_edits_wrong_in_themselves(edit: dict[str, object]) -> None:
    with pytest.raises(rm.BadInput):
        rm.Edit(**edit)


def test_swap_needs_a_matching_trace(system: rm.System, run: rm.Trace) -> None:
    short = system.solve(LONG, **{**OPTIONS, "latent_steps": 2})
    text = system.solve(LONG, mode="text", **OPTIONS)
    for trace in (short, text, rm.Trace(run.config, run.pattern)):
        with pytest.raises(rm.BadInput, match="swap"):
            list(system.resume(run, 1, edits=(rm.Edit(turn=1, kind="swap", trace=trace),)))


def test_edits_of_a_text_run_are_refused(system: rm.System) -> None:
    with pytest.raises(rm.BadInput, match="text run"):
        system.run(QUESTION, mode="text", edits=[rm.Edit(turn=0, kind="zero")])


@pytest.mark.parametrize("turn", [LAST, 40])
def test_an_edit_that_could_never_apply_is_refused(system: rm.System, turn: int) -> None:
    """The decoding turn sends nothing, and there is no turn 40."""
    with pytest.raises(rm.BadInput, match=f"turn {turn}"):
        system.run(QUESTION, edits=[rm.Edit(turn=turn, kind="zero")], **OPTIONS)


def test_resuming_without_edits_is_the_same_as_with_none(system: rm.System, run: rm.Trace) -> None:
    assert_same(follow(system, run, 3), follow(system, run, 3, edits=()))
