"""Holding questions out: a hash decides, so that the same question always falls on the same side."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from recmas_core.errors import BadInput
from recmas_core.tasks import Example


def split_held_out(
    examples: Sequence[Example], *, share: float | None = None, number: int | None = None, seed: int = 0
) -> tuple[list[Example], list[Example]]:
    """Part examples into some to train on and some to measure on: (train, held out), each in the order given.

    Questions that differ in case or white space only are the same one, and never on both sides.

    Args:
        examples: The examples.
        share: The share of questions to hold out, above 0 and below 1; a question's side does not depend on the other
            questions, except that each side gets at least one.
        number: How many different questions to hold out instead.
        seed: Which ones.

    Raises:
        BadInput: Unless exactly one of `share` and `number` is given and leaves a question on either side.
    """
    if (share is None) == (number is None):
        raise BadInput("held out", "needs either a share or a number", "Give one of them.")
    keys = [" ".join(example.question.casefold().split()) for example in examples]
    places = {key: _place(key, seed) for key in keys}
    if len(places) < 2:
        raise BadInput("examples", f"have {len(places)} different questions", "Give at least two.")
    if number is not None:
        count = number
    elif share is not None and 0 < share < 1:
        count = max(1, min(len(places) - 1, sum(place < share for place in places.values())))
    else:
        raise BadInput("share", f"is {share}", "Choose one above 0 and below 1.")
    if not 1 <= count < len(places):
        raise BadInput("number", f"is {count}", f"Hold out 1 to {len(places) - 1} of {len(places)} questions.")
    held = set(sorted(places, key=lambda key: (places[key], key))[:count])
    return (
        [example for example, key in zip(examples, keys, strict=True) if key not in held],
        [example for example, key in zip(examples, keys, strict=True) if key in held],
    )


def _place(question: str, seed: int) -> float:
    """A number from 0 to 1 that only the question and the seed decide."""
    digest = hashlib.sha256(f"{seed}/{question}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
