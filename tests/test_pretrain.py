"""How agents are made: blind blocks, repeatable lessons, resuming, and no question of the test split."""

from __future__ import annotations

import itertools
import math
import random
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from recmas_core.pretrain import RECIPES, AgentRecipe, teaching
from recmas_core.pretrain.lessons import LESSONS, Batch, Speller, draw_batch
from recmas_core.pretrain.shaping import SPECIALS, make_model, make_tokenizer
from recmas_core.pretrain.teaching import blur, stages, teach
from recmas_core.tasks.chain import VOCABULARY
from recmas_core.tasks.splits import split_of

TINY = AgentRecipe("tiny", "qwen3", 16, 2, 1, seed=3, lr=1e-3, text_steps=2, soft_steps=2, firm_steps=2, layers=1)
MIX = (20, 50, 10, 20)
AGENTS = [each for recipe in RECIPES.values() for each in (*recipe.agents.values(), recipe.alone)]


def drawn(name: str, *, seed: int, step: int) -> tuple[PreTrainedTokenizerFast, Batch]:
    lesson = LESSONS[name]
    tokenizer = make_tokenizer(lesson.vocabulary, seed=1, numbers=lesson.numbers)
    return tokenizer, draw_batch(lesson, Speller(tokenizer), tokenizer, name=name, seed=seed, step=step, mix=MIX)


@pytest.mark.parametrize("recipe", AGENTS, ids=lambda recipe: recipe.lesson)
@torch.no_grad()
def test_blocks_are_blind_to_each_other(recipe: AgentRecipe) -> None:
    """A packed row gives every block the states it has alone behind the question."""
    tokenizer, batch = drawn(recipe.lesson, seed=1, step=0)
    decoder = make_model(recipe, tokenizer).eval().get_decoder()
    ids, positions = batch.ids[:2], batch.positions[:2]
    packed = decoder(
        inputs_embeds=decoder.get_input_embeddings()(ids), attention_mask=batch.mask[:2], position_ids=positions,
        use_cache=False,
    ).last_hidden_state  # fmt: skip
    for row in range(2):
        starts = [i for i in range(1, len(ids[row])) if positions[row, i] <= positions[row, i - 1]]
        question = ids[row, : _question_length(tokenizer, ids[row])]
        first = len(question)
        bounds = [first, *[s for s in starts if s > first and positions[row, s] == first]]
        bounds.append(next((s for s in starts if positions[row, s] == 0), len(ids[row])))
        assert len(bounds) == LESSONS[recipe.lesson].blocks + 1
        for start, end in itertools.pairwise(bounds):
            block = torch.cat((question, ids[row, start:end]))[None]
            alone = decoder(block).last_hidden_state[0]
            assert torch.allclose(packed[row, start:end], alone[first:], atol=2e-4)


def _question_length(tokenizer: PreTrainedTokenizerFast, ids: torch.Tensor) -> int:
    (mark,) = tokenizer(";", add_special_tokens=False).input_ids
    return ids.tolist().index(mark) + 1


@pytest.mark.parametrize("name", sorted(LESSONS))
def test_labels_are_the_next_words(name: str) -> None:
    """Wherever a label stands and its block goes on, it is the next id; a block's last label is its end."""
    tokenizer, batch = drawn(name, seed=2, step=3)
    for row in range(len(batch.ids)):
        places = (batch.labels[row] >= 0).nonzero()[:, 0].tolist()
        assert places
        for i in places:
            last = i + 1 == len(batch.ids[row]) or batch.positions[row, i + 1] != batch.positions[row, i] + 1
            assert batch.labels[row, i] == (tokenizer.eos_token_id if last else batch.ids[row, i + 1])


@pytest.mark.parametrize("name", sorted(LESSONS))
def test_nothing_that_was_given_is_to_be_said(name: str) -> None:
    """No label points at a message in a slot, and no lesson holds an unknown word."""
    tokenizer, batch = drawn(name, seed=3, step=4)
    assert not (batch.ids == tokenizer.unk_token_id).any()
    into_slots = batch.slot[:, 1:] & (batch.labels[:, :-1] >= 0)
    assert not into_slots.any()


@pytest.mark.parametrize("name", sorted(LESSONS))
def test_batches_are_functions_of_their_arguments(name: str) -> None:
    one, other, third = (drawn(name, seed=2, step=s)[1] for s in (5, 5, 6))
    for column in ("ids", "labels", "positions", "mask", "slot"):
        assert torch.equal(getattr(one, column), getattr(other, column))
    assert not torch.equal(one.ids[:, :8], third.ids[:, :8])


