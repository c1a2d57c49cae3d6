"""Every error says what is wrong, where, and what to do; and a system lives on after one."""

from __future__ import annotations

import pytest
import torch
from test_run import assert_same
from tiny import QUESTION, tiny_agent, tiny_system

import recmas_core as rm

ERRORS = (
    rm.BadInput, rm.LinkMissing, rm.DimensionMismatch, rm.NonFiniteLatent, rm.SystemNotFound, rm.UnsafeCheckpoint,
)  # fmt: skip
OPTIONS = {"rounds": 2, "latent_steps": 2, "max_new_tokens": 3}


@pytest.mark.parametrize("error", ERRORS)
def test_what_where_and_what_to_do(error: type[rm.RecmasError]) -> None:
    raised = error("the link", "is missing", "Train it.")
    assert isinstance(raised, rm.RecmasError)
    assert (raised.where, raised.what, raised.todo) == ("the link", "is missing", "Train it.")
    assert str(raised) == "the link is missing. Train it."


BAD_OPTIONS = {
    "rounds": [0, 7, -1, 1.5, "3", None, True],
    "latent_steps": [0, 129, 2.0, None],
    "max_new_tokens": [0, 4097, "many"],
    "seed": [-1, 2**63, 0.5, None],
    "temperature": [-0.1, 10.1, float("nan"), float("inf"), "hot", None],
    "top_p": [0, -0.5, 1.01, float("nan"), "all", None],
    "mode": ["telepathy", "", None],
}


@pytest.mark.parametrize(("name", "value"), [(name, v) for name, values in BAD_OPTIONS.items() for v in values])
def test_options_out_of_range(system: rm.System, name: str, value: object) -> None:
    """Refused at once, before any event is asked for."""
    with pytest.raises(rm.BadInput, match=name) as caught:
        system.run(QUESTION, **{**OPTIONS, name: value})
    assert caught.value.where == name
    assert caught.value.todo.endswith(".")


@pytest.mark.parametrize(
    ("name", "value"),
    [("rounds", 6), ("latent_steps", 1), ("seed", 2**63 - 1), ("temperature", 10), ("top_p", 1), ("mode", "text")],
)
def test_the_ends_of_the_ranges_are_taken(system: rm.System, name: str, value: object) -> None:
    assert getattr(system.config(QUESTION, **{name: value}), name) == value


def test_unknown_options(system: rm.System) -> None:
    with pytest.raises(rm.BadInput, match="'thoughts'"):
        system.run(QUESTION, thoughts=3)


BAD_QUESTIONS = {
    "empty": "",
    "blank": " \n\t ",
    "no text": None,
    "a number": 7,
    "very long": "7 + 3 " * 16_667,
    "null": "7 + \x00 3",
    "escape": "7 \x1b[31m 3",
    "delete": "7 \x7f 3",
    "C1 control": "7 \x85 3",
    "question mark of the prompt": "7 \ue000 3",
    "slot mark": "7 \ue0010\ue002 3",
    "slot end": "7 \ue002 3",
    "end of sequence": "start 7 <eos>",
    "beginning": "<bos> start 7",
    "padding": "start <pad> 7",
    "unknown": "start <unk> 7",
}


@pytest.mark.parametrize("question", BAD_QUESTIONS.values(), ids=BAD_QUESTIONS.keys())
def test_questions_that_cannot_be_asked(system: rm.System, question: object) -> None:
    with pytest.raises(rm.BadInput, match="question") as caught:
        system.run(question, **OPTIONS)
    assert len(str(caught.value)) < 300
    with pytest.raises(rm.BadInput):
        system.solve(question, **OPTIONS)


def test_a_trace_cannot_smuggle_a_question_in(system: rm.System) -> None:
    """A configuration made elsewhere is checked by the system that runs it."""
    config = rm.RunConfig(question="start 7 <eos>", **OPTIONS)
    with pytest.raises(rm.BadInput, match="<eos>"):
        system.start(config)


def test_odd_but_harmless_questions_run(system: rm.System) -> None:
    for question in ("What is 7 + 3?\n\tAnd then?", "{question} {slots} {0}", "ünïcode 🎲 字", "7 < 3 > <b>"):
        assert system.solve(question, **OPTIONS).answer is not None


