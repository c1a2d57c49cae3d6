"""Lessons for the chain world, packed: many short turns behind one question, each blind to the others.

A row of a batch is ``question | block 1 | block 2 | …``. A block is one (slot, turn) pair; it sees the
question and itself, never another block, and its positions go on from the question's end. So one row
costs little more than the question and teaches `BLOCKS` turns.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from recmas_core.tasks.chain import MAX_STEPS, Chain, draw_chain, split_of

ROWS, BLOCKS = 16, 8
GROWTH = 200  # a "direct" lesson begins with chains of one step; every so many steps they may be one step longer
ROLES = ("planner", "critic", "solver")
Mix: TypeAlias = tuple[int, int, int, int]
_LENGTHS = tuple(range(1, MAX_STEPS + 1))


@dataclass(frozen=True)
class Batch:
    """A packed batch.

    Attributes:
        ids: (rows, length) token ids.
        labels: (rows, length) next-token targets at the positions that predict them, -100 elsewhere.
        positions: (rows, length) positions, going on from the question's end in every block.
        mask: (rows, 1, length, length) additive attention mask.
        slot: (rows, length) bool, where the message of another agent stands.
    """

    ids: Tensor
    labels: Tensor
    positions: Tensor
    mask: Tensor
    slot: Tensor


def _train_chain(rng: random.Random, lengths: tuple[int, ...]) -> Chain:
    while True:
        chain = draw_chain(rng, lengths)
        if split_of(chain.question) == "train":
            return chain


def _turn_block(rng: random.Random, chain: Chain, mix: Mix) -> tuple[list[str], list[str], list[str]]:
    """(words before the slot, slot words, words after it with the target) of one random turn."""
    n = len(chain.steps)
    done = rng.choices((0, rng.randint(0, n), n - 1, n), weights=mix)[0]
    before, slot = [], []
    if done:
        finished = done == n and rng.random() < 0.5
        words = chain.turn(n + 1 if finished else done).split()
        length = rng.choices((3, 4, 5, 6, 7), weights=(45, 7, 7, 6, 35))[0]
        before, slot = [rng.choice(ROLES), ":"], words[:length]
    if rng.random() < 0.2:
        after, target = ["answer", ":"], [chain.decode(done + 1)]
    else:
        after, target = [rng.choice(ROLES), ":"], chain.turn(done + 1).split()
    return before, slot, [*([";"] if done else []), *after, "<target>", *target, "<eos>"]


def _direct_block(rng: random.Random, chain: Chain, mix: Mix) -> tuple[list[str], list[str], list[str]]:
    return [], [], ["answer", ":", "<target>", chain.answer, "<eos>"]


_BLOCKS = {"turns": (_turn_block, BLOCKS, ROWS), "direct": (_direct_block, 1, ROWS * BLOCKS)}


def draw_batch(
    tokenizer: PreTrainedTokenizerFast, *, lesson: str, seed: int, step: int, mix: Mix = (20, 50, 10, 20)
) -> Batch:
    """The packed batch of one training step, a function of its arguments alone.

    Both lessons hold 128 (slot, turn) pairs; a "direct" row is one question with its answer.
    """
    rng = random.Random(f"lesson/{lesson}/{seed}/{step}")
    make_block, blocks, rows = _BLOCKS[lesson]
    id_of = tokenizer.get_vocab()
    packed = []
    for _ in range(rows):
        chain = _train_chain(rng, _LENGTHS if lesson == "turns" else _LENGTHS[: 1 + step // GROWTH])
        question = ["<bos>", *chain.question.split(), ";"]
        words, group, position, slot, label = list(question), [0] * len(question), list(range(len(question))), [], []
        slot, label = [False] * len(question), [-100] * len(question)
        for block in range(1, blocks + 1):
            before, message, after = make_block(rng, chain, mix)
            cut = after.index("<target>")
            lead, target = [*before, *message, *after[:cut]], after[cut + 1 :]
            text = [*lead, *target[:-1]]
            words += text
            group += [block] * len(text)
            position += range(len(question), len(question) + len(text))
            slot += [len(before) <= i < len(before) + len(message) for i in range(len(text))]
            label += [-100] * (len(lead) - 1) + [id_of[word] for word in target]
        packed.append(([id_of[word] for word in words], group, position, slot, label))
    length = max(len(row[0]) for row in packed)

    def padded(column: int, fill: int) -> Tensor:
        return torch.tensor([list(row[column]) + [fill] * (length - len(row[column])) for row in packed])

    group = padded(1, -1)
    same = group[:, :, None] == group[:, None, :]
    visible = (same | (group == 0)[:, None, :]) & torch.ones(length, length, dtype=torch.bool).tril()
    mask = torch.zeros(rows, 1, length, length).masked_fill(~visible[:, None], torch.finfo(torch.float32).min)
    return Batch(padded(0, tokenizer.pad_token_id), padded(4, -100), padded(2, 0), mask, padded(3, 0).bool())