@pytest.mark.parametrize("name", sorted(LESSONS))
def test_no_question_of_the_test_split_is_ever_taught(name: str) -> None:
    lesson, questions = LESSONS[name], set()
    rng = random.Random(0)
    for _ in range(600):
        questions.add(lesson.text(lesson.question(rng, 20_000)))  # late, when direct lessons are long
    assert len(questions) > 300
    assert {split_of(question) for question in questions} == {"train"}


def test_a_message_outside_the_vocabulary_is_refused() -> None:
    tokenizer = make_tokenizer(VOCABULARY, seed=1)
    with pytest.raises(KeyError, match="spider"):
        Speller(tokenizer)("start 7 spider")


def test_numbers_are_read_digit_by_digit_and_come_back_as_they_were() -> None:
    lesson = LESSONS["almanac/toolcaller"]
    tokenizer = make_tokenizer(lesson.vocabulary, seed=1, numbers=True)
    text = "<python> x = 370 ; x -= 48 ; print ( x ) </python>"
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert tokenizer.decode(ids) == text
    assert len(ids) == len(text.split()) + 3
    assert tokenizer.decode(tokenizer("How tall is Kesh?", add_special_tokens=False).input_ids) == "how tall is kesh?"


def test_tokenizers_differ_in_order_only() -> None:
    one, other = (make_tokenizer(VOCABULARY, seed=seed) for seed in (1, 2))
    assert set(one.get_vocab()) == set(other.get_vocab()) == {*SPECIALS, *VOCABULARY}
    assert one.get_vocab() != other.get_vocab()
    assert one("start 7 s1 + 3").input_ids[0] == one.bos_token_id
    assert one.decode(one("start 7 s1 + 3", add_special_tokens=False).input_ids) == "start 7 s1 + 3"


def test_blur_touches_only_the_slots_of_its_rows() -> None:
    torch.manual_seed(0)
    embeds, slot = torch.randn(3, 5, 8), torch.zeros(3, 5, dtype=torch.bool)
    slot[:, 1:3] = True
    rows = torch.tensor([True, False, True])
    out = blur(embeds, slot, rows)
    changed = (out != embeds).any(dim=-1)
    assert torch.equal(changed, slot & rows[:, None])


def test_stretching_changes_the_length_of_blurred_words_within_its_bounds() -> None:
    embeds, slot = torch.randn(400, 5, 64), torch.ones(400, 5, dtype=torch.bool)
    rows = torch.ones(400, dtype=torch.bool)
    torch.manual_seed(0)
    plain = blur(embeds, slot, rows)
    torch.manual_seed(0)
    stretched = blur(embeds, slot, rows, stretch=0.5)
    ratio = stretched.norm(dim=-1) / plain.norm(dim=-1)
    torch.testing.assert_close(stretched, plain * ratio[..., None])
    assert ratio.min() >= math.exp(-0.4) - 1e-5
    assert ratio.max() <= math.exp(0.6) + 1e-5
    assert ratio.max() / ratio.min() > math.exp(0.95)


def test_stages_follow_each_other_with_ever_worse_slots() -> None:
    text, soft, firm = stages(RECIPES["sequential"].agents["critic"])
    assert text.blurred == 0 < soft.blurred < firm.blurred
    assert text.stretch == soft.stretch == 0 < firm.stretch
    assert RECIPES["sequential"].agents["critic"].steps == text.steps + soft.steps + firm.steps


def trained(recipe: AgentRecipe, path: Path, *, stop: int | None = None) -> dict[str, torch.Tensor]:
    steps = teach(recipe, path)
    for step in steps:
        if step.step == stop:
            steps.close()
            break
    return torch.load(path, weights_only=True)["model"]


@pytest.mark.parametrize("stop", [1, 2, 3, 4, 5])
def test_a_stopped_teaching_goes_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    """Stopped in each stage, and between them."""
    monkeypatch.setattr(teaching, "SAVE_EVERY", 1)
    whole = trained(TINY, tmp_path / "whole.pt")
    trained(TINY, tmp_path / "parts.pt", stop=stop)
    torch.rand(7)  # whatever the process did in between
    parts = trained(TINY, tmp_path / "parts.pt")
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    fresh = make_model(TINY, make_tokenizer(VOCABULARY, seed=TINY.seed)).state_dict()
    assert any(not torch.equal(whole[name], fresh[name]) for name in whole)


def test_a_finished_teaching_is_not_repeated(tmp_path: Path) -> None:
    trained(TINY, tmp_path / "done.pt")
    assert list(teach(TINY, tmp_path / "done.pt")) == []
