"""The lens at every layer: what each decoder layer's state says through the final norm and the head."""

from __future__ import annotations

import pytest
import torch
from tiny import FAMILIES, QUESTION, tiny_agent, tiny_pattern_system, tiny_system

import recmas_core as rm

OPTIONS = {"rounds": 2, "latent_steps": 3, "max_new_tokens": 2}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_last_layer_is_the_stored_thoughts_lens(family: str) -> None:
    """In a turn with a filled slot, for every thought; a thought read at another place would say something else."""
    system = tiny_system([family] * 3)
    trace = system.solve(QUESTION, **OPTIONS)
    for turn in (0, 3):
        agent = system.agents[trace.turns[turn].role]
        stored = rm.lens(agent, trace.turns[turn].thoughts, k=4)
        rows = rm.layer_lenses(system, trace, turn, k=4)
        assert len(rows) == 3
        for row, wanted in zip(rows, stored, strict=True):
            assert len(row) == agent.model.config.num_hidden_layers
            assert [word.text for word in row[-1]] == [word.text for word in wanted]
            assert [word.score for word in row[-1]] == pytest.approx([word.score for word in wanted], abs=1e-4)
            assert row[0] != row[-1]


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_every_layer_by_hand(family: str) -> None:
    """What each decoder layer puts out, caught by hooks, through the norm."""
    agent = tiny_agent(family)
    embeds, caught = torch.randn(1, 7, agent.hidden_size), []
    for layer in agent.body.layers:
        layer.register_forward_hook(lambda _, __, out: caught.append(out[0] if isinstance(out, tuple) else out))
    states = agent.layer_states(embeds, last=2)
    assert len(states) == len(caught) == agent.model.config.num_hidden_layers
    for mine, raw in zip(states, caught, strict=True):
        assert mine.shape == (1, 2, agent.hidden_size)
        assert torch.allclose(mine, agent.body.norm(raw)[:, -2:], atol=1e-6)


def test_one_thought_of_a_running_turn(system: rm.System) -> None:
    whole = system.solve(QUESTION, **OPTIONS)
    end = next(i for i, e in enumerate(whole.events) if isinstance(e, rm.Thought) and (e.turn, e.step) == (1, 1))
    part = rm.Trace(whole.config, whole.pattern, whole.events[: end + 1])
    mine, wanted = (rm.layer_lens(system, trace, 1, 1, k=2) for trace in (part, whole))
    assert [[word.text for word in row] for row in mine] == [[word.text for word in row] for row in wanted]
    assert [row[0].score for row in mine] == pytest.approx([row[0].score for row in wanted], abs=1e-5)


def test_a_turn_beside_others() -> None:
    """The second of three specialists reads what its own slot held, though the first had finished before it."""
    system = tiny_pattern_system(rm.PATTERNS["mixture"])
    trace = system.solve(QUESTION, **OPTIONS)
    rows = rm.layer_lenses(system, trace, 5, k=3)
    wanted = rm.lens(system.agents[trace.turns[5].role], trace.turns[5].thoughts, k=3)
    for row, words in zip(rows, wanted, strict=True):
        assert [word.score for word in row[-1]] == pytest.approx([word.score for word in words], abs=1e-4)


@pytest.mark.parametrize(("turn", "step"), [(0, 3), (0, -1), (5, 0), (9, 0)])
def test_thoughts_that_were_not_made(system: rm.System, turn: int, step: int) -> None:
    trace = system.solve(QUESTION, **OPTIONS)
    with pytest.raises(rm.BadInput, match=r"does not exist|no thought"):
        rm.layer_lens(system, trace, turn, step)


def test_a_family_whose_norm_nobody_knows(own_system: rm.System) -> None:
    agent = own_system.agents["planner"]
    trace = own_system.solve(QUESTION, **OPTIONS)
    agent.body = torch.nn.Identity()
    with pytest.raises(rm.BadInput, match="final norm"):
        rm.layer_lens(own_system, trace, 0, 0)


def test_a_trained_agents_words_come_up_through_the_layers() -> None:
    """The planner's third thought says the step's result: surely after the last layer, hardly after the first."""
    system = rm.load_system("sequential")
    trace = system.solve("start 7 s1 + 3 s2 * 7 s3 - 4", rounds=2)
    rows = rm.layer_lens(system, trace, 0, 2, k=len(system.agents["planner"].tokenizer))
    scores = [next(word.score for word in row if word.text == "0") for row in rows]
    assert scores[-1] > 0.9
    assert scores[0] < 0.5
