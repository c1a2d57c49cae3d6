"""Probes: the model's own probabilities, cosines with the words, a decode from a thought."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference import inner_formula, text_of
from tiny import FAMILIES, QUESTION, tiny_agent

import recmas_core as rm

IDS = torch.tensor([[5, 9, 2, 20, 31]])


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_lens_is_the_models_own_softmax(family: str) -> None:
    """Gemma's soft cap included: the full model's logits are the standard."""
    agent = tiny_agent(family)
    logits = agent.model(IDS).logits[0]
    hidden = agent.model.get_decoder()(IDS).last_hidden_state[0]
    rows = rm.lens(agent, hidden.numpy(), k=4)
    wanted = logits.softmax(-1).topk(4)
    assert len(rows) == 5
    for row, scores, ids in zip(rows, wanted.values, wanted.indices, strict=True):
        assert [word.score for word in row] == pytest.approx(scores.tolist(), abs=1e-5)
        assert [word.text for word in row] == agent.tokenizer.convert_ids_to_tokens(ids.tolist())


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_the_nearest_word_of_an_embedding_is_itself(family: str) -> None:
    agent = tiny_agent(family)
    vectors = agent.model.get_input_embeddings()(IDS[0]).numpy()
    rows = rm.nearest(agent, 3 * vectors, k=2)  # a cosine does not see the length
    assert [row[0].text for row in rows] == agent.tokenizer.convert_ids_to_tokens(IDS[0].tolist())
    assert [row[0].score for row in rows] == pytest.approx([1.0] * 5, abs=1e-5)
    assert all(row[1].score < 1 - 1e-4 for row in rows)


@torch.no_grad()
def test_nearest_by_hand(system: rm.System) -> None:
    agent, vector = system.agents["solver"], np.linspace(-1, 1, 24, dtype=np.float32)
    words = agent.model.get_input_embeddings()(torch.arange(len(agent.tokenizer))).numpy()
    lengths = np.linalg.norm(words, axis=1).clip(1e-12)  # the padding word is all zeros
    cosines = words @ vector / lengths / np.linalg.norm(vector)
    (row,) = rm.nearest(agent, vector[None], k=3)
    order = np.argsort(-cosines)[:3]
    assert [word.score for word in row] == pytest.approx(cosines[order].tolist(), abs=1e-5)
    assert [word.text for word in row] == agent.tokenizer.convert_ids_to_tokens(order.tolist())


def test_more_words_than_there_are(system: rm.System) -> None:
    agent = system.agents["planner"]
    (row,) = rm.lens(agent, np.zeros((1, 32), np.float32), k=10_000)
    assert len(row) == len(agent.tokenizer)
    assert sum(word.score for word in row) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("shape", [(2, 31), (32,), (1, 2, 32)])
@pytest.mark.parametrize("probe", [rm.lens, rm.nearest])
def test_widths_are_checked(system: rm.System, probe: object, shape: tuple[int, ...]) -> None:
    with pytest.raises(rm.DimensionMismatch, match="planner"):
        probe(system.agents["planner"], np.zeros(shape, np.float32))


@pytest.mark.parametrize(("turn", "step"), [(0, 0), (0, 2), (2, 1), (4, 2)])
@torch.no_grad()
def test_speak_is_a_greedy_decode_from_the_thought(system: rm.System, turn: int, step: int) -> None:
    """Prompt, then R_in of the thoughts before, then the likeliest words; the whole sequence at every token."""
    trace = system.solve(QUESTION, rounds=2, latent_steps=3, max_new_tokens=2)
    record = trace.turns[turn]
    agent = system.agents[record.role]
    pieces = []
    for segment in record.prompt:
        if segment.sender:
            before = next(t for t in reversed(trace.turns[:turn]) if t.role == segment.sender)
            pieces.append(torch.tensor(before.sent[record.role]))
        else:
            pieces.append(agent.model.get_input_embeddings()(torch.tensor(segment.ids)))
    state = agent.inner.state_dict()
    sequence = torch.cat([*pieces, inner_formula(state, torch.tensor(record.thoughts[:step]))])
    ids: list[int] = []
    while len(ids) < 6 and agent.tokenizer.eos_token_id not in ids:
        ids.append(int(agent.model(inputs_embeds=sequence[None], use_cache=False).logits[0, -1].argmax()))
        sequence = torch.cat((sequence, agent.model.get_input_embeddings()(torch.tensor(ids[-1:]))))
    assert rm.speak(system, trace, turn, step, max_new_tokens=6) == text_of(agent, ids)


def test_speak_from_a_running_turn(system: rm.System) -> None:
    """A thought can be asked while its turn is still going on."""
    whole = system.solve(QUESTION, rounds=1, latent_steps=3, max_new_tokens=1)
    end = next(i for i, e in enumerate(whole.events) if isinstance(e, rm.Thought) and (e.turn, e.step) == (1, 1))
    part = rm.Trace(whole.config, whole.pattern, whole.events[: end + 1])
    assert len(part.turns) == 1
    assert rm.speak(system, part, 1, 1) == rm.speak(system, whole, 1, 1)


@pytest.mark.parametrize(("turn", "step"), [(0, 3), (0, -1), (2, 0), (9, 0)])
def test_speak_refuses_thoughts_that_were_not_made(system: rm.System, turn: int, step: int) -> None:
    trace = system.solve(QUESTION, rounds=1, latent_steps=3, max_new_tokens=1)
    with pytest.raises(rm.BadInput, match="does not exist"):
        rm.speak(system, trace, turn, step)
