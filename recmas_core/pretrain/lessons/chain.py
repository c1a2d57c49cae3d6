"""Lessons for the chain world: any turn of the loop, or the whole question at once."""

from __future__ import annotations

import random

from recmas_core.pretrain.lessons.packing import Lesson, Mix, Piece
from recmas_core.tasks.chain import MAX_STEPS, VOCABULARY, Chain, draw_chain
from recmas_core.tasks.splits import draw_from_split

GROWTH = 200  # a "direct" lesson begins with chains of one step; every so many steps they may be one step longer
ROLES = ("planner", "critic", "solver")
_LENGTHS = tuple(range(1, MAX_STEPS + 1))


def _chain(rng: random.Random, lengths: tuple[int, ...]) -> Chain:
    return draw_from_split(rng, "train", lambda r: draw_chain(r, lengths), lambda chain: chain.question)


def _turn(rng: random.Random, chain: Chain, block: int, mix: Mix) -> list[Piece]:
    n = len(chain.steps)
    done = rng.choices((0, rng.randint(0, n), n - 1, n), weights=mix)[0]
    pieces: list[Piece] = []
    if done:
        finished = done == n and rng.random() < 0.5
        words = chain.turn(n + 1 if finished else done).split()
        length = rng.choices((3, 4, 5, 6, 7), weights=(45, 7, 7, 6, 35))[0]
        pieces = [(f"{rng.choice(ROLES)} :", "given"), (" ".join(words[:length]), "slot"), (";", "given")]
    if rng.random() < 0.2:
        return [*pieces, ("answer :", "given"), (chain.decode(done + 1), "say")]
    return [*pieces, (f"{rng.choice(ROLES)} :", "given"), (chain.turn(done + 1), "say")]


def _direct(rng: random.Random, chain: Chain, block: int, mix: Mix) -> list[Piece]:
    return [("answer :", "given"), (chain.answer, "say")]


TURNS = Lesson(VOCABULARY, 16, 8, lambda rng, step: _chain(rng, _LENGTHS), lambda c: c.question, _turn)
DIRECT = Lesson(
    VOCABULARY, 128, 1, lambda rng, step: _chain(rng, _LENGTHS[: 1 + step // GROWTH]), lambda c: c.question, _direct
)
