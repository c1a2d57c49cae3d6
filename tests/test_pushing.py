"""Pushing a folder to the hub: what is sent there, and what is said when it cannot be."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import HfApi, constants
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import filter_repo_objects, httpx

import recmas_core as rm
from recmas_core.released import PushFailed, push_folder

TOKEN = "hf_a_secret"
Calls = list[tuple[str, dict[str, object]]]


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is logged in, and the hub is a port of this machine at which nobody listens."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    (folder / "planner").mkdir(parents=True)
    for name in ("system.json", "planner/config.json", ".lock", "planner/.model.17.half"):
        (folder / name).write_text("{}")
    return folder


def hub(monkeypatch: pytest.MonkeyPatch, *, private: bool) -> Calls:
    """A hub that takes everything, as far as the client's methods tell."""
    calls: Calls = []

    def create(self: HfApi, repo_id: str, **options: object) -> str:
        calls.append(("create", {"repo_id": repo_id, "token": self.token, **options}))
        return f"https://hub.example/{repo_id}"

    def info(self: HfApi, repo_id: str) -> SimpleNamespace:
        return SimpleNamespace(private=private)

    def upload(self: HfApi, **options: object) -> None:
        calls.append(("upload", {"token": self.token, **options}))

    for name, method in (("create_repo", create), ("repo_info", info), ("upload_folder", upload)):
        monkeypatch.setattr(HfApi, name, method)
    return calls


def test_a_private_repository_gets_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = hub(monkeypatch, private=True)
    assert push_folder(folder, "me/mine", token=TOKEN) == "https://hub.example/me/mine"
    (made, created), (sent, uploaded) = calls
    assert (made, sent) == ("create", "upload")
    assert created == {"repo_id": "me/mine", "token": TOKEN, "private": True, "exist_ok": True}
    assert {key: uploaded[key] for key in ("repo_id", "token", "folder_path")} == {
        "repo_id": "me/mine", "token": TOKEN, "folder_path": folder,
    }  # fmt: skip


def test_hidden_files_stay_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = hub(monkeypatch, private=True)
    push_folder(folder, "me/mine", token=TOKEN)
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    kept = filter_repo_objects(names, ignore_patterns=calls[1][1]["ignore_patterns"])
    assert set(kept) == {"system.json", "planner/config.json"}


def test_nothing_private_goes_into_a_public_repository(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = hub(monkeypatch, private=False)
    with pytest.raises(rm.BadInput, match="everybody can read"):
        push_folder(folder, "me/mine", token=TOKEN)
    assert [name for name, _ in calls] == ["create"]
    push_folder(folder, "me/mine", private=False, token=TOKEN)
    assert calls[-1][0] == "upload"


def test_the_token_of_the_environment_is_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = hub(monkeypatch, private=True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    push_folder(folder, "me/mine")
    assert calls[0][1]["token"] == TOKEN


def test_without_a_token_nothing_is_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = hub(monkeypatch, private=True)
    with pytest.raises(PushFailed, match="hf auth login"):
        push_folder(folder, "me/mine")
    assert calls == []


@pytest.mark.parametrize(
    ("status", "match"),
    [(401, "does not know the access token"), (403, "right to write"), (404, "not there"), (500, "try later")],
)
@pytest.mark.parametrize("step", ["create_repo", "repo_info", "upload_folder"])
def test_what_the_hub_refuses(
    folder: Path, monkeypatch: pytest.MonkeyPatch, step: str, status: int, match: str
) -> None:
    hub(monkeypatch, private=True)

    def refuse(*_: object, **__: object) -> None:
        request = httpx.Request("POST", "https://hub.example", headers={"authorization": f"Bearer {TOKEN}"})
        raise HfHubHTTPError("no", response=httpx.Response(status, request=request), server_message="try later")

    monkeypatch.setattr(HfApi, step, refuse)
    with pytest.raises(PushFailed, match=match) as refused:
        push_folder(folder, "me/mine", token=TOKEN)
    assert TOKEN not in str(refused.value)


def test_a_connection_that_is_really_refused(folder: Path) -> None:
    with pytest.raises(PushFailed, match=r"cannot be reached.*refused.*network"):
        push_folder(folder, "me/mine", token=TOKEN)


def test_offline_mode(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(PushFailed, match=r"offline mode is enabled.*HF_HUB_OFFLINE"):
        push_folder(folder, "me/mine", token=TOKEN)


@pytest.mark.parametrize("name", ["a/b/c", "../mine", "me/my system", ""])
def test_names_that_are_none(folder: Path, name: str) -> None:
    with pytest.raises(rm.BadInput, match="no name of a repository"):
        push_folder(folder, name, token=TOKEN)


def test_folders_with_nothing_in_them(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "nowhere"):
        with pytest.raises(rm.SystemNotFound, match=name):
            push_folder(tmp_path / name, "me/mine", token=TOKEN)
