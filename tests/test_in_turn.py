"""Agents that take turns on a device: what has left is not there on the way back."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from test_house import lodgers
from tiny import tiny_pattern_system
from transformers import PreTrainedModel

import recmas_core as rm
from recmas_core.residence import Residence


class Elsewhere(Residence):
    """A residence whose device is a place of its own: weights that have left it are of no use for computing."""

    def enter(self, model: PreTrainedModel) -> None:
        with self.lock:
            if model in self._there:
                self._there.move_to_end(model)
                return
            need = self.size(model)
            while self._there and sum(self._there.values()) + need > self._room:
                oldest, _ = self._there.popitem(last=False)
                words = oldest.get_input_embeddings().weight  # may be read where it waits
                for tensor, home in self._kept[oldest]:
                    lost = tensor is not words and home.is_floating_point()
                    tensor.data = torch.full_like(home, torch.nan) if lost else home
            for tensor, home in self._kept[model]:
                tensor.data = home.clone()
            self._there[model] = need


def gradients(pattern: str, *, in_turn: bool) -> dict[tuple[int, tuple[str, str]], float]:
    system = tiny_pattern_system(rm.PATTERNS[pattern], task=rm.TASKS["chain"])
    if in_turn:
        before = lodgers(system, 0.5)
        away = Elsewhere(torch.device("cpu"), before._room)
        away._kept, away._there = before._kept, OrderedDict()
        for agent in system.agents.values():
            agent.residence = away
        assert system.house is not None
        object.__setattr__(system.house, "residence", away)
    examples = system.task.sample(2, seed=0, split="train")
    config = rm.TrainConfig(steps=1, batch=2, rounds=2, latent_steps=2, windows=False)
    (step,) = rm.train_outer(system, examples, config)
    return step.grad_norms


@pytest.mark.parametrize("pattern", ["sequential", "mixture"])
def test_gradients_through_agents_in_turn_are_those_through_agents_together(pattern: str) -> None:
    assert gradients(pattern, in_turn=True) == pytest.approx(gradients(pattern, in_turn=False), rel=1e-4)


def test_teaching_in_turn_is_refused() -> None:
    system = tiny_pattern_system(rm.PATTERNS["sequential"], task=rm.TASKS["chain"])
    lodgers(system, 0.5)
    with pytest.raises(rm.BadInput, match="in turn"):
        rm.teach_outer(system, system.task.sample(2, split="train"))
