"""How a system is trained unless the form says otherwise, as data: embedded agents, or language models of any size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recmas_core.training import Lap
    from visualizers.panels.catalogue import Catalogue, Lineup

_NOTHING: Mapping[str, Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True)
class Manner:
    """A manner of training.

    Attributes:
        key: What the form sends, to tell which one it was drawn for.
        course: The course proposed first.
        begin: Where its links start from.
        given: Whether the visitor gives the questions: the system knows no little world.
        about: Key of the words that tell the settings; "" where there is nothing to say.
        changes: For each stage the settings that differ from its own.
        held_out: Questions measured on the way.
        measurements: How often they are measured, about.
        every_round: Whether they are asked with every number of rounds, or with the most alone.
        compared: Questions asked before and after.
        told: How many of them are looked at for one that is answered differently.
        mapped: Questions whose latents the map shows.
        answer_tokens: Tokens a measured answer may take; None for what a little world needs.
        kept: How often links are kept to go back to, at most; None for the course's own choice.
    """

    key: str
    course: str
    begin: str
    given: bool = False
    about: str = ""
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: _NOTHING)
    held_out: int = 200
    measurements: int = 24
    every_round: bool = True
    compared: int = 200
    told: int = 12
    mapped: int = 6
    answer_tokens: int | None = None
    kept: int | None = None

    def lap(self, lap: Lap) -> Lap:
        """A stage with the settings of this manner."""
        return replace(lap, config=replace(lap.config, **self.changes.get(lap.stage, {})))


_RATE = 5e-4
_PAPER: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        # right turns of the wide world are long: few of them hold as many words as many of a little world
        "inner": {"lr": _RATE, "steps": 200, "questions": 64, "turns": 1},
        "align": {"lr": _RATE, "steps": 200, "questions": 64, "turns": 1},
        "teach": {"lr": _RATE, "steps": 100, "batch": 2, "warmup": 10, "handover": None},
        "outer": {"lr": _RATE, "steps": 200, "batch": 2, "windows": False, "checkpointing": True},
    }
)
WORLD = Manner("world", "repair", "damaged")
TRAINED = Manner(
    "trained", "stage:outer", "as they are", given=True, about="train.manners.paper", changes=_PAPER, held_out=16,
    measurements=6, every_round=False, compared=32, told=2, mapped=2, answer_tokens=512, kept=4,
)  # fmt: skip
UNTRAINED = replace(TRAINED, key="untrained", course="from nothing", begin="random")


def manner_of(catalogue: Catalogue, lineup: Lineup) -> Manner:
    """The manner in which a line-up is trained: by what it knows, and by whether its links are trained.

    Raises:
        SystemNotFound: If it is not offered.
    """
    if catalogue.task(lineup) is not None:
        return WORLD
    trained = lineup.links or (catalogue.is_own(lineup) and catalogue.offer(lineup.system).linked)
    return TRAINED if trained else UNTRAINED
