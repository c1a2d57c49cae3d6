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
    """One more operation than the plan it reads, which is drawn at random: it has to go on from it, not begin anew."""
    depth = 0 if block == 0 else rng.randint(1, MAX_OPERATIONS)
    kind, signs, pieces = question.kind, list[str](), list[Piece]()
    if depth:
        kind = _other_kind(rng, kind)
        signs = [rng.choice("+-*") for _ in question.operations[:depth]]
        message = write_plan(kind, _continued(question, signs), depth)
        pieces = [("toolcaller :", "given"), (message, "slot"), (";", "given")]
    said = write_plan(kind, _continued(question, signs), depth + 1)
    return [*pieces, ("reflector :", "given"), (said, "say")]


def _other_kind(rng: random.Random, kind: str) -> str:
    return kind if kind == "number" else rng.choice(sorted(PHRASES))


def _continued(question: Sum, signs: list[str]) -> tuple[str, ...]:
    """The question's own operations behind those that are settled: "again" repeats the one before, whatever it is."""
    every = list(signs)
    for sign, _, repeat in question.operations[len(signs) :]:
        every.append(every[-1] if repeat and every else sign)
    return tuple(every)


def _toolcaller(rng: random.Random, question: Sum, block: int, mix: Mix) -> list[Piece]:
    """It reads a plan drawn at random, never the question's own: so it learns no phrase of it."""
    signs: list[str] = []
    for _ in question.operations:
        signs.append(rng.choice("+-*" if "*" not in signs else "+-"))
    question = replace(question, kind=_other_kind(rng, question.kind))
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
