"""The public release's layout: a reader that knows nothing of ours rebuilds the links; what is no link is refused."""

from __future__ import annotations

import errno
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from test_storage import Bomb
from tiny import FAMILIES, QUESTION, tiny_pattern_system, tiny_system
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer

import recmas_core as rm
from recmas_core.errors import WriteFailed
from recmas_core.released import RELEASED, read_released_links, save_released

PATTERNS = ("sequential", "mixture", "distillation", "deliberation")
DTYPES = ("float32", "bfloat16")


# -------------------------------------------- a reader of its own, written from the description of the public release


class PublicInner(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.pre_ln, self.post_ln = nn.LayerNorm(width), nn.LayerNorm(width)
        self.proj1, self.proj2 = nn.Linear(width, width), nn.Linear(width, width)
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        return self.post_ln(x + self.proj2(self.act(self.proj1(self.pre_ln(x)))))


class PublicOuter(nn.Module):
    def __init__(self, source: int, target: int) -> None:
        super().__init__()
        self.ln_source, self.ln_target = nn.LayerNorm(source), nn.LayerNorm(target)
        self.proj1, self.proj2 = nn.Linear(source, 2 * target), nn.Linear(2 * target, target)
        self.residual_proj = nn.Linear(source, target)
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        return self.ln_target(self.residual_proj(x) + self.proj2(self.act(self.proj1(self.ln_source(x)))))


def filled(module: nn.Module, path: Path) -> nn.Module:
    state = torch.load(path, map_location="cpu", weights_only=True)
    module.to(next(iter(state.values())).dtype).load_state_dict(state, strict=True)
    return module


def public_inner(repository: Path, width: int, task: str | None) -> nn.Module:
    assert json.loads((repository / "adapter_config.json").read_text()) == {"adapter_type": "ln_res_adapter"}
    name = "adapter.pt"
    if task is not None:
        name = json.loads((repository / "innerlink_config.json").read_text())["tasks"][task]["adapter.pt"]
    return filled(PublicInner(width), repository / name)


def public_outer(repository: Path, task: str | None) -> dict[str, nn.Module]:
    kept = json.loads((repository / "outerlink_config.json").read_text())
    listed = (kept if task is None else kept["tasks"][task])["adapters"]
    return {
        entry["legacy_key"]: filled(PublicOuter(entry["in_dim"], entry["out_dim"]), repository / entry["filename"])
        for entry in listed
    }


# role -> repository, legacy key -> edge, whether links are kept per task: the release's own table
SPEC = {
    "sequential": (
        {role: f"Sequential-{role.title()}" for role in ("planner", "critic", "solver")},
        {"outer_12": ("planner", "critic"), "outer_23": ("critic", "solver"), "outer_31": ("solver", "planner")},
        True,
    ),
    "mixture": (
        {role: f"Mixture-{role.title()}" for role in ("math", "code", "science", "summarizer")},
        {
            "outer_1s": ("math", "summarizer"), "outer_2s": ("code", "summarizer"),
            "outer_3s": ("science", "summarizer"), "outer_s1": ("summarizer", "math"),
            "outer_s2": ("summarizer", "code"), "outer_s3": ("summarizer", "science"),
        },
        False,
    ),
    "distillation": (
        {role: f"Distillation-{role.title()}" for role in ("expert", "learner")},
        {"outer_el": ("expert", "learner"), "outer_le": ("learner", "expert")},
        True,
    ),
    "deliberation": (
        {role: f"Deliberation-{role.title()}" for role in ("reflector", "toolcaller")},
        {"outer_rt": ("reflector", "toolcaller"), "outer_tr": ("toolcaller", "reflector")},
        False,
    ),
}  # fmt: skip


def inputs(width: int) -> Tensor:
    return torch.randn(3, 5, width, generator=torch.Generator().manual_seed(width))


def rounded(link: nn.Module, dtype: str) -> nn.Module:
    """A copy of one of our links in a precision."""
    kind = torch.float32 if dtype == "float32" else torch.bfloat16
    dims = (link.in_dim,) if isinstance(link, rm.InnerLink) else (link.in_dim, link.out_dim)
    twin = type(link)(*dims)
    twin.load_state_dict(link.state_dict())
    return twin.to(kind)


def same_function(ours: nn.Module, theirs: nn.Module) -> bool:
    with torch.no_grad():
        x = inputs(ours.in_dim).to(next(ours.parameters()).dtype)
        return torch.equal(ours(x), theirs(x))


@pytest.fixture(scope="module", params=PATTERNS)
def system(request: pytest.FixtureRequest) -> rm.System:
    return tiny_pattern_system(rm.PATTERNS[request.param], FAMILIES)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_releases_reader_rebuilds_the_links(system: rm.System, tmp_path: Path, dtype: str) -> None:
    """Bit for bit in float32, and in bfloat16 bit for bit what rounding makes of them."""
    folder = save_released(system, tmp_path / "out", task="code", dtype=dtype, agents=False)
    repositories, edges, per_task = SPEC[system.pattern.name]
    task = "code" if per_task else None
    for role, name in repositories.items():
        agent = system.agents[role]
        assert same_function(rounded(agent.inner, dtype), public_inner(folder / name, agent.hidden_size, task))
    outer = public_outer(folder / f"{system.pattern.title}-Outerlinks", task)
    assert outer.keys() == edges.keys()
    for key, edge in edges.items():
        assert same_function(rounded(system.links[edge], dtype), outer[key])


def test_our_reader_reads_the_same_tensors(system: rm.System, tmp_path: Path) -> None:
    inner, outer = read_released_links(
        save_released(system, tmp_path / "out", dtype="float32", agents=False), system.pattern
    )
    assert outer.keys() == system.links.keys()
    for state, link in [(inner[role], system.agents[role].inner) for role in system.roles] + [
        (outer[edge], link) for edge, link in system.links.items()
    ]:
        assert state.keys() == link.state_dict().keys()
        assert all(torch.equal(state[key], value) for key, value in link.state_dict().items())


def test_bfloat16_is_the_default(system: rm.System, tmp_path: Path) -> None:
    inner, outer = read_released_links(save_released(system, tmp_path / "out", agents=False), system.pattern)
    assert {t.dtype for state in (*inner.values(), *outer.values()) for t in state.values()} == {torch.bfloat16}


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_files_where_links_are_kept_per_task(tmp_path: Path) -> None:
    folder = save_released(tiny_system(), tmp_path / "out", agents=False)
    agents = ("adapter(math).pt", "adapter_config.json", "innerlink_config.json")
    assert names(folder) == {
        f"Sequential-{who}/{name}" for who in ("Planner", "Critic", "Solver") for name in agents
    } | {
        "Sequential-Outerlinks/outerlink_config.json",
        "Sequential-Outerlinks/Planner-Critic-Outerlink(math).pt",
        "Sequential-Outerlinks/Critic-Solver-Outerlink(math).pt",
        "Sequential-Outerlinks/Solver-Planner-Outerlink(math).pt",
    }


def test_files_where_one_set_of_links_serves_all_tasks(tmp_path: Path) -> None:
    folder = save_released(tiny_pattern_system(rm.PATTERNS["deliberation"]), tmp_path / "out", agents=False)
    agents = ("adapter.pt", "adapter_config.json")
    assert names(folder) == {f"Deliberation-{who}/{name}" for who in ("Reflector", "Toolcaller") for name in agents} | {
        "Deliberation-Outerlinks/outerlink_config.json",
        "Deliberation-Outerlinks/Reflector-Toolcaller-Outerlink.pt",
        "Deliberation-Outerlinks/Toolcaller-Reflector-Outerlink.pt",
    }


def test_agents_are_whole_models(tmp_path: Path) -> None:
    """Without the file that transformers would take for another library's, as the release says."""
    system = tiny_system()
    folder = save_released(system, tmp_path / "out")
    for role, agent in system.agents.items():
        plain = tmp_path / role
        shutil.copytree(folder / f"Sequential-{role.title()}", plain, ignore=shutil.ignore_patterns("adapter*"))
        model = AutoModelForCausalLM.from_pretrained(plain, dtype="auto")
        again = model.state_dict()
        assert all(torch.equal(again[key], value) for key, value in agent.model.state_dict().items())
        assert AutoTokenizer.from_pretrained(plain)(QUESTION).input_ids == agent.tokenizer(QUESTION).input_ids


def test_every_pattern_of_the_release_has_all_its_edges() -> None:
    for name, layout in RELEASED.items():
        assert set(layout.agents) == {role.name for role in rm.PATTERNS[name].roles}
        assert set(layout.edges) == {edge.key for edge in rm.PATTERNS[name].edges}


# --------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("variant", [name for name in rm.LINK_VARIANTS if name != "released"])
@pytest.mark.parametrize("kind", ["inner", "outer"])
def test_other_forms_of_links(tmp_path: Path, variant: str, kind: str) -> None:
    system = tiny_system()
    form = rm.LINK_VARIANTS[variant]
    if kind == "inner":
        system.agents["critic"].inner = rm.InnerLink(system.agents["critic"].hidden_size, form)
    else:
        link = system.links["planner", "critic"]
        system = system.with_links({("planner", "critic"): rm.OuterLink(link.in_dim, link.out_dim, form)})
    with pytest.raises(rm.BadInput, match=r"critic.* not of the form"):
        save_released(system, tmp_path / "out", agents=False)
    assert list(tmp_path.iterdir()) == []


def test_patterns_that_the_release_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(rm.BadInput, match=r"loop2.* no layout"):
        save_released(tiny_pattern_system(rm.PATTERNS["loop2"]), tmp_path / "out")


def test_tasks_that_the_release_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(rm.BadInput, match="chess"):
        save_released(tiny_system(), tmp_path / "out", task="chess")


def test_numbers_that_do_not_fit_the_precision(tmp_path: Path) -> None:
    system = tiny_system()
    system.links["planner", "critic"].proj1.weight.data[0, 0] = 1e6
    with pytest.raises(rm.BadInput, match=r"planner->critic.*float16"):
        save_released(system, tmp_path / "out", dtype="float16", agents=False)


def test_a_folder_with_something_in_it(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(rm.BadInput, match="not empty"):
        save_released(tiny_system(), tmp_path, agents=False)


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save, done = torch.save, []

    def full(state: object, file: object) -> None:
        if len(done) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        done.append(save(state, file))

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(WriteFailed, match="No space left"):
        save_released(tiny_system(), tmp_path / "out", agents=False)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------------------------ reading


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_released(tiny_system(), tmp_path_factory.mktemp("released") / "out", agents=False)


@pytest.fixture
def copy(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "out"))


def read(folder: Path, task: str = "math") -> object:
    return read_released_links(folder, rm.PATTERNS["sequential"], task)


INNER, OUTER = "Sequential-Critic/adapter(math).pt", "Sequential-Outerlinks/Planner-Critic-Outerlink(math).pt"
OTHER = "Sequential-Outerlinks/outerlink_config.json"


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("part", [INNER, OUTER])
def test_a_pickle_is_refused_and_not_run(copy: Path, tmp_path: Path, part: str) -> None:
    mark = tmp_path / "exploded"
    (copy / part).write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(rm.UnsafeCheckpoint, match="more than tensors"):
        read(copy)
    torch.save({"proj1.weight": Bomb(mark)}, copy / part)
    with pytest.raises(rm.UnsafeCheckpoint, match="more than tensors"):
        read(copy)
    assert not mark.exists()


STATES: dict[str, Callable[[dict[str, Tensor]], object]] = {
    "one more": lambda state: {**state, "extra": torch.zeros(2)},
    "one less": lambda state: {key: value for key, value in state.items() if key != "proj2.bias"},
    "another shape": lambda state: {**state, "proj2.bias": torch.zeros(3)},
    "no matrix": lambda state: {**state, "proj1.weight": torch.zeros(3)},
    "whole numbers": lambda state: {key: value.long() for key, value in state.items()},
    "not finite": lambda state: {key: value * torch.nan for key, value in state.items()},
    "a view": lambda state: {key: torch.zeros(1).expand(value.shape) for key, value in state.items()},
    "sparse": lambda state: {**state, "proj1.weight": state["proj1.weight"].to_sparse()},
    "numbers": lambda state: dict.fromkeys(state, 3.0),
    "a list": lambda state: list(state.values()),
}


@pytest.mark.parametrize("kind", STATES)
@pytest.mark.parametrize("part", [INNER, OUTER])
def test_tensors_that_are_no_released_link(copy: Path, part: str, kind: str) -> None:
    torch.save(STATES[kind](torch.load(copy / part, weights_only=True)), copy / part)
    with pytest.raises(rm.UnsafeCheckpoint, match=part.split("(")[0]):
        read(copy)


@pytest.mark.parametrize("part", [INNER, OUTER, OTHER])
@pytest.mark.parametrize("damage", ["cut", "empty", "text"])
def test_damaged_files(copy: Path, part: str, damage: str) -> None:
    whole = (copy / part).read_bytes()
    (copy / part).write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "text": b"[3]"}[damage])
    with pytest.raises(rm.UnsafeCheckpoint):
        read(copy)


