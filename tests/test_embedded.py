"""The shipped Sequential system: facts that a small sample of held-out questions can check robustly."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import recmas_core as rm
from recmas_core.engine import Settings
from recmas_core.evaluation import Report, evaluate, measure
from recmas_core.loading import assets_folder
from recmas_core.tasks.chain import split_of
from recmas_core.transplant import transplants

FOLDER = assets_folder() / "sequential"
ROLES = ("planner", "critic", "solver")


@functools.cache
def shipped() -> rm.System:
    return rm.load_system("sequential")


@functools.cache
def held_out() -> tuple[rm.Example, ...]:
    return tuple(shipped().task.sample(100, seed=77))


@functools.cache
def report() -> Report:
    return evaluate(shipped(), held_out(), rounds=(1, 2, 3), modes=("latent", "text"))


def test_three_different_families() -> None:
    system = shipped()
    assert system.roles == ROLES
    assert "sequential" in rm.embedded_systems()
    assert len({agent.family for agent in system.agents.values()}) == 3
    assert len({tuple(agent.tokenizer.get_vocab().items()) for agent in system.agents.values()}) == 3
    assert len({agent.hidden_size for agent in system.agents.values()}) > 1
    assert not system.untrained
    assert {split_of(example.question) for example in held_out()} == {"test"}


def test_everything_shipped_is_small() -> None:
    sizes = [path.stat().st_size for path in assets_folder().rglob("*") if path.is_file()]
    assert sum(sizes) <= 15_000_000


@pytest.mark.parametrize("role", ROLES)
@torch.no_grad()
def test_agents_are_ordinary_model_folders(role: str) -> None:
    """Plain transformers loads them, and they speak the world's language without any of this project's code."""
    model = AutoModelForCausalLM.from_pretrained(FOLDER / role)
    tokenizer = AutoTokenizer.from_pretrained(FOLDER / role)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": f"start 7 s1 + 2 s2 - 4 s3 * 3 ; {role} :"}], tokenize=False,
        add_generation_prompt=True,
    )  # fmt: skip
    ids = torch.tensor([tokenizer(prompt, add_special_tokens=False).input_ids])
    assert tokenizer.unk_token_id not in ids[0].tolist()
    said = model.generate(ids, max_new_tokens=10, do_sample=False)[0, ids.shape[1] :]
    assert tokenizer.decode(said, skip_special_tokens=True) == "s1 = 9 since 7 + 2"


def test_no_file_can_hold_code() -> None:
    suffixes = {path.suffix for path in FOLDER.rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".safetensors", ".jinja", ".md", ".npz", ""}


def test_three_rounds_solve_held_out_questions() -> None:
    assert report().score("latent", 3).accuracy >= 0.9


def test_each_round_reaches_further() -> None:
    one, two, three = (report().score("latent", rounds).accuracy for rounds in (1, 2, 3))
    assert one + 0.1 < two
    assert two + 0.1 < three


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_latents_do_what_text_does(rounds: int) -> None:
    latent, text = (report().score(mode, rounds) for mode in ("latent", "text"))
    assert latent.interval[1] >= text.interval[0]
    assert latent.tokens < text.tokens
    if rounds == 3:
        assert latent.tokens <= text.tokens / 10


def test_without_the_transfers_it_fails() -> None:
    broken = evaluate(shipped(), held_out(), rounds=(3,), modes=(), ablations=("zero", "swap", "untrained"))
    assert {score.name: score.accuracy <= 0.3 for score in broken.scores} == dict.fromkeys(
        ("zero", "swap", "untrained"), True
    )


def test_no_agent_does_it_alone() -> None:
    alone = evaluate(shipped(), held_out(), rounds=(1,), modes=("single",))
    assert len(alone.scores) == 3 + (shipped().alone is not None)
    assert max(score.accuracy for score in alone.scores) < 0.5


def test_answers_follow_a_transplanted_transfer() -> None:
    results = list(transplants(shipped(), held_out()[:50]))
    assert sum(r.n for r in results) > 100
    assert sum(r.implied for r in results) / sum(r.n for r in results) >= 0.7


def test_other_numbers_of_thoughts_that_were_trained() -> None:
    """Seven thoughts say the whole turn and are read as well."""
    system = shipped()
    most = system.trained_steps[1]
    assert measure(system, held_out(), Settings(3, most, max_new_tokens=8), name="long").accuracy >= 0.8


def test_thoughts_say_the_true_partial_results() -> None:
    """Read through the agent's own head, the third thought of a turn is the value after that step."""
    system, right, seen = shipped(), 0, 0
    for example in held_out()[:10]:
        trace = system.solve(example.question, rounds=3)
        steps = (len(example.question.split()) - 2) // 3
        for turn in trace.turns[: min(steps, 8)]:
            said = " ".join(row[0].text for row in rm.lens(system.agents[turn.role], turn.thoughts, 1))
            right += example.targets[turn.role][turn.round - 1].startswith(said)
            seen += 1
    assert seen >= 30
    assert right / seen >= 0.85


def test_building_it_from_its_agents_gives_the_same_system() -> None:
    built = rm.build_system("sequential", {role: f"embedded:{role}" for role in ROLES})
    question = held_out()[0].question
    one, other = (s.solve(question, rounds=2) for s in (shipped(), built))
    assert one.answer == other.answer
    assert (one.turns[4].thoughts == other.turns[4].thoughts).all()
    assert not built.untrained
    mixed = rm.build_system("sequential", {"critic": str(FOLDER / "planner")})
    assert mixed.untrained == {("planner", "critic"), ("critic", "solver")}


def test_a_model_card_says_how_it_was_made() -> None:
    card = (Path(FOLDER) / "README.md").read_text(encoding="utf-8")
    assert "pretrain" in card
