"""What the Train tab says about the questions that a visitor gave, as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from recmas_core.patterns import Pattern
from visualizers.panels.questions import MOST, MOST_MB, SUFFIXES
from visualizers.panels.train_choices import TrainForm, stage_texts
from visualizers.panels.train_manners import Manner
from visualizers.words import Words

if TYPE_CHECKING:
    from recmas_core.tasks.given import GivenQuestions


def questions_html(
    pattern: Pattern, manner: Manner, form: TrainForm, given: GivenQuestions | None, words: Words, *, trouble: str = ""
) -> str:
    """What was read, and whether it is enough for the course; "" for a system that has its own questions.

    Args:
        pattern: Of the system to train.
        manner: How it is trained.
        form: What is asked for.
        given: The questions; None before there are any.
        words: What the page says.
        trouble: Why a file could not be read.
    """
    if not manner.given:
        return ""
    said = f'<p class="recmas-hint recmas-outside">{escape(trouble)}</p>' if trouble else ""
    if given is None:
        ask = words("train.questions.ask", kinds=", ".join(SUFFIXES), most=MOST_MB)
        return f'{said}<p class="recmas-hint">{ask}</p>'
    roles = [role.name for role in pattern.roles]
    lacking = given.lacking(roles)
    there = [role for role in roles if role not in lacking]
    turns = words("train.questions.turns", roles=", ".join(there)) if there else words("train.questions.no_turns")
    drawn = words("train.questions.drawn", most=MOST) if len(given) == MOST else ""
    read = words(
        "train.questions.told", n=len(given), learn=len(given.train), held=len(given.test), turns=escape(turns),
        drawn=drawn,
    )  # fmt: skip
    told = f'<p class="recmas-hint">{read}</p>'
    stages = [words(stage_texts(stage) + ".title") for stage in stages_that_need_turns(manner, form)]
    if lacking and stages:
        said_of = words("train.questions.and").join(stages)
        lack = words.count("train.questions.lacking", len(stages), stages=said_of, roles=", ".join(lacking))
        told += f'<p class="recmas-hint recmas-outside">{escape(lack)}</p>'
    return said + told


def stages_that_need_turns(manner: Manner, form: TrainForm) -> Sequence[str]:
    """A course's stages that learn from right turns.

    Raises:
        BadInput: If there is no such course.
    """
    from recmas_core.training import STAGES

    needing = []
    for lap in form.offered(manner).laps:
        windows = lap.config.windows if form.windows is None else bool(form.windows)
        if STAGES[lap.stage].needs_turns or windows:
            needing.append(lap.stage)
    return needing
