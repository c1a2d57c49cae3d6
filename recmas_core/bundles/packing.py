"""A system's folder as one zip."""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from recmas_core.bundles.contents import agent_folders, check_complete, refusal, top_files
from recmas_core.bundles.whole import writing
from recmas_core.manifest import read_manifest
from recmas_core.storage import write_whole

_TIME = (1980, 1, 1, 0, 0, 0)


def pack_system(folder: Path, out: Path) -> Path:
    """Write a system's folder as one zip. The same folder gives the same bytes, wherever and whenever.

    It holds what `load_system` reads: maps and model cards stay behind.

    Args:
        folder: A folder written by `System.save`.
        out: The file to write, e.g. "my-system.zip".

    Returns:
        `out`.

    Raises:
        SystemNotFound: If the folder is no complete system.
        UnsafeCheckpoint: If its system.json is damaged.
        WriteFailed: If the file cannot be written.
    """
    kept = read_manifest(folder)
    check_complete(folder, kept)
    names = top_files(kept)
    for place in sorted({*agent_folders(kept), "links"}):
        here = sorted(path.name for path in (folder / place).iterdir() if path.is_file())
        names += [f"{place}/{name}" for name in here if refusal(PurePosixPath(place, name), kept) is None]

    def write(file: BinaryIO) -> None:
        # stored, not compressed: weights hardly shrink, and zlib's bytes differ from version to version
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as bundle:
            for name in names:
                info = zipfile.ZipInfo(name, _TIME)
                info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16
                info.file_size = (folder / name).stat().st_size
                with (folder / name).open("rb") as source, bundle.open(info, "w") as target:
                    shutil.copyfileobj(source, target, 1 << 20)

    with writing(f"file {out.name!r}"):
        write_whole(out, write)
    return out
