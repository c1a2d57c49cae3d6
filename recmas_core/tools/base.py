"""What a tool is: something an agent may call while it decodes the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

ERROR = "error: "  # how every result begins that is no answer: a failing program, nothing found, out of time


class Tool(Protocol):
    """A tool as the engine and the page see it. Any number of threads may call one tool at once.

    Attributes:
        name: How an agent calls it: "python", "search".
        about: One sentence for the reader.
        source: What it works on, in a few words.
    """

    name: str
    about: str
    source: str

    def call(self, request: str) -> str:
        """The result as text. What goes wrong is a result that begins with `ERROR`, never an exception."""

    def warm(self) -> None:
        """Get ready, so that the first call is quick. May take seconds.

        Raises:
            RecmasError: If the tool cannot be made ready on this machine.
        """

    def close(self) -> None:
        """Give back what it holds. A later call gets ready anew."""


@runtime_checkable
class Factual(Protocol):
    """A tool whose `source` holds values: they stand in `facts` by name, for who says it in other words."""

    @property
    def facts(self) -> Mapping[str, object]:
        """The values."""


@runtime_checkable
class Forkable(Protocol):
    """A tool with something that a fork may catch in another thread's hands: a lock, a sandbox that is in use."""

    def forked(self) -> Tool:
        """The same tool for a process that was just forked: nobody holds anything of it."""


def tool_in_fork(tool: Tool) -> Tool:
    """A tool as a process uses it that was just forked from the one that opened the tool."""
    return tool.forked() if isinstance(tool, Forkable) else tool
