"""Folders and files that are there whole or not at all, and an error that says why not."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from recmas_core.errors import BadInput, WriteFailed


@contextmanager
def writing(where: str) -> Iterator[None]:
    """Turns an error of the operating system into one for people.

    Raises:
        WriteFailed: In place of OSError, and of what safetensors makes of it.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        todo = "Make room, or choose a place that can be written to."
        raise WriteFailed(where, f"cannot be written ({reason})", todo) from error


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A new folder under a temporary name, to be filled: it takes its own name when all is there, or goes.

    Args:
        folder: Where it shall be. Nothing, or an empty folder, may be there now.

    Raises:
        BadInput: If something is there already.
        WriteFailed: If it cannot be written.
    """
    where = f"folder {folder.name!r}"
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(where, "exists and is not empty", "Choose another name, or remove it first.")
    with writing(where):
        folder.parent.mkdir(parents=True, exist_ok=True)
        half = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".half", dir=folder.parent))
    try:
        with writing(where):
            content = half / folder.name  # half itself is closed to other users, whatever the umask
            content.mkdir()
            yield content
            if folder.exists():
                folder.rmdir()
            content.rename(folder)
    finally:
        shutil.rmtree(half, ignore_errors=True)
