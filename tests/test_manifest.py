"""system.json: what is kept comes back, tools and texts included, and nothing a stranger writes there leads outside."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from shipping import OPTIONS, Told, ship
from test_run import assert_same

import recmas_core as rm
from recmas_core import manifest
from recmas_core.tools import NoSearch


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ship(tmp_path_factory.mktemp("assets"))


def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[str, ...], Path | None, str | None]]:
    """Records what tools are asked for, in place of opening them."""
    asked = []

    def open_tools(names: tuple[str, ...], *, corpus: Path | None, search_key: str | None) -> dict[str, Told]:
        asked.append((tuple(names), corpus, search_key))
        return {name: Told(name, corpus if name == "search" else None) for name in names}

    monkeypatch.setattr("recmas_core.tools.open_tools", open_tools)
    monkeypatch.delenv(manifest.KEY_VARIABLE, raising=False)
    return asked


def test_tools_are_opened_from_the_folder(assets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = opened(monkeypatch)
    system = rm.load_system("deliberation", assets=assets)
    assert list(system.tools) == ["python", "search"]
    built = rm.build_system("deliberation", {"toolcaller": "embedded:solver"}, assets=assets)
    assert list(built.tools) == ["python", "search"]
    rm.load_system("sequential", assets=assets)
    assert asked == [(("python", "search"), assets / "deliberation" / "corpus.jsonl", None)] * 2


def test_the_search_key_comes_from_the_argument_else_from_the_environment(
    assets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = opened(monkeypatch)
    rm.load_system("deliberation", assets=assets, search_key="told")
    monkeypatch.setenv(manifest.KEY_VARIABLE, "around")
    rm.load_system("deliberation", assets=assets)
    rm.build_system("deliberation", {}, assets=assets)
    rm.load_system("deliberation", assets=assets, search_key="told")
    assert [key for _, _, key in asked] == ["told", "around", "around", "told"]


def test_a_pattern_with_tools_and_no_system_of_its_own_opens_what_its_roles_name(
    tmp_path: Path, assets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = opened(monkeypatch)
    shutil.copytree(assets / "sequential", tmp_path / "sequential")
    agents = {"reflector": "embedded:planner", "toolcaller": "embedded:critic"}
    tools = rm.build_system("deliberation", agents, assets=tmp_path).tools
    assert list(tools) == ["python", "search"]
    assert isinstance(tools["search"], NoSearch)
    assert asked == [(("python",), None, None)]
    mine = {"python": Told("python"), "search": Told("search")}
    assert rm.build_system("deliberation", agents, assets=tmp_path, tools=mine).tools == mine
    assert len(asked) == 1


def test_the_searched_texts_travel_with_the_system(
    assets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(monkeypatch)
    texts = (assets / "deliberation" / "corpus.jsonl").read_bytes()
    system = rm.load_system("deliberation", assets=assets)
    system.save(tmp_path / "mine")
    assert (tmp_path / "mine" / "corpus.jsonl").read_bytes() == texts
    kept = json.loads((tmp_path / "mine" / "system.json").read_text())["tools"]
    assert kept == {"python": {}, "search": {"corpus": "corpus.jsonl"}}
    again = rm.load_system(str(tmp_path / "mine"))
    assert again.tools["search"].path == tmp_path / "mine" / "corpus.jsonl"
    again.save(tmp_path / "mine")  # into the very folder it came from
    assert (tmp_path / "mine" / "corpus.jsonl").read_bytes() == texts
    assert_same(system.solve("7", **OPTIONS), again.solve("7", **OPTIONS))


def test_the_web_may_stand_in_for_the_texts_but_they_are_kept(
    assets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = opened(monkeypatch)
    system = rm.load_system("deliberation", assets=assets, search_key="told")
    system.tools["search"].path = None
    system.save(tmp_path / "mine")
    rm.load_system(str(tmp_path / "mine"))
    assert asked[-1] == (("python", "search"), tmp_path / "mine" / "corpus.jsonl", None)
    assert b"told" not in (tmp_path / "mine" / "system.json").read_bytes()


def test_the_search_finds_the_same_after_a_round_trip(
    assets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(manifest.KEY_VARIABLE, raising=False)
    system = rm.load_system("deliberation", assets=assets)
    system.save(tmp_path / "mine")
    again = rm.load_system(str(tmp_path / "mine"))
    assert [tool.name for tool in again.tools.values()] == ["python", "search"]
    assert {each.tools["search"].call("how high is Chur") for each in (system, again)} == {"Chur lies high."}


OUTSIDE = ["..", ".", "", "../critic", "/etc", "a/b", "a\\b", 7, None, ["critic"]]


@pytest.mark.parametrize("name", OUTSIDE, ids=repr)
@pytest.mark.parametrize("part", ["agent", "alone", "corpus"])
def test_a_manifest_cannot_lead_out_of_its_folder(assets: Path, tmp_path: Path, name: object, part: str) -> None:
    copy = Path(shutil.copytree(assets / "deliberation", tmp_path / "mine"))
    kept = json.loads((copy / "system.json").read_text())
    kept["alone"] = {"folder": "reflector", "wording": "chain", "name": "alone"}
    entry = {"agent": kept["agents"]["reflector"], "alone": kept["alone"], "corpus": kept["tools"]["search"]}[part]
    entry["corpus" if part == "corpus" else "folder"] = name
    (copy / "system.json").write_text(json.dumps(kept))
    with pytest.raises(rm.UnsafeCheckpoint, match=r"system\.json"):
        rm.load_system(str(copy))


@pytest.mark.parametrize(
    "change",
    [
        {"tools": ["python"]},
        {"tools": {"python": 3}},
        {"tools": {"python": {"program": "rm"}}},
        {"tools": {"python": {"corpus": "corpus.jsonl"}, "search": {"corpus": "system.json"}}},
        {"title": 3},
        {"latent_steps": 0},
        {"latent_steps": True},
        {"trained_steps": [3]},
        {"trained_steps": [3, "7"]},
        {"untrained": [["critic"]]},
        {"untrained": ["ab"]},
        {"task": ["chain"]},
        {"prompts": {"planner": {"think": 1, "decode": "", "slot": ""}}},
        {"prompts": {"planner": {"think": "", "decode": "", "slot": "", "words": {"critic": 2}}}},
        {"prompts": {"planner": {"think": "", "decode": "", "slot": "", "words": ["critic"]}}},
        {"agents": {"planner": {"folder": "planner", "wording": "chain"}}},
        {"agents": {"planner": {"folder": "planner", "wording": "chain", "name": "p", "home": 4}}},
        {"agents": {"planner": {"folder": "planner", "wording": "chain", "name": "p", "hears": "critic"}}},
    ],
    ids=str,
)
def test_wrong_manifests_are_refused_before_anything_is_loaded(
    assets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, object]
) -> None:
    asked = opened(monkeypatch)
    kept = json.loads((assets / "deliberation" / "system.json").read_text())
    (tmp_path / "corpus.jsonl").touch()
    (tmp_path / "system.json").write_text(json.dumps({**kept, "agents": {}, **change}))
    with pytest.raises(rm.UnsafeCheckpoint, match=r"system\.json"):
        rm.load_system(str(tmp_path))
    assert not asked


def test_a_corpus_that_is_not_there(assets: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(assets / "deliberation", tmp_path / "mine"))
    (copy / "corpus.jsonl").unlink()
    with pytest.raises(rm.SystemNotFound, match=r"corpus 'corpus\.jsonl' is not in the system's folder"):
        rm.load_system(str(copy))


def test_folders_of_the_first_version_still_load(assets: Path, tmp_path: Path) -> None:
    """Without tools, without words, and without a word of what an agent was taught: that was its role."""
    copy = Path(shutil.copytree(assets / "sequential", tmp_path / "mine"))
    kept = json.loads((copy / "system.json").read_text())
    del kept["tools"]
    for entry in kept["agents"].values():
        del entry["home"], entry["hears"]
    for prompt in kept["prompts"].values():
        del prompt["words"]
    (copy / "system.json").write_text(json.dumps(kept))
    old, new = rm.load_system(str(copy)), rm.load_system("sequential", assets=assets)
    assert [(agent.home, agent.hears) for agent in old.agents.values()] == [
        ("planner", ("solver",)), ("critic", ("planner",)), ("solver", ("critic",)),
    ]  # fmt: skip
    assert_same(old.solve("start 7 s1 + 3", **OPTIONS), new.solve("start 7 s1 + 3", **OPTIONS))
