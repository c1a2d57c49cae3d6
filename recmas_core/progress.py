"""How far the loading of a system has come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Loading:
    """What is loaded.

    Attributes:
        what: The agent, repository or file under way; "" when all is there.
        done: Parts that are there.
        of: Parts in all.
        bytes_done: Of a part that is fetched, how much has come.
        bytes_of: How much that is in all; 0 where nothing is fetched.
    """

    what: str
    done: int
    of: int
    bytes_done: int = 0
    bytes_of: int = 0


Tell: TypeAlias = Callable[[Loading], None]


def silent(_: Loading) -> None:
    """Told nothing."""
