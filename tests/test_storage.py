"""Traces and systems on disk: the round trip is exact, damage is named, nothing is unpickled or left half-written."""

from __future__ import annotations

import io
import json
import pickle
import random
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from test_run import assert_same
from tiny import LONG, MIXED, QUESTION, tiny_agent, tiny_system

import recmas_core as rm
from recmas_core.records import ToolReport

OPTIONS = {"rounds": 2, "latent_steps": 2, "max_new_tokens": 4}


def reloaded(trace: rm.Trace, folder: Path) -> rm.Trace:
    trace.save(str(folder / "run.npz"))
    return rm.Trace.load(str(folder / "run.npz"))


def plain(value: object) -> object:
    """A record as nested plain values that == compares, arrays included."""
    if isinstance(value, np.ndarray):
        return ("array", str(value.dtype), value.shape, value.tobytes(), value.flags.writeable)
    if hasattr(value, "__dataclass_fields__"):
        return (type(value).__name__, {name: plain(getattr(value, name)) for name in value.__dataclass_fields__})
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    return value


@pytest.fixture(scope="module")
def run(system: rm.System) -> rm.Trace:
    return system.solve(QUESTION, **OPTIONS)


@pytest.mark.parametrize("mode", ["latent", "text"])
def test_round_trip(system: rm.System, tmp_path: Path, mode: str) -> None:
    trace = system.solve(QUESTION, mode=mode, temperature=0.7, seed=2**63 - 1, **OPTIONS)
    again = reloaded(trace, tmp_path)
    assert plain(again) == plain(trace)
    assert_same(trace, again)
    assert list(tmp_path.iterdir()) == [tmp_path / "run.npz"]


def test_round_trip_with_edits(system: rm.System, run: rm.Trace, tmp_path: Path) -> None:
    other = system.solve(LONG, **OPTIONS)
    edits = (
        rm.Edit(0, "swap", positions=(1,), trace=other),
        rm.Edit(1, "set", value=np.ones((2, 24), np.float32), receiver="solver"),
        rm.Edit(2, "noise", value=0.25),
    )
    trace = system.solve(QUESTION, edits=edits, **OPTIONS)
    again = reloaded(trace, tmp_path)
    assert plain(again) == plain(trace)
    assert_same(system.drain(rm.Trace(again.config, again.pattern)), trace)


def test_round_trip_of_tool_calls_and_odd_text(run: rm.Trace, tmp_path: Path) -> None:
    report = ToolReport("python", "print('é\u2028\\n')", "é", 0.5)
    trace = run.append(rm.ToolCall(5, 2, "solver", report))
    assert plain(reloaded(trace, tmp_path)) == plain(trace)


def test_an_unfinished_trace_goes_on_from_disk(system: rm.System, run: rm.Trace, tmp_path: Path) -> None:
    part = reloaded(run.until(3), tmp_path)
    for event in system.resume(part):
        part = part.append(event)
    assert part.answer == run.answer


def test_the_file_holds_no_pickle(run: rm.Trace, tmp_path: Path) -> None:
    run.save(str(tmp_path / "run.npz"))
    with np.load(tmp_path / "run.npz", allow_pickle=False) as stored:
        assert all(stored[name].dtype != object for name in stored.files)


