"""A system's folder as one zip and back: the same bits, the same bytes, and no stranger's zip does any harm."""

from __future__ import annotations

import errno
import io
import json
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from shipping import OPTIONS, ship
from test_run import assert_same
from tiny import FAMILIES, QUESTION, tiny_agent, tiny_pattern_system, tiny_system

import recmas_core as rm
from recmas_core.bundles import pack_system, unpack_system
from recmas_core.errors import WriteFailed
from recmas_core.folders import link_path


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("systems") / "mine"
    tiny_system(alone=tiny_agent("llama", seed=5, name="alone")).save(folder)
    return folder


@pytest.fixture(scope="module")
def packed(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack_system(saved, tmp_path_factory.mktemp("zips") / "mine.zip")


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rezipped(packed: Path, out: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The same zip with other files in it, as a person would make it."""
    with zipfile.ZipFile(packed) as bundle:
        held = {name: bundle.read(name) for name in bundle.namelist()}
    change(held)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in held.items():
            bundle.writestr(name, content)
    return out


def refused(file: Path, folder: Path, error: type[Exception], match: str, **options: int) -> None:
    """It is refused, and nothing is left of it."""
    folder.mkdir()
    with pytest.raises(error, match=match):
        unpack_system(file, folder / "yours", **options)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["sequential", "mixture", "distillation", "loop2"])
def test_a_system_thinks_the_same_bits_after_the_way_there_and_back(name: str, tmp_path: Path) -> None:
    # Not Qwen2: AutoTokenizer gives its folders Qwen2's own way of cutting words, whatever was saved there.
    families = tuple(family for family in FAMILIES if family != "qwen2")
    system = tiny_pattern_system(rm.PATTERNS[name], families)
    system.save(tmp_path / "mine")
    unpack_system(pack_system(tmp_path / "mine", tmp_path / "mine.zip"), tmp_path / "yours")
    options = {"rounds": 2, "latent_steps": 2, "max_new_tokens": 4}
    again = rm.load_system(str(tmp_path / "yours"))
    assert_same(system.solve(QUESTION, **options), again.solve(QUESTION, **options))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_of_agents_comes_through(family: str, tmp_path: Path) -> None:
    """The sizes asked for are counted right, tied embeddings and all."""
    tiny_pattern_system(rm.PATTERNS["loop2"], [family]).save(tmp_path / "mine")
    unpack_system(pack_system(tmp_path / "mine", tmp_path / "mine.zip"), tmp_path / "yours")
    assert files(tmp_path / "yours") == files(tmp_path / "mine")


def test_the_searched_texts_come_along(tmp_path: Path) -> None:
    mine = ship(tmp_path / "assets") / "deliberation"
    yours = unpack_system(pack_system(mine, tmp_path / "mine.zip"), tmp_path / "yours")
    assert files(yours) == files(mine)
    one, other = (rm.load_system(str(folder)) for folder in (mine, yours))
    assert one.tools["search"].call("how high is Chur") == other.tools["search"].call("how high is Chur")
    assert_same(one.solve("7", **OPTIONS), other.solve("7", **OPTIONS))


def test_the_same_folder_gives_the_same_bytes(saved: Path, packed: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(saved, tmp_path / "copy", copy_function=shutil.copyfile))
    (copy / "system.json").touch()
    assert pack_system(copy, tmp_path / "copy.zip").read_bytes() == packed.read_bytes()


def test_what_is_no_part_of_the_system_stays_behind(saved: Path, packed: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(saved, tmp_path / "copy"))
    (copy / "maps").mkdir()
    for name in ("maps/planner.npz", "README.md", "planner/pytorch_model.bin", "links/old.safetensors", "run.py"):
        (copy / name).write_bytes(b"x")
    assert pack_system(copy, tmp_path / "copy.zip").read_bytes() == packed.read_bytes()


def test_a_folder_without_a_link_is_not_packed(saved: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(saved, tmp_path / "copy"))
    link_path(copy, "planner", "critic").unlink()
    with pytest.raises(rm.SystemNotFound, match="planner-critic"):
        pack_system(copy, tmp_path / "copy.zip")
    assert not (tmp_path / "copy.zip").exists()


def test_a_zip_of_a_desktop(saved: Path, packed: Path, tmp_path: Path) -> None:
    """Compressed, with a folder around everything, and with what a Mac leaves there."""

    def change(held: dict[str, bytes]) -> None:
        inner = {f"my system/{name}": content for name, content in held.items()}
        held.clear()
        held.update({"my system/": b"", **inner, "my system/.DS_Store": b"x", "__MACOSX/my system/._system.json": b"x"})

    unpack_system(rezipped(packed, tmp_path / "desktop.zip", change), tmp_path / "yours")
    assert files(tmp_path / "yours") == files(saved)


OUTSIDE = ("../evil.json", "/etc/evil.json", "planner/../../evil.json", "planner//evil.json", "./evil.json",
           "C:evil.json", "planner\\evil.json", "planner/evil\x07.json")  # fmt: skip
FOREIGN = ("planner/pytorch_model.bin", "planner/adapter.pt", "planner/model.pkl", "planner/modeling_evil.py",
           "planner/adapter_config.json", "planner/.hidden.json", "planner/deep/er.json",
           "links/planner-solver.safetensors", "stranger/config.json", "evil.json",
           "system.json/evil.json")  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE, ids=repr)
def test_nothing_leads_outside(packed: Path, tmp_path: Path, name: str) -> None:
    file = rezipped(packed, tmp_path / "evil.zip", lambda held: held.update({name: b"{}"}))
    refused(file, tmp_path / "in", rm.UnsafeCheckpoint, "no plain place")
    assert not list(tmp_path.rglob("evil*.json"))


@pytest.mark.parametrize("name", FOREIGN)
def test_only_what_a_system_needs(packed: Path, tmp_path: Path, name: str) -> None:
    file = rezipped(packed, tmp_path / "evil.zip", lambda held: held.update({name: b"{}"}))
    refused(file, tmp_path / "in", rm.UnsafeCheckpoint, "no part of|no agent's folder|another kind")


def test_the_manifest_cannot_let_more_in(packed: Path, tmp_path: Path) -> None:
    def change(held: dict[str, bytes]) -> None:
        kept = json.loads(held["system.json"])
        kept["tools"] = {"search": {"corpus": "evil.py"}}
        held.update({"system.json": json.dumps(kept).encode(), "evil.py": b"import os"})

    file = rezipped(packed, tmp_path / "evil.zip", change)
    refused(file, tmp_path / "in", rm.UnsafeCheckpoint, r"\.jsonl")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR], ids=["link", "fifo", "device"])
def test_links_and_devices(packed: Path, tmp_path: Path, kind: int) -> None:
    file = Path(shutil.copy(packed, tmp_path / "evil.zip"))
    with zipfile.ZipFile(file, "a") as bundle:
        info = zipfile.ZipInfo("planner/vocab.json")
        info.create_system, info.external_attr = 3, (kind | 0o777) << 16
        bundle.writestr(info, "/etc/passwd")
    refused(file, tmp_path / "in", rm.UnsafeCheckpoint, "link or a device")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["system.json", "SYSTEM.json", "planner/Config.json"])
def test_a_file_that_is_there_twice(packed: Path, tmp_path: Path, name: str) -> None:
    file = Path(shutil.copy(packed, tmp_path / "evil.zip"))
    with zipfile.ZipFile(file, "a") as bundle:
        bundle.writestr(name, "{}")
    refused(file, tmp_path / "in", rm.UnsafeCheckpoint, "twice")


def test_an_encrypted_file(packed: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(packed, tmp_path / "evil.zip"))
    with zipfile.ZipFile(file, "a") as bundle:
        bundle.getinfo("system.json").flag_bits |= 1
        bundle.writestr("planner/vocab.json", "{}")
    refused(file, tmp_path / "in", rm.UnsafeCheckpoint, "encrypted")


def test_too_many_files(packed: Path, tmp_path: Path) -> None:
    many = {f"planner/{i}.json": b"{}" for i in range(300)}
    file = rezipped(packed, tmp_path / "evil.zip", lambda held: held.update(many))
    refused(file, tmp_path / "in", rm.UnsafeCheckpoint, "files, more than 300")


def test_too_large_unpacked(packed: Path, tmp_path: Path) -> None:
    noise = {f"planner/{i}.json": bytes(600_000) for i in range(2)}
    file = rezipped(packed, tmp_path / "evil.zip", lambda held: held.update(noise))
    refused(file, tmp_path / "in", rm.UnsafeCheckpoint, "more than 1 MB", limit_mb=1)


def test_a_file_that_swells(packed: Path, tmp_path: Path) -> None:
    bomb = {"planner/model.safetensors": bytes(20_000_000)}
    file = rezipped(packed, tmp_path / "evil.zip", lambda held: held.update(bomb))
    assert file.stat().st_size < 500_000
    refused(file, tmp_path / "in", rm.UnsafeCheckpoint, "200 times its size")


def test_a_file_that_is_larger_than_it_says(packed: Path, tmp_path: Path) -> None:
    """The sizes that are added up are not believed while reading: what is beyond them is not written."""
    file = rezipped(packed, tmp_path / "evil.zip", lambda held: held.update({"planner/vocab.json": b"0" * 70_001}))
    raw = file.read_bytes()
    said, lie = (70_001).to_bytes(4, "little"), (7).to_bytes(4, "little")
    assert raw.count(said) == 2
    file.write_bytes(raw.replace(said, lie))
    refused(file, tmp_path / "in", rm.UnsafeCheckpoint, "no intact zip")


def without(name: str) -> Callable[[dict[str, bytes]], None]:
    return lambda held: held.pop(name) and None


@pytest.mark.parametrize(
    "name", ["system.json", "planner/config.json", "solver/model.safetensors", "links/critic-solver.safetensors"]
)
def test_an_incomplete_system(packed: Path, tmp_path: Path, name: str) -> None:
    file = rezipped(packed, tmp_path / "part.zip", without(name))
    refused(file, tmp_path / "in", rm.SystemNotFound, name)


HOSTILE = {
    "code": ({"auto_map": {"AutoConfig": "evil.Config"}}, "names code"),
    "kernels": ({"attn_implementation": "someone/kernels"}, "names code"),
    "code deep inside": ({"text_config": {"auto_map": {"AutoModel": "a/b--c.D"}}}, "names code"),
    "weights that are not there": ({"intermediate_size": 10**6}, "asks for"),
    "layers without end": ({"num_hidden_layers": 10**12}, "more than any model"),
    "labels without end": ({"num_labels": 10**12}, "more than any model"),
    "no known model": ({"model_type": "evil"}, "no language model"),
    "nonsense": ({"hidden_size": "large"}, "no language model"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_configurations(packed: Path, tmp_path: Path, kind: str) -> None:
    values, match = HOSTILE[kind]

    def change(held: dict[str, bytes]) -> None:
        held["critic/config.json"] = json.dumps({**json.loads(held["critic/config.json"]), **values}).encode()

    refused(rezipped(packed, tmp_path / "evil.zip", change), tmp_path / "in", rm.UnsafeCheckpoint, match)


@pytest.mark.parametrize("part", ["system.json", "critic/config.json", "solver/model.safetensors"])
def test_damaged_parts(packed: Path, tmp_path: Path, part: str) -> None:
    file = rezipped(packed, tmp_path / "bad.zip", lambda held: held.update({part: held[part][: len(held[part]) // 2]}))
    refused(file, tmp_path / "in", rm.UnsafeCheckpoint, part.split("/")[-1])


def test_damaged_anywhere(packed: Path, tmp_path: Path) -> None:
    """Cut short it is refused; with a byte changed in a file's content too."""
    whole = packed.read_bytes()
    file = tmp_path / "bad.zip"
    for i, cut in enumerate((0, 10, len(whole) // 2, len(whole) - 5)):
        file.write_bytes(whole[:cut])
        refused(file, tmp_path / f"cut{i}", rm.UnsafeCheckpoint, "no intact zip")
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 1
    file.write_bytes(changed)
    refused(file, tmp_path / "changed", rm.UnsafeCheckpoint, "no intact zip")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(rm.SystemNotFound, match="does not exist"):
        unpack_system(tmp_path / "no.zip", tmp_path / "yours")


def test_a_folder_with_something_in_it_stays_as_it_is(saved: Path, packed: Path) -> None:
    before = files(saved)
    with pytest.raises(rm.BadInput, match="not empty"):
        unpack_system(packed, saved)
    assert files(saved) == before


def test_a_full_disk_leaves_nothing(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    class Full(io.FileIO):
        def write(self, block: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def full(path: Path, mode: str = "r", *rest: object, **options: object) -> object:
        return Full(path, "w") if "critic" in path.parts and "x" in mode else opened(path, mode, *rest, **options)

    monkeypatch.setattr(Path, "open", full)
    refused(packed, tmp_path / "in", WriteFailed, "No space left")


def test_a_zip_that_cannot_be_written_leaves_the_old_one(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "mine.zip"
    out.write_bytes(b"before")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(WriteFailed, match="No space left"):
        pack_system(saved, out)
    assert list(tmp_path.iterdir()) == [out]
    assert out.read_bytes() == b"before"
