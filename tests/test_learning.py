"""Training the links and measuring a system, on tiny random agents."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from tiny import QUESTION, tiny_agent, tiny_system

import recmas_core as rm
from recmas_core import evaluation, transplant
from recmas_core.engine import Settings, Unrolled, unroll
from recmas_core.evaluation import ANSWER_TOKENS, evaluate
from recmas_core.intervals import wilson
from recmas_core.training import TrainConfig, align_outer, shared_words, teacher_forced, train_inner
from recmas_core.transplant import transplants

CONFIG = TrainConfig(steps=60, batch=64, rounds=2, lr=5e-3)
EXAMPLES = rm.TASKS["chain"].sample(12, seed=1, split="train")


def weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def unchanged(module: torch.nn.Module, before: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


@torch.no_grad()
def mean_cosine(link: torch.nn.Module, sources: torch.Tensor, targets: torch.Tensor) -> float:
    return F.cosine_similarity(link(sources), targets, dim=-1).mean().item()


@pytest.mark.parametrize("role", ["planner", "solver"])
def test_the_inner_loop_raises_the_cosine_and_leaves_the_agent_alone(own_system: rm.System, role: str) -> None:
    agent = own_system.agents[role]
    lesson = teacher_forced(own_system, role, EXAMPLES, rounds=2)
    targets = agent.embed(lesson.next_ids)
    before, models = mean_cosine(agent.inner, lesson.hidden, targets), weights(agent.model)
    others = {other: weights(own_system.agents[other].inner) for other in own_system.roles if other != role}
    links = {edge: weights(link) for edge, link in own_system.links.items()}
    steps = list(train_inner(own_system, role, EXAMPLES, CONFIG))
    assert mean_cosine(agent.inner, lesson.hidden, targets) > before + 0.2
    assert steps[-1].loss < steps[0].loss
    assert unchanged(agent.model, models)
    assert all(unchanged(own_system.agents[other].inner, kept) for other, kept in others.items())
    assert all(unchanged(own_system.links[edge], kept) for edge, kept in links.items())
    assert not any(p.requires_grad for p in agent.inner.parameters())
    assert [(s.stage, s.step, s.steps) for s in steps] == [("inner", i, 60) for i in range(1, 61)]
    assert all(set(s.grad_norms) == {(0, (role, role))} and s.grad_norms[0, (role, role)] > 0 for s in steps)
    assert 0 <= steps[-1].accuracy <= 1


@pytest.mark.parametrize("turns", [1, 3])
def test_few_turns_of_each_question_are_read_in_rotation(own_system: rm.System, turns: int) -> None:
    every = teacher_forced(own_system, "critic", EXAMPLES[:8], rounds=2)
    some = teacher_forced(own_system, "critic", EXAMPLES[:8], rounds=2, turns=turns)
    ends = min(own_system.agents["critic"].end_ids)
    asked = [int((lesson.next_ids == ends).sum()) for lesson in (every, some)]
    assert asked == [8 * 4, 8 * turns]  # two rounds, each message whole and cut
    apart = (some.hidden[:, None] - every.hidden).norm(dim=-1).amin(dim=1)  # other batches round otherwise
    assert apart.max() < 1e-4 * every.hidden.norm(dim=-1).mean()


def test_aligning_teaches_every_outer_link(own_system: rm.System) -> None:
    inners = {role: weights(agent.inner) for role, agent in own_system.agents.items()}
    models = {role: weights(agent.model) for role, agent in own_system.agents.items()}
    steps = list(align_outer(own_system, EXAMPLES, CONFIG))
    for sender, receiver in own_system.links:
        own = [step for step in steps if (0, (sender, receiver)) in step.grad_norms]
        assert len(own) == 60
        assert own[-1].loss < 0.7 * own[0].loss
    for role, agent in own_system.agents.items():
        assert unchanged(agent.inner, inners[role])
        assert unchanged(agent.model, models[role])


def test_training_is_repeatable() -> None:
    losses = [[step.loss for step in train_inner(tiny_system(), "critic", EXAMPLES, CONFIG)] for _ in range(2)]
    assert losses[0] == losses[1]


def test_a_stopped_training_leaves_the_link_frozen(own_system: rm.System) -> None:
    steps = train_inner(own_system, "planner", EXAMPLES, CONFIG)
    next(steps)
    steps.close()
    assert not any(p.requires_grad for p in own_system.agents["planner"].inner.parameters())


@torch.no_grad()
def test_lessons_pair_each_state_with_the_word_that_follows(system: rm.System) -> None:
    """The critic in round 1 reads the planner's right turn, cut to a slot's length and whole, and says its own."""
    agent, example = system.agents["critic"], EXAMPLES[0]
    lesson = teacher_forced(system, "critic", [example], rounds=1)
    target = [*example.targets["critic"][0].split(), "<eos>"]
    assert lesson.next_ids.tolist() == 2 * agent.tokenizer.convert_tokens_to_ids(target)
    message = example.targets["planner"][0].split()
    for half, words in enumerate((message[: system.latent_steps], message)):
        prompt = f"<bos> {example.question} ; planner : {' '.join(words)} ; critic :".split()
        ids = torch.tensor([agent.tokenizer.convert_tokens_to_ids([*prompt, *target[:-1]])])
        states = agent.model.get_decoder()(ids).last_hidden_state[0, len(prompt) - 1 :]
        assert torch.allclose(lesson.hidden[half * len(target) :][: len(target)], states, atol=1e-4)


def test_no_examples(own_system: rm.System) -> None:
    with pytest.raises(rm.BadInput, match="examples"):
        next(train_inner(own_system, "planner", []))
    with pytest.raises(rm.BadInput, match="examples"):
        next(align_outer(own_system, []))


def test_shared_words_match_by_text() -> None:
    one, other = tiny_agent("qwen3", seed=1), tiny_agent("llama", seed=2)
    other.tokenizer.add_tokens(["only-here"])
    shared = shared_words(one, other)
    assert len(shared) == len(one.tokenizer)
    for i, j in shared.items():
        assert one.tokenizer.convert_ids_to_tokens(i) == other.tokenizer.convert_ids_to_tokens(j)
    assert any(i != j for i, j in shared.items())


# ------------------------------------------------------------------------------------------------------- measuring


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662)],
)
def test_wilson_against_published_values(right: int, n: int, low: float, high: float) -> None:
    """81 of 263 is the worked example in Newcombe (1998)."""
    assert wilson(right, n) == pytest.approx((low, high), abs=6e-5)


def test_wilson_solves_its_equation() -> None:
    """Its bounds are the shares p with |x/n - p| = z·sqrt(p(1-p)/n)."""
    for right, n in ((3, 17), (400, 1000), (999, 1000)):
        for bound in wilson(right, n):
            assert abs(right / n - bound) == pytest.approx(1.959964 * math.sqrt(bound * (1 - bound) / n), rel=1e-6)


@dataclass(frozen=True)
class Generous:
    """A stand-in for a task: every answer that passes `rule` is right."""

    rule: str
    name: str = "generous"

    def grade(self, example: rm.Example, text: str) -> bool:
        return {"all": True, "none": False, "even": int(example.answer) % 2 == 0}[self.rule]


@pytest.mark.parametrize(("rule", "right"), [("all", 12), ("none", 0), ("even", None)])
def test_scores_count_what_the_task_grades(rule: str, right: int | None) -> None:
    system = tiny_system(task=Generous(rule))
    report = evaluate(system, EXAMPLES, rounds=(1, 2), modes=("latent", "text"))
    right = sum(int(e.answer) % 2 == 0 for e in EXAMPLES) if right is None else right
    assert [(s.name, s.rounds, s.right, s.n) for s in report.scores] == [
        ("text", 1, right, 12), ("latent", 1, right, 12), ("text", 2, right, 12), ("latent", 2, right, 12),
    ]  # fmt: skip
    score = report.score("latent", 2)
    assert score.accuracy == right / 12
    assert score.interval == wilson(right, 12)
    assert score.latent_steps == 5 * 3
    assert report.score("text", 2).latent_steps == 0
    alone = [system.solve(e.question, rounds=2, max_new_tokens=ANSWER_TOKENS).decoded_tokens for e in EXAMPLES]
    assert score.tokens == pytest.approx(sum(alone) / 12)
    with pytest.raises(rm.BadInput, match="not measured"):
        report.score("latent", 3)


def test_every_agent_is_measured_alone() -> None:
    system = tiny_system(task=Generous("all"), alone=tiny_agent("llama", seed=9, name="direct"))
    report = evaluate(system, EXAMPLES[:3], rounds=(2,), modes=("single",))
    assert [s.name for s in report.scores] == [f"single: {n}" for n in ("planner", "critic", "solver", "direct")]


def rms(values: torch.Tensor) -> float:
    return values.square().mean().sqrt().item()


def test_ablations_alter_what_they_say(system: rm.System, monkeypatch: pytest.MonkeyPatch) -> None:
    outs: list[tuple[rm.System, Unrolled]] = []

    def watched(used: rm.System, questions: list[str], settings: Settings) -> Unrolled:
        outs.append((used, unroll(used, questions, settings)))
        return outs[-1][1]

    monkeypatch.setattr(evaluation, "unroll", watched)
    evaluate(system, EXAMPLES, rounds=(1,), modes=("latent",), ablations=("zero", "swap", "noise", "untrained"))
    (_, plain), (_, zero), (_, swap), (_, noise), (other, untrained) = outs
    first = plain.sent[0, "critic"]
    assert not any(sent.any() for sent in zero.sent.values())
    assert torch.equal(swap.sent[0, "critic"], torch.cat((first[-1:], first[:-1])))
    assert rms(noise.sent[0, "critic"]) == pytest.approx(rms(first), rel=0.1)
    assert abs(F.cosine_similarity(noise.sent[0, "critic"], first, dim=-1).mean()) < 0.2
    assert torch.equal(untrained.self_embeds[0], plain.self_embeds[0])
    assert not torch.allclose(untrained.sent[0, "critic"], first, atol=0.1)
    assert other.agents is system.agents
    assert other.links is not system.links


@pytest.mark.parametrize("options", [{"modes": ("aloud",)}, {"ablations": ("melt",)}])
def test_unknown_modes(system: rm.System, options: dict[str, object]) -> None:
    with pytest.raises(rm.BadInput, match="does not know"):
        evaluate(system, EXAMPLES, **options)


def test_what_cannot_be_measured() -> None:
    with pytest.raises(rm.BadInput, match="no task"):
        evaluate(tiny_system(task=None), EXAMPLES, rounds=(1,), modes=("latent",))
    with pytest.raises(rm.BadInput, match="examples"):
        evaluate(tiny_system(), [], rounds=(1,), modes=("latent",))
    with pytest.raises(rm.BadInput, match="at least one"):
        wilson(0, 0)
    with pytest.raises(rm.BadInput, match="at least two"):
        evaluate(tiny_system(), EXAMPLES[:1], rounds=(1,), modes=(), ablations=("swap",))
    with pytest.raises(rm.BadInput, match="no task"):
        list(transplants(tiny_system(task=None), EXAMPLES))


def test_the_rest_of_a_batch_is_swapped_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A last batch of a single question would be swapped with itself."""
    monkeypatch.setattr(evaluation, "BATCH", 5)
    sizes: list[int] = []

    def watched(used: rm.System, questions: list[str], settings: Settings) -> Unrolled:
        sizes.append(len(questions))
        return unroll(used, questions, settings)

    monkeypatch.setattr(evaluation, "unroll", watched)
    evaluate(tiny_system(), EXAMPLES[:11], rounds=(1,), modes=(), ablations=("swap",))
    assert sum(sizes) == 11
    assert min(sizes) > 1


