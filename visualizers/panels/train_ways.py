"""Ways out of a training that has stalled or diverged, as data, and the plans they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from recmas_core.errors import BadInput
from visualizers.panels.train_choices import Offered, Plan

STALLED, DIVERGED = "stalled", "diverged"


@dataclass(frozen=True)
class Way:
    """A further course that begins with the links as they are now.

    Attributes:
        texts: Key of the words on its button.
        out_of: What it is offered for.
        stages: Its stages, with their default settings; () for the ones before.
        rate: What the rates are multiplied with.
    """

    texts: str
    out_of: str
    stages: tuple[str, ...] = ()
    rate: float = 1.0


WAYS: Mapping[str, Way] = MappingProxyType(
    {
        "teach": Way("train.ways.teach", STALLED, ("teach", "outer")),
        "fresh": Way("train.ways.fresh", STALLED, ("outer",)),
        "gentle": Way("train.ways.gentle", DIVERGED, rate=0.1),
    }
)


def plan_of(way: str, before: Plan) -> Plan:
    """The plan of a way out of another plan's course.

    Raises:
        BadInput: If there is no such way.
    """
    from recmas_core.training import STAGES, Lap

    if way not in WAYS:
        raise BadInput("way out", f"is {way[:40]!r}", f"Choose from {list(WAYS)}.")
    chosen, form = WAYS[way], replace(before.form, begin="trained")
    laps = tuple(before.manner.lap(Lap(stage, STAGES[stage].config)) for stage in chosen.stages) or before.laps
    laps = tuple(
        replace(
            lap,
            config=replace(
                lap.config, lr=lap.config.lr * chosen.rate, rounds=max(before.rounds, 1), seed=form.whole_seed + 1
            ),
        )
        for lap in laps
    )
    return replace(before, form=form, offered=Offered(way, chosen.texts, way, "", "trained", laps), laps=laps)
