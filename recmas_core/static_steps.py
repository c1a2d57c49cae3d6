"""Latent steps over buffers of fixed size: one recording of a step serves for every step of every turn.

A CUDA graph repeats kernels with the very addresses and numbers they were recorded with. So nothing that changes from
step to step is a Python value here: where to write, what may be seen, which position it is, all of it is computed on
the device from three small tensors, and the step itself moves them on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicLayer, DynamicSlidingWindowLayer

from recmas_core.agents import Agent
from recmas_core.reading import Reader

Record: TypeAlias = Callable[[Callable[[], None], torch.device], Callable[[], None]]
# Those whose steps the tests compare with the growing cache's, thought by thought.
FAMILIES = ("qwen2", "qwen3", "llama", "mistral", "gemma3_text")
# Attention that adds a mask of numbers to its scores, and takes it as it is given.
ATTENTIONS = ("sdpa", "eager")
# Rotary embeddings that look at the positions' values in Python, or change what they hold as a sequence grows.
GROWING_ROTATIONS = ("dynamic", "longrope")


class _FixedLayer(CacheLayerMixin):
    """Keys and values of one layer, (B, heads, capacity, width) each, written at the column that a tensor names.

    A layer with a sliding window keeps every column too: its mask hides those that have slid out.
    """

    is_compileable = True

    keys: Tensor
    values: Tensor

    def __init__(self, like: DynamicLayer, column: Tensor, capacity: int) -> None:
        super().__init__()
        self.keys = _room(like.keys, capacity)
        self.values = _room(like.values, capacity)
        self.is_sliding = like.is_sliding
        self.is_initialized = True
        self._column = column

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing is left to do."""

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Write one column of keys and values, (B, heads, 1, width) each; returns all columns."""
        self.keys.index_copy_(2, self._column, key_states)
        self.values.index_copy_(2, self._column, value_states)
        return self.keys, self.values

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """(columns, offset of the first one)."""
        return self.get_max_length(), 0

    def get_seq_length(self) -> int:
        """Not known here: a number that changes would be recorded as it is.

        Raises:
            NotImplementedError: Always. Positions and masks are given to the model, so that it need not ask.
        """
        raise NotImplementedError("the length read so far is a tensor of StaticSteps")

    def get_max_length(self) -> int:
        """Columns there are."""
        return self.keys.shape[2]

    def fill(self, like: DynamicLayer, length: int) -> None:
        """Take over what a growing layer keeps of the `length` columns read so far; all others become zero.

        What a hidden column holds is multiplied by nought. That would not hide an infinity of an earlier turn.
        """
        for own, other in ((self.keys, like.keys), (self.values, like.values)):
            assert other is not None
            first = length - other.shape[2]
            own[:, :, :first].zero_()
            own[:, :, first:length].copy_(other)
            own[:, :, length:].zero_()


def _room(like: Tensor | None, capacity: int) -> Tensor:
    assert like is not None  # a reader that has read something has it
    return torch.zeros(*like.shape[:2], capacity, like.shape[3], dtype=like.dtype, device=like.device)


class StaticSteps:
    """Steps of one agent, B rows at a time, over its own buffers: from R_in(h_t) to h_{t+1} and R_in(h_{t+1}).

    Tensors made under inference mode could not be written to outside of it, and a run and a measurement differ in
    that; so everything here is made, recorded and repeated outside of it, without gradients.

    Args:
        agent: Who thinks.
        inner: The inner link.
        reader: One that has read something: it shows what keys and values look like.
        embed: (B, d), one that shows what inputs look like.
        capacity: Positions that a turn may have in all.
        record: Runs a step at least once, and returns what repeats it.

    Raises:
        RuntimeError: If the step cannot be recorded, or there is no memory for the buffers.
    """

    def __init__(
        self, agent: Agent, inner: nn.Module, reader: Reader, embed: Tensor, *, capacity: int, record: Record
    ) -> None:
        self.inner, self.capacity = inner, capacity
        self._agent, self._left = agent, 0
        with torch.inference_mode(False), torch.no_grad():
            self._embed, self._hidden = torch.zeros_like(embed), torch.zeros_like(embed)
            self._at = torch.zeros(1, dtype=torch.long, device=embed.device)
            self._pad = torch.zeros(len(embed), 1, dtype=torch.long, device=embed.device)
            self._columns = torch.arange(capacity, device=embed.device)
            self._layers = [_FixedLayer(each, self._at, capacity) for each in reader.layers]
            self._cache = Cache(layers=[*self._layers])
            self._windows = {
                each.sliding_window if isinstance(each, DynamicSlidingWindowLayer) else None for each in reader.layers
            }
            self._addresses = self._where()
            self._repeat = record(self._step, embed.device)

    def load(self, reader: Reader, embed: Tensor) -> None:
        """Begin a turn behind what a reader has read, with the first input (B, d). The reader is only looked at."""
        with torch.inference_mode(False), torch.no_grad():
            for own, other in zip(self._layers, reader.layers, strict=True):
                own.fill(other, reader.length)
            self._at.fill_(reader.length)
            self._pad.zero_()
            if reader.pad is not None:
                self._pad.copy_(reader.pad[:, None])
            self._embed.copy_(embed)
        self._left = self.capacity - reader.length

    def step(self) -> tuple[Tensor, Tensor]:
        """Feed the last thought: the state (B, d) behind it, and R_in of that, which is fed next.

        Raises:
            IndexError: If the buffers are full.
        """
        if self._left <= 0:  # a kernel that writes beyond them would end the process's use of the GPU
            raise IndexError(f"no position is left of {self.capacity}")
        self._left -= 1
        with torch.inference_mode(False), torch.no_grad():
            self._repeat()
            return self._hidden.clone(), self._embed.clone()

    def stands(self) -> bool:
        """Whether all weights are where they were when the step was recorded: it reads them at their addresses."""
        return self._where() == self._addresses

    def _where(self) -> list[tuple[int, torch.dtype]]:
        modules = (self._agent.body, self.inner)
        return [(t.data_ptr(), t.dtype) for m in modules for each in (m.parameters(), m.buffers()) for t in each]

    def _step(self) -> None:
        """What is recorded: it reads and writes the buffers alone."""
        states, _ = self._agent.forward(
            self._embed[:, None],
            past_key_values=self._cache,
            position_ids=self._at - self._pad,
            attention_mask=self._masks(),
        )
        self._hidden.copy_(states[:, -1])
        self._embed.copy_(self.inner(self._hidden))
        self._at.add_(1)

    def _masks(self) -> Tensor | dict[str, Tensor]:
        """What may be seen, added to the scores: (B, 1, 1, capacity); by kind of layer where there are several."""
        masks = {window: self._mask(window) for window in self._windows}
        if len(masks) == 1:
            return next(iter(masks.values()))
        return {"full_attention" if window is None else "sliding_attention": mask for window, mask in masks.items()}

    def _mask(self, window: int | None) -> Tensor:
        hidden = (self._columns > self._at) | (self._columns < self._pad)
        if window is not None:
            hidden = hidden | (self._columns <= self._at - window)
        mask = torch.zeros(hidden.shape, dtype=self._embed.dtype, device=self._embed.device)
        return mask.masked_fill(hidden, float("-inf"))[:, None, None]


def why_not(reader: Reader, inner: object) -> str:
    """Why an agent's steps cannot be taken over fixed buffers; "" if they can."""
    config = reader.agent.model.config
    if reader.agent.residence is not None:
        return "it shares the device with agents that may take its place between two steps"
    if config.model_type not in FAMILIES:
        return f"models of the type {config.model_type!r} are read with a growing cache only"
    if config._attn_implementation not in ATTENTIONS:
        return f"its attention is {config._attn_implementation!r}, not one of {ATTENTIONS}"
    kinds = {type(layer) for layer in reader.layers}
    if not kinds <= {DynamicLayer, DynamicSlidingWindowLayer}:
        return f"its cache has layers of the kinds {sorted(kind.__name__ for kind in kinds)}"
    rotations = {word for word in GROWING_ROTATIONS if word in str(getattr(config, "rope_parameters", None))}
    if rotations:
        return f"its rotary embeddings are {sorted(rotations)}"
    if not isinstance(inner, nn.Module):
        return "its inner link is no module whose weights could be told"
    tensors = [t for module in (reader.agent.body, inner) for t in module.parameters()]
    if len({t.device for t in tensors}) > 1:
        return "its weights lie on several devices"
    return ""
