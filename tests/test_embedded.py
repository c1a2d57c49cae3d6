"""The shipped systems: facts that a small sample of held-out questions can check robustly."""

from __future__ import annotations

import functools

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import recmas_core as rm
from recmas_core.ablations import ABLATIONS, ablations_of
from recmas_core.engine import Settings
from recmas_core.evaluation import Report, evaluate, measure
from recmas_core.loading import assets_folder
from recmas_core.records import ToolCall
from recmas_core.tasks.splits import split_of
from recmas_core.transplant import transplants

NAMES = ("sequential", "mixture", "distillation", "deliberation")
EMBEDDED = [(name, role.name) for name in NAMES for role in rm.PATTERNS[name].roles]
systems = pytest.mark.parametrize("name", NAMES)


@functools.cache
def shipped(name: str = "sequential") -> rm.System:
    return rm.load_system(name)


@functools.cache
def held_out(name: str = "sequential") -> tuple[rm.Example, ...]:
    return tuple(shipped(name).task.sample(100, seed=77))


@functools.cache
def report(name: str) -> Report:
    return evaluate(shipped(name), held_out(name), rounds=(1, 2, 3), modes=("latent", "text"))


@functools.cache
def broken(name: str) -> Report:
    system = shipped(name)
    return evaluate(system, held_out(name), rounds=(3,), modes=(), ablations=ablations_of(system))


@functools.cache
def alone(name: str) -> Report:
    return evaluate(shipped(name), held_out(name), rounds=(1, 3), modes=("single",))


def test_four_systems_of_at_least_four_families() -> None:
    assert rm.embedded_systems() == NAMES
    agents = [agent for name in NAMES for agent in shipped(name).agents.values()]
    assert len({agent.family for agent in agents}) >= 4
    assert len({agent.hidden_size for agent in agents}) >= 4


@systems
def test_agents_of_a_system_differ(name: str) -> None:
    """No two have their words in the same order, and not all are of one family or width."""
    system = shipped(name)
    assert len({tuple(agent.tokenizer.get_vocab().items()) for agent in system.agents.values()}) == len(system.roles)
    assert len({agent.family for agent in system.agents.values()}) > 1
    assert len({agent.hidden_size for agent in system.agents.values()}) > 1
    assert not system.untrained
    assert {split_of(example.question) for example in held_out(name)} == {"test"}


def test_everything_shipped_is_small() -> None:
    sizes = [path.stat().st_size for path in assets_folder().rglob("*") if path.is_file()]
    assert sum(sizes) <= 50_000_000


@pytest.mark.parametrize(("name", "role"), EMBEDDED)
@torch.no_grad()
def test_agents_are_ordinary_model_folders(name: str, role: str) -> None:
    """Plain transformers loads them, and they speak their world's language without any of this project's code."""
    folder = assets_folder() / name / role
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    pattern, right = rm.PATTERNS[name], 0
    for example in held_out(name)[:20]:
        heard = "".join(f" {sender} : {example.targets[sender][0]} ;" for sender in pattern.senders_to(role, round_=1))
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": f"{example.question} ;{heard} {role} :"}], tokenize=False,
            add_generation_prompt=True,
        )  # fmt: skip
        ids = torch.tensor([tokenizer(prompt, add_special_tokens=False).input_ids])
        assert tokenizer.unk_token_id not in ids[0].tolist()
        said = model.generate(ids, max_new_tokens=12, do_sample=False)[0, ids.shape[1] :]
        right += tokenizer.decode(said, skip_special_tokens=True) == example.targets[role][0]
    assert right >= 18


@systems
def test_no_file_can_hold_code(name: str) -> None:
    suffixes = {path.suffix for path in (assets_folder() / name).rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".jsonl", ".safetensors", ".jinja", ".md", ".npz", ""}


@systems
def test_three_rounds_solve_held_out_questions(name: str) -> None:
    assert report(name).score("latent", 3).accuracy >= 0.9


@systems
def test_each_round_reaches_further(name: str) -> None:
    one, two, three = (report(name).score("latent", rounds).accuracy for rounds in (1, 2, 3))
    assert one + 0.1 <= two
    assert two + 0.04 <= three


@systems
@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_latents_do_what_text_does(name: str, rounds: int) -> None:
    latent, text = (report(name).score(mode, rounds) for mode in ("latent", "text"))
    assert latent.interval[1] >= text.interval[0]
    assert latent.tokens < text.tokens


def test_a_latent_run_decodes_a_tenth_of_the_words() -> None:
    """Where the answer is one word; the tool-caller's own programs are decoded in both modes."""
    for name in ("sequential", "mixture", "distillation"):
        latent, text = (report(name).score(mode, 3) for mode in ("latent", "text"))
        assert latent.tokens <= text.tokens / 10


