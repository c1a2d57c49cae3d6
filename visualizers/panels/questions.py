"""Questions that a visitor or a program gives, read within bounds: they are trained on in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING

from recmas_core.errors import BadInput
from recmas_core.patterns import Pattern
from recmas_core.tasks.given import GivenQuestions

if TYPE_CHECKING:
    from recmas_core.system import System
    from recmas_core.tasks import Example

SUFFIXES = (".json", ".jsonl", ".csv", ".parquet")
MOST_MB, MOST = 32, 5000  # of a file, also unpacked; of questions, drawn where there are more
_TITLE = "Your questions"


def read_questions(file: Path, pattern: Pattern) -> GivenQuestions:
    """The questions of a file.

    Args:
        file: A .json, .jsonl, .csv or .parquet file.
        pattern: Whose roles its right turns are for.

    Raises:
        BadInput: If it is of another kind, too large, empty, or a row is not as it should be.
        SystemNotFound: If it is not there.
    """
    from recmas_core.data import read_examples

    suffix, name = file.suffix.lower(), repr(file.name)
    if suffix not in SUFFIXES:
        raise BadInput(name, "is of no kind that is read here", f"Give one of {', '.join(SUFFIXES)}.")
    if file.is_file():
        _check_size(name, file.stat().st_size)
        _UNPACKED.get(suffix, _as_it_is)(name, file)
    return _given(read_examples(file, pattern))


def check_rows(rows: object, pattern: Pattern) -> GivenQuestions:
    """The questions of a program's rows.

    Args:
        rows: A list of {"question", "answer", …}, unchecked.
        pattern: Whose roles their right turns are for.

    Raises:
        BadInput: If they are no such list, too many or too large, or a row is not as it should be.
    """
    from recmas_core.data import rows_as_examples

    if not isinstance(rows, Sequence) or isinstance(rows, str | bytes):
        raise BadInput("questions", "are no list", 'Give [{"question": "…", "answer": "…"}, …].')
    if len(rows) > MOST:
        raise BadInput("questions", f"are {len(rows):,}", f"Give {MOST:,} at most.")
    _check_size("questions", len(json.dumps(list(rows), default=str)))
    return _given(rows_as_examples(rows, pattern))


def check_askable(given: GivenQuestions, system: System) -> None:
    """See that these agents can be asked all questions.

    Raises:
        BadInput: If a question imitates a control token of one of them; it is named.
    """
    for example in (*given.train, *given.test):
        try:
            system.check(example.question)
        except BadInput as error:
            where = f"question {example.question[:60]!r}"
            raise BadInput(where, f"cannot be asked: it {error.what}", "Leave that row out.") from error


def _given(examples: Sequence[Example]) -> GivenQuestions:
    if len(examples) > MOST:
        examples = [examples[i] for i in sorted(Random(0).sample(range(len(examples)), MOST))]
    return GivenQuestions.of(examples, title=_TITLE)


def _check_size(name: str, size: int) -> None:
    if size > MOST_MB * 2**20:
        raise BadInput(name, f"has {size / 2**20:,.0f} MB", f"At most {MOST_MB} MB are read here: leave rows out.")


def _as_it_is(name: str, file: Path) -> None:
    """Nothing is packed in a file of this kind."""


def _check_parquet(name: str, file: Path) -> None:
    """Refuse a parquet file that unpacks to more than may be read: a few bytes can stand for the same text often."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(file) as packed:
            told = packed.metadata
            _check_size(name, sum(told.row_group(i).total_byte_size for i in range(told.num_row_groups)))
            size = 0
            for batch in packed.iter_batches(batch_size=64):
                size += batch.nbytes
                _check_size(name, size)
    except (ArrowException, OSError) as error:
        raise BadInput(name, f"cannot be read ({error})", "Write it again, or give a .jsonl or .csv file.") from error


_UNPACKED: Mapping[str, Callable[[str, Path], None]] = MappingProxyType({".parquet": _check_parquet})
