"""What the recipes of training reach on an embedded system, stage by stage: accuracy on fresh questions, and time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from recmas_core.engine import Settings
from recmas_core.evaluation import ANSWER_TOKENS, measure
from recmas_core.records import HeldOut
from recmas_core.system import System
from recmas_core.tasks import Example, Task
from recmas_core.training.course import Course, Lap
from recmas_core.training.recipes import RECIPES, Recipe
from recmas_core.training.starts import damaged, fresh_links

ASKED = 1000  # fresh held-out questions of every measurement
LEARNED = 4000  # questions to learn from
ROUNDS = 3
_STARTS: Mapping[str, Callable[[System, int], System]] = MappingProxyType(
    {
        "as they are": lambda system, _: system,
        "random": lambda system, seed: fresh_links(system, seed=seed),
        "damaged": lambda system, seed: damaged(system, seed=seed),
    }
)


def course_lines(
    system: System,
    *,
    recipes: Sequence[Recipe] = tuple(RECIPES.values()),
    seeds: Sequence[int] = range(5),
    asked: int = ASKED,
    learned: int = LEARNED,
) -> Iterator[str]:
    """Lines of a table: every recipe from every seed.

    A seed decides the links at the start, the questions and their order. Nothing that is measured is learned from, and
    measuring is not in the times.

    Args:
        system: Whose agents; its links are not touched.
        recipes: What is trained.
        seeds: From where.
        asked: Held-out questions of a measurement.
        learned: Questions to learn from.
    """
    yield f"\n{system.title}: accuracy on {asked} fresh held-out questions behind each stage, and seconds of training:"
    yield "| recipe | seed | at first | behind its stages | 95 % interval at the end | seconds |"
    yield "|---" * 6 + "|"
    for recipe in recipes:
        for seed in seeds:
            yield course_row(system, recipe, seed, asked=asked, learned=learned)


def course_row(system: System, recipe: Recipe, seed: int, *, asked: int, learned: int) -> str:
    """One line of the table.

    Raises:
        ValueError: If the system has no little world.
    """
    if system.task is None:
        raise ValueError(f"system {system.name!r} has no questions to learn from")
    task: Task = system.task
    held = task.sample(asked, seed=7000 + seed, split="test")
    laps = [Lap(lap.stage, replace(lap.config, seed=seed)) for lap in recipe.laps]
    examples = task.sample(learned, seed=1000 + seed, split="train")
    links = _STARTS[recipe.start](system, seed)
    first, reached, spent = _asked(links, held), [], 0.0
    for lap in laps:
        course, started = Course(links, [lap], examples), time.perf_counter()
        for _ in course:
            pass
        spent += time.perf_counter() - started
        links = course.system
        reached.append(_asked(links, held))
    stages = ", ".join(f"{lap.stage} {share.accuracy:.3f}" for lap, share in zip(laps, reached, strict=True))
    low, high = reached[-1].interval
    return f"| {recipe.name} | {seed} | {first.accuracy:.3f} | {stages} | {low:.3f} to {high:.3f} | {spent:.0f} |"


def _asked(system: System, held: Sequence[Example]) -> HeldOut:
    """What the system answers in three rounds."""
    settings = Settings(ROUNDS, system.latent_steps, "latent", ANSWER_TOKENS)
    return HeldOut(ROUNDS, measure(system, held, settings, name="held out").right, len(held))
