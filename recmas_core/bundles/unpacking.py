"""A zip from anywhere as a system's folder: what is in it is checked before and while it is read."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from recmas_core.bundles.contents import agent_folders, check_agent, check_complete, refusal
from recmas_core.bundles.whole import whole_folder
from recmas_core.errors import RecmasError, SystemNotFound, UnsafeCheckpoint
from recmas_core.manifest import FILE, read_manifest

LIMIT_MB = 1024
_MAX_FILES = 300  # five agents in shards of a few GB, with all that tokenizers bring, are far below
_MAX_RATIO, _RATIO_FROM = 200, 1 << 20  # weights hardly shrink; small texts may by any measure
_MAX_MANIFEST, _MAX_TEXT = 1 << 20, 1 << 26
_LEFT_BY_DESKTOPS = ("__MACOSX", ".DS_Store", "Thumbs.db")
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, LookupError, RuntimeError)


@dataclass(frozen=True)
class _Entry:
    """A file of a zip.

    Attributes:
        path: Its place in the system's folder.
        info: Where in the zip it is.
    """

    path: PurePosixPath
    info: zipfile.ZipInfo

    @property
    def where(self) -> str:
        """For errors."""
        return f"the zip's {self.path.as_posix()!r}"


def unpack_system(file: Path, folder: Path, *, limit_mb: int = LIMIT_MB) -> Path:
    """Unpack a zip as a system's folder, ready for `load_system`.

    A single folder around everything is taken off, as file managers put one there. A refused file leaves nothing
    behind.

    Args:
        file: A zip written by `pack_system`, or of a folder written by `System.save`.
        folder: The folder to make.
        limit_mb: How large it may be unpacked, in MB.

    Returns:
        `folder`.

    Raises:
        SystemNotFound: If there is no such file, or no complete system in it.
        UnsafeCheckpoint: If it is damaged, too large, leads out of the folder, names code, or holds what no system's
            folder may.
        BadInput: If `folder` exists and is not empty.
        WriteFailed: If the folder cannot be written.
    """
    where = f"file {file.name!r}"
    if not file.is_file():
        raise SystemNotFound(where, "does not exist", "Give a zip of a system's folder.")
    try:
        with zipfile.ZipFile(file) as bundle:
            entries = _entries(bundle, limit_mb)
            with whole_folder(folder) as half:
                _unpack(bundle, entries, half)
    except _DAMAGE as error:
        if isinstance(error, RecmasError):
            raise
        raise UnsafeCheckpoint(where, f"is no intact zip ({error})", "Make or fetch it again.") from error
    return folder


def _unpack(bundle: zipfile.ZipFile, entries: list[_Entry], half: Path) -> None:
    """The manifest comes first: it says which further files there may be."""
    first = next((entry for entry in entries if entry.path.as_posix() == FILE), None)
    if first is None:
        raise SystemNotFound("the zip", f"holds no {FILE}", "Zip a folder written by system.save.")
    if first.info.file_size > _MAX_MANIFEST:
        raise UnsafeCheckpoint(first.where, "is larger than any system's", "Save the system again.")
    _extract(bundle, first, half)
    kept = read_manifest(half)
    for entry in entries:
        reason = refusal(entry.path, kept)
        if reason is not None:
            raise UnsafeCheckpoint(entry.where, reason, "Zip only what system.save wrote.")
    for entry in entries:
        if entry is not first:
            _extract(bundle, entry, half)
    check_complete(half, kept)
    for place in agent_folders(kept):
        check_agent(half / place)


def _extract(bundle: zipfile.ZipFile, entry: _Entry, half: Path) -> None:
    path = half.joinpath(*entry.path.parts)
    path.parent.mkdir(exist_ok=True)
    with path.open("xb") as target:
        for block in _blocks(bundle, entry):
            target.write(block)


def _blocks(bundle: zipfile.ZipFile, entry: _Entry) -> Iterator[bytes]:
    """A file's content; zipfile gives no more than the size it states, and those sizes were added up before."""
    try:
        with bundle.open(entry.info) as source:
            while block := source.read(1 << 20):
                yield block
    except OSError as error:  # of an offset that is none: no fault of the folder that is written
        raise UnsafeCheckpoint(entry.where, f"cannot be read ({error})", "Zip it again.") from error


def _entries(bundle: zipfile.ZipFile, limit_mb: int) -> list[_Entry]:
    """The files of a zip, each at a plain place and none too large; what desktops leave in zips is left out."""
    infos = [info for info in bundle.infolist() if not set(info.filename.split("/")) & set(_LEFT_BY_DESKTOPS)]
    files = [info for info in infos if not info.is_dir()]
    if len(files) > _MAX_FILES:
        raise UnsafeCheckpoint("the zip", f"holds {len(files)} files, more than {_MAX_FILES}", "Zip the system only.")
    total = sum(info.file_size for info in files)
    if total > limit_mb * 10**6:
        what = f"is {total / 10**6:.0f} MB large unpacked, more than {limit_mb} MB"
        raise UnsafeCheckpoint("the zip", what, "Take smaller agents, or load the folder where it lies.")
    for info in infos:
        _check_info(info)
    paths = [PurePosixPath(info.filename) for info in files]
    if len({path.parts[0] for path in paths}) == 1 and all(len(path.parts) > 1 for path in paths):
        paths = [PurePosixPath(*path.parts[1:]) for path in paths]
    folded = [path.as_posix().casefold() for path in paths]  # a file system may not tell Config.json from config.json
    twice = sorted({name for name in folded if folded.count(name) > 1})
    if twice:
        raise UnsafeCheckpoint("the zip", f"holds {twice[0]!r} twice", "Zip the system's folder again.")
    return [_Entry(path, info) for path, info in zip(paths, files, strict=True)]


def _check_info(info: zipfile.ZipInfo) -> None:
    name = info.orig_filename  # zipfile's own filename is cut at a zero byte
    where, todo = f"the zip's {name!r}", "Zip the system's folder again."
    bare = name.removesuffix("/")
    if any(part in ("", ".", "..") for part in bare.split("/")) or any(c in '\\:*?"<>|' or c < " " for c in bare):
        raise UnsafeCheckpoint(where, "is no plain place in the system's folder", todo)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise UnsafeCheckpoint(where, "is a link or a device, not a file", todo)
    if info.flag_bits & 1:
        raise UnsafeCheckpoint(where, "is encrypted", "Zip the system's folder without a password.")
    if info.file_size > _MAX_TEXT and not name.endswith(".safetensors"):
        raise UnsafeCheckpoint(where, "is larger than any such file of a system", todo)
    if info.file_size > _RATIO_FROM and info.file_size > _MAX_RATIO * max(info.compress_size, 1):
        what = f"unpacks to more than {_MAX_RATIO} times its size, as no weights do"
        raise UnsafeCheckpoint(where, what, "Zip the system without compression.")
