"""Repositories of the hub, as agents and links are read from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from recmas_core.memory import count_parameters
from recmas_core.progress import Loading, Tell, silent
from recmas_core.released.fetching import Fetch, complete, fetch, parameters
from recmas_core.weights import check_inside


@dataclass(frozen=True)
class Hub:
    """Where repositories come from.

    Attributes:
        fetch: Gives the folder of a repository, told of the bytes on their way.
        weigh: The number of parameters of a repository's model, asked before anything of it is fetched.
    """

    fetch: Callable[[str, Tell], Path]
    weigh: Callable[[str], int]

    @staticmethod
    def of(get: Fetch) -> Hub:
        """Repositories that are all on this machine already."""
        return Hub(lambda name, _: get(name), lambda name: count_parameters(complete(get(name))))

    def get(self, repository: str, tell: Tell = silent) -> Path:
        """The folder of a repository."""
        folder = self.fetch(repository, tell)
        check_inside(folder, f"repository {repository!r}")
        return folder

    def model(self, repository: str, tell: Tell = silent) -> Path:
        """The folder of a repository whose weights are all there."""
        return complete(self.get(repository, tell))

    def parameters(self, repository: str) -> int:
        """The number of parameters of a repository's model."""
        return self.weigh(repository)


def looks_like_repository(name: str) -> bool:
    """Whether a name is meant as "owner/name", not as a path."""
    return name.count("/") == 1 and not name.startswith((".", "/", "~")) and "\\" not in name


def _fetch(repository: str, tell: Tell) -> Path:
    def count(so_far: int, in_all: int) -> None:
        tell(Loading(repository, 0, 1, so_far, in_all))

    return fetch(repository, tell=count)


HUB = Hub(_fetch, parameters)
