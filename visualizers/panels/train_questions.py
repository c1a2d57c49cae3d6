"""What the Train tab says about the questions that a visitor gave, as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from recmas_core.patterns import Pattern
from visualizers.panels.questions import MOST, MOST_MB, SUFFIXES
from visualizers.panels.train_choices import TrainForm
from visualizers.panels.train_manners import Manner

if TYPE_CHECKING:
    from recmas_core.tasks.given import GivenQuestions

_ASK = (
    "These agents know no little world, so the questions are yours to give: press <b>Questions</b> and choose a file "
    f"({', '.join(SUFFIXES)}; {MOST_MB} MB at most) with the columns <code>question</code> and <code>answer</code>. "
    "Columns named after the roles may hold their right turns. It is read here, for you alone, and deleted when you go."
)


def questions_html(
    pattern: Pattern, manner: Manner, form: TrainForm, given: GivenQuestions | None, *, trouble: str = ""
) -> str:
    """What was read, and whether it is enough for the course; "" for a system that has its own questions.

    Args:
        pattern: Of the system to train.
        manner: How it is trained.
        form: What is asked for.
        given: The questions; None before there are any.
        trouble: Why a file could not be read.
    """
    if not manner.given:
        return ""
    said = f'<p class="recmas-hint recmas-outside">{escape(trouble)}</p>' if trouble else ""
    if given is None:
        return f'{said}<p class="recmas-hint">{_ASK}</p>'
    roles = [role.name for role in pattern.roles]
    lacking = given.lacking(roles)
    there = [role for role in roles if role not in lacking]
    turns = f"right turns for {', '.join(there)}" if there else "no right turns"
    drawn = f" They were drawn from more: {MOST:,} are taken at most." if len(given) == MOST else ""
    told = (
        f'<p class="recmas-hint"><b>{len(given):,} questions</b>: {len(given.train):,} to learn from, '
        f"{len(given.test):,} held out; {escape(turns)}.{drawn}</p>"
    )
    stages = stages_that_need_turns(manner, form)
    if lacking and stages:
        told += (
            f'<p class="recmas-hint recmas-outside">{escape(" and ".join(stages))} '
            f"{'needs' if len(stages) == 1 else 'need'} right turns of every role, and some question lacks one of the "
            f"{escape(', '.join(lacking))}. Give columns of these names, or choose the outer loop by itself.</p>"
        )
    return said + told


def stages_that_need_turns(manner: Manner, form: TrainForm) -> Sequence[str]:
    """The titles of a course's stages that learn from right turns.

    Raises:
        BadInput: If there is no such course.
    """
    from recmas_core.training import STAGES

    needing = []
    for lap in form.offered(manner).laps:
        windows = lap.config.windows if form.windows is None else bool(form.windows)
        if STAGES[lap.stage].needs_turns or windows:
            needing.append(STAGES[lap.stage].title)
    return needing
