"""Lessons for the almanac: the reflector understands questions, the tool-caller writes calls; alone does both."""

from __future__ import annotations

import random
from dataclasses import replace

from recmas_core.pretrain.lessons.packing import Lesson, Mix, Piece
from recmas_core.tasks.almanac import MAX_OPERATIONS, PHRASES, VOCABULARY, Sum, draw_sum, write_plan
from recmas_core.tasks.splits import draw_from_split


def _sum(rng: random.Random, step: int) -> Sum:
    return draw_from_split(rng, "train", draw_sum, lambda s: s.words)


def _reflector(rng: random.Random, question: Sum, block: int, mix: Mix) -> list[Piece]:
    """One more operation than the plan it reads; the plan of the first turn is empty."""
    depth = 0 if block == 0 else rng.randint(1, MAX_OPERATIONS)
    pieces: list[Piece] = []
    if depth:
        pieces = [("toolcaller :", "given"), (question.plan(depth), "slot"), (";", "given")]
    return [*pieces, ("reflector :", "given"), (question.plan(depth + 1), "say")]


def _toolcaller(rng: random.Random, question: Sum, block: int, mix: Mix) -> list[Piece]:
    """It reads a plan drawn at random, never the question's own: so it learns no phrase of it."""
    signs: list[str] = []
    for _ in question.operations:
        signs.append(rng.choice("+-*" if "*" not in signs else "+-"))
    if question.kind != "number":
        question = replace(question, kind=rng.choice(sorted(PHRASES)))
    depth = rng.choice((1, 1, 2, 3, 3))
    plan = write_plan(question.kind, tuple(signs), depth)
    pieces: list[Piece] = [("reflector :", "given"), (plan, "slot"), (";", "given")]
    if block:
        return [*pieces, ("toolcaller :", "given"), (plan, "say")]
    script = question.script(tuple(signs[:depth]))
    return [*pieces, ("answer :", "given"), *((text, "say" if own else "given") for text, own in script)]


def _alone(rng: random.Random, question: Sum, block: int, mix: Mix) -> list[Piece]:
    """The whole job at once, tools included."""
    script = question.script(question.signs)
    return [("answer :", "given"), *((text, "say" if own else "given") for text, own in script)]


REFLECTOR = Lesson(VOCABULARY, 24, 4, _sum, lambda s: s.words, _reflector, numbers=True)
TOOLCALLER = Lesson(VOCABULARY, 28, 2, _sum, lambda s: s.words, _toolcaller, numbers=True)
ALONE = Lesson(VOCABULARY, 28, 1, _sum, lambda s: s.words, _alone, numbers=True)
