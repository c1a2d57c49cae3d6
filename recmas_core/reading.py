"""One agent reading a growing sequence with a KV cache, a batch of rows at a time."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, LinearAttentionLayer

from recmas_core.agents import Agent


class _AssignedState(LinearAttentionLayer):
    """Keeps each new recurrent state as it comes. The original writes over the last one, which backward still needs."""

    def update_recurrent_state(self, recurrent_states: Tensor, state_idx: int = 0, **kwargs: object) -> Tensor:
        self.recurrent_states[state_idx] = recurrent_states
        self.is_recurrent_states_initialized[state_idx] = True
        return recurrent_states


def _new_cache(agent: Agent) -> DynamicCache:
    cache = DynamicCache(config=agent.model.config)
    cache.layers = [_AssignedState() if type(layer) is LinearAttentionLayer else layer for layer in cache.layers]
    return cache


class Reader:
    """A sequence an agent has read so far: feed it embeddings, get hidden states.

    Rows may begin with padding on the left (`pad` positions each) and nowhere else, so that attention, sliding
    windows and recurrent layers all see exactly what a single unpadded row would show them.

    Args:
        agent: Who reads.
    """

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self._cache = _new_cache(agent)
        self._pad: Tensor | None = None
        self.length = 0

    def fork(self) -> Reader:
        """An independent copy at this point: what either reads from here on, the other does not see."""
        twin = copy.copy(self)
        twin._cache = copy.deepcopy(self._cache)
        return twin

    def start(self, rows: Sequence[Tensor]) -> Tensor:
        """Read the first stretch, rows of possibly different lengths: each (L_b, d). Returns (B, L, d)."""
        length = max(len(row) for row in rows)
        if any(len(row) < length for row in rows):
            self._pad = torch.tensor([length - len(row) for row in rows], device=rows[0].device)
            rows = [torch.cat((row.new_zeros(length - len(row), row.shape[1]), row)) for row in rows]
        return self.feed(torch.stack(list(rows)))

    def feed(self, embeds: Tensor) -> Tensor:
        """Read on: (B, L, d) embeddings to (B, L, d) last-layer hidden states."""
        options: dict[str, object] = {}
        if self._pad is not None:
            columns = torch.arange(self.length + embeds.shape[1], device=embeds.device)
            options["attention_mask"] = (columns >= self._pad[:, None]).long()
            options["position_ids"] = (columns[self.length :] - self._pad[:, None]).clamp(min=0)
        hidden, _ = self.agent.forward(embeds, past_key_values=self._cache, **options)
        self.length += embeds.shape[1]
        return hidden
