"""Which thoughts matter: every drop equals a run resumed with that thought set to zero, and its answer scored."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import MIXED, QUESTION, deliberating, tiny_pattern_system, tiny_system

import recmas_core as rm
from recmas_core import engine
from recmas_core.decoding import Script

OPTIONS = {"rounds": 2, "latent_steps": 3, "max_new_tokens": 4}
ANSWER = "6 done"


@torch.no_grad()
def by_hand(system: rm.System, trace: rm.Trace, script: Script) -> float:
    """The script's log-probability behind the last prompt of a run: one whole sequence, word by word."""
    turn = trace.turns[-1]
    agent = system.agents[turn.role]
    table = agent.model.get_input_embeddings()
    pieces = []
    for segment in turn.prompt:
        if segment.sender:
            before = next(t for t in reversed(trace.turns[:-1]) if t.role == segment.sender)
            pieces.append(torch.tensor(before.sent[turn.role]))
        else:
            pieces.append(table(torch.tensor(segment.ids)))
    total = 0.0
    for text, own in script:
        for token in agent.tokenizer(text, add_special_tokens=False).input_ids:
            logits = agent.model(inputs_embeds=torch.cat(pieces)[None], use_cache=False).logits[0, -1]
            total += float(logits.double().log_softmax(-1)[token]) if own else 0.0
            pieces.append(table(torch.tensor([token])))
    return total


def without(system: rm.System, trace: rm.Trace, turn: int, positions: tuple[int, ...] | None) -> rm.Trace:
    """The run gone on from a turn with these of its thoughts set to zero."""
    edit = rm.Edit(turn, "zero", positions)
    branch = trace.fork(turn, edits=(edit,))
    for event in system.resume(trace, turn, (edit,)):
        branch = branch.append(event)
    return branch


def assert_as_resumed(system: rm.System, trace: rm.Trace, found: rm.Influence, script: Script) -> None:
    turns = [turn for turn in trace.turns if len(turn.thoughts)]
    assert found.turns == tuple(turn.index for turn in turns)
    assert found.drops.shape == (len(turns), 3)
    assert found.logprob == pytest.approx(by_hand(system, trace, script), abs=1e-4)
    for row, turn in enumerate(turns):
        cases = [((p,), found.drops[row, p]) for p in range(3)] + [(None, found.turn_drops[row])]
        for positions, drop in cases:
            branch = without(system, trace, turn.index, positions)
            assert drop == pytest.approx(found.logprob - by_hand(system, branch, script), abs=1e-4)
    assert np.abs(found.drops).max() > 1e-2


@pytest.mark.parametrize("families", MIXED, ids="-".join)
def test_every_drop_is_that_of_a_resumed_run(families: tuple[str, ...]) -> None:
    system = tiny_system(families)
    trace = system.solve(QUESTION, **OPTIONS)
    found = rm.influence(system, trace, ANSWER)
    assert (found.answer, found.tokens) == (ANSWER, 2)
    assert_as_resumed(system, trace, found, [(ANSWER, True)])


def test_turns_side_by_side() -> None:
    """In a mixture a turn's neighbours do not read it, and the summarizer sends to three at once."""
    system = tiny_pattern_system(rm.PATTERNS["mixture"])
    trace = system.solve(QUESTION, **OPTIONS)
    assert_as_resumed(system, trace, rm.influence(system, trace, ANSWER), [(ANSWER, True)])


def test_a_runs_own_edits_stay_in_force(system: rm.System) -> None:
    edits = [rm.Edit(1, "noise", value=0.5), rm.Edit(3, "set", (1,), np.ones((1, 32))), rm.Edit(2, "scale", value=2.0)]
    trace = system.solve(QUESTION, edits=edits, **OPTIONS)
    assert_as_resumed(system, trace, rm.influence(system, trace, ANSWER), [(ANSWER, True)])


def test_without_an_answer_it_is_the_runs_own(system: rm.System) -> None:
    trace = system.solve(QUESTION, **OPTIONS)
    own = rm.influence(system, trace)
    assert own.answer == trace.answer
    assert own.tokens == len(system.agents["solver"].encode(trace.answer)) >= 2
    assert own.logprob == rm.influence(system, trace, trace.answer).logprob


def calling() -> tuple[rm.System, rm.Trace]:
    """A run of random agents whose tool-caller called at least once and said more behind it."""
    for seed in range(20):
        system = deliberating(seed=seed)
        trace = system.solve(QUESTION, **{**OPTIONS, "max_new_tokens": 24})
        if trace.turns[-1].tool_calls and trace.answer.strip():
            return system, trace
    raise AssertionError("none of them calls")


def test_calls_are_scored_and_their_results_are_read() -> None:
    system, trace = calling()
    script = rm.told(system, trace)
    calls = trace.turns[-1].tool_calls
    assert [own for _, own in script] == [True, False] * len(calls) + [True]
    read = [text for text, own in script if not own]
    assert read == [f"<result> {call.result} </result>" for call in calls]
    assert script[-1][0] == trace.answer.strip()
    assert_as_resumed_by_script(system, trace, script)


def assert_as_resumed_by_script(system: rm.System, trace: rm.Trace, script: Script) -> None:
    found = rm.influence(system, trace, script)
    assert found.answer == " ".join(text for text, own in script if own)
    assert found.logprob == pytest.approx(by_hand(system, trace, script), abs=1e-3)
    edit = rm.Edit(0, "zero", (1,))
    branch = trace.fork(0, edits=(edit,))
    for event in system.resume(trace, 0, (edit,)):
        branch = branch.append(event)
    assert found.drops[0, 1] == pytest.approx(found.logprob - by_hand(system, branch, script), abs=1e-3)


