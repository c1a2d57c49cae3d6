"""Opening a released system in the browser: from a hub of this machine, over the hub's own client, to its answer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.explorer import Explorer, VisitMaker
from tests.browser.serving import page_server
from tests.hub import Hub, running
from tests.miniature import make_release

TOKEN = "hf_" + "Secret" * 6


@pytest.fixture(scope="module")
def opened_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The URL of a page whose hub holds one released system and refuses another, and the file of what it prints."""
    root = tmp_path_factory.mktemp("hub")
    files = {
        name: {path.name: path.read_bytes() for path in folder.iterdir()}
        for name, folder in make_release("deliberation", root).items()
    }
    hub = Hub(files, refusals={"RecursiveMAS/Distillation-Expert-Qwen3.5-9B": (403, "GatedRepo")})
    log = root / "log"
    with running(hub):
        around = {
            "HF_ENDPOINT": hub.address, "HF_HOME": str(root / "cache"), "HF_TOKEN": TOKEN, "HF_HUB_OFFLINE": "0",
        }  # fmt: skip
        with page_server(log, environment=around) as url:
            yield url, log
    assert f"Bearer {TOKEN}" in hub.tokens, "the hub was not asked by the page's own client"


def press_open(explorer: Explorer, system: str) -> None:
    page = explorer.page
    if not page.locator("#recmas-open").is_visible():
        page.get_by_role("button", name="More systems").click()
    page.locator("#recmas-open-what input").click()
    page.get_by_role("option", name=system).click()
    page.locator("#recmas-open").click()


def said(explorer: Explorer) -> str:
    return str(explorer.page.locator("#recmas-opening").inner_text())


def test_a_released_system_is_opened_and_runs_to_its_answer(
    visit: VisitMaker, opened_server: tuple[str, Path]
) -> None:
    explorer = visit(url=opened_server[0])
    press_open(explorer, "Deliberation \u00b7")
    explorer.until(lambda: "is open" in said(explorer), "the system to be open")
    explorer.until(lambda: explorer.page.locator("#recmas-thoughts input").input_value() == "32", "its own settings")
    explorer.page.locator("#recmas-question textarea").fill("What is 6 * 7?")
    explorer.page.locator("#recmas-thoughts input").fill("2")
    explorer.page.locator("#recmas-rounds input").fill("1")
    explorer.page.get_by_role("radio", name="fast").click()
    explorer.page.locator("#recmas-run").click()
    explorer.until(lambda: "answers:" in explorer.status, "the answer")
    assert "Qwen3.5" in explorer.page.locator("#recmas-topology").inner_text()


def test_a_gated_repository_is_named_and_the_embedded_systems_go_on(
    visit: VisitMaker, opened_server: tuple[str, Path]
) -> None:
    explorer = visit(url=opened_server[0])
    press_open(explorer, "Distillation \u00b7")
    explorer.until(lambda: "accepted its terms" in said(explorer), "the refusal")
    assert "Distillation-Expert-Qwen3.5-9B" in said(explorer)
    explorer.page.locator("#recmas-step").click()
    explorer.until(lambda: "thought" in explorer.status, "a thought of the embedded system")


def test_the_token_is_neither_on_the_page_nor_in_the_log(
    visit: VisitMaker, opened_server: tuple[str, Path]
) -> None:
    url, log = opened_server
    explorer = visit(url=url)
    press_open(explorer, "Distillation \u00b7")
    explorer.until(lambda: "accepted its terms" in said(explorer), "the refusal")
    assert os.environ.get("HF_TOKEN") != TOKEN
    assert TOKEN not in explorer.page.content()
    assert TOKEN not in log.read_text()
