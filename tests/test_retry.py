r"""The retry: a decode that ends without a closed box goes on once behind words that open one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from test_batch import counted
from tiny import LONG, QUESTION, SHORT, WORDS, Adder, tiny_pattern_system
from torch import nn

import recmas_core as rm
from recmas_core.engine import Settings, unroll
from recmas_core.loading import assets_folder, embedded_systems
from recmas_core.manifest import read_manifest
from recmas_core.prompts import Retry
from recmas_core.tasks.plain import final_answer

BOX = ("\\boxed{", "}", "{")
RETRY = Retry(" answer : \\boxed{", tokens=6)
OPTIONS = {"rounds": 1, "latent_steps": 2, "max_new_tokens": 8}
QUESTIONS = [SHORT, LONG, QUESTION, f"{QUESTION} s4 + 1", "start 9"]


def boxing(
    families: Sequence[str] = ("mistral", "llama"), *, retry: Retry | None = RETRY, pattern: str = "distillation",
    **options: object,
) -> rm.System:  # fmt: skip
    """Random agents who know boxes, every one of whose prompts has the retry."""
    system = tiny_pattern_system(rm.PATTERNS[pattern], families, words=(*WORDS, *BOX), **options)
    system.prompts = {role: replace(prompt, retry=retry) for role, prompt in system.prompts.items()}
    return system


def scripted(system: rm.System, words: str) -> rm.System:
    """The answering agent says these words one after the other, and fails if it is asked for more."""
    agent = system.agents[system.pattern.decoder]
    script = iter(agent.tokenizer.convert_tokens_to_ids(words.split()))
    agent.logits = lambda hidden: nn.functional.one_hot(  # type: ignore[method-assign]
        torch.tensor([next(script)] * len(hidden)), len(agent.tokenizer)
    ).float()
    return system


def loud(system: rm.System, *, seed: int) -> rm.System:
    """Random agents with heads of their own that like to end and to close boxes, so that all of it happens."""
    for agent in system.agents.values():
        generator = torch.Generator().manual_seed(seed)
        weight = 0.15 * torch.randn(agent.model.get_output_embeddings().weight.shape, generator=generator)
        weight[agent.tokenizer.convert_tokens_to_ids(["}", "<eos>", "\\boxed{"])] *= 3
        agent.model.get_output_embeddings().weight = nn.Parameter(weight, requires_grad=False)
    return system


def told(trace: rm.Trace) -> list[str]:
    """The words of every token that was decoded in the answering turn, and what was put between them."""
    turn = len(trace.turns) - 1
    return [e.text for e in trace.events if isinstance(e, rm.Token | rm.Prompted) and e.turn == turn]


# ------------------------------------------------------------------------------------------ when, and how far it goes


def test_a_decode_that_ended_without_a_box_goes_on_once() -> None:
    trace = scripted(boxing(), "s1 7 <eos> 4 }").solve(QUESTION, **OPTIONS)
    assert told(trace) == ["s1", "7", "<eos>", RETRY.text, "4", "}"]
    assert trace.answer == trace.turns[-1].text == "s1 7 answer : \\boxed{ 4 }"
    assert final_answer(trace.answer) == "4"


def test_at_the_limit_too() -> None:
    trace = scripted(boxing(), "s1 7 4 }").solve(QUESTION, **{**OPTIONS, "max_new_tokens": 2})
    assert told(trace) == ["s1", "7", RETRY.text, "4", "}"]


@pytest.mark.parametrize("words", ["\\boxed{ 7 } <eos>", "\\boxed{ { 7 } } s1 <eos>"])
def test_a_closed_box_needs_no_retry(words: str) -> None:
    trace = scripted(boxing(), words).solve(QUESTION, **OPTIONS)
    assert told(trace) == words.split()
    assert trace.turns[-1].prompted == ()


@pytest.mark.parametrize("words", ["\\boxed{ 7", "\\boxed{ { 7 }", "\\boxed{ }", "{ 7 }", ""])
def test_a_box_that_is_open_or_empty_or_none_is_no_answer(words: str) -> None:
    trace = scripted(boxing(), f"{words} <eos> 4 }}").solve(QUESTION, **OPTIONS)
    assert told(trace) == [*words.split(), "<eos>", RETRY.text, "4", "}"]
    assert final_answer(trace.answer) == "4"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("{ 1 } { 2 } } 9", "{ 1 } { 2 } }"),  # the brace that balances, not the first one
        ("7 <eos> 9", "7 <eos>"),
        ("1 2 3 4 5 6 7 8 9", "1 2 3 4 5 6 7 8"),
        ("} 9", "}"),
    ],
    ids=["closes", "ends", "limit", "at once"],
)
def test_where_the_retry_ends(words: str, said: str) -> None:
    trace = scripted(boxing(retry=replace(RETRY, tokens=8)), f"<eos> {words}").solve(QUESTION, **OPTIONS)
    assert told(trace) == ["<eos>", RETRY.text, *said.split()]


def test_only_the_answering_turn_has_one() -> None:
    trace = loud(boxing(), seed=0).solve(QUESTION, mode="text", **{**OPTIONS, "rounds": 3})
    assert {turn.index for turn in trace.turns if turn.prompted} == {len(trace.turns) - 1}


def test_without_the_field_nothing_is_tried() -> None:
    trace = scripted(boxing(retry=None), "s1 7 <eos>").solve(QUESTION, **OPTIONS)
    assert told(trace) == ["s1", "7", "<eos>"]


def test_the_embedded_agents_have_none() -> None:
    kept = [read_manifest(assets_folder() / name) for name in embedded_systems()]
    assert kept
    assert all(prompt.retry is None for each in kept for prompt in each.prompts.values())


@pytest.mark.parametrize(("text", "tokens"), [("answer :", 6), ("\\boxed{7}", 6), ("\\boxed{", 0), ("\\boxed{", True)])
def test_a_retry_that_could_not_end_is_refused(text: str, tokens: int) -> None:
    with pytest.raises(rm.BadInput, match="retry"):
        Retry(text, tokens)


# ------------------------------------------------------------------------------------------------------ what is read


@pytest.mark.parametrize(("words", "read", "unread"), [("s1 7 <eos> 4 }", 2, 0), ("s1 1 2 3 4 5 6 7 4 }", 7, 1)])
def test_a_single_row_reads_on(words: str, read: int, unread: int) -> None:
    """At the limit the last token and the words in one stretch; an end token is never read."""
    system = scripted(boxing(), words)
    with counted(system) as calls:
        system.solve(QUESTION, **OPTIONS)
    words_put = len(system.agents["learner"].encode(RETRY.text))
    assert calls["learner"][1:] == [*[1] * read, unread + words_put, 1]


@pytest.mark.parametrize("families", [("mistral", "llama"), ("llama", "qwen2"), ("qwen2", "qwen3_5_text")],
                         ids="-".join)  # fmt: skip
@torch.no_grad()
def test_every_token_is_the_likeliest_behind_what_stands_before_it(families: tuple[str, str]) -> None:
    """Recomputed at one go from the prompt, the words, and no end token between them."""
    system, ends = loud(boxing(families), seed=1), 0
    agent = system.agents["learner"]
    words = agent.encode(RETRY.text)
    for question in QUESTIONS:
        turn = system.solve(question, mode="text", **OPTIONS).turns[-1]
        if not turn.prompted:
            continue
        at = turn.prompted[0][0]
        first = [token for token in turn.tokens[:at] if token not in agent.end_ids]
        ends += len(first) < at
        ids = [token for segment in turn.prompt for token in segment.ids]
        for part in (list(turn.tokens[:at]), list(turn.tokens[at:])):
            whole = agent.model(input_ids=torch.tensor([[*ids, *part]]), use_cache=False).logits[0]
            assert whole[len(ids) - 1 : -1].argmax(-1).tolist() == part
            ids += [*first, *words]
    assert ends


# -------------------------------------------------------------------------------------------------------------- tools


def calling(words: str, **options: object) -> rm.System:
    tools = {name: Adder(name) for name in ("python", "search")}
    return scripted(boxing(pattern="deliberation", tools=tools, **options), words)


def test_a_box_before_a_result_is_not_the_answer() -> None:
    trace = calling("\\boxed{ 7 } <python> 3 </python> s1 <eos> 4 }").solve(QUESTION, **OPTIONS)
    assert trace.turns[-1].prompted == ((8, RETRY.text),)
    assert trace.answer == "s1 answer : \\boxed{ 4 }"
    assert trace.turns[-1].text.endswith(f" </result> {trace.answer}")


def test_nothing_is_called_in_a_retry() -> None:
    system = calling("<eos> <python> 3 </python> }")
    turn = system.solve(QUESTION, **OPTIONS).turns[-1]
    assert (turn.tool_calls, len(turn.tokens)) == ((), 5)
    assert system.tools["python"].asked == []


# ------------------------------------------------------------------------------------------------------------ batches


@pytest.mark.parametrize("temperature", [0.0, 0.9])
@pytest.mark.parametrize("families", [("mistral", "llama"), ("llama", "qwen3_5_text"), ("qwen2", "mistral")],
                         ids="-".join)  # fmt: skip
@torch.no_grad()
def test_a_batch_equals_single_questions(families: tuple[str, str], temperature: float) -> None:
    """Some rows need the retry and some do not, at different times: each says what it says alone."""
    system = loud(boxing(families), seed=2)
    settings = Settings(1, 2, max_new_tokens=8, temperature=temperature, seed=11)
    batch = unroll(system, QUESTIONS, settings)
    singles = [unroll(system, [question], settings) for question in QUESTIONS]
    assert batch.texts == tuple(single.texts[0] for single in singles)
    assert batch.answers == tuple(single.answers[0] for single in singles)
    assert batch.tokens.tolist() == [int(single.tokens[0]) for single in singles]
    assert any(RETRY.text in text for text in batch.texts)


@torch.no_grad()
def test_a_batch_in_which_some_call_and_some_are_tried_again() -> None:
    tools = {name: Adder(name) for name in ("python", "search")}
    system = loud(boxing(("qwen2", "mistral"), pattern="deliberation", tools=tools), seed=0)
    agent = system.agents["toolcaller"]
    agent.model.get_output_embeddings().weight[agent.tokenizer.convert_tokens_to_ids(["<python>", "</python>"])] *= 5
    settings = Settings(1, 2, max_new_tokens=20)
    batch = unroll(system, QUESTIONS, settings)
    assert batch.texts == tuple(unroll(system, [question], settings).texts[0] for question in QUESTIONS)
    assert any("</result>" in text for text in batch.texts)
    assert any(RETRY.text in text for text in batch.texts)