def test_another_answer_behind_the_runs_calls() -> None:
    system, trace = calling()
    assert rm.told(system, trace, "7 8") == (*rm.told(system, trace)[:-1], ("7 8", True))
    one, other = rm.influence(system, trace, "7 8"), rm.influence(system, trace, rm.told(system, trace, "7 8"))
    assert (one.answer, one.logprob) == (other.answer, other.logprob)
    assert one.answer.endswith(" 7 8")


def test_batches_do_not_matter(system: rm.System, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = system.solve(QUESTION, **OPTIONS)
    whole = rm.influence(system, trace, ANSWER)
    monkeypatch.setitem(rm.influences.__globals__, "ROWS", 1)  # rm.influence is the function, not its module
    parts = rm.influence(system, trace, ANSWER)
    assert np.allclose(whole.drops, parts.drops, atol=1e-4)
    assert np.allclose(whole.turn_drops, parts.turn_drops, atol=1e-4)


def test_turn_by_turn(system: rm.System) -> None:
    trace = system.solve(QUESTION, **OPTIONS)
    parts = list(rm.influences(system, trace, ANSWER))
    assert [part.turns for part in parts] == [tuple(range(n)) for n in range(1, 6)]
    assert np.array_equal(parts[1].drops, parts[-1].drops[:2])
    assert not parts[-1].drops.flags.writeable


def test_an_unfinished_run(system: rm.System) -> None:
    """What it would have answered is computed; only the thoughts it has are looked at."""
    trace = system.solve(QUESTION, **OPTIONS)
    part, whole = rm.influence(system, trace.until(2), ANSWER), rm.influence(system, trace, ANSWER)
    assert part.logprob == pytest.approx(whole.logprob, abs=1e-4)
    assert np.allclose(part.drops, whole.drops[:2], atol=1e-4)
    with pytest.raises(rm.BadInput, match="no answer yet"):
        rm.influence(system, trace.until(2))


def test_every_step_under_the_lock(own_system: rm.System, monkeypatch: pytest.MonkeyPatch) -> None:
    depth: list[int] = [0]

    class Watched:
        def __enter__(self) -> None:
            depth[0] += 1

        def __exit__(self, *_: object) -> None:
            depth[0] -= 1

    trace = own_system.solve(QUESTION, **OPTIONS)
    own_system.lock = Watched()  # type: ignore[assignment]
    forward, held = rm.Agent.forward, list[bool]()

    def watched(agent: rm.Agent, *args: object, **options: object) -> object:
        held.append(depth[0] > 0)
        return forward(agent, *args, **options)

    monkeypatch.setattr(rm.Agent, "forward", watched)
    for _ in rm.influences(own_system, trace, ANSWER):
        assert depth[0] == 0
    assert len(held) > 10
    assert all(held)


@pytest.mark.parametrize(
    ("answer", "word"), [("", "empty"), ("  ", "empty"), ("6 banana", "banana"), ([("6", False)], "empty")]
)
def test_answers_that_cannot_be_scored(system: rm.System, answer: str, word: str) -> None:
    with pytest.raises(rm.BadInput, match=word):
        rm.influence(system, system.solve(QUESTION, **OPTIONS), answer)


def test_traces_that_cannot_be_looked_at(system: rm.System) -> None:
    with pytest.raises(rm.BadInput, match="latent"):
        rm.influence(system, system.solve(QUESTION, mode="text", **OPTIONS), ANSWER)
    ring = tiny_pattern_system(rm.PATTERNS["loop2"])
    with pytest.raises(rm.BadInput, match="loop2"):
        rm.influence(system, ring.solve(QUESTION, **OPTIONS), ANSWER)


def test_the_critics_number_carries_the_answer() -> None:
    """The embedded agents pass 's2', '=' and the result: without the first or the last the answer is lost."""
    system = rm.load_system("sequential")
    trace = system.solve("start 7 s1 + 5 s2 * 7 s3 - 1 s4 + 9 s5 * 3", rounds=2)
    assert trace.answer == "6"
    found = rm.influence(system, trace, trace.answer)
    assert found.logprob > -0.05
    critic = [turn.role for turn in trace.turns].index("critic")
    assert found.drops[critic, [0, 2]].min() > 3
    assert abs(found.drops[critic, 1]) < 0.1
    assert without(system, trace, critic, (0,)).answer != trace.answer
    assert without(system, trace, critic, (2,)).answer != trace.answer
    assert without(system, trace, critic, (1,)).answer == trace.answer


def test_the_reflectors_plan_decides_the_calls() -> None:
    """In a deliberation the thoughts decide what is called, and the results decide the answer."""
    system = rm.load_system("deliberation")
    trace = system.solve("What is 37, plus 48, times 12?", rounds=2)
    assert trace.answer == "1020"
    found = rm.influence(system, trace, "1020")
    assert found.answer.startswith("<python>")
    assert found.answer.endswith(" 1020")
    assert found.logprob > -0.1
    assert found.drops.max() > 2


def test_locked_ends_the_recursion_when_it_is_closed(system: rm.System) -> None:
    steps = engine.recurse(system, [QUESTION], engine.Settings(2, 3))
    mine = engine.locked(system, steps)
    next(mine)
    mine.close()
    assert next(steps, None) is None
