"""What came of a training: a system of one's own, before against after on fresh questions, and files to take along."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from recmas_core.records import HeldOut
from visualizers.panels.numbers import short
from visualizers.panels.train_choices import Plan, held_out

if TYPE_CHECKING:
    from recmas_core.system import System
    from visualizers.panels.train_moment import Training

SAMPLE, _SAMPLE_SEED = 200, 77  # questions of the comparison: other ones than those measured on the way


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
    """Accuracy by rounds before and after, and one question told."""

    before: tuple[HeldOut, ...]
    after: tuple[HeldOut, ...]
    told: Told | None


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


def compare(before: System, after: System, *, rounds: int) -> Compared:
    """Both systems on the same fresh held-out questions.

    The question told is the first that the longest run answers differently.

    Raises:
        BadInput: If the system has no little world.
    """
    from recmas_core.engine import Settings
    from recmas_core.evaluation import ANSWER_TOKENS, measure

    examples = held_out(after, SAMPLE, seed=_SAMPLE_SEED)

    def scores(system: System) -> tuple[HeldOut, ...]:
        found = []
        for r in range(1, rounds + 1):
            score = measure(system, examples, Settings(r, system.latent_steps, "latent", ANSWER_TOKENS), name="latent")
            found.append(HeldOut(r, score.right, score.n))
        return tuple(found)

    told = None
    for example in examples[:12]:
        old, new = (
            system.solve(example.question, rounds=rounds, max_new_tokens=ANSWER_TOKENS).answer or ""
            for system in (before, after)
        )
        was, now = (after.task is not None and after.task.grade(example, answer) for answer in (old, new))
        told = Told(example.question, example.answer, old, new, was, now)
        if was != now:
            break
    return Compared(scores(before), scores(after), told)


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
    return (
        f'<table class="recmas-compared"><caption>Right answers on {n} held-out questions, other ones than those '
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
        RecmasError: If it cannot be written.
    """
    from recmas_core.bundles import pack_system

    whole = folder / "system"
    system.save(whole)
    return pack_system(whole, folder / f"{name}.zip")


def pack_released(system: System, folder: Path, name: str) -> Path:
    """A zip of the links alone in the public release's layout, made in `folder`.

    Raises:
        RecmasError: If the release has no such pattern or form of link, or it cannot be written.
    """
    from recmas_core.released import save_released

    whole = save_released(system, folder / "released", agents=False)
    return Path(shutil.make_archive(str(folder / f"{name}-released"), "zip", whole))


def file_name(system: System) -> str:
    """A file's name for a system, without an ending."""
    plain = "".join(c if c.isalnum() else "-" for c in system.pattern.name).strip("-")
    return f"{plain}-trained"
