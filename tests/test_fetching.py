"""Fetching from the hub: what comes, how far it is, how it is stopped, and what is said when it does not come."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hub import Hub, running
from huggingface_hub import constants, file_download
from safetensors.torch import save

import recmas_core as rm
from recmas_core.released.fetching import FetchFailed, complete, fetch, parameters

NAME, TOKEN = "me/mine", "hf_" + "a" * 34
FILES = {
    "config.json": b"{}",
    "model.safetensors": os.urandom(300_000),
    "other.safetensors": os.urandom(100_000),
    "pytorch_model.bin": b"never",
    "evil.py": b"never",
    "README.md": b"never",
}
BYTES = 400_000


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is logged in, and waiting takes no time."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)
    monkeypatch.setattr(file_download, "time", SimpleNamespace(sleep=lambda _: None))


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running(Hub({NAME: FILES})) as hub:
        yield hub


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def half_files(cache: Path) -> list[Path]:
    return list(cache.rglob("*.incomplete"))


# -------------------------------------------------------------------------------------------------------- what comes


def test_only_data_is_fetched(hub: Hub, tmp_path: Path) -> None:
    folder = fetch(NAME, cache=tmp_path, endpoint=hub.address)
    assert names(folder) == {"config.json", "model.safetensors", "other.safetensors"}


def test_it_comes_as_it_is(hub: Hub, tmp_path: Path) -> None:
    folder = fetch(NAME, cache=tmp_path, endpoint=hub.address)
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_the_token_is_shown_to_the_hub(hub: Hub, tmp_path: Path) -> None:
    fetch(NAME, cache=tmp_path, endpoint=hub.address, token=TOKEN)
    assert hub.tokens == {f"Bearer {TOKEN}"}


def test_what_is_here_is_not_fetched_again(hub: Hub, tmp_path: Path) -> None:
    fetch(NAME, cache=tmp_path, endpoint=hub.address)
    hub.asked.clear()
    fetch(NAME, cache=tmp_path, endpoint=hub.address)
    assert not any("safetensors" in path for path in hub.asked)


# ----------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("status", "code", "what", "todo"),
    [
        (404, "RepoNotFound", "does not exist", "See to the name"),
        (403, "GatedRepo", "accepted its terms", "Accept its terms"),
        (401, "GatedRepo", "accepted its terms", "Accept its terms"),
        (401, "", "does not exist|needs an access token", "hf auth login"),
        (403, "", "may not be read with this access token", "Ask its owners"),
        (500, "", "status 500", "Try again later"),
        (404, "RevisionNotFound", "does not exist", "See to the name"),
    ],
)
@pytest.mark.parametrize("ask", [fetch, parameters])
def test_what_the_hub_refuses(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: object, status: int, code: str, what: str, todo: str
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    hub.refusals[NAME] = (status, code)
    with pytest.raises(FetchFailed, match=what) as failed:
        ask(NAME, endpoint=hub.address, token=TOKEN)  # type: ignore[operator]
    assert failed.value.where == f"repository {NAME!r}"
    assert todo in failed.value.todo
    assert TOKEN not in str(failed.value)


@pytest.mark.parametrize("ask", [fetch, parameters])
def test_a_connection_that_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: object) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(FetchFailed, match=rf"{NAME}.*(cannot be reached|refused)"):
        ask(NAME, endpoint=f"http://127.0.0.1:{port}")  # type: ignore[operator]


@pytest.mark.parametrize("name", ["mine", "a/b/c", "../mine", "me/my model", ""])
@pytest.mark.parametrize("ask", [fetch])
def test_names_that_are_none(hub: Hub, ask: object, name: str) -> None:
    with pytest.raises(rm.BadInput, match="owner/name"):
        ask(name, endpoint=hub.address)  # type: ignore[operator]
    assert hub.asked == []


# ------------------------------------------------------------------------------------------------------- broken off


def test_a_download_that_breaks_is_taken_up_again(hub: Hub, tmp_path: Path) -> None:
    hub.breaks = 2
    folder = fetch(NAME, cache=tmp_path, endpoint=hub.address)
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_a_download_that_breaks_off_says_so(hub: Hub, tmp_path: Path) -> None:
    hub.breaks = 10**6
    with pytest.raises(FetchFailed, match=rf"{NAME}.*broke off.*try again"):
        fetch(NAME, cache=tmp_path, endpoint=hub.address)
    assert half_files(tmp_path) == []


def test_a_second_try_goes_on(hub: Hub, tmp_path: Path) -> None:
    hub.breaks = 10**6
    with pytest.raises(FetchFailed):
        fetch(NAME, cache=tmp_path, endpoint=hub.address)
    hub.breaks = 0
    assert complete(fetch(NAME, cache=tmp_path, endpoint=hub.address))


def test_a_full_disk(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(file_download, "http_get", full)
    with pytest.raises(FetchFailed, match=rf"{NAME}.*disk.*full.*Make room"):
        fetch(NAME, cache=tmp_path, endpoint=hub.address)
    assert half_files(tmp_path) == []


# ----------------------------------------------------------------------------------------------------------- offline


def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def test_offline_with_nothing_here(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offline(monkeypatch)
    with pytest.raises(FetchFailed, match=rf"{NAME}.*not on this machine.*HF_HUB_OFFLINE"):
        fetch(NAME, cache=tmp_path, endpoint=hub.address)
    assert hub.asked == []


def test_offline_with_everything_here(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fetch(NAME, cache=tmp_path, endpoint=hub.address)
    offline(monkeypatch)
    assert fetch(NAME, cache=tmp_path, endpoint=hub.address) == before


def test_offline_with_half_of_it_here(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (fetch(NAME, cache=tmp_path, endpoint=hub.address) / "model.safetensors").unlink()
    offline(monkeypatch)
    with pytest.raises(FetchFailed, match=rf"{NAME}.*only in part.*HF_HUB_OFFLINE"):
        fetch(NAME, cache=tmp_path, endpoint=hub.address)


def test_offline_with_half_of_it_here_and_no_list(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an older client left: nothing says what should be there, but a model without weights is none."""
    folder = fetch(NAME, cache=tmp_path, endpoint=hub.address)
    for path in folder.glob("*.safetensors"):
        path.unlink()
    monkeypatch.setattr("huggingface_hub._snapshot_download.read_tree_cache", lambda *_: None)
    offline(monkeypatch)
    with pytest.raises(rm.SystemNotFound, match="no weights"):
        complete(fetch(NAME, cache=tmp_path, endpoint=hub.address))


