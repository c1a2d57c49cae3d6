"""What the optimizer changes: a link's own weights, or float32 ones behind a link of 16 bits.

A number of 16 bits has so few digits that most of an optimizer's small steps would be rounded away. So they are made on
weights in float32, and the link is given those, rounded, after every step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from recmas_core.training.rounds import Key


class Masters:
    """The weights that are optimized, link by link.

    Args:
        links: The links, by (sender, receiver).
    """

    def __init__(self, links: Mapping[Key, nn.Module]) -> None:
        self._links = dict(links)
        self._of = {key: [_master(p) for p in link.parameters()] for key, link in self._links.items()}

    def of(self, key: Key) -> list[Tensor]:
        """Those of one link, in the order of its parameters."""
        return self._of[key]

    @property
    def every(self) -> list[Tensor]:
        """Those of all links."""
        return [weight for weights in self._of.values() for weight in weights]

    @property
    def by_link(self) -> tuple[list[Tensor], ...]:
        """Those of all links, each link's by themselves."""
        return tuple(self._of.values())

    @torch.no_grad()
    def write(self) -> None:
        """Give every link what its weights are now."""
        for weight, parameter in self._pairs():
            parameter.copy_(weight)

    def state(self) -> list[Tensor]:
        """What the links themselves do not hold: [] where they are their own masters."""
        return [weight.detach().clone() for weight, _ in self._pairs()]

    @torch.no_grad()
    def load(self, state: Sequence[Tensor]) -> None:
        """Go on exactly where `state` was taken; the links have been put back already."""
        for (weight, _), kept in zip(self._pairs(), state, strict=True):
            weight.copy_(kept)

    def _pairs(self) -> list[tuple[Tensor, nn.Parameter]]:
        parameters = [p for link in self._links.values() for p in link.parameters()]
        return [(weight, p) for weight, p in zip(self.every, parameters, strict=True) if weight is not p]


def _master(parameter: nn.Parameter) -> Tensor:
    return parameter if parameter.element_size() >= 4 else parameter.detach().float().requires_grad_()
