"""Reading examples from wherever they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from random import Random

from recmas_core.data.columns import Layout, Row, row_of
from recmas_core.data.files import READERS, check_size
from recmas_core.data.library import MAX_ROWS, file_rows, folder_rows, hub_rows
from recmas_core.errors import BadInput, SystemNotFound
from recmas_core.patterns import Pattern
from recmas_core.tasks import TASKS, Example, Task

DRAWN = 2000  # questions of an embedded task, where no number is given
_PARQUET = ".parquet"
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def read_examples(
    source: str | Path,
    pattern: Pattern,
    *,
    columns: Mapping[str, str] | None = None,
    split: str = "train",
    limit: int | None = None,
    task: str | None = None,
    seed: int = 0,
    subset: str | None = None,
) -> list[Example]:
    """Read examples for training or measuring.

    Every row needs a question and an answer: that is all the outer loop by the paper's loss ("outer") takes. The stages
    "inner", "align" and "teach" also learn from the right turns of the roles (`Example.targets`): of the role that is
    trained, and of those it reads. A role's right turn is looked for in a column of its name and in those of the
    public training sets (`data.ALIASES`), or in a row's own "targets": {role: text, or a list with a text for each
    round}; for the role that decodes it is the answer unless a column says otherwise. One text holds for every round.
    A row without any has no target for that role.

    Args:
        source: Name of an embedded task; or a .json (a list of objects, or {"data": a list}), .jsonl, .csv or .parquet
            file in UTF-8; or a folder of data files; or "owner/name" of a data set on the hub. Data sets' own code is
            never run.
        pattern: Whose roles the targets are for.
        columns: Other names of columns, e.g. {"question": "problem", "critic": "review"}.
        split: The split; a single file is all "train". Folders and the hub know slices too: "train[:1000]".
        limit: At most so many, drawn at random by the seed, in the order of their rows; all by default, and 2,000 of an
            embedded task.
        task: Only rows whose column "group" or "task_family" says this, e.g. "math".
        seed: Seed of what is drawn.
        subset: Which configuration of a folder or of a data set on the hub, if it has several.

    Raises:
        SystemNotFound: If there is no such source, or the hub is out of reach.
        BadInput: If it cannot be read or a row is not as it should be; row and column are named. More than
            128 MB, 500,000 rows or 100,000 characters in a text are refused.
    """
    if limit is not None and limit < 1:
        raise BadInput("limit", f"is {limit}", "Take one row or more.")
    if isinstance(source, str) and source in TASKS:
        _unused("an embedded task", columns=columns, task=task, subset=subset)
        return _drawn(TASKS[source], split, limit, seed)
    layout = Layout.of(pattern, columns)
    examples = [layout.example(row) for row in islice(_rows(source, split, subset), MAX_ROWS + 1)]
    if len(examples) > MAX_ROWS:
        raise BadInput(f"{str(source)!r}", f"has more than {MAX_ROWS:,} rows", "Leave rows out.")
    if not examples:
        raise BadInput(f"{str(source)!r}", "has no rows", "Give at least one.")
    if task is not None:
        examples = _of_group(examples, task)
    if limit is not None and limit < len(examples):
        examples = [examples[i] for i in sorted(Random(seed).sample(range(len(examples)), limit))]
    return examples


def rows_as_examples(rows: Sequence[object], pattern: Pattern, *, name: str = "questions") -> list[Example]:
    """The examples of rows that are there already; see `read_examples` for what a row holds.

    Args:
        rows: An object each, e.g. {"question": "6 * 7?", "answer": "42"}.
        pattern: Whose roles the targets are for.
        name: What to call them in errors.

    Raises:
        BadInput: If there are none, or a row is not as it should be; row and column are named.
    """
    if not rows:
        raise BadInput(name, "are empty", "Give at least one row.")
    layout = Layout.of(pattern)
    return [layout.example(row_of(f"{name}, row {i} (counted from 0)", row)) for i, row in enumerate(rows)]


def _drawn(task: Task, split: str, limit: int | None, seed: int) -> list[Example]:
    if limit is not None and limit > MAX_ROWS:
        raise BadInput("limit", f"is {limit:,}", f"Draw at most {MAX_ROWS:,} questions.")
    return task.sample(limit or DRAWN, seed=seed, split=split)


def _rows(source: str | Path, split: str, subset: str | None) -> Iterable[Row]:
    path = Path(source)
    suffix = path.suffix.lower()
    if path.is_dir():
        return folder_rows(path, split, subset)
    if path.is_file():
        if suffix not in (*READERS, _PARQUET):
            todo = f"Give one of {', '.join((*READERS, _PARQUET))}."
            raise BadInput(f"{path.name!r}", "is of no kind that is read here", todo)
        _unused("a single file", subset=subset)
        if split != "train":
            raise BadInput("split", f"is {split!r}, but {path.name!r} is a single file", "Choose 'train'.")
        check_size(repr(path.name), path.stat().st_size)
        return READERS[suffix](path) if suffix in READERS else file_rows(path, split)
    # "data/train.jsonl" looks like a data set's name, but whoever wrote it meant a file
    if isinstance(source, Path) or suffix in (*READERS, _PARQUET) or not _REPOSITORY.fullmatch(source):
        todo = f"Give a file, a folder, 'owner/name' of a data set on the hub, or one of {sorted(TASKS)}."
        raise SystemNotFound(f"data {str(path)!r}", "is not to be found", todo)
    return hub_rows(source, split, subset)


def _unused(kind: str, **options: object) -> None:
    for name, value in options.items():
        if value is not None:
            raise BadInput(name, f"was given for {kind}, which has none", "Leave it out.")


def _of_group(examples: list[Example], group: str) -> list[Example]:
    chosen = [example for example in examples if example.group == group]
    if not chosen:
        there = sorted({example.group for example in examples})[:12]
        raise BadInput("task", f"is {group!r}, but the rows' groups are {there}", "Choose one of them.")
    return chosen
