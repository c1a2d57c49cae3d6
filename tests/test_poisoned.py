"""Poisoned checkpoints: each is refused with a reason, however it comes; nothing in it runs, nothing stays behind."""

from __future__ import annotations

import json
import pickle
import resource
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from miniature import make_release
from safetensors.torch import load_file, save_file
from test_storage import Bomb

import recmas_core as rm
from recmas_core.folders import load_agent, load_link, save_link
from recmas_core.hub import Hub
from recmas_core.released.opening import open_released
from recmas_core.released.styles import STYLES
from recmas_core.weights import INDEX, WEIGHTS

STYLE = STYLES["deliberation"]
AGENT = STYLE.agents["reflector"]
ANYWHERE = "evil"  # the file that a poison leaves when its code runs, beside the repositories
Poison = Callable[[Path], None]
Refusal = tuple[Poison, type[rm.RecmasError], str]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("release")
    make_release(STYLE.name, root)
    return root


@pytest.fixture
def root(release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repositories, to be poisoned; temporary files go beside them."""
    (tmp_path / "temp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    return Path(shutil.copytree(release, tmp_path / "hub"))


def way_folder(root: Path) -> object:
    return load_agent(root / AGENT, name="stranger")


def way_built(root: Path) -> object:
    return rm.build_system("deliberation", {"reflector": str(root / AGENT)})


def way_released(root: Path) -> object:
    return open_released(STYLE.name, hub=Hub.of(lambda name: root / name))


WAYS = {"folder": way_folder, "built": way_built, "released": way_released}


def refused(root: Path, way: str, error: type[rm.RecmasError], match: str) -> None:
    with pytest.raises(error, match=match):
        WAYS[way](root)
    assert not list(root.rglob(ANYWHERE))
    assert list((root.parent / "temp").iterdir()) == []


# ------------------------------------------------------------------------------------------------ ways to poison a file


def changed(file: str, **values: object) -> Poison:
    """Change values of a JSON file."""

    def poison(folder: Path) -> None:
        kept = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps({**kept, **values}))

    return poison


def text_config(**values: object) -> Poison:
    """Change values of the text model's configuration."""

    def poison(folder: Path) -> None:
        kept = json.loads((folder / "config.json").read_text())
        kept["text_config"].update(values)
        (folder / "config.json").write_text(json.dumps(kept))

    return poison


def written(file: str, content: bytes) -> Poison:
    return lambda folder: (folder / file).write_bytes(content) and None


def shard(folder: Path) -> Path:
    """The file of the text model's embeddings; of what else a multimodal model has, nothing is read."""
    names = json.loads((folder / INDEX).read_text())["weight_map"]
    return folder / next(file for key, file in names.items() if "language_model" in key and "embed_tokens" in key)


def tensors(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Poison:
    """Change the tensors of the first shard."""

    def poison(folder: Path) -> None:
        save_file(change(load_file(shard(folder))), shard(folder), {"format": "pt"})

    return poison


def raw(change: Callable[[bytes], bytes]) -> Poison:
    """Change the bytes of the first shard."""
    return lambda folder: shard(folder).write_bytes(change(shard(folder).read_bytes())) and None


def header(change: Callable[[dict[str, Any]], object]) -> Poison:
    """Change the header of the first shard."""

    def rewrite(whole: bytes) -> bytes:
        end = 8 + int.from_bytes(whole[:8], "little")
        kept = json.loads(whole[8:end])
        change(next(value for key, value in kept.items() if key != "__metadata__"))
        text = json.dumps(kept).encode()
        return len(text).to_bytes(8, "little") + text + whole[end:]

    return raw(rewrite)


def index(name: Callable[[Path], object]) -> Poison:
    """Let the index name another file for one weight; a copy of the right one lies there."""

    def poison(folder: Path) -> None:
        held = shard(folder).name
        shutil.copy(folder / held, folder.parent / "outside.safetensors")
        kept = json.loads((folder / INDEX).read_text())
        kept["weight_map"] = {
            key: name(folder) if file == held else file for key, file in kept["weight_map"].items()
        }
        (folder / INDEX).write_text(json.dumps(kept))

    return poison


def pickled(folder: Path) -> None:
    """Weights that would have to be unpickled, instead of safetensors."""
    for path in (*folder.glob("*.safetensors"), folder / INDEX):
        path.unlink()
    torch.save({"weight": Bomb(folder / ANYWHERE)}, folder / "pytorch_model.bin")


def linked(target: Callable[[Path], Path]) -> Poison:
    def poison(folder: Path) -> None:
        place = target(folder)
        if not place.exists():
            shutil.copy(shard(folder), place)
        name = shard(folder)
        name.unlink()
        name.symlink_to(place)

    return poison


def modules(**values: object) -> Poison:
    """A configuration that names code which lies beside it."""

    def poison(folder: Path) -> None:
        (folder / "evil_model.py").write_text(f"open({str(folder / ANYWHERE)!r}, 'w')\nclass Evil: pass\n")
        named = dict.fromkeys(("AutoConfig", "AutoModelForCausalLM"), "evil_model.Evil")
        changed("config.json", auto_map=named, **values)(folder)

    return poison


def template(text: str) -> Poison:
    return lambda folder: (folder / "chat_template.jinja").write_text(text) and None


def vocabulary(folder: Path) -> None:
    kept = json.loads((folder / "tokenizer.json").read_text())
    kept["model"]["vocab"] = {word: i + 10**6 for word, i in kept["model"]["vocab"].items()}
    (folder / "tokenizer.json").write_text(json.dumps(kept))


def not_finite(value: float) -> Poison:
    return tensors(lambda held: {key: each.index_fill(0, torch.tensor([0]), value) for key, each in held.items()})


UNSAFE, MISSING = rm.UnsafeCheckpoint, rm.SystemNotFound
DEEP, HUGE = b"[" * 100_000, b'{"a": "' + b"a" * (1 << 24) + b'"}'
AGENTS: dict[str, Refusal] = {
    # weights
    "pickled weights": (pickled, MISSING, "unpickled"),
    "nan": (not_finite(torch.nan), UNSAFE, "not finite"),
    "inf": (not_finite(-torch.inf), UNSAFE, "not finite"),
    "whole numbers": (tensors(lambda held: {k: v.to(torch.int8) for k, v in held.items()}), UNSAFE, "I8"),
    "complex numbers": (tensors(lambda held: {k: v.to(torch.complex64) for k, v in held.items()}), UNSAFE, "C64"),
    "another shape": (
        tensors(lambda held: {k: torch.zeros(*(n + 1 for n in v.shape)) for k, v in held.items()}),
        UNSAFE, "of another shape than its config.json says",
    ),
    "cut short": (raw(lambda whole: whole[: len(whole) // 2]), UNSAFE, "cannot be read"),
    "empty": (raw(lambda whole: b""), UNSAFE, "cannot be read"),
    "a header of 4 EB": (raw(lambda whole: (1 << 62).to_bytes(8, "little") + whole[8:]), UNSAFE, "header"),
    "a header of 90 MB": (raw(lambda whole: (90_000_000).to_bytes(8, "little") + whole[8:]), UNSAFE, "header"),
    "offsets outside": (header(lambda first: first.update(data_offsets=[0, 10**12])), UNSAFE, "cannot be read"),
    "offsets backwards": (header(lambda first: first.update(data_offsets=[8, 0])), UNSAFE, "cannot be read"),
    "a shape of exabytes": (header(lambda first: first.update(shape=[1 << 30, 1 << 30])), UNSAFE, "cannot be read"),
    # where they lie
    "an index to above": (index(lambda folder: "../outside.safetensors"), UNSAFE, "no plain name"),
    "an index to anywhere": (index(lambda folder: str(folder.parent / "outside.safetensors")), UNSAFE, "no plain name"),
    "an index of numbers": (index(lambda folder: 7), UNSAFE, "no plain name|damaged index"),
    "an index of lists": (index(lambda folder: [7]), UNSAFE, "damaged index"),
    "an index that is none": (written(INDEX, b"[3]"), UNSAFE, "damaged index"),
    "a deep index": (written(INDEX, DEEP), UNSAFE, "damaged index"),
    "a link that leads out": (linked(lambda folder: folder.parent / "outside.safetensors"), UNSAFE, "leads out"),
    "a link to itself": (linked(shard), UNSAFE, "leads nowhere"),
    "a link to a device": (linked(lambda folder: Path("/dev/zero")), UNSAFE, "leads out"),
    # configurations
    "code of its own": (modules(model_type="evil"), UNSAFE, "cannot be used"),
    "kernels of the hub": (changed("config.json", attn_implementation="evil/kernel"), UNSAFE, "names code"),
    "kernels deep inside": (text_config(_attn_implementation="evil/kernel"), UNSAFE, "names code"),
    "weights elsewhere": (text_config(transformers_weights="x.safetensors"), UNSAFE, "file of its own"),
    "a huge configuration": (written("config.json", HUGE), UNSAFE, "larger than"),
    "a deep configuration": (written("config.json", DEEP), UNSAFE, "damaged"),
    "a nested configuration": (changed("config.json", x=json.loads("[" * 900 + "]" * 900)), UNSAFE, "recursion"),
    "no table": (written("config.json", b"[1]"), UNSAFE, "no table"),
    "no text": (written("config.json", b"\xff\xfe\x00"), UNSAFE, "damaged"),
    "no heads": (text_config(num_attention_heads=0), UNSAFE, "cannot be used"),
    "less than nothing": (text_config(head_dim=-8), UNSAFE, "cannot be used"),
    "a pad beyond the words": (text_config(pad_token_id=10**9), UNSAFE, "cannot be used"),
    "no such activation": (text_config(hidden_act="__import__('os')"), UNSAFE, "cannot be used"),
    "quantised": (changed("config.json", quantization_config={"quant_method": "gptq"}), rm.BadInput, "gptq"),
    "quantised in its own way": (changed("config.json", quantization_config="x"), rm.BadInput, "quantised"),
    # tokenizers
    "half a tokenizer": (written("tokenizer.json", b'{"version": "1.0", "trunc'), UNSAFE, "tokenizer"),
    "an empty tokenizer": (written("tokenizer.json", b"{}"), UNSAFE, "tokenizer"),
    "a deep tokenizer": (written("tokenizer.json", DEEP), UNSAFE, "tokenizer"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), MISSING, "no tokenizer"),
    "a class that is a number": (changed("tokenizer_config.json", tokenizer_class=7), UNSAFE, "tokenizer"),
    "words that the model lacks": (vocabulary, UNSAFE, "writes word"),
    # chat templates
    "an endless template": (
        template("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"),
        UNSAFE, "takes longer",
    ),
    "a template without a bottom": (template("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), UNSAFE, "fails"),
    "a long template": (template("a" * 100_001), UNSAFE, "100,001 letters"),
    "a great power": (template("{{ 9 ** 9 ** 9 }}"), UNSAFE, "counts further"),
    "a wide column": (template("{{ 'a'|center(1000000000) }}"), UNSAFE, "counts further"),
    "a template that breaks out": (
        template("{{ messages.__class__.__base__.__subclasses__() }}"), UNSAFE, "unsafe|chat template",
    ),
    "a damaged template": (template("{% for %}"), UNSAFE, "damaged chat template"),
    "a template that fails": (template("{{ 1 + 'a' }}"), UNSAFE, "fails"),
    "a template that refuses all": (template("{{ raise_exception('no') }}"), UNSAFE, "does not take"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recmas_core.templates._SECONDS", 0.5)


@pytest.mark.parametrize("poison", AGENTS)
def test_poisoned_agents_are_refused(root: Path, poison: str) -> None:
    change, error, match = AGENTS[poison]
    change(root / AGENT)
    refused(root, "folder", error, match)


@pytest.mark.parametrize("way", ["built", "released"])
@pytest.mark.parametrize("poison", ["nan", "another shape", "an index to above", "code of its own", "quantised"])
def test_by_whatever_way_they_come(root: Path, way: str, poison: str) -> None:
    change, error, match = AGENTS[poison]
    change(root / AGENT)
    refused(root, way, error, match)


GIANTS = {
    "width": text_config(hidden_size=10**9),
    "words": text_config(vocab_size=10**9),
    "middle": text_config(intermediate_size=10**10),
    "layers": text_config(num_hidden_layers=10**9, layer_types=None),
    "labels": changed("config.json", num_labels=10**9),
    "heads": text_config(head_dim=10**9),
    "a list": text_config(attention_types=[[["global"], 10**9]]),
}


@pytest.mark.parametrize("giant", GIANTS)
def test_giants_are_refused_before_they_take_memory(root: Path, giant: str) -> None:
    GIANTS[giant](root / AGENT)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(root, "folder", UNSAFE, "another shape|more than any|cannot be used")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB


def test_giant_weights_that_are_missing_take_no_memory(root: Path) -> None:
    folder = root / AGENT
    tensors(lambda held: {key: value for key, value in held.items() if "embed" not in key})(folder)
    text_config(vocab_size=1 << 20)(folder)  # 134 MB, if they were made
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(root, "folder", UNSAFE, "asks for|another shape")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


# --------------------------------------------------------------------------------- what lies beside is never looked at


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize(
    "name", ["training_args.bin", "pytorch_model.bin", "optimizer.pt", "adapter_model.bin", ".metadata"]
)
def test_pickles_beside_the_weights_do_not_run(root: Path, name: str) -> None:
    (root / AGENT / name).write_bytes(pickle.dumps(Bomb(root / ANYWHERE)))
    way_released(root)
    assert not (root / ANYWHERE).exists()


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_code_beside_a_known_model_does_not_run(root: Path, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", asked.append)
    modules()(root / AGENT)
    changed(file, auto_map={"AutoConfig": "evil_model.Evil", "AutoTokenizer": ["evil_model.Evil", None]})(root / AGENT)
    way_released(root)
    assert not list(root.rglob(ANYWHERE))
    assert asked == []


def test_no_other_model_is_loaded_through_an_adapters_configuration(root: Path) -> None:
    changed("adapter_config.json", base_model_name_or_path="evil/model", peft_type="LORA")(root / AGENT)
    assert way_released(root).agents["reflector"].source == AGENT


# ----------------------------------------------------------------------------------------- links of the hub's own cache


@pytest.mark.parametrize("shared", [False, True], ids=["blobs of the repository", "blobs of the whole cache"])
def test_the_hubs_own_links_are_followed(root: Path, shared: bool) -> None:
    cache = root.parent / "cache"
    snapshot, blobs = cache / "models--a--b" / "snapshots" / "0f3a", cache / "models--a--b" / "blobs"
    store = cache / "blobs" / "ab" if shared else blobs
    for place in (snapshot, blobs, store):
        place.mkdir(parents=True, exist_ok=True)
    for i, path in enumerate(sorted((root / AGENT).iterdir())):
        shutil.copy(path, store / f"{i}")
        if shared:
            (blobs / f"{i}").symlink_to(f"../../blobs/ab/{i}")
        (snapshot / path.name).symlink_to(f"../../blobs/{i}")
    assert load_agent(snapshot, name="kept").hidden_size == load_agent(root / AGENT, name="plain").hidden_size


def test_a_model_that_has_one_file_of_weights_is_read_by_it(root: Path) -> None:
    """What transformers reads is what was checked, where both an index and a whole file lie there."""
    folder = root / AGENT
    whole = {key: value for path in folder.glob("model-*") for key, value in load_file(path).items()}
    save_file({key: value * torch.nan for key, value in whole.items()}, folder / WEIGHTS, {"format": "pt"})
    refused(root, "folder", UNSAFE, "not finite")


# ---------------------------------------------------------------------------------------------------------------- links


OUTER, INNER = "Reflector-Toolcaller-Outerlink.pt", "adapter.pt"


def stored_bomb(path: Path) -> None:
    """A hundred thousand times smaller than what it unfolds to."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("archive/data.pkl", b"\0" * (1 << 26))


def link_state(change: Callable[[dict[str, torch.Tensor]], object]) -> Poison:
    return lambda path: torch.save(change(torch.load(path, weights_only=True)), path)


LINKS: dict[str, Refusal] = {
    "code": (lambda path: torch.save({"a": Bomb(path.parent / ANYWHERE)}, path), UNSAFE, "more than tensors"),
    "pickle": (lambda path: path.write_bytes(pickle.dumps(Bomb(path.parent / ANYWHERE))) and None, UNSAFE, "more"),
    "bomb": (stored_bomb, UNSAFE, "compressed"),
    "nan": (link_state(lambda state: {k: v * torch.nan for k, v in state.items()}), UNSAFE, "not finite"),
    "inf": (link_state(lambda state: {k: v + torch.inf for k, v in state.items()}), UNSAFE, "not finite"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:500]) and None, UNSAFE, "damaged"),
    "leads out": (
        lambda path: path.unlink() or path.symlink_to(path.parent.parent / "outside.pt"), UNSAFE, "leads nowhere",
    ),
    "none": (Path.unlink, MISSING, "does not exist|neither"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("place", [f"{AGENT}/{INNER}", f"{STYLE.outer}/{OUTER}"])
@pytest.mark.parametrize("poison", LINKS)
def test_poisoned_links_are_refused(root: Path, place: str, poison: str) -> None:
    change, error, match = LINKS[poison]
    change(root / place)
    refused(root, "released", error, match)


def test_a_link_that_leads_out_of_the_outer_links_repository(root: Path) -> None:
    path = root / STYLE.outer / OUTER
    path.rename(root / "outside.pt")
    path.symlink_to(root / "outside.pt")
    refused(root, "released", UNSAFE, "leads out")


@pytest.mark.parametrize(
    ("place", "link"),
    [(f"{AGENT}/{INNER}", rm.InnerLink(16)), (f"{STYLE.outer}/{OUTER}", rm.OuterLink(16, 32))],
    ids=["inner", "outer"],
)
def test_links_of_another_width(root: Path, place: str, link: torch.nn.Module) -> None:
    torch.save(link.state_dict(), root / place)
    refused(root, "released", rm.DimensionMismatch, "16")


def test_an_inner_link_of_another_width_in_a_folder(root: Path) -> None:
    save_link(rm.InnerLink(16), root / AGENT / "inner.safetensors")
    refused(root, "folder", rm.DimensionMismatch, "16 wide")


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_link_as_safetensors_that_is_not_finite(tmp_path: Path, value: float) -> None:
    link = rm.OuterLink(4, 6)
    link.proj1.bias.data[0] = value
    save_link(link, tmp_path / "a-b.safetensors")
    with pytest.raises(UNSAFE, match="finite"):
        load_link(tmp_path / "a-b.safetensors")


def test_a_link_that_says_it_is_a_giant(tmp_path: Path) -> None:
    """Tensors without a single number can be of any width."""
    giant = {"proj1.weight": torch.empty(0, 10**9), "proj2.weight": torch.empty(0, 0)}
    metadata = {"kind": "OuterLink", "variant": json.dumps(rm.LinkVariant().to_json())}
    save_file(giant, tmp_path / "a-b.safetensors", metadata)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(rm.DimensionMismatch):
        load_link(tmp_path / "a-b.safetensors")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB


def test_a_link_whose_variant_is_nested_without_end(tmp_path: Path) -> None:
    nested = {"kind": "InnerLink", "variant": "[" * 10**5}
    save_file({"proj1.weight": torch.ones(2, 2)}, tmp_path / "l.safetensors", nested)
    with pytest.raises(UNSAFE, match="cannot be read"):
        load_link(tmp_path / "l.safetensors")


@pytest.mark.parametrize("file", ["outerlink_config.json", "adapter_config.json"])
@pytest.mark.parametrize("content", [DEEP, HUGE, b"[3]"], ids=["deep", "huge", "list"])
def test_poisoned_configurations_of_links(root: Path, file: str, content: bytes) -> None:
    (root / (STYLE.outer if file.startswith("outer") else AGENT) / file).write_bytes(content)
    refused(root, "released", UNSAFE, "damaged|larger|another way")
