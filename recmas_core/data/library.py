"""Rows that the `datasets` library reads: parquet files, folders of data files, data sets on the Hugging Face hub.

Data files only. The library has not run data sets' own code since its version 4 and says so itself; what it is pointed
at by a data set's card is checked here: a card must not lead out of its own folder or repository.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from recmas_core.data.columns import Row
from recmas_core.data.files import MAX_BYTES, check_size
from recmas_core.errors import BadInput, RecmasError, SystemNotFound

SUFFIXES = (".parquet", ".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".arrow")
MAX_ROWS = 500_000
MAX_DOWNLOAD = 2**31  # bytes, of a data set on the hub, and of the rows that are taken from anywhere
_HUB = "hf://datasets/"


def file_rows(path: Path, split: str) -> list[Row]:
    """Rows of a parquet file.

    Raises:
        BadInput: If it cannot be read, or has no such split.
    """
    name = repr(path.name)
    with _plainly(name), TemporaryDirectory() as cache:  # what is read from a file is not kept a second time
        from datasets import load_dataset_builder

        builder = load_dataset_builder("parquet", data_files={"train": str(path)}, cache_dir=cache)
        return _rows(builder, name, split)


def folder_rows(folder: Path, split: str, subset: str | None = None) -> list[Row]:
    """Rows of a folder of data files, laid out as the `datasets` library wants it.

    Raises:
        BadInput: If it cannot be read, has no such split, or its card leads out of it.
        SystemNotFound: If there are no data files in it.
    """
    name = f"folder {folder.name!r}"
    with _plainly(name), TemporaryDirectory() as cache:
        from datasets import load_dataset_builder

        builder = load_dataset_builder(str(folder.resolve()), subset, cache_dir=cache)
        home = folder.resolve()
        _check_files(builder, name, lambda file: "://" not in file and Path(file).resolve().is_relative_to(home))
        return _rows(builder, name, split)


def hub_rows(repository: str, split: str, subset: str | None = None) -> list[Row]:
    """Rows of a data set on the hub, kept in the library's own cache.

    Raises:
        BadInput: If it cannot be read, has no such split, or its card leads out of it.
        SystemNotFound: If there is no such data set, or the hub is out of reach.
    """
    name = f"data set {repository!r}"
    with _plainly(name):
        from datasets import load_dataset_builder

        builder = load_dataset_builder(repository, subset)
        _check_files(builder, name, lambda file: file.startswith(f"{_HUB}{repository}@"), MAX_DOWNLOAD)
        return _rows(builder, name, split)


def _check_files(builder: Any, name: str, at_home: Callable[[str], bool], most: int = MAX_BYTES) -> None:
    """Refuse files of other kinds, files from elsewhere, and too much of them, before anything is fetched."""
    from fsspec.core import url_to_fs

    size, there = 0, [file for files in (builder.config.data_files or {}).values() for file in files]
    for file in there:
        short = file.rpartition("/")[2]
        if not at_home(file):
            raise BadInput(name, f"leads to {file!r}, which lies elsewhere", "Keep the data files together.")
        if not file.endswith(SUFFIXES):
            raise BadInput(name, f"has {short!r}, which is no data file", f"Use one of {', '.join(SUFFIXES)}.")
        system, path = url_to_fs(file)
        size += system.size(path) or 0
    if there:  # offline the library goes by what it fetched before, and names no files
        check_size(name, size, most)


def _rows(builder: Any, name: str, split: str) -> list[Row]:
    builder.download_and_prepare()
    data = builder.as_dataset(split=split)
    if len(data) > MAX_ROWS:
        todo = f"At most {MAX_ROWS:,} are read: choose a part with split='{split}[:{MAX_ROWS}]'."
        raise BadInput(name, f"has {len(data):,} rows", todo)
    check_size(f"{name}, split {split!r}", data.data.nbytes, MAX_DOWNLOAD)
    return [Row(f"{name}, row {index} (counted from 0)", cells) for index, cells in enumerate(data.to_list())]


@contextmanager
def _plainly(name: str) -> Iterator[None]:
    """Whatever the library raises becomes an error of ours with its text: what it may raise is not listed anywhere."""
    try:
        yield
    except RecmasError:
        raise
    except Exception as error:
        raise _plain(name, error) from error


def _plain(name: str, error: Exception) -> RecmasError:
    from datasets.exceptions import DatasetGenerationError

    cause = error
    while isinstance(cause, DatasetGenerationError) and isinstance(cause.__cause__, Exception):
        cause = cause.__cause__  # the outer one only says that something happened
    text = " ".join(str(cause).split())[:400] or type(cause).__name__
    if isinstance(cause, ConnectionError):
        return SystemNotFound(name, f"is out of reach ({text})", "Go online, or give a file or a folder.")
    if isinstance(cause, FileNotFoundError):
        return SystemNotFound(name, f"gives no data ({text})", "See that its name is right and that you may read it.")
    return BadInput(name, f"cannot be read ({text})", "Repair it, or choose another split or another source.")