def test_a_changed_number(copy: Path) -> None:
    """torch itself would read on."""
    whole = bytearray((copy / INNER).read_bytes())
    at = whole.index(torch.load(copy / INNER, weights_only=True)["proj1.weight"].view(torch.uint8).numpy().tobytes())
    whole[at] ^= 1
    (copy / INNER).write_bytes(whole)
    torch.load(copy / INNER, weights_only=True)
    with pytest.raises(rm.UnsafeCheckpoint, match="checksum"):
        read(copy)


def test_a_compressed_file(copy: Path) -> None:
    path = copy / INNER
    with zipfile.ZipFile(path) as kept:
        held = {name: kept.read(name) for name in kept.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in held.items():
            packed.writestr(name, content)
    with pytest.raises(rm.UnsafeCheckpoint, match="compressed"):
        read(copy)


@pytest.mark.parametrize("name", ["../../secret.pt", "/etc/secret.pt", "..", "a\\b.pt", 7], ids=repr)
def test_a_configuration_cannot_lead_elsewhere(copy: Path, name: object) -> None:
    kept = json.loads((copy / OTHER).read_text())
    kept["tasks"]["math"]["adapters"][0]["filename"] = name
    (copy / OTHER).write_text(json.dumps(kept))
    with pytest.raises(rm.UnsafeCheckpoint, match="no plain name"):
        read(copy)


@pytest.mark.parametrize("name", ["", None], ids=repr)
def test_a_link_that_is_listed_without_a_file_has_its_usual_one(copy: Path, name: object) -> None:
    before = read(copy)[1]
    kept = json.loads((copy / OTHER).read_text())
    kept["tasks"]["math"]["adapters"][0]["filename"] = name
    (copy / OTHER).write_text(json.dumps(kept))
    after = read(copy)[1]
    assert all(torch.equal(before[edge][key], after[edge][key]) for edge in before for key in before[edge])


def test_missing_parts(copy: Path) -> None:
    with pytest.raises(rm.SystemNotFound, match="code"):
        read(copy, "code")
    (copy / OUTER).unlink()
    with pytest.raises(rm.SystemNotFound, match="Planner-Critic"):
        read(copy)
    (copy / OTHER).write_text(json.dumps({"adapters": []}))
    with pytest.raises(rm.SystemNotFound, match="outer_12"):
        read(copy)
    (copy / INNER).unlink()
    with pytest.raises(rm.SystemNotFound, match="Sequential-Critic"):
        read(copy)


def test_links_of_other_agents(copy: Path) -> None:
    shutil.copy(copy / OUTER.replace("Planner-Critic", "Critic-Solver"), copy / OUTER)
    with pytest.raises(rm.DimensionMismatch, match="planner->critic"):
        read(copy)


def test_an_inner_link_without_its_configuration(copy: Path) -> None:
    """The task's own file is found by its name, else adapter.pt, as the release's reader does."""
    before = read(copy)[0]["critic"]
    (copy / "Sequential-Critic/innerlink_config.json").unlink()
    again = read(copy)[0]["critic"]
    (copy / INNER).rename(copy / "Sequential-Critic/adapter.pt")
    third = read(copy)[0]["critic"]
    assert all(torch.equal(before[key], state[key]) for state in (again, third) for key in before)
