"""Prompts: whoever takes a role is addressed in words it knows, and no question can pass for a part of the prompt."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tiny import tiny_agent, tiny_model, tiny_system

import recmas_core as rm
from recmas_core.patterns import ALONE, DELIBERATION, DISTILLATION, MIXTURE, PATTERNS, SEQUENTIAL, loop_pattern
from recmas_core.pretrain.shaping import make_tokenizer
from recmas_core.prompts import WORDINGS, RolePrompt, compile_prompt, prompt_for

WORDS = ("0", "1", "2", ";", ":", "answer")


def agent(*words: str, home: str = "", hears: tuple[str, ...] = (), wording: str = "little") -> rm.Agent:
    """An agent that knows these words beside the few that every prompt holds."""
    tokenizer = make_tokenizer((*WORDS, *words), seed=len(words))
    model = tiny_model("llama", tokenizer, seed=0)
    inner = rm.InnerLink(model.config.hidden_size)
    return rm.Agent(home or "anyone", model, tokenizer, inner, wording=wording, home=home, hears=hears)


def reads(
    agents: dict[str, rm.Agent], pattern: rm.Pattern, role: str, *, round_: int = 2, decodes: bool = False
) -> str:
    """A turn's prompt as its agent reads it, each slot as […] with its sender."""
    senders = pattern.senders_to(role, round_=round_)
    form = compile_prompt(
        agents[role], prompt_for(role, agents, pattern), pattern, role, senders, decodes=decodes
    )  # fmt: skip
    segments = form.fill(agents[role], "0", dict.fromkeys(senders, ()))
    return "".join(f"[{segment.sender}]" if segment.sender else segment.text for segment in segments)


PLANNER = {"home": "planner", "hears": ("solver",)}
SUMMARIZER = {"home": "summarizer", "hears": ("math", "code", "science")}


def test_at_home_a_role_is_called_by_its_name() -> None:
    agents = {role.name: agent("planner", "critic", "solver", home=role.name) for role in SEQUENTIAL.roles}
    assert reads(agents, SEQUENTIAL, "critic") == "<bos> 0 ; planner :[planner]; critic :"
    assert not prompt_for("critic", agents, SEQUENTIAL).words


def test_elsewhere_an_agent_is_addressed_as_at_home() -> None:
    agents = {
        "expert": agent("planner", "critic", "solver", **PLANNER),
        "learner": agent("math", "code", "science", "summarizer", **SUMMARIZER),
    }
    assert reads(agents, DISTILLATION, "expert", round_=1) == "<bos> 0 ; planner :"
    assert reads(agents, DISTILLATION, "expert") == "<bos> 0 ; solver :[learner]; planner :"
    assert reads(agents, DISTILLATION, "learner") == "<bos> 0 ; math :[expert]; summarizer :"
    assert reads(agents, DISTILLATION, "learner", decodes=True) == "<bos> 0 ; math :[expert]; answer :"


def test_a_senders_own_word_is_used_where_the_reader_knows_it() -> None:
    known = agent("planner", "critic", "solver", home="critic", hears=("planner",))
    agents = {"agent1": agent("planner", "critic", "solver", home="solver", hears=("critic",)), "agent2": known}
    assert reads(agents, loop_pattern(2), "agent2") == "<bos> 0 ; solver :[agent1]; critic :"


def test_several_strangers_are_told_apart_while_the_words_last() -> None:
    reader = agent("math", "code", "science", "summarizer", **SUMMARIZER)
    stranger, friend = agent("planner", "solver", **PLANNER), agent("code", home="code")
    agents = {"math": stranger, "code": friend, "science": stranger, "summarizer": reader}
    assert reads(agents, MIXTURE, "summarizer") == (
        "<bos> 0 ; math :[math]; code :[code]; science :[science]; summarizer :"
    )
    agents = {"math": friend, "code": stranger, "science": stranger, "summarizer": reader}
    assert reads(agents, MIXTURE, "summarizer") == (
        "<bos> 0 ; code :[math]; math :[code]; science :[science]; summarizer :"
    )
    few = agent("planner", "solver", **PLANNER)
    agents = {**dict.fromkeys(("math", "code", "science"), reader), "summarizer": few}
    assert reads(agents, MIXTURE, "summarizer") == (
        "<bos> 0 ; solver :[math]; solver :[code]; solver :[science]; planner :"
    )


