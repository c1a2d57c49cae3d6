"""The endpoints called as functions: what they run when a caller leaves things out."""

from __future__ import annotations

import pytest

from visualizers.panels.api import Api
from visualizers.panels.catalogue import Board, read_catalogue
from visualizers.panels.shelf import Shelf
from visualizers.panels.visitors import Visitors


@pytest.mark.parametrize(("system", "thoughts"), [("sequential", 3), ("mixture", 4), ("distillation", 4)])
def test_without_thoughts_a_turn_has_as_many_as_its_agents_were_taught(system: str, thoughts: int) -> None:
    catalogue = read_catalogue()
    api = Api(Shelf(catalogue), Visitors(Board(catalogue)))
    asked = api.sample(seed=3, system=system)["question"]
    turns = len(catalogue.pattern(system).roles)
    assert api.solve(asked, rounds=1, system=system)["latent_steps"] == (turns - 1) * thoughts
    assert api.solve(asked, rounds=1, thoughts=2, system=system)["latent_steps"] == (turns - 1) * 2
