"""Links that remember in which round they were used: the gradient of each round by itself.

Every round uses a link through leaf copies of its weights. Their gradients sum to the link's gradient, and each one's
norm is what that round has to say to the link: the shared credit signal, round by round.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call

from recmas_core.patterns import Place
from recmas_core.system import System

Key: TypeAlias = tuple[str, str]


class RoundLinks:
    """The links of one forward and backward pass.

    Args:
        trained: The links that are trained, by (sender, receiver); inner links by (role, role).
        fixed: All other links.
    """

    def __init__(self, trained: Mapping[Key, nn.Module], fixed: Mapping[Key, nn.Module]) -> None:
        self._trained, self._fixed = trained, fixed
        self._copies: dict[tuple[int, Key], dict[str, Tensor]] = {}

    def carry(self, place: Place, receiver: str) -> Callable[[Tensor], Tensor]:
        """The link of a turn (see `Settings.carry`)."""
        return self.at(place.round, (place.role, receiver))

    def at(self, round_: int, key: Key) -> Callable[[Tensor], Tensor]:
        """A link as a round uses it."""
        if key not in self._trained:
            return self._fixed[key]
        link = self._trained[key]
        if (round_, key) not in self._copies:
            copies = {name: p.detach().clone().requires_grad_() for name, p in link.named_parameters()}
            self._copies[round_, key] = copies
        copies = self._copies[round_, key]
        return lambda x: functional_call(link, copies, (x,))

    def gradients(self) -> dict[tuple[int, Key], list[Tensor]]:
        """After a backward pass: each round's gradient of each link, parameter by parameter, in float32 at least."""
        return {
            at: [wide(torch.zeros_like(copy) if copy.grad is None else copy.grad) for copy in copies.values()]
            for at, copies in self._copies.items()
        }


def wide(values: Tensor) -> Tensor:
    """Values in single precision at least."""
    return values.float() if values.element_size() < 4 else values


def all_links(system: System) -> dict[Key, nn.Module]:
    """Every link: outer ones by (sender, receiver), inner ones by (role, role)."""
    return {**{(role, role): agent.inner for role, agent in system.agents.items()}, **system.links}