def test_an_agent_that_was_taught_no_role_is_told_the_role() -> None:
    agents = {"expert": agent("expert", "learner"), "learner": agent("expert", "learner")}
    assert reads(agents, DISTILLATION, "learner") == "<bos> 0 ; expert :[expert]; learner :"


def test_an_agent_of_the_wide_world_is_told_the_role_it_takes() -> None:
    agents = {role.name: agent(home="planner", wording="general") for role in DELIBERATION.roles}
    prompt = prompt_for("toolcaller", agents, DELIBERATION)
    assert prompt.think == WORDINGS["general"].roles["toolcaller"].think
    assert prompt.word("toolcaller") == "tool-caller"


@pytest.mark.parametrize("name", WORDINGS)
@pytest.mark.parametrize("pattern", [*PATTERNS.values(), ALONE], ids=lambda pattern: pattern.name)
def test_every_wording_has_a_prompt_for_every_turn_of_every_pattern(name: str, pattern: rm.Pattern) -> None:
    reader = agent(wording=name)
    for role in pattern.roles:
        prompt = WORDINGS[name].prompt(role.name)
        for round_, decodes in ((1, False), (2, False), (2, True)):
            senders = pattern.senders_to(role.name, round_=round_)
            form = compile_prompt(reader, prompt, pattern, role.name, senders, decodes=decodes)
            assert [sender for _, sender in form.pieces if sender is not None] == list(senders)


def test_a_role_that_may_call_tools_is_told_how() -> None:
    for role in (role for pattern in PATTERNS.values() for role in pattern.roles if role.tools):
        asked = WORDINGS["general"].prompt(role.name).decode
        for tool in role.tools:
            assert f"<{tool}>" in asked
            assert f"</{tool}>" in asked
        assert "<result>" in asked


def test_the_little_wording_has_no_space_before_a_slot() -> None:
    """To a tokenizer that cuts at every digit that space would be a token of its own."""
    prompt = WORDINGS["little"].prompt("planner")
    assert replace(prompt, slot=prompt.slot.replace(":{slot}", ": {slot}")) == WORDINGS["chain"].prompt("planner")


@pytest.mark.parametrize(
    "prompt",
    [
        RolePrompt(think="{slots} {role}", decode="{question}", slot="{slot}"),
        RolePrompt(think="{question} {question}{slots}", decode="{question}", slot="{slot}"),
        RolePrompt(think="{question}", decode="{question}", slot="{slot}"),
        RolePrompt(think="{question}{slots}", decode="{question}", slot="{sender}"),
        RolePrompt(think="{question}{slots}{role}", decode="", slot="{slot}", words={"critic": "\ue000"}),
    ],
    ids=["no question", "two questions", "no slots", "no slot", "a word that imitates a mark"],
)
def test_a_prompt_that_loses_a_part_is_refused(prompt: RolePrompt) -> None:
    with pytest.raises(rm.BadInput, match="prompt of 'critic' in 'sequential' loses"):
        compile_prompt(tiny_agent("llama"), prompt, SEQUENTIAL, "critic", ("planner",), decodes=False)


def test_an_unknown_wording_is_refused() -> None:
    agents = dict.fromkeys(("expert", "learner"), agent(wording="latin"))
    with pytest.raises(rm.BadInput, match="unknown wording 'latin'"):
        prompt_for("expert", agents, DISTILLATION)


def test_a_word_is_known_or_it_is_not() -> None:
    reader = agent("planner")
    assert reader.knows("planner")
    assert not reader.knows("critic")
    reader.tokenizer.unk_token = None
    assert reader.knows("critic")


def test_segments_name_the_role_whatever_it_is_called() -> None:
    """The page and the edits go by roles: a word in a prompt changes neither."""
    system = tiny_system()
    system.prompts["critic"] = replace(system.prompts["critic"], words={"planner": "solver", "critic": "planner"})
    trace = system.solve("start 7 s1 + 3", rounds=1, latent_steps=2, max_new_tokens=2)
    assert [segment.sender for segment in trace.turns[1].prompt] == [None, "planner", None]
    assert [segment.text for segment in trace.turns[1].prompt] == ["<bos> start 7 s1 + 3 ; solver :", "", "; planner :"]
