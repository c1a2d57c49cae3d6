"""Tools that an agent may call while it decodes the answer: Python in a sandbox, and search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from recmas_core.errors import BadInput
from recmas_core.tools.absent import NoSearch
from recmas_core.tools.base import ERROR, Tool
from recmas_core.tools.python import PythonTool
from recmas_core.tools.sandbox import SandboxUnavailable
from recmas_core.tools.search import CorpusSearch, Hit
from recmas_core.tools.web import WebSearch

__all__ = [
    "ERROR", "CorpusSearch", "Hit", "NoSearch", "PythonTool", "SandboxUnavailable", "Tool", "WebSearch", "open_tools",
]  # fmt: skip


def open_tools(
    names: Sequence[str], *, corpus: str | Path | None = None, search_key: str | None = None
) -> dict[str, Tool]:
    """The tools of those names, each ready to be warmed. "search" is the web's where a key is given, else the corpus's.

    Args:
        names: "python", "search".
        corpus: A JSON-lines file of {"title": …, "text": …} to search.
        search_key: A Tavily key.

    Raises:
        BadInput: For an unknown name, a corpus with a fault, or a search with neither key nor corpus.
        SystemNotFound: If the corpus is not there.
    """
    makers: Mapping[str, Callable[[], Tool]] = {"python": PythonTool, "search": lambda: _search(corpus, search_key)}
    for name in names:
        if name not in makers:
            raise BadInput(f"tool {name!r}", "does not exist", f"Choose from {sorted(makers)}.")
    return {name: makers[name]() for name in names}


def _search(corpus: str | Path | None, search_key: str | None) -> Tool:
    if search_key and search_key.strip():
        return WebSearch(search_key)
    if corpus is None:
        raise BadInput("tool 'search'", "has nothing to search", "Give it a corpus file or a Tavily key.")
    return CorpusSearch(corpus)
