"""Packing lessons: many short turns behind one question, each blind to the others.

A row of a batch is ``question | block 1 | block 2 | …``. A block is one turn with the messages it reads; it sees the
question and itself, never another block, and its positions go on from the question's end. So one row costs little
more than the question and teaches several turns.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

Kind: TypeAlias = Literal["given", "slot", "say"]
Piece: TypeAlias = tuple[str, Kind]
Mix: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True)
class Lesson:
    """What one kind of agent is taught.

    Attributes:
        vocabulary: All words of its world.
        rows: Questions in a batch.
        blocks: Turns behind each question.
        question: Draws a question of the training split: (random numbers, training step) to anything.
        text: The question as the agent reads it.
        block: Draws one turn behind a question: (random numbers, question, index of the block, the recipe's mix) to
            pieces of text that are given, stand in a slot, or are to be said; the last piece is said and ends the turn.
        numbers: Whether numbers are read digit by digit (see `shaping.make_tokenizer`).
    """

    vocabulary: tuple[str, ...]
    rows: int
    blocks: int
    question: Callable[[random.Random, int], Any]
    text: Callable[[Any], str]
    block: Callable[[random.Random, Any, int, Mix], Sequence[Piece]]
    numbers: bool = False


@dataclass(frozen=True)
class Batch:
    """A packed batch.

    Attributes:
        ids: (rows, length) token ids.
        labels: (rows, length) next-token targets at the positions that predict them, -100 elsewhere.
        positions: (rows, length) positions, going on from the question's end in every block.
        mask: (rows, 1, length, length) additive attention mask.
        slot: (rows, length) bool, where the messages of other agents stand.
    """

    ids: Tensor
    labels: Tensor
    positions: Tensor
    mask: Tensor
    slot: Tensor


class Speller:
    """Token ids of texts, word by word, each word looked up once.

    Args:
        tokenizer: A word-level tokenizer that never joins two words.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._tokenizer, self._known = tokenizer, dict[str, list[int]]()

    def __call__(self, text: str) -> list[int]:
        """The ids of a text.

        Raises:
            KeyError: If a word is not in the vocabulary: a lesson must not teach the unknown token.
        """
        ids: list[int] = []
        for word in text.split():
            if word not in self._known:
                spelled = list(self._tokenizer(word, add_special_tokens=False).input_ids)
                if self._tokenizer.unk_token_id in spelled:
                    raise KeyError(word)
                self._known[word] = spelled
            ids += self._known[word]
        return ids


def draw_batch(
    lesson: Lesson, spell: Speller, tokenizer: PreTrainedTokenizerFast, *, name: str, seed: int, step: int, mix: Mix
) -> Batch:
    """The packed batch of one training step, a function of its arguments alone."""
    rng = random.Random(f"lesson/{name}/{seed}/{step}")
    end = tokenizer.eos_token_id
    packed = []
    for _ in range(lesson.rows):
        asked = lesson.question(rng, step)
        question = [tokenizer.bos_token_id, *spell(lesson.text(asked)), *spell(";")]
        ids, group, position = list(question), [0] * len(question), list(range(len(question)))
        slot, label = [False] * len(question), [-100] * len(question)
        for block in range(1, lesson.blocks + 1):
            tokens: list[tuple[int, Kind]] = []
            for text, kind in lesson.block(rng, asked, block - 1, mix):
                tokens += [(i, kind) for i in spell(text)]
            following = [*tokens[1:], (end, "say")]
            ids += [i for i, _ in tokens]
            group += [block] * len(tokens)
            position += range(len(question), len(question) + len(tokens))
            slot += [kind == "slot" for _, kind in tokens]
            label += [i if kind == "say" else -100 for i, kind in following]
        packed.append((ids, group, position, slot, label))
    length = max(len(row[0]) for row in packed)

    def padded(column: int, fill: int) -> Tensor:
        return torch.tensor([list(row[column]) + [fill] * (length - len(row[column])) for row in packed])

    group_of = padded(1, -1)
    same = group_of[:, :, None] == group_of[:, None, :]
    visible = (same | (group_of == 0)[:, None, :]) & torch.ones(length, length, dtype=torch.bool).tril()
    mask = torch.zeros(lesson.rows, 1, length, length).masked_fill(~visible[:, None], torch.finfo(torch.float32).min)
    return Batch(padded(0, tokenizer.pad_token_id), padded(4, -100), padded(2, 0), mask, padded(3, 0).bool())
