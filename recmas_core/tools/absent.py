"""The search tool of a system that has nothing to search: its agents may call it, and are told."""

from __future__ import annotations

from recmas_core.tools.base import ERROR


class NoSearch:
    """Answers every search with why there is none: a system whose agents were taught to search runs without it."""

    name = "search"
    about = "Would search the web; this server has no key for it, and the agent is told so."
    source = "nothing: without TAVILY_API_KEY there is no web search"

    def call(self, request: str) -> str:
        """An error that the agent reads."""
        return f"{ERROR}search is not available here"

    def warm(self) -> None:
        """Nothing to get ready."""

    def close(self) -> None:
        """Nothing to give back."""
