"""Choosing the next token, reproducibly for each row by itself."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Chooser:
    """Picks one token per row: the likeliest at temperature 0, else a seeded draw.

    Every row has a generator of its own, seeded by run and turn, so a row draws the same tokens alone, in a
    batch, and when a run is resumed at that turn.

    Args:
        temperature: 0 for the likeliest token.
        top_p: Share of probability kept.
        seed: The run's seed.
        turn: The turn that speaks.
        rows: Number of rows, B.
    """

    def __init__(self, temperature: float, top_p: float, *, seed: int, turn: int, rows: int) -> None:
        self._temperature, self._top_p = temperature, top_p
        self._generators = []
        if temperature > 0:
            mixed = (seed * 1_000_003 + turn) % 2**63
            self._generators = [torch.Generator().manual_seed(mixed) for _ in range(rows)]

    def __call__(self, logits: Tensor, rows: Sequence[int]) -> Tensor:
        """Choose for some of the rows; the others' generators stay where they are.

        Args:
            logits: (n, vocabulary), a line for each of these rows.
            rows: Their n numbers.

        Returns:
            (n,) token ids.
        """
        if self._temperature == 0:
            return logits.argmax(-1)
        probabilities = (logits.float().cpu() / self._temperature).softmax(-1)
        ordered, order = probabilities.sort(-1, descending=True)
        ordered = ordered.masked_fill(ordered.cumsum(-1) - ordered >= self._top_p, 0.0)
        generators = [self._generators[row] for row in rows]
        drawn = [torch.multinomial(line, 1, generator=g) for line, g in zip(ordered, generators, strict=True)]
        return order.gather(-1, torch.stack(drawn))[:, 0].to(logits.device)
