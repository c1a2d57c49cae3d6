"""What a visitor may ask for: what is offered passes, nothing else does, however it is written."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import recmas_core as rm
from recmas_core.allowed import Allowance
from recmas_core.errors import NotAllowed
from recmas_core.released.styles import STYLES

NONE, RELEASED, QWEN = Allowance(()), Allowance.parse("released"), Allowance(("Qwen/*", "released:mixture"))


@pytest.fixture
def offered(tmp_path: Path) -> Allowance:
    """A folder with a model and a system in it; beside it what nobody should see."""
    for name in ("models/mine", "models/system/planner", "models/.hidden", "secret/model"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "models" / "file").touch()
    links = {"up": "../secret", "far": "/", "deep": "mine/../../secret/model", "round": "round", "good": "system"}
    for name, target in links.items():
        (tmp_path / "models" / name).symlink_to(target)
    return Allowance(("Qwen/*",), tmp_path / "models")


# ------------------------------------------------------------------------------------------------------- what passes


@pytest.mark.parametrize("spec", ["embedded:planner", "embedded:sequential/solver", *rm.embedded_systems()])
@pytest.mark.parametrize("allowance", [NONE, RELEASED, QWEN, Allowance.everything()], ids=str)
def test_what_is_embedded_always_passes(allowance: Allowance, spec: str) -> None:
    assert allowance.check(spec) == spec


@pytest.mark.parametrize("name", STYLES)
def test_released_systems_pass_by_their_pattern(name: str) -> None:
    assert RELEASED.check(f"released:{name}") == f"released:{name}"


@pytest.mark.parametrize("spec", ["Qwen/Qwen3-1.7B", "qwen/qwen3-1.7b", "QWEN/a.b_c-d"])
def test_models_of_the_hub_pass_in_any_case(spec: str) -> None:
    assert QWEN.check(spec) == spec


@pytest.mark.parametrize(
    ("spec", "place"), [("mine", "mine"), ("system/planner", "system/planner"), ("good", "system")]
)
def test_folders_under_the_offered_one(offered: Allowance, spec: str, place: str) -> None:
    assert offered.folder is not None
    assert offered.check(spec) == offered.folder.resolve() / place


def test_a_model_of_the_hub_where_folders_are_offered_too(offered: Allowance) -> None:
    assert offered.check("Qwen/Qwen3-1.7B") == "Qwen/Qwen3-1.7B"


def test_everything_allows_any_folder(tmp_path: Path) -> None:
    assert Allowance.everything().check(str(tmp_path)) == tmp_path


# ------------------------------------------------------------------------------------------------- what is not offered


@pytest.mark.parametrize(
    ("allowance", "spec"),
    [
        (NONE, "Qwen/Qwen3-1.7B"), (NONE, "released:mixture"), (RELEASED, "Qwen/Qwen3-1.7B"),
        (QWEN, "released:deliberation"),
        (QWEN, "Qwen2/Qwen"), (QWEN, "evil/Qwen"), (QWEN, "mine"), (QWEN, "a/b/c"), (Allowance(("[a-z]",)), "Qwen/x"),
    ],
)  # fmt: skip
def test_what_is_not_offered(allowance: Allowance, spec: str) -> None:
    with pytest.raises(NotAllowed) as refused:
        allowance.check(spec)
    assert all(pattern in refused.value.todo for pattern in allowance.models)


@pytest.mark.parametrize("spec", ["recmas_core/tasks", "tests/browser"])
def test_folders_where_the_server_runs_are_not_taken_for_models(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent.parent)
    with pytest.raises(NotAllowed, match="folder"):
        Allowance(("*",)).check(spec)


@pytest.mark.parametrize("spec", ["up", "up/model", "far", "far/etc", "deep"])
def test_links_that_lead_out(offered: Allowance, spec: str) -> None:
    with pytest.raises(NotAllowed, match="leads out"):
        offered.check(spec)


def test_the_offered_folder_may_be_a_link_itself(offered: Allowance, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to("models")
    alias = dataclasses.replace(offered, folder=tmp_path / "alias")
    assert alias.check("mine") == (tmp_path / "models" / "mine").resolve()


HOSTILE = [
    "", " ", "a" * 256, "mine\0", "mine\n", "Qwen/x\n", "\x1b[2J", "\u202eniam", "/", "//", "/etc", "/etc/passwd",
    "~", "~/x", "~root", ".", "..", "../secret", "mine/..", "mine/../..", "mine/../../secret", "./mine", ".hidden",
    "mine/.git/x", "mine/", "mine//x", "a\\b", "..\\secret", "\\\\server\\share", "C:", "C:\\x", "C:/x", "c:mine",
    "file:///etc", "mine:stream", "https://evil.example/x", "hf://a/b", "mine /x", " mine", "Qwen/../x", "Qwen/..",
    "Qwen/.x", "Qwen/a b", "Qwen/a--b", "Qwen/a..b", "Qwen/x.git", "Qwen/", "/Qwen", "Qwen/-x", "Qwen/x?y=z",
    "Qwen/x#y", "Qwen/x@main", "Qwen/%2e%2e", "Qwen/*", "Qw\u0435n/another-alphabet", "embedded:", "embedded:../x",
    "embedded:a/b/c", "embedded:/etc", "embedded:a b", "round",
]  # fmt: skip


@pytest.mark.parametrize("spec", HOSTILE, ids=ascii)
def test_malformed_names(offered: Allowance, spec: str) -> None:
    with pytest.raises(rm.BadInput):
        offered.check(spec)


@pytest.mark.parametrize("spec", [spec for spec in HOSTILE if spec != "round"], ids=ascii)
def test_no_malformed_name_passes_where_no_folder_is_offered(spec: str) -> None:
    with pytest.raises((rm.BadInput, NotAllowed)):
        Allowance(("*",)).check(spec)


@pytest.mark.parametrize("spec", [None, 7, ["Qwen/x"], b"Qwen/x"], ids=repr)
def test_what_is_no_text(spec: object) -> None:
    with pytest.raises(rm.BadInput):
        QWEN.check(spec)  # type: ignore[arg-type]


@pytest.mark.parametrize("spec", ["released:", "released:huge", "released:../mixture", "released:Mixture"])
def test_released_systems_that_are_none(spec: str) -> None:
    with pytest.raises(rm.SystemNotFound, match="released:mixture"):
        RELEASED.check(spec)


@pytest.mark.parametrize("spec", ["nothing", "file", "mine/nothing/x"])
def test_folders_that_are_none(offered: Allowance, spec: str) -> None:
    with pytest.raises(rm.SystemNotFound, match="does not exist"):
        offered.check(spec)


@pytest.mark.parametrize("start", ["", "/", "embedded:", "released:", "Qwen/", "evil/", "C:\\", "../"])
@pytest.mark.parametrize("length", [100, 200, 100_000])
def test_errors_repeat_little_of_what_came(offered: Allowance, start: str, length: int) -> None:
    with pytest.raises(rm.RecmasError) as refused:
        offered.check(start + "x" * length)
    assert "x" * 61 not in str(refused.value)


# ----------------------------------------------------------------------------------------------------------- as written


@pytest.mark.parametrize(
    ("text", "models"),
    [
        ("none", ()), ("", ()), (" , ", ()), ("released", ("released:*",)), ("all", ("*",)),
        ("released, Qwen/*,google/gemma-3-?b-it", ("released:*", "Qwen/*", "google/gemma-3-?b-it")),
    ],
)  # fmt: skip
def test_as_written_in_an_environment_variable(text: str, models: tuple[str, ...]) -> None:
    assert Allowance.parse(text) == Allowance(models)


@pytest.mark.parametrize(
    "text", ["none, released", "Qwen/* google/*", "a\nb", "/etc", "a/b/c", "[x", "x" * 300, "a/../b/*"]
)
def test_words_that_are_no_patterns(text: str) -> None:
    with pytest.raises(rm.BadInput, match="the allowance"):
        Allowance.parse(text)


def test_all_models_are_not_all_folders(tmp_path: Path) -> None:
    with pytest.raises((rm.BadInput, NotAllowed)):
        Allowance.parse("all").check(str(tmp_path))
