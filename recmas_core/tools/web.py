"""The search tool over the web, through Tavily's HTTP API."""

from __future__ import annotations

import json
import time

from recmas_core.errors import BadInput, RecmasError
from recmas_core.tools.base import ERROR
from recmas_core.tools.search import Hit, shortened

_LONGEST_TEXT = 2_000  # characters of a page's excerpt that are kept
_LONGEST_ANSWER = 4 << 20  # bytes
_LONGEST_QUERY = 400  # characters; the API refuses longer ones
_REFUSALS = {
    400: "the request was refused",
    401: "the key was refused",
    403: "the key was refused",
    429: "too many searches, try again later",
    432: "the key's plan is used up",
    433: "the key's plan is used up",
}


class WebTrouble(RecmasError, RuntimeError):
    """The web, or the API, did not do as asked. The message never holds the key."""

    def __init__(self, what: str) -> None:
        super().__init__("the web search", what, "Try again later, check the key, or search the corpus.")


class WebSearch:
    """Searches the web. The key is sent to the API and goes nowhere else: it is in no message, log or repr.

    Args:
        key: A Tavily API key.
        base: Where the API is.
        seconds: How long a search may take.

    Raises:
        BadInput: If the key is empty or has characters that no key has.
    """

    name = "search"
    about = "Searches the web and reads the best excerpt."
    source = "the web, through Tavily"

    def __init__(self, key: str, *, base: str = "https://api.tavily.com", seconds: float = 15.0) -> None:
        key = key.strip()
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise BadInput("the search key", "cannot be a Tavily key", "Paste it as Tavily shows it.")
        self.__key, self._base, self._seconds = key, base.rstrip("/"), seconds

    def __repr__(self) -> str:
        """Without the key."""
        return f"WebSearch({self.source})"

    def __getstate__(self) -> object:
        """Refuse to be pickled or copied: the key would be in it."""
        raise TypeError("a WebSearch holds a key and is not written anywhere")

    def call(self, request: str) -> str:
        """The excerpt that fits best."""
        try:
            found = self.hits(request, 1)
        except WebTrouble as trouble:
            return f"{ERROR}{trouble.where} {trouble.what}"
        return found[0].text if found else f"{ERROR}nothing found for {shortened(request)!r}"

    def hits(self, query: str, n: int = 5) -> tuple[Hit, ...]:
        """The `n` pages that fit a query best, best first.

        Raises:
            WebTrouble: If the web or the API does not answer.
            BadInput: If `n` is not 1 to 20.
        """
        import httpx

        if not 1 <= n <= 20:
            raise BadInput("search", f"was asked for {n} pages", "Ask for 1 to 20.")
        asked = " ".join(query.encode("utf-8", "replace").decode().split())[:_LONGEST_QUERY]
        if not asked:
            return ()
        try:
            return _parsed(self._fetch(asked, n))[:n]
        except httpx.TimeoutException:
            raise WebTrouble(f"took longer than {self._seconds:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise WebTrouble(f"could not be reached ({type(error).__name__})") from None

    def _fetch(self, query: str, n: int) -> bytes:
        """The body of the API's answer."""
        import httpx

        until = time.monotonic() + self._seconds
        body = b""
        with httpx.stream(
            "POST",
            f"{self._base}/search",
            json={"query": query, "max_results": n, "search_depth": "basic"},
            headers={"Authorization": f"Bearer {self.__key}"},
            timeout=self._seconds,
            follow_redirects=False,  # a redirect would carry the key elsewhere
        ) as answer:
            if answer.status_code != 200:
                why = _REFUSALS.get(answer.status_code, "it answered with an error")
                raise WebTrouble(f"failed: {why} ({answer.status_code})")
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > _LONGEST_ANSWER:
                    raise WebTrouble("answered with too much")
                if time.monotonic() > until:  # httpx's own limit is for each piece
                    raise httpx.ReadTimeout("the answer came too slowly")
        return body

    def warm(self) -> None:
        """Load the HTTP client. Nothing is sent."""
        import httpx  # noqa: F401

    def close(self) -> None:
        """Nothing is held between searches."""


def _parsed(body: bytes) -> tuple[Hit, ...]:
    """The hits in an answer of the API.

    Raises:
        WebTrouble: If it is none.
    """
    try:
        rows = json.loads(body)["results"]
        return tuple(
            Hit(str(row["title"]), str(row["content"])[:_LONGEST_TEXT], float(row.get("score", 0)), str(row["url"]))
            for row in rows
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise WebTrouble("answered with something else than results") from None
