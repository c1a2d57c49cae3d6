"""The train command's settings: for all stages or for one, and every one of them can be given."""

from __future__ import annotations

from dataclasses import fields

from recmas_core.training import STAGES, TrainConfig
from recmas_core.training.arguments import laps_of


def test_settings_for_all_stages_and_for_one() -> None:
    given = {"stages": ["inner", "outer"], "lr": ["0.1", "outer=0.2"], "target": ["none"], "windows": False}
    inner, outer = (lap.config for lap in laps_of({**given, "weights": ["outer=1,2,1"], "accumulate": ["3"]}))
    assert (inner.lr, outer.lr) == (0.1, 0.2)
    assert (inner.weights, outer.weights) == ((), (1.0, 2.0, 1.0))
    assert (inner.accumulate, outer.accumulate, outer.windows, outer.target) == (3, 3, False, None)
    assert inner.steps == STAGES["inner"].config.steps


def test_every_setting_can_be_given() -> None:
    """A setting added to TrainConfig is an argument at once."""
    config = TrainConfig(
        latent_steps=4, target=0.5, handover=0.3, turns=2, weights=(1.0, 2.0, 3.0), supervise="every", inner=True
    )
    for field in fields(TrainConfig):
        value = getattr(config, field.name)
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        given = {"stages": ["outer"], field.name: value if isinstance(value, bool) else [text]}
        assert getattr(laps_of(given)[0].config, field.name) == value