class Bomb:
    """Unpickling this would create the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.path,))


def test_a_pickled_file_is_refused_and_not_run(tmp_path: Path) -> None:
    path, mark = tmp_path / "run.npz", tmp_path / "exploded"
    np.savez(path, header=np.array([Bomb(mark)], dtype=object))
    with pytest.raises(rm.UnsafeCheckpoint):
        rm.Trace.load(str(path))
    path.write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(rm.UnsafeCheckpoint):
        rm.Trace.load(str(path))
    assert not mark.exists()


@pytest.mark.parametrize(
    "header",
    [
        "not json",
        "[]",
        '{"format": "something else"}',
        '{"format": "recmas-trace-1"}',
        '{"format": "recmas-trace-1", "trace": 3}',
        '{"format": "recmas-trace-1", "trace": {"class": "Popen", "fields": {}}}',
        '{"format": "recmas-trace-1", "trace": {"class": "Answer", "fields": {"turn": 0, "role": "a", "text": "b"}}}',
        '{"format": "recmas-trace-1", "trace": {"class": "Trace", "fields": {"config": 3, "bad": 4}}}',
        '{"format": "recmas-trace-1", "trace": {"array": 7}}',
        '{"format": "recmas-trace-1", "trace": {"odd": 7}}',
        '{"format": "recmas-trace-1", "trace": ' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
    ids=lambda header: header[28:68],
)
def test_files_that_are_no_trace(tmp_path: Path, header: str) -> None:
    np.savez(tmp_path / "run.npz", header=np.array(header))
    with pytest.raises(rm.UnsafeCheckpoint):
        rm.Trace.load(str(tmp_path / "run.npz"))


def test_damaged_anywhere(run: rm.Trace, tmp_path: Path) -> None:
    """Cut short or with bytes changed, a file is refused or still gives the very same trace."""
    path = tmp_path / "run.npz"
    run.save(str(path))
    whole, rng = path.read_bytes(), random.Random(0)
    refused = 0
    for attempt in range(150):
        damaged = bytearray(whole)
        if attempt < 15:
            del damaged[rng.randrange(len(whole)) :]
        else:
            for _ in range(rng.choice((1, 30))):
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            again = rm.Trace.load(str(path))
        except rm.UnsafeCheckpoint:
            refused += 1
        else:
            assert plain(again) == plain(run)
    assert refused > 75


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(rm.SystemNotFound, match="does not exist"):
        rm.Trace.load(str(tmp_path / "no.npz"))


def test_nothing_half_written_stays(run: rm.Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.npz"
    run.save(str(path))
    before = path.read_bytes()

    def full(file: io.BufferedWriter, **arrays: np.ndarray) -> None:
        file.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="No space"):
        run.save(str(path))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# ---------------------------------------------------------------------------------------------------------- systems


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, system: rm.System) -> Path:
    folder = tmp_path_factory.mktemp("systems") / "mine"
    system.save(folder)
    return folder


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "mine"))


# Not Qwen2: AutoTokenizer gives its folders Qwen2's own way of cutting words, whatever was saved there.
@pytest.mark.parametrize("families", [MIXED[0], ("qwen3_5_text", "llama", "mistral")], ids="-".join)
def test_a_saved_system_thinks_the_same_bits(families: tuple[str, ...], tmp_path: Path) -> None:
    system = tiny_system(families, trained_steps=(3, 7), untrained=frozenset({("solver", "planner")}))
    system.save(tmp_path / "mine")
    again = rm.load_system(str(tmp_path / "mine"))
    assert_same(system.solve(QUESTION, **OPTIONS), again.solve(QUESTION, **OPTIONS))
    assert [a.family for a in again.agents.values()] == list(families)
    for name in ("title", "roles", "prompts", "latent_steps", "trained_steps", "untrained"):
        assert getattr(again, name) == getattr(system, name)
    assert again.task is system.task


def test_the_baseline_agent_travels_along(tmp_path: Path) -> None:
    system = tiny_system(alone=tiny_agent("llama", seed=5, name="alone"))
    system.save(tmp_path / "mine")
    again = rm.load_system(str(tmp_path / "mine"))
    assert again.alone.family == "llama"
    one, other = (s.single(s.alone, role="solver").solve(QUESTION, mode="text", **OPTIONS) for s in (system, again))
    assert_same(one, other)


def test_links_can_be_variants(tmp_path: Path) -> None:
    system = tiny_system()
    variant = rm.LINK_VARIANTS["one_layer_no_residual"]
    links = {edge: rm.OuterLink(link.in_dim, link.out_dim, variant).eval() for edge, link in system.links.items()}
    other = system.with_links(links)
    other.save(tmp_path / "mine")
    again = rm.load_system(str(tmp_path / "mine"))
    assert_same(other.solve(QUESTION, **OPTIONS), again.solve(QUESTION, **OPTIONS))


def test_missing_parts(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(rm.SystemNotFound, match="does not exist"):
        rm.load_system(str(tmp_path / "nowhere"))
    (copy / "links" / "planner-critic.safetensors").unlink()
    with pytest.raises(rm.SystemNotFound, match="planner-critic"):
        rm.load_system(str(copy))
    shutil.rmtree(copy / "critic")
    with pytest.raises(rm.SystemNotFound, match="critic"):
        rm.load_system(str(copy))
    (copy / "system.json").unlink()
    with pytest.raises(rm.SystemNotFound, match=r"system\.json"):
        rm.load_system(str(copy))


PARTS = ("planner/model.safetensors", "links/critic-solver.safetensors", "solver/inner.safetensors",
         "critic/tokenizer.json", "critic/config.json")  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("damage", ["cut", "empty", "pickle"])
def test_damaged_parts(copy: Path, part: str, damage: str) -> None:
    path = copy / part
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "pickle": pickle.dumps({"a": 1})}[damage])
    with pytest.raises(rm.UnsafeCheckpoint):
        rm.load_system(str(copy))


def test_weights_of_another_shape(copy: Path) -> None:
    """Tensors that do not fill the model are refused, never left at random."""
    from safetensors.torch import load_file, save_file

    path = copy / "planner" / "model.safetensors"
    state = load_file(path)
    missing = {k: v for k, v in state.items() if "layers.1.mlp" not in k}
    save_file(missing, path, metadata={"format": "pt"})
    with pytest.raises(rm.UnsafeCheckpoint, match="planner"):
        rm.load_system(str(copy))
    save_file({k: v[..., :4].contiguous() for k, v in state.items()}, path, metadata={"format": "pt"})
    with pytest.raises(rm.UnsafeCheckpoint, match="planner"):
        rm.load_system(str(copy))


def test_links_that_do_not_fit_the_agents(copy: Path) -> None:
    links = copy / "links"
    shutil.copy(links / "critic-solver.safetensors", links / "planner-critic.safetensors")
    with pytest.raises(rm.DimensionMismatch, match="planner->critic"):
        rm.load_system(str(copy))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"format": "recmas-system-0"}, rm.UnsafeCheckpoint),
        ({"pattern": "spiral"}, rm.SystemNotFound),
        ({"agents": {}}, rm.SystemNotFound),
        ({"agents": 3}, rm.UnsafeCheckpoint),
        ({"agents": None}, rm.UnsafeCheckpoint),
        ({"alone": {"folder": "../elsewhere", "name": "x", "wording": "chain"}}, rm.UnsafeCheckpoint),
        ({"task": "chess"}, rm.UnsafeCheckpoint),
        ({"prompts": {"planner": {"x": 1}}}, rm.UnsafeCheckpoint),
        ({"prompts": {}}, rm.SystemNotFound),
        ({"latent_steps": "many"}, rm.UnsafeCheckpoint),
    ],
    ids=str,
)
def test_wrong_manifests(copy: Path, change: dict[str, object], error: type[Exception]) -> None:
    path = copy / "system.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(error):
        rm.load_system(str(copy))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x80"])
def test_a_manifest_that_is_no_manifest(copy: Path, text: str) -> None:
    (copy / "system.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(rm.UnsafeCheckpoint, match=r"system\.json"):
        rm.load_system(str(copy))


def test_a_trace_file_is_an_ordinary_zip(run: rm.Trace, tmp_path: Path) -> None:
    run.save(str(tmp_path / "run.npz"))
    assert all(name.endswith(".npy") for name in zipfile.ZipFile(tmp_path / "run.npz").namelist())


@pytest.mark.parametrize("options", [{"device": "nowhere"}, {"dtype": "int8"}, {"dtype": "float33"}], ids=str)
def test_a_device_or_precision_that_is_not_there(copy: Path, options: dict[str, str]) -> None:
    with pytest.raises(rm.BadInput, match=next(iter(options))):
        rm.load_system(str(copy), **options)