def test_a_transplant_continues_from_the_donors_transfer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows turn t is run from the donor's transfer of turn t, as a run with a swap edit does."""
    system = tiny_system()
    seen: list[tuple[list[str], int, tuple[str, ...]]] = []

    def watched(used: rm.System, questions: list[str], settings: Settings, **options: object) -> Unrolled:
        out = unroll(used, questions, settings, **options)
        if "first" in options:
            seen.append((list(questions), options["first"], out.texts))
        return out

    monkeypatch.setattr(transplant, "unroll", watched)
    examples = rm.TASKS["chain"].sample(4, seed=4)
    results = list(transplants(system, examples, rounds=2, seed=1))
    assert [result.turn for result in results] == [first - 1 for _, first, _ in seen]
    questions, first, texts = seen[1]
    donors = [system.solve(e.question, rounds=2, max_new_tokens=1) for e in examples]
    for question, text in zip(questions, texts, strict=True):
        swapped = [
            system.solve(
                question, rounds=2, max_new_tokens=ANSWER_TOKENS,
                edits=[rm.Edit(first - 1, "swap", trace=donor)],
            ).answer
            for donor in donors
        ]  # fmt: skip
        assert text in swapped


def test_run_and_measure_agree_on_the_question() -> None:
    assert rm.TASKS["chain"].read(QUESTION).answer == "6"
