"""Agents that do not fit on a device together: they take turns on it, and wait in host memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Residence:
    """Keeps models on a device while they fit there; whoever was not used for longest makes room.

    The weights of an agent never change: what leaves the device is let go, as its copy in host memory has stayed.
    Nothing is read from disk again.

    Args:
        device: Where models compute.
        room: Bytes of weights that may be there at once.

    Attributes:
        device: Where models compute.
        lock: Held while a model is moved, or used where it must not be.
        moves: How often a model was brought to the device.
    """

    def __init__(self, device: torch.device, room: int) -> None:
        self.device, self._room = device, room
        self.lock, self.moves = threading.RLock(), 0
        self._kept: dict[PreTrainedModel, list[tuple[Tensor, Tensor]]] = {}
        self._there: OrderedDict[PreTrainedModel, int] = OrderedDict()

    def add(self, model: PreTrainedModel) -> None:
        """Take a model in that is in host memory; it waits there."""
        tensors = chain(model.parameters(), model.buffers())
        with self.lock:
            self._kept[model] = [(tensor, tensor.data) for tensor in tensors]

    def enter(self, model: PreTrainedModel) -> None:
        """See that a model is on the device."""
        with self.lock:
            if model in self._there:
                self._there.move_to_end(model)
                return
            need = self.size(model)
            # a run computes in inference mode; tensors made in it could not be trained through later
            with torch.inference_mode(False), torch.no_grad():
                while self._there and sum(self._there.values()) + need > self._room:
                    oldest, _ = self._there.popitem(last=False)
                    for tensor, home in self._kept[oldest]:
                        tensor.data = home
                for tensor, home in self._kept[model]:
                    tensor.data = home.to(self.device)
            self._there[model] = need
            self.moves += 1

    @property
    def present(self) -> tuple[PreTrainedModel, ...]:
        """The models on the device, the one unused for longest first."""
        return tuple(self._there)

    def fits(self, models: Iterable[PreTrainedModel]) -> bool:
        """Whether these models can be on the device at the same time; those that live elsewhere take no room."""
        return sum(self.size(model) for model in set(models) if model in self._kept) <= self._room

    def size(self, model: PreTrainedModel) -> int:
        """Bytes of a model's weights."""
        return sum(home.numel() * home.element_size() for _, home in self._kept[model])
