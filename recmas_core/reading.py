"""One agent reading a growing sequence with a KV cache, a batch of rows at a time."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from recmas_core.agents import Agent


class Reader:
    """A sequence an agent has read so far: feed it embeddings, get hidden states.

    Rows may begin with padding on the left (`pad` positions each) and nowhere else, so that attention, sliding
    windows and recurrent layers all see exactly what a single unpadded row would show them.

    Args:
        agent: Who reads.
    """

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        from recmas_core.caches import new_cache

        self._cache = new_cache(agent.model)
        self._pad: Tensor | None = None
        self.length = 0

    @property
    def layers(self) -> list[Any]:
        """The cache's layers."""
        return self._cache.layers

    @property
    def pad(self) -> Tensor | None:
        """Columns of padding of each row, (B,); None where no row has any."""
        return self._pad

    def fork(self) -> Reader:
        """An independent copy at this point: what either reads from here on, the other does not see."""
        from recmas_core.caches import fork_cache

        twin = copy.copy(self)
        twin._cache = fork_cache(self._cache)
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
