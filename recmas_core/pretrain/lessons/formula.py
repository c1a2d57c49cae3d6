"""Lessons for formulas: the expert is taught the elements, the learner the arithmetic, the one who is alone both."""

from __future__ import annotations

import random

from recmas_core.pretrain.lessons.packing import Lesson, Mix, Piece
from recmas_core.tasks.formula import VOCABULARY, Formula, draw_formula
from recmas_core.tasks.splits import draw_from_split


def _formula(rng: random.Random, step: int) -> Formula:
    return draw_from_split(rng, "train", draw_formula, lambda f: f.text)


def _expert(rng: random.Random, formula: Formula, block: int, mix: Mix) -> list[Piece]:
    """The first block of a formula is the turn without feedback, the others go on from any total."""
    n, total = len(formula.parts), rng.randrange(10)
    done = 0 if block == 0 else rng.randint(1, n)
    pieces: list[Piece] = []
    if done:
        if done == n and rng.random() < 0.5:
            message = formula.finished(total)
        else:
            message = f"p{done} {rng.randrange(10)} total {total}"
        pieces = [("learner :", "given"), (message, "slot"), (";", "given")]
    said = formula.expert(done, total if done else 0)
    if rng.random() < 0.1:
        return [*pieces, ("answer :", "given"), (said.split()[-1], "say")]
    return [*pieces, ("expert :", "given"), (said, "say")]


def _learner(rng: random.Random, formula: Formula, block: int, mix: Mix) -> list[Piece]:
    """It reads protons drawn at random, never an element's own: so it cannot learn them."""
    n, protons, total = len(formula.parts), rng.randrange(10), rng.randrange(10)
    done = rng.randint(0, n)
    if done == n:
        message, said = f"p{n} done after {total}", formula.finished(total)
    else:
        before = total if done else 0
        message, said = f"p{done + 1} {protons} after {before}", formula.learner(done + 1, protons, before)
    pieces: list[Piece] = [("expert :", "given"), (message, "slot"), (";", "given")]
    if rng.random() < 0.3:
        return [*pieces, ("answer :", "given"), (said.split()[-1], "say")]
    return [*pieces, ("learner :", "given"), (said, "say")]


def _direct(rng: random.Random, formula: Formula, block: int, mix: Mix) -> list[Piece]:
    return [("answer :", "given"), (formula.answer, "say")]


EXPERT = Lesson(VOCABULARY, 24, 4, _formula, lambda f: f.text, _expert)
LEARNER = Lesson(VOCABULARY, 16, 8, _formula, lambda f: f.text, _learner)
DIRECT = Lesson(VOCABULARY, 128, 1, _formula, lambda f: f.text, _direct)
