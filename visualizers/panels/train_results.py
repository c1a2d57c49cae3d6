"""What came of a training: a system of one's own, before against after on fresh questions, and files to take along."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from recmas_core.errors import BadInput
from recmas_core.memory import gigabytes
from recmas_core.records import HeldOut
from visualizers.panels.numbers import short
from visualizers.panels.train_choices import Plan

if TYPE_CHECKING:
    from recmas_core.system import System
    from recmas_core.tasks import Example, Task
    from visualizers.panels.train_moment import Training

_SEED = 77  # of the comparison's questions


@dataclass(frozen=True)
class Told:
    """One question, and what the system answers before and after."""

    question: str
    truth: str
    before: str
    after: str
    right_before: bool
    right_after: bool


@dataclass(frozen=True)
class Compared:
    """Accuracy by rounds before and after, and one question told.

    Attributes:
        before, after: The accuracies.
        told: The question.
        fresh: Whether they are other questions than those that were measured on the way.
    """

    before: tuple[HeldOut, ...]
    after: tuple[HeldOut, ...]
    told: Told | None
    fresh: bool = True


def result_of(course: Training, plan: Plan) -> System:
    """A system with the links as the course has them now, which the course cannot change any more."""
    from recmas_core.training import private_copy

    system = private_copy(course.system)
    distance = course.distance()
    fresh = plan.form.beginning.outer
    still = [edge.key for edge in system.pattern.edges if not distance.get(edge.key)]
    system.untrained = frozenset(key for key in still if fresh or key in system.untrained)
    return system


def name_of(plan: Plan, steps: int) -> str:
    """What to call the links that were trained."""
    return f"trained here: {plan.offered.title.lower()}, {steps} steps"


def compare(before: System, after: System, plan: Plan) -> Compared:
    """Both systems on the same held-out questions: fresh ones, where there are more than were measured on the way.

    The question told is the first that the longest run answers differently.

    Raises:
        BadInput: If there are no questions.
    """
    from recmas_core.engine import Settings
    from recmas_core.evaluation import ANSWER_TOKENS, measure

    task, tokens = plan.task(after), plan.manner.answer_tokens or ANSWER_TOKENS
    examples, fresh = _compared(plan, task)

    def scores(system: System) -> tuple[HeldOut, ...]:
        found = []
        for r in range(1, plan.rounds + 1):
            settings = Settings(r, system.latent_steps, "latent", tokens)
            score = measure(system, examples, settings, name="latent", grade=task.grade)
            found.append(HeldOut(r, score.right, score.n))
        return tuple(found)

    told = None
    for example in examples[: plan.manner.told]:
        old, new = (
            system.solve(example.question, rounds=plan.rounds, max_new_tokens=tokens).answer or ""
            for system in (before, after)
        )
        was, now = (task.grade(example, answer) for answer in (old, new))
        told = Told(example.question, example.answer, old, new, was, now)
        if was != now:
            break
    return Compared(scores(before), scores(after), told, fresh)


def _compared(plan: Plan, task: Task) -> tuple[list[Example], bool]:
    """The questions of a comparison, and whether none of them was measured on the way."""
    number = plan.manner.compared
    seen = {example.question for example in plan.measured(task)}
    drawn = task.sample(number + plan.manner.held_out, seed=_SEED, split="test")
    fresh = [example for example in drawn if example.question not in seen]
    return (fresh or drawn)[:number], bool(fresh)


def compared_html(found: Compared) -> str:
    """Before against after, as a table, and one question."""
    rows = "".join(
        f"<tr><th scope='row'>{a.rounds}</th><td>{_share(a)}</td><td>{_share(b)}</td></tr>"
        for a, b in zip(found.before, found.after, strict=True)
    )
    told = ""
    if found.told is not None:
        t = found.told
        told = (
            f'<p class="recmas-hint">For example <b>{escape(t.question)}</b> (true answer {escape(t.truth)}): before '
            f"{_answer(t.before, right=t.right_before)}, after {_answer(t.after, right=t.right_after)}.</p>"
        )
    n = found.after[0].n if found.after else 0
    which = "other ones than those" if found.fresh else "the ones"
    return (
        f'<table class="recmas-compared"><caption>Right answers on {n} held-out question{"s" * (n != 1)}, {which} '
        'measured on the way; 95 % intervals</caption><thead><tr><th scope="col">rounds</th><th scope="col">before</th>'
        f'<th scope="col">after</th></tr></thead><tbody>{rows}</tbody></table>{told}'
    )


def _share(result: HeldOut) -> str:
    low, high = result.interval
    return f"<b>{result.accuracy:.3f}</b> <span>{low:.2f} to {high:.2f}</span>"


def _answer(text: str, *, right: bool) -> str:
    tone = "good" if right else "bad"
    return f'<span class="recmas-with recmas-{tone}"><b>{escape(short(text, 40)) or "(nothing)"}</b></span>'


def pack(system: System, folder: Path, name: str) -> Path:
    """A zip of the system's folder, made in `folder`.

    Raises:
        BadInput: If it were larger than what a page takes as an upload.
        RecmasError: If it cannot be written.
    """
    from recmas_core.bundles import LIMIT_MB, pack_system

    size = weight_bytes(system)
    if size > LIMIT_MB * 10**6:
        what = f"has {gigabytes(size)} of weights, and a zip from here holds {LIMIT_MB:,} MB at most"
        todo = 'Its agents are what they were: take "Links as in the release", the links alone.'
        raise BadInput("system", what, todo)
    whole = folder / "system"
    system.save(whole)
    return pack_system(whole, folder / f"{name}.zip")


def weight_bytes(system: System) -> int:
    """Bytes of a system's weights: each language model once, and all links."""
    from recmas_core.training.rounds import all_links

    agents = [*system.agents.values(), *([] if system.alone is None else [system.alone])]
    modules = {id(module): module for module in (*(a.model for a in agents), *all_links(system).values())}
    return sum(p.numel() * p.element_size() for module in modules.values() for p in module.parameters())


def pack_released(system: System, folder: Path, name: str, *, task: str = "math") -> Path:
    """A zip of the links alone in the public release's layout, made in `folder`.

    Args:
        system: The system.
        folder: Where.
        name: The file's name, without an ending.
        task: Which of the release's tasks they are for, where it keeps links per task.

    Raises:
        RecmasError: If the release has no such pattern or form of link, or it cannot be written.
    """
    from recmas_core.released import save_released

    whole = save_released(system, folder / "released", agents=False, task=task)
    return Path(shutil.make_archive(str(folder / f"{name}-released"), "zip", whole))


def file_name(system: System) -> str:
    """A file's name for a system, without an ending."""
    plain = "".join(c if c.isalnum() else "-" for c in system.pattern.name).strip("-")
    return f"{plain}-trained"