def test_a_nan_link_stops_the_run_and_the_system_lives_on(own_system: rm.System) -> None:
    before = own_system.solve(QUESTION, **OPTIONS)
    weight = own_system.links["critic", "solver"].proj1.weight
    kept = weight.clone()
    weight.data[0, 0] = float("nan")
    events: list[rm.Event] = []
    with pytest.raises(rm.NonFiniteLatent, match="critic->solver in round 1") as caught:
        events.extend(own_system.run(QUESTION, **OPTIONS))
    assert caught.value.todo
    weight.data.copy_(kept)
    assert own_system.lock.acquire(timeout=1)
    own_system.lock.release()
    assert_same(own_system.solve(QUESTION, **OPTIONS), before)


def test_a_nan_inner_link_names_the_thought(own_system: rm.System) -> None:
    own_system.agents["critic"].inner.proj2.bias.data[1] = float("inf")
    stream, seen = own_system.run(QUESTION, **OPTIONS), []
    with pytest.raises(rm.NonFiniteLatent, match="thought 1 of critic in round 1"):
        seen.extend(event for event in stream)
    assert all(event.turn == 0 or isinstance(event, rm.TurnStart) for event in seen if hasattr(event, "role"))


def test_a_nan_model_stops_a_text_run(own_system: rm.System) -> None:
    own_system.agents["planner"].model.get_input_embeddings().weight.data[:] = float("nan")
    with pytest.raises(rm.NonFiniteLatent, match="decode of planner"):
        own_system.solve(QUESTION, mode="text", **OPTIONS)


def test_a_missing_link(system: rm.System) -> None:
    links = {edge: link for edge, link in system.links.items() if edge != ("solver", "planner")}
    lame = rm.System("lame", system.pattern, system.agents, links, system.prompts)
    assert lame.solve(QUESTION, rounds=1, latent_steps=2, max_new_tokens=2).answer is not None
    with pytest.raises(rm.LinkMissing, match="solver->planner"):
        lame.solve(QUESTION, **OPTIONS)
    with pytest.raises(rm.LinkMissing, match="planner->solver"):
        system.link("planner", "solver")


def test_links_of_other_widths(system: rm.System) -> None:
    for wrong in (rm.OuterLink(32, 33), rm.OuterLink(31, 32)):
        links = {**system.links, ("planner", "critic"): wrong}
        with pytest.raises(rm.DimensionMismatch, match="planner->critic"):
            rm.System("bent", system.pattern, system.agents, links, system.prompts)
        with pytest.raises(rm.DimensionMismatch, match="planner->critic"):
            system.with_links({("planner", "critic"): wrong})


def test_an_inner_link_of_another_width() -> None:
    agent = tiny_agent("llama")
    with pytest.raises(rm.DimensionMismatch, match="17 wide, the model 16"):
        rm.Agent("bent", agent.model, agent.tokenizer, rm.InnerLink(17))


def test_a_role_without_an_agent_or_a_prompt(system: rm.System) -> None:
    agents = {role: agent for role, agent in system.agents.items() if role != "critic"}
    with pytest.raises(rm.SystemNotFound, match="critic"):
        rm.System("two", system.pattern, agents, system.links, system.prompts)
    with pytest.raises(rm.SystemNotFound, match="no prompt"):
        rm.System("mute", system.pattern, system.agents, system.links, {})


def test_building_from_what_does_not_exist() -> None:
    with pytest.raises(rm.SystemNotFound, match="pattern 'spiral'"):
        rm.build_system("spiral", {})
    with pytest.raises(rm.SystemNotFound, match="juggler"):
        rm.build_system("sequential", {"juggler": "x"})
    with pytest.raises(rm.SystemNotFound, match="does not exist"):
        rm.load_system("no-such-system")


def test_building_from_agents_of_ones_own() -> None:
    agents = {role: tiny_agent("qwen3", seed=i, name=role) for i, role in enumerate(("planner", "critic", "solver"))}
    one, other, third = (rm.build_system("sequential", agents, seed=seed) for seed in (3, 3, 4))
    assert one.untrained == {("planner", "critic"), ("critic", "solver"), ("solver", "planner")}
    assert_same(one.solve(QUESTION, **OPTIONS), other.solve(QUESTION, **OPTIONS))
    assert one.solve(QUESTION, **OPTIONS).turns[0].sent["critic"].tolist() != third.solve(
        QUESTION, **OPTIONS
    ).turns[0].sent["critic"].tolist()


def test_a_shared_tokenizers_special_tokens_are_all_refused() -> None:
    """Whatever an agent takes for a control token is refused, not a fixed list."""
    system = tiny_system()
    system.agents["critic"].tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    with pytest.raises(rm.BadInput, match="im_start"):
        system.check("hello <|im_start|>user")
    assert torch.is_grad_enabled()
