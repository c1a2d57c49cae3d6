"""A real server in a process of its own, a real Chromium, and for every test a page that may ask no other host."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

import recmas_core as rm
from tests.browser.explorer import CHROMIUM_FLAGS, Explorer, VisitMaker
from tests.browser.serving import page_server
from tests.browser.small import save_small


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the page."""
    with page_server(tmp_path_factory.mktemp("server") / "log") as url:
        yield url


@pytest.fixture(scope="session")
def shipping_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the page as visitors find it: a run is there already."""
    with page_server(tmp_path_factory.mktemp("shipping_server") / "log", empty=False) as url:
        yield url


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of systems of random agents, one for each pattern; those who can call tools do."""
    folder = tmp_path_factory.mktemp("small")
    save_small(folder)
    return folder


@pytest.fixture(scope="session")
def small_server(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a page that offers the random systems."""
    with page_server(tmp_path_factory.mktemp("small_server") / "log", "--assets", str(small)) as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "Chromium is not installed: apt-get install chromium"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def embedded() -> rm.System:
    """The system that the page runs, loaded once more here, to compare with."""
    return rm.load_system("sequential")


@contextmanager
def visits(server: str, browser: Browser) -> Iterator[VisitMaker]:
    """Opens pages, each a visitor of their own; at the end none of them has asked another host for anything."""
    made: list[Explorer] = []

    def open_page(*, url: str = server, width: int = 1440, height: int = 900, theme: str = "light") -> Explorer:
        made.append(Explorer(browser, url, width=width, height=height, theme=theme))
        return made[-1]

    yield open_page
    for explorer in made:
        explorer.close()
    outside = [url for explorer in made for url in explorer.requests if not explorer.is_own(url)]
    errors = [error for explorer in made for error in explorer.errors]
    assert not outside, f"the page asked other hosts: {outside}"
    assert not errors, f"the page raised: {errors}"


@pytest.fixture
def visit(server: str, browser: Browser) -> Iterator[VisitMaker]:
    """Opens pages for one test."""
    with visits(server, browser) as visit:
        yield visit


@pytest.fixture(scope="module")
def lasting_visit(server: str, browser: Browser) -> Iterator[VisitMaker]:
    """Opens pages for all tests of a file: to come is dear, and some tests only look, or leave all as it was."""
    with visits(server, browser) as visit:
        yield visit


@pytest.fixture
def explorer(visit: VisitMaker) -> Explorer:
    """One visitor's page at 1440 x 900."""
    return visit()
