"""Courses as data: stages with their settings, and where they start from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from recmas_core.errors import BadInput
from recmas_core.training.course import Lap
from recmas_core.training.stages import STAGES


@dataclass(frozen=True)
class Recipe:
    """A course for any system.

    Attributes:
        name: Key in the registry, and the name to show.
        about: What it does, for the reader.
        start: Where it starts from: "as they are", "random" or "damaged" links.
        laps: The stages.
    """

    name: str
    about: str
    start: str
    laps: tuple[Lap, ...]


def _lap(stage: str, **changes: object) -> Lap:
    return Lap(stage, replace(STAGES[stage].config, **changes))  # type: ignore[arg-type]


_RECIPES = (
    Recipe(
        "repair",
        "The outer links have been damaged with noise; the paper's loss alone is to repair them through the answer.",
        "damaged",
        (_lap("outer", lr=3e-4, steps=120),),
    ),
    Recipe(
        "fast start",
        "Inner loop, then every outer link is aligned with the receiver's words. Under a minute.",
        "random",
        (_lap("inner"), _lap("align")),
    ),
    Recipe(
        "from nothing",
        "Inner loop, a short teacher-forced start of the outer links until the loop answers over a quarter, then the "
        "paper's loss takes over. It does not always reach what the fast start does.",
        "random",
        (
            # links fitted at the fast start's rate are as good by themselves, and worse to start this loss from
            _lap("inner", steps=800, lr=2e-3, questions=1000, turns=3),
            _lap("teach", target=None, handover=0.28),
            _lap("outer", windows=True, steps=400),
        ),
    ),
)

RECIPES: Mapping[str, Recipe] = MappingProxyType({recipe.name: recipe for recipe in _RECIPES})


def recipe(name: str) -> tuple[Lap, ...]:
    """The stages of a recipe.

    Raises:
        BadInput: If there is none of that name.
    """
    if name not in RECIPES:
        raise BadInput("recipe", f"is {name!r}", f"Choose from {sorted(RECIPES)}.")
    return RECIPES[name].laps
