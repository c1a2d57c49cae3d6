"""What came of a training: a system of one's own, before against after on fresh questions, and files to take along."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from recmas_core.records import HeldOut
from visualizers.panels.numbers import short
from visualizers.panels.train_choices import Plan
from visualizers.panels.train_troubles import too_large
from visualizers.words import Words

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


def name_of(plan: Plan, steps: int, words: Words) -> str:
    """What to call the links that were trained."""
    return words("train.results.links", course=words(plan.offered.texts + ".inline"), n=steps)


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


def compared_html(found: Compared, words: Words) -> str:
    """Before against after, as a table, and one question."""
    rows = "".join(
        f"<tr><th scope='row'>{a.rounds}</th><td>{_share(a, words)}</td><td>{_share(b, words)}</td></tr>"
        for a, b in zip(found.before, found.after, strict=True)
    )
    told = ""
    if found.told is not None:
        t = found.told
        before, after = _answer(t.before, words, right=t.right_before), _answer(t.after, words, right=t.right_after)
        example = words(
            "train.results.example", question=f"<b>{escape(t.question)}</b>", truth=escape(t.truth), before=before,
            after=after,
        )  # fmt: skip
        told = f'<p class="recmas-hint">{example}</p>'
    which = "fresh" if found.fresh else "same"
    caption = words.count(f"train.results.caption_{which}", found.after[0].n if found.after else 0)
    heads = "".join(f'<th scope="col">{words(f"train.results.{name}")}</th>' for name in ("rounds", "before", "after"))
    return (
        f'<table class="recmas-compared"><caption>{caption}</caption><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table>{told}"
    )


def _share(result: HeldOut, words: Words) -> str:
    low, high = result.interval
    interval = words("train.results.interval", low=low, high=high)
    return f"<b>{words.written(f'{result.accuracy:.3f}')}</b> <span>{interval}</span>"


def _answer(text: str, words: Words, *, right: bool) -> str:
    tone = "good" if right else "bad"
    said = escape(short(text, 40)) or words("train.results.nothing")
    return f'<span class="recmas-with recmas-{tone}"><b>{said}</b></span>'


def pack(system: System, folder: Path, name: str, words: Words) -> Path:
    """A zip of the system's folder, made in `folder`.

    Args:
        system: The system.
        folder: Where.
        name: The file's name, without an ending.
        words: What the page says.

    Raises:
        BadInput: If it were larger than what a page takes as an upload.
        RecmasError: If it cannot be written.
    """
    from recmas_core.bundles import LIMIT_MB, pack_system

    size = weight_bytes(system)
    if size > LIMIT_MB * 10**6:
        raise too_large(size, LIMIT_MB, words)
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
