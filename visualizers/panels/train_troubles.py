"""What the Train tab refuses, as errors in the language of the page."""

from __future__ import annotations

from recmas_core.errors import BadInput
from recmas_core.memory import gigabytes
from visualizers.words import Words


def not_begun(words: Words) -> BadInput:
    """There is no training to go on from, or to take anything from."""
    where, what = words("train.errors.not_begun.where"), words("train.errors.not_begun.what")
    return BadInput(where, what, words("train.errors.not_begun.todo"))


def other_links(words: Words) -> BadInput:
    """The links of the last training are those of another system."""
    where, what = words("train.errors.other_links.where"), words("train.errors.other_links.what")
    return BadInput(where, what, words("train.errors.other_links.todo"))


def too_large(size: int, most: int, words: Words) -> BadInput:
    """A system has too many bytes of weights for a zip of so many MB at most."""
    where, what = words("train.errors.large.where"), words("train.errors.large.what", size=gigabytes(size), most=most)
    return BadInput(where, what, words("train.errors.large.todo"))
