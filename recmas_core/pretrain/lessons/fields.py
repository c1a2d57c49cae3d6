"""Lessons for the three little fields: each specialist its own field only, the summarizer none of them."""

from __future__ import annotations

import functools
import random

from recmas_core.pretrain.lessons.packing import Lesson, Mix, Piece
from recmas_core.tasks.fields import FIELDS, VOCABULARY, Question, draw_question
from recmas_core.tasks.splits import draw_from_split


def _question(rng: random.Random, step: int, fields: tuple[str, ...] = FIELDS) -> Question:
    return draw_from_split(rng, "train", lambda r: draw_question(r, fields), lambda q: q.text)


def _own_question(rng: random.Random, step: int, *, field: str, later: float) -> Question:
    """Two thirds of a specialist's questions begin in its own field; a share `later` of all has it in a later step."""
    if later and rng.random() < later:
        while True:
            question = _question(rng, step)
            if _later_steps(question, field):
                return question
    return _question(rng, step, (field,) if rng.random() < 0.5 else FIELDS)


def _later_steps(question: Question, field: str) -> list[int]:
    """How many steps are done before each step of a field behind the first."""
    return [i for i, each in enumerate(question.steps) if i and each.field == field]


def _specialist(
    rng: random.Random, question: Question, block: int, mix: Mix, *, field: str, later: float
) -> list[Piece]:
    """The first block of a question is the turn without feedback, the others go on from the summarizer's."""
    n = len(question.steps)
    done = 0 if block == 0 else rng.randint(1, n)
    if block and later and (own := _later_steps(question, field)) and rng.random() < 0.6:
        done = rng.choice(own)
    value = rng.randrange(10)  # whatever the others found: its own field alone is taught
    pieces: list[Piece] = []
    if done:
        finished = done == n and rng.random() < 0.5
        message = question.summary(n if finished else done - 1, value)
        pieces = [("summarizer :", "given"), (message, "slot"), (";", "given")]
    said = question.specialist(field, done, value if done else None)
    if done and rng.random() < 0.1:
        shown = said.split()[-1] if " gives " in said else "none"
        return [*pieces, ("answer :", "given"), (shown, "say")]
    return [*pieces, (f"{field} :", "given"), (said, "say")]


def _summarizer(rng: random.Random, question: Question, block: int, mix: Mix) -> list[Piece]:
    """Three messages, the values in them drawn at random: it learns to read its specialists, and no field."""
    n, value = len(question.steps), rng.randrange(10)
    done = rng.randint(0, n)
    pieces: list[Piece] = []
    for field in FIELDS:
        if done < n and field == question.steps[done].field:
            note = question.steps[done].work(rng.randrange(10) if done else None)[0]
            note = rng.choice(VOCABULARY) if rng.random() < 0.3 else note
            message = f"s{done + 1} {note} gives {value}"
        elif done < n and rng.random() < 0.2:
            message = " ".join(rng.choice(VOCABULARY) for _ in range(4))  # a slot that is of no use may hold anything
        else:
            message = question.specialist(field, done, value)
        pieces += [(f"{field} :", "given"), (message, "slot"), (";", "given")]
    if rng.random() < 0.35:
        return [*pieces, ("answer :", "given"), (str(value), "say")]
    return [*pieces, ("summarizer :", "given"), (question.summary(done, value), "say")]


def _direct(rng: random.Random, question: Question, block: int, mix: Mix) -> list[Piece]:
    return [("answer :", "given"), (question.answer, "say")]


_LATER = {"code": 0.5}  # its later steps are the hardest: distances, and the larger and smaller of two


def _lesson(field: str, later: float) -> Lesson:
    question = functools.partial(_own_question, field=field, later=later)
    return Lesson(
        VOCABULARY, 48, 2, question, lambda q: q.text, functools.partial(_specialist, field=field, later=later)
    )


SPECIALISTS = {field: _lesson(field, _LATER.get(field, 0.0)) for field in FIELDS}
SUMMARIZER = Lesson(VOCABULARY, 16, 5, _question, lambda q: q.text, _summarizer)
DIRECT = Lesson(VOCABULARY, 128, 1, _question, lambda q: q.text, _direct)
