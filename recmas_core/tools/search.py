"""The search tool over a corpus of short texts: BM25, on words as they stand."""

from __future__ import annotations

import copy
import json
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recmas_core.errors import BadInput, SystemNotFound
from recmas_core.tools.base import ERROR

if TYPE_CHECKING:
    from bm25s import BM25

_WORD = re.compile(r"\w+")
_LONGEST_QUERY = 1_000  # characters that are looked at


@dataclass(frozen=True)
class Hit:
    """One text that was found.

    Attributes:
        title: Its title.
        text: The text itself.
        score: How well it fits: a BM25 score of the corpus, 0 to 1 of the web; comparable within one search only.
        url: Where it stands, for a page of the web.
    """

    title: str
    text: str
    score: float
    url: str = ""


def words(text: str) -> list[str]:
    """The words of a text: runs of letters and digits, in small letters. No stemming, no stop words."""
    return _WORD.findall(text.casefold())


def read_corpus(path: Path) -> tuple[tuple[str, str], ...]:
    """The (title, text) rows of a JSON-lines file.

    Raises:
        SystemNotFound: If there is no such file.
        BadInput: If it is no corpus; the message names the line.
    """
    where = f"corpus {path.name}"
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError as error:
        raise SystemNotFound(where, "is not there", "Name a JSON-lines file of titles and texts.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(where, f"cannot be read ({error})", "It must be a JSON-lines file in UTF-8.") from error
    rows = tuple(_row(line, f"{where}, line {i}") for i, line in enumerate(lines, 1) if line.strip())
    if not rows:
        raise BadInput(where, "is empty", 'Each line is {"title": …, "text": …}.')
    return rows


def _row(line: str, where: str) -> tuple[str, str]:
    """One line of a corpus.

    Raises:
        BadInput: If it is not a JSON object with a title and a text that has words in it.
    """
    todo = 'Write {"title": …, "text": …} on it, both as strings.'
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadInput(where, "is no JSON", todo) from error
    if not isinstance(row, dict):
        raise BadInput(where, "is no JSON object", todo)
    for name in ("title", "text"):
        if not isinstance(row.get(name), str):
            raise BadInput(where, f"has no {name!r}", todo)
    if not words(row["text"]):
        raise BadInput(where, "has a 'text' without a word", todo)
    return row["title"], row["text"]


class CorpusSearch:
    """Searches the texts of a JSON-lines file by their words, title included.

    The file is read at once; the index is made when it is first needed.

    Args:
        path: A file of one {"title": …, "text": …} to a line.

    Raises:
        SystemNotFound: If there is no such file.
        BadInput: If it is no corpus; the message names the line.
    """

    name = "search"
    about = "Searches a collection of short texts and reads the best one."

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._rows = read_corpus(self.path)
        self.source = f"{len(self._rows)} texts of {self.path.name}"
        self.facts = {"texts": len(self._rows), "file": self.path.name}
        self._lock = threading.Lock()
        self._index: BM25 | None = None

    def __repr__(self) -> str:
        """Which file, and how many texts."""
        return f"CorpusSearch({self.source})"

    def hits(self, query: str, n: int = 5) -> tuple[Hit, ...]:
        """The `n` texts that fit a query best, best first, equal ones in the order of the file.

        A text that shares no word with the query is not among them.

        Raises:
            BadInput: If `n` is not positive.
        """
        import numpy as np

        if n < 1:
            raise BadInput("search", f"was asked for {n} texts", "Ask for one or more.")
        asked = words(query[:_LONGEST_QUERY])
        if not asked:
            return ()
        scores = self._ready().get_scores(asked)
        order = np.argsort(-scores, kind="stable")[:n]
        found = ((*self._rows[i], float(scores[i])) for i in order if scores[i] > 0)
        return tuple(Hit(title, text, score) for title, text, score in found)

    def call(self, request: str) -> str:
        """The text that fits best."""
        found = self.hits(request, 1)
        return found[0].text if found else f"{ERROR}nothing found for {shortened(request)!r}"

    def warm(self) -> None:
        """Make the index."""
        self._ready()

    def close(self) -> None:
        """Let go of the index."""
        with self._lock:
            self._index = None

    def forked(self) -> CorpusSearch:
        """This search with a lock of its own: another thread may have held the old one as the process was forked."""
        twin = copy.copy(self)
        twin._lock = threading.Lock()
        return twin

    def _ready(self) -> BM25:
        with self._lock:
            if self._index is None:
                # bm25s imports numba, which reads this once: with more threads, umap-learn, if it works in an agent's
                # thread later, would leave torch there with as many, and sums of latents in another order
                os.environ.setdefault("NUMBA_NUM_THREADS", "1")
                from bm25s import BM25

                index = BM25(method="lucene", backend="numpy")
                index.index([words(f"{title} {text}") for title, text in self._rows], show_progress=False)
                self._index = index
            return self._index


def shortened(request: str) -> str:
    """A request as it is repeated in a result: on one line, not too long."""
    line = " ".join(request.split())
    return line if len(line) <= 80 else f"{line[:79]}…"