@systems
def test_without_the_transfers_it_fails(name: str) -> None:
    assert {each: broken(name).score(each, 3).accuracy <= 0.35 for each in ABLATIONS} == dict.fromkeys(ABLATIONS, True)


def test_each_specialist_is_needed_for_its_own_field_only() -> None:
    def shares(score: str) -> dict[str, float]:
        source = broken("mixture") if score.startswith("cut") else report("mixture")
        return {group: right / n for group, (right, n) in source.score(score, 3).groups.items()}

    whole = shares("latent")
    for field in ("math", "code", "science"):
        cut = shares(f"cut {field}")
        assert whole[field] - cut[field] >= 0.4
        assert all(whole[other] - cut[other] <= 0.05 for other in {"math", "code", "science"} - {field})


def test_the_expert_is_large_and_the_learner_lost_without_it() -> None:
    agents, pair = shipped("distillation").agents, report("distillation").score("latent", 3).accuracy
    assert agents["expert"].parameters >= 4 * agents["learner"].parameters
    assert alone("distillation").score("single: alone", 1).accuracy < pair / 2
    assert alone("distillation").score("single: learner", 3).accuracy < pair / 2
    assert broken("distillation").score("zero", 3).accuracy < pair / 2


def test_the_tool_caller_needs_its_tools() -> None:
    whole = report("deliberation").score("latent", 3).accuracy
    assert broken("deliberation").score("no tools", 3).accuracy < whole / 3


def test_calls_and_their_results_stand_in_the_trace() -> None:
    system = shipped("deliberation")
    example = next(e for e in held_out("deliberation") if e.group == "fact and sum")
    trace = system.solve(example.question, rounds=3)
    calls = [event.report for event in trace.events if isinstance(event, ToolCall)]
    assert [call.tool for call in calls] == ["search", "python"]
    assert trace.turns[-1].tool_calls == tuple(calls)
    assert calls[1].result == trace.answer == example.answer
    assert all(f"<result> {call.result.lower()} </result>" in trace.turns[-1].text.lower() for call in calls)


def test_no_agent_of_the_chain_does_it_alone() -> None:
    scores = [score for score in alone("sequential").scores if score.rounds == 1]
    assert len(scores) == 4
    assert max(score.accuracy for score in scores) < 0.5


@systems
def test_answers_follow_a_transplanted_transfer(name: str) -> None:
    results = list(transplants(shipped(name), held_out(name)[:50]))
    assert sum(r.n for r in results) > 40
    assert sum(r.implied for r in results) / sum(r.n for r in results) >= 0.7


def test_other_numbers_of_thoughts_that_were_trained() -> None:
    """Seven thoughts say the whole turn and are read as well."""
    system = shipped()
    most = system.trained_steps[1]
    assert measure(system, held_out(), Settings(3, most, max_new_tokens=8), name="long").accuracy >= 0.8


@systems
def test_thoughts_say_the_true_messages(name: str) -> None:
    """Read through the agent's own head, a turn's thoughts are the words of its right message."""
    system, right, seen = shipped(name), 0, 0
    for example in held_out(name)[:10]:
        trace = system.solve(example.question, rounds=3)
        for turn in trace.turns[:-1]:
            said = " ".join(row[0].text for row in rm.lens(system.agents[turn.role], turn.thoughts, 1))
            right += example.targets[turn.role][turn.round - 1].startswith(said)
            seen += 1
    assert seen >= 30
    assert right / seen >= 0.85


@systems
def test_building_it_from_its_agents_gives_the_same_system(name: str) -> None:
    built = rm.build_system(name, {role: f"embedded:{role}" for role in shipped(name).roles})
    question = held_out(name)[0].question
    one, other = (s.solve(question, rounds=2) for s in (shipped(name), built))
    assert one.answer == other.answer
    assert (one.turns[-2].thoughts == other.turns[-2].thoughts).all()
    assert not built.untrained


def test_a_strangers_links_are_untrained() -> None:
    mixed = rm.build_system("sequential", {"critic": str(assets_folder() / "sequential" / "planner")})
    assert mixed.untrained == {("planner", "critic"), ("critic", "solver")}


@systems
def test_a_model_card_says_how_it_was_made(name: str) -> None:
    card = (assets_folder() / name / "README.md").read_text(encoding="utf-8")
    assert f"pretrain {name}" in card
    assert f"eval --system {name}" in card
    for agent in shipped(name).agents.values():
        assert f"{agent.parameters:,}" in card
