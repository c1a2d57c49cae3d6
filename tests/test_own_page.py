"""A page of agents without shipped maps: it is drawn again when a fit arrives, and nothing is drawn for nothing."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from english import ENGLISH
from fitting import Fake, until, warmed
from tiny import tiny_pattern_system

import recmas_core as rm
from visualizers.panels.catalogue import read_catalogue
from visualizers.panels.explore_handlers import Explore
from visualizers.panels.shelf import Shelf
from visualizers.panels.stage import OUTPUTS
from visualizers.panels.visitors import Visitors

VALUES: tuple[Any, ...] = ("s1 7 + 3", 3, 8, 0, "latent", "fast", True, True)


class Page:
    """A visitor's page over a fake fit."""

    def __init__(self, shelf: Shelf) -> None:
        self.visitors = Visitors(shelf.board)
        self.explore = Explore(shelf, self.visitors, ENGLISH)
        self.request: Any = SimpleNamespace(session_hash="visitor")

    def run(self) -> str:
        """Press Run; the last caption of the map."""
        captions = [outputs[OUTPUTS.index("caption")] for outputs in self.explore.run(self.request, *VALUES)]
        return [caption for caption in captions if isinstance(caption, str)][-1]

    def arrivals(self) -> list[Any]:
        """The captions that come afterwards, None where nothing is changed."""

        async def all_of_them() -> list[Any]:
            return [outputs async for outputs in self.explore.arrivals(self.request, *VALUES)]

        with ThreadPoolExecutor(1) as aside:  # the browser tests have an event loop of their own in this thread
            drawn = aside.submit(asyncio.run, all_of_them()).result()
        captions = [outputs[OUTPUTS.index("caption")] for outputs in drawn]
        return [caption if isinstance(caption, str) else None for caption in captions]


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def page(fake: Fake, tmp_path_factory: pytest.TempPathFactory) -> Page:
    folder = tmp_path_factory.mktemp("assets")
    tiny_pattern_system(rm.PATTERNS["mixture"], task=rm.TASKS["fields"], trained_steps=(1, 8)).save(folder / "mixture")
    shelf = Shelf(read_catalogue(assets=folder))
    shelf._fitter = warmed(fake)
    return Page(shelf)


def test_an_open_page_is_drawn_again_when_the_fit_arrives(page: Page, fake: Fake) -> None:
    fake.gate.clear()
    assert "UMAP is being fitted" in page.run()
    threading.Timer(0.3, fake.gate.set).start()
    found = page.arrivals()
    assert "umap-learn" in found[-2]
    assert "nearest until" not in found[-2]
    assert found[-1] is None


def test_nothing_is_drawn_where_nothing_arrives(page: Page) -> None:
    page.run()
    page.arrivals()
    assert page.arrivals() == [None]


def test_a_run_that_was_reset_meanwhile_is_not_drawn(page: Page, fake: Fake) -> None:
    fake.gate.clear()
    page.run()
    session = page.visitors.get("visitor").session
    begun = session.moment.own
    found: list[Any] = []
    waiting = threading.Thread(target=lambda: found.extend(page.arrivals()))
    waiting.start()
    time.sleep(0.2)  # it has seen the run
    session.reset()
    fake.gate.set()
    until(lambda: not begun.busy)
    waiting.join(20)
    assert found == [None]
