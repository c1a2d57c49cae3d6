"""Rows of JSON, JSON Lines and CSV files, each with the line or the index it stands at."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from recmas_core.data.columns import Repeated, Row, row_of
from recmas_core.errors import BadInput

MAX_BYTES = 128 * 2**20


def check_size(name: str, size: int, most: int = MAX_BYTES) -> None:
    """Refuse a source that holds nothing, or more than so many bytes.

    Raises:
        BadInput: Naming it.
    """
    if size == 0:
        raise BadInput(name, "is empty", "Give a file with at least one row.")
    if size > most:
        todo = f"At most {most // 2**20:,} MB are read: leave rows out."
        raise BadInput(name, f"has {size / 2**20:,.0f} MB", todo)


def json_rows(path: Path) -> Iterator[Row]:
    """Rows of a JSON file: a list of objects, or {"data": a list of objects}.

    Raises:
        BadInput: If the file cannot be read or is none; the row is named by its index, from 0.
    """
    name = repr(path.name)
    items = _parse(name, _text_of(path), "A file with one object per line is to be named .jsonl.")
    if isinstance(items, dict):
        items = items.get("data")
    if not isinstance(items, list):
        raise BadInput(name, "is no list of objects", 'Write [{"question": "…", "answer": "…"}, …].')
    for index, item in enumerate(items):
        yield row_of(f"{name}, row {index} (counted from 0)", item)


def jsonl_rows(path: Path) -> Iterator[Row]:
    """Rows of a JSON Lines file: one object per line; blank lines are skipped.

    Raises:
        BadInput: If the file cannot be read or a line is none; the row is named by its line, from 1.
    """
    for number, line in enumerate(_text_of(path).split("\n"), 1):
        if line.strip():
            place = f"{path.name!r}, line {number}"
            yield row_of(place, _parse(place, line, "Write one whole object per line."))


def csv_rows(path: Path) -> Iterator[Row]:
    """Rows of a CSV file with a header line; every cell is a text.

    Raises:
        BadInput: If the file cannot be read or a row does not fit the header; the row is named by its last line.
    """
    reader = csv.reader(io.StringIO(_text_of(path), newline=""), strict=True)
    try:
        header = next(reader, [])
        twice = next((column for column in header if header.count(column) > 1), None)
        if twice is not None:
            raise BadInput(f"{path.name!r}, line 1, column {twice!r}", "is there twice", "Keep one of them.")
        for cells in reader:
            if not cells:
                continue
            place = f"{path.name!r}, line {reader.line_num}"
            if len(cells) != len(header):
                todo = "Put a cell that holds a comma or a line break into double quotes."
                raise BadInput(place, f"has {len(cells)} cells, the header {len(header)}", todo)
            yield Row(place, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise BadInput(f"{path.name!r}, line {reader.line_num}", f"is no CSV ({error})", "Write it again.") from error


READERS: Mapping[str, Callable[[Path], Iterator[Row]]] = MappingProxyType(
    {".json": json_rows, ".jsonl": jsonl_rows, ".ndjson": jsonl_rows, ".csv": csv_rows}
)


def _text_of(path: Path) -> str:
    """A file as a text; a byte order mark at its start is left out."""
    name = repr(path.name)
    try:
        check_size(name, path.stat().st_size)
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(name, f"cannot be read ({error.strerror})", "See that it is there and may be read.") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"is not UTF-8: byte 0x{data[error.start]:02x} is no character"
        raise BadInput(f"{name}, line {line}", what, "Save it as UTF-8.") from error


def _parse(place: str, text: str, todo: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if "\n" in text else ""
        raise BadInput(place, f"is no JSON ({error.msg} at {line}character {error.colno})", todo) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; brackets within brackets
        raise BadInput(place, f"cannot be parsed ({error})", todo) from error


def _object(pairs: list[tuple[str, object]]) -> object:
    """A JSON object, or a mark that it gives a key twice: which one would count is anyone's guess."""
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    names = [key for key, _ in pairs]
    return Repeated(next(key for key in names if names.count(key) > 1))
