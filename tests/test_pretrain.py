"""How agents are made: blind blocks, repeatable lessons, resuming, and no question of the test split."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch

from recmas_core.pretrain import RECIPES, AgentRecipe, teaching
from recmas_core.pretrain.lessons import draw_batch
from recmas_core.pretrain.shaping import SPECIALS, make_model, make_tokenizer
from recmas_core.pretrain.teaching import blur, teach
from recmas_core.tasks.chain import VOCABULARY, split_of

TINY = AgentRecipe("tiny", "qwen3", 16, 2, 1, seed=3, lr=1e-3, text_steps=2, soft_steps=2, layers=1)


@pytest.mark.parametrize("role", sorted(RECIPES["sequential"].agents))
@torch.no_grad()
def test_blocks_are_blind_to_each_other(role: str) -> None:
    """A packed row gives every block the states it has alone behind the question."""
    recipe = RECIPES["sequential"].agents[role]
    tokenizer = make_tokenizer(VOCABULARY, seed=recipe.seed)
    decoder = make_model(recipe, tokenizer).eval().get_decoder()
    batch = draw_batch(tokenizer, lesson="turns", seed=1, step=0)
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
        assert len(bounds) == 9
        for start, end in itertools.pairwise(bounds):
            block = torch.cat((question, ids[row, start:end]))[None]
            alone = decoder(block).last_hidden_state[0]
            assert torch.allclose(packed[row, start:end], alone[first:], atol=1e-4)


def _question_length(tokenizer: object, ids: torch.Tensor) -> int:
    return ids.tolist().index(tokenizer.convert_tokens_to_ids(";")) + 1


def test_labels_are_the_next_words() -> None:
    """Wherever a label stands and its block goes on, it is the next id; a block's last label is its end."""
    tokenizer = make_tokenizer(VOCABULARY, seed=1)
    for lesson in ("turns", "direct"):
        batch = draw_batch(tokenizer, lesson=lesson, seed=2, step=3)
        end = tokenizer.convert_tokens_to_ids("<eos>")
        for row in range(len(batch.ids)):
            places = (batch.labels[row] >= 0).nonzero()[:, 0].tolist()
            assert places
            for i in places:
                last = i + 1 == len(batch.ids[row]) or batch.positions[row, i + 1] != batch.positions[row, i] + 1
                assert batch.labels[row, i] == (end if last else batch.ids[row, i + 1])


def test_batches_are_functions_of_their_arguments() -> None:
    tokenizer = make_tokenizer(VOCABULARY, seed=1)
    one, other, third = (draw_batch(tokenizer, lesson="turns", seed=2, step=s) for s in (5, 5, 6))
    for name in ("ids", "labels", "positions", "mask", "slot"):
        assert torch.equal(getattr(one, name), getattr(other, name))
    assert not torch.equal(one.ids[:, :8], third.ids[:, :8])


@pytest.mark.parametrize("lesson", ["turns", "direct"])
def test_no_question_of_the_test_split_is_ever_taught(lesson: str) -> None:
    tokenizer = make_tokenizer(VOCABULARY, seed=1)
    questions = set()
    for step in range(20_000, 20_004 if lesson == "direct" else 20_025):  # late, when direct lessons are long
        for row in draw_batch(tokenizer, lesson=lesson, seed=0, step=step).ids:
            words = tokenizer.convert_ids_to_tokens(row[: _question_length(tokenizer, row) - 1].tolist())
            questions.add(" ".join(words[1:]))
    assert len(questions) > 300
    assert {split_of(question) for question in questions} == {"train"}


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


def trained(recipe: AgentRecipe, path: Path, *, stop: int | None = None) -> dict[str, torch.Tensor]:
    steps = teach(recipe, path)
    for step in steps:
        if step.step == stop:
            steps.close()
            break
    return torch.load(path, weights_only=True)["model"]


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_stopped_teaching_goes_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    """Stopped in the text stage, at its end, or in the soft one."""
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