def test_offline_the_size_is_not_known(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    offline(monkeypatch)
    with pytest.raises(FetchFailed, match=rf"{NAME}.*offline.*HF_HUB_OFFLINE"):
        parameters(NAME, endpoint=hub.address)


# ---------------------------------------------------------------------------------------------------- how far it is


def test_progress_ends_with_all_bytes(hub: Hub, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    fetch(NAME, cache=tmp_path, endpoint=hub.address, tell=lambda done, of: told.append((done, of)))
    assert told[-1] == (BYTES + len(FILES["config.json"]),) * 2


def test_progress_only_grows(hub: Hub, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    fetch(NAME, cache=tmp_path, endpoint=hub.address, tell=lambda done, of: told.append((done, of)))
    assert len(told) > 20
    assert all(done <= of for done, of in told)
    assert [of for _, of in told] == sorted(of for _, of in told)


def test_only_one_thread_tells_at_a_time(hub: Hub, tmp_path: Path) -> None:
    inside, most = [0], [0]
    pause = threading.Event()

    def tell(done: int, of: int) -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        pause.wait(0.002)
        inside[0] -= 1

    fetch(NAME, cache=tmp_path, endpoint=hub.address, tell=tell)
    assert most == [1]


class Stopped(Exception):
    """What a visitor's button raises."""


@pytest.mark.parametrize("error", [Stopped(), OSError("mine"), KeyboardInterrupt()], ids=repr)
def test_what_tell_raises_stops_the_download(hub: Hub, tmp_path: Path, error: BaseException) -> None:
    def tell(done: int, of: int) -> None:
        if done > 50_000:
            raise error

    with pytest.raises(type(error)) as stopped:
        fetch(NAME, cache=tmp_path, endpoint=hub.address, tell=tell)
    assert stopped.value is error
    assert half_files(tmp_path) == []
    assert not list(tmp_path.rglob("model.safetensors"))


def test_a_stopped_download_can_be_taken_up(hub: Hub, tmp_path: Path) -> None:
    def stop(done: int, of: int) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        fetch(NAME, cache=tmp_path, endpoint=hub.address, tell=stop)
    assert complete(fetch(NAME, cache=tmp_path, endpoint=hub.address))


# ------------------------------------------------------------------------------------------------------ how much it is


def test_where_the_hub_does_not_count_half_precision_is_taken(hub: Hub) -> None:
    assert parameters(NAME, endpoint=hub.address) == BYTES // 2


def test_nothing_is_fetched_for_the_size(hub: Hub) -> None:
    parameters(NAME, endpoint=hub.address)
    assert not any("resolve" in path for path in hub.asked)


def test_a_repository_without_weights_has_no_size(hub: Hub) -> None:
    hub.files["me/empty"] = {"config.json": b"{}"}
    with pytest.raises(rm.SystemNotFound, match="no weights as safetensors"):
        parameters("me/empty", endpoint=hub.address)


def test_what_is_here_is_counted_here(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    hub.files["me/real"] = {"config.json": b"{}", "model.safetensors": save({"weight": torch.zeros(3, 5)})}
    fetch("me/real", endpoint=hub.address)
    hub.asked.clear()
    assert parameters("me/real", endpoint=hub.address) == 15
    assert not hub.asked
