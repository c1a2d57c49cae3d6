"""Which questions are held out: a question's own hash decides, so no list has to be kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from random import Random
from typing import TypeVar

from recmas_core.errors import BadInput

Item = TypeVar("Item")


def split_of(question: str) -> str:
    """The split a question belongs to, by its own hash: a fifth of all questions is never trained on."""
    return "test" if hashlib.sha256(question.encode()).digest()[0] % 5 == 0 else "train"


def draw_from_split(rng: Random, split: str, draw: Callable[[Random], Item], text: Callable[[Item], str]) -> Item:
    """Draw until the drawn item's question is of the split."""
    while True:
        item = draw(rng)
        if split_of(text(item)) == split:
            return item


def distinct(rng: Random, split: str, draw: Callable[[Random], Item], text: Callable[[Item], str]) -> Iterator[Item]:
    """Endless distinct items of a split.

    Raises:
        BadInput: If there is no such split.
    """
    if split not in {"train", "test"}:
        raise BadInput("split", f"is {split!r}", "Choose 'train' or 'test'.")
    seen: set[str] = set()
    while True:
        item = draw_from_split(rng, split, draw, text)
        if text(item) not in seen:
            seen.add(text(item))
            yield item
