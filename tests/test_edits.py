"""A typed text in place of thoughts, and a link cut in every turn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import QUESTION, tiny_pattern_system

import recmas_core as rm
from recmas_core.edits import unknown_words

OPTIONS = {"rounds": 3, "latent_steps": 3, "max_new_tokens": 2}


@pytest.mark.parametrize(
    ("text", "count", "words"),
    [
        ("s3 = 1", 3, ["s3", "=", "1"]),
        ("s3 = 1 since 5 - 4", 3, ["s3", "=", "1"]),  # a longer text is cut
        ("7", 3, ["7", "7", "7"]),  # a shorter one begins again
        ("s3 1", 5, ["s3", "1", "s3", "1", "s3"]),
        ("  8 ", 1, ["8"]),
    ],
)
def test_words_stand_in_order(system: rm.System, text: str, count: int, words: list[str]) -> None:
    """One word in each place, as the receiver's own table has it; Gemma's is scaled by the module, not here."""
    for role in system.roles:
        agent = system.agents[role]
        assert list(rm.text_words(agent, text, count)) == words
        ids = torch.tensor(agent.tokenizer.convert_tokens_to_ids(words))
        vectors = rm.text_vectors(system, role, text, count)
        assert vectors.shape == (count, agent.hidden_size)
        assert np.array_equal(vectors, agent.model.get_input_embeddings()(ids).detach().numpy())
        assert [row[0].text for row in rm.nearest(agent, vectors, 1)] == words


@pytest.mark.parametrize(
    ("text", "count", "word"),
    [("seven and 7", 3, "'seven', 'and'"), ("", 3, "empty"), ("  ", 3, "empty"), ("7", 0, "count"), ("<eos>", 3, "eo")],
)
def test_texts_that_cannot_be_used(system: rm.System, text: str, count: int, word: str) -> None:
    with pytest.raises(rm.BadInput, match=word):
        rm.text_vectors(system, "solver", text, count)


def test_unknown_words_are_named_once(system: rm.System) -> None:
    assert unknown_words(system.agents["solver"], "7 up 7 up s3 down") == ("up", "down")
    assert unknown_words(system.agents["solver"], "7 s3") == ()


def test_a_receiver_that_does_not_exist(system: rm.System) -> None:
    with pytest.raises(rm.BadInput, match="nobody"):
        rm.text_vectors(system, "nobody", "7", 1)


def test_a_text_for_every_receiver() -> None:
    """The summarizer sends to three agents, each with its own words."""
    system = tiny_pattern_system(rm.PATTERNS["mixture"])
    run = system.solve(QUESTION, **OPTIONS)
    edits = rm.text_edits(system, 3, "s3 = 1", 3, rounds=3)
    assert [edit.receiver for edit in edits] == ["math", "code", "science"]
    branch = run.fork(3, edits=edits)
    for event in system.resume(run, 3, edits):
        branch = branch.append(event)
    for role in ("math", "code", "science"):
        assert np.array_equal(branch.turns[3].sent[role], rm.text_vectors(system, role, "s3 = 1", 3))
    for reader in (4, 5, 6):
        assert np.abs(branch.turns[reader].thoughts - run.turns[reader].thoughts).max() > 1e-2


def test_a_text_at_some_positions_for_one_receiver() -> None:
    system = tiny_pattern_system(rm.PATTERNS["mixture"])
    run = system.solve(QUESTION, **OPTIONS)
    edits = rm.text_edits(system, 3, "8", 3, rounds=3, positions=(2,), receiver="code")
    branch = run.fork(3, edits=edits)
    for event in system.resume(run, 3, edits):
        branch = branch.append(event)
    assert np.array_equal(branch.turns[3].sent["code"][2:], rm.text_vectors(system, "code", "8", 1))
    assert np.allclose(branch.turns[3].sent["code"][:2], run.turns[3].sent["code"][:2], atol=1e-4)
    assert np.allclose(branch.turns[3].sent["math"], run.turns[3].sent["math"], atol=1e-4)


@pytest.mark.parametrize(
    ("turn", "receiver", "word"), [(8, None, "answers"), (-1, None, "turn"), (0, "planner", "planner")]
)
def test_turns_that_send_nothing_there(system: rm.System, turn: int, receiver: str | None, word: str) -> None:
    with pytest.raises(rm.BadInput, match=word):
        rm.text_edits(system, turn, "7", 3, rounds=3, receiver=receiver)


def test_a_number_set_by_hand_is_what_the_answer_goes_on_from() -> None:
    """The planner's step 1 is said to give 4 where it gave 2: 4 * 7 = 28, 8 - 1 = 7, 7 + 9 = 16, 6 * 3 = 18."""
    system = rm.load_system("sequential")
    run = system.solve("start 7 s1 + 5 s2 * 7 s3 - 1 s4 + 9 s5 * 3", rounds=2)
    edits = rm.text_edits(system, 0, "s1 = 4", 3, rounds=2)
    branch = run.fork(0, edits=edits)
    for event in system.resume(run, 0, edits):
        branch = branch.append(event)
    assert (run.answer, branch.answer) == ("6", "8")


def test_cutting_a_link_zeroes_all_of_its_transfers_and_no_other() -> None:
    system = tiny_pattern_system(rm.PATTERNS["mixture"])
    edits = rm.cut_edits(system.pattern, 3, ("summarizer", "code"))
    trace = system.solve(QUESTION, edits=edits, **OPTIONS)
    cut = [(t.index, r) for t in trace.turns for r, sent in t.sent.items() if not sent.any()]
    assert cut == [(3, "code"), (7, "code")]


def test_cutting_a_link_from_a_turn_on() -> None:
    pattern = rm.PATTERNS["sequential"]
    assert [edit.turn for edit in rm.cut_edits(pattern, 3, ("planner", "critic"))] == [0, 3, 6]
    assert [edit.turn for edit in rm.cut_edits(pattern, 3, ("planner", "critic"), first_turn=3)] == [3, 6]
    assert [edit.turn for edit in rm.cut_edits(pattern, 3, ("solver", "planner"))] == [2, 5]  # turn 8 answers
    with pytest.raises(rm.BadInput, match="planner>solver"):
        rm.cut_edits(pattern, 3, ("planner", "solver"))
