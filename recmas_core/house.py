"""Where the agents of one system live: on one device together, in turn, or each over several GPUs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import nn

from recmas_core.memory import Room, make_plan, measure_room
from recmas_core.models import load_pair
from recmas_core.placement import HERE, Placement, place
from recmas_core.residence import Residence

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from recmas_core.agents import Agent

_Link = TypeVar("_Link", bound=nn.Module)
_FULL = 1.1  # what else than weights needs the device: caches, activations, the libraries' own


@dataclass(frozen=True, eq=False)
class House:
    """Where agents are put, and how they share a device that is too small for all.

    Attributes:
        placement: What was asked for.
        residence: Brings agents to the device when it is their turn; None where all of them stay.
    """

    placement: Placement = HERE
    residence: Residence | None = None

    @staticmethod
    def plan(parameters: Mapping[str, int], placement: Placement, *, room: Room | None = None) -> House:
        """A house for agents of these sizes.

        Args:
            parameters: Number of parameters of each agent, by name.
            placement: Where to put them.
            room: Free memory; measured by default.

        Raises:
            TooLarge: If they cannot fit.
            BadInput: If this machine has no such device.
        """
        plan = make_plan(parameters, placement, room or measure_room(placement.device))
        residence = None
        if plan.in_turn:
            residence = Residence(torch.device(placement.device), int(plan.room.device / _FULL))
        return House(placement, residence)

    def load_pair(self, folder: Path, name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """Load a language model to where it belongs, and its tokenizer; see `models.load_pair`."""
        if self.residence is None:
            return load_pair(folder, name=name, placement=self.placement)
        model, tokenizer = load_pair(folder, name=name, placement=Placement("cpu", self.placement.dtype))
        self.residence.add(model)
        return model, tokenizer

    def place_link(self, link: _Link, device: torch.device) -> _Link:
        """Put a link where its sender computes, frozen: agents over several GPUs need not begin on the same one."""
        return place(link, str(device), self.placement.dtype).requires_grad_(False).eval()

    def fits(self, agents: Iterable[Agent]) -> bool:
        """Whether these agents can be at work at the same time."""
        return self.residence is None or self.residence.fits(agent.model for agent in agents)
