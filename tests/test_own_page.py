"""Pages of agents without shipped maps: they are drawn again when a fit arrives, and nothing is drawn for nothing."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from english import ENGLISH
from fitting import Fake, until, warmed
from tiny import tiny_pattern_system

import recmas_core as rm
from visualizers.panels import intervene_view
from visualizers.panels.catalogue import read_catalogue
from visualizers.panels.explore_handlers import Explore
from visualizers.panels.intervene_handlers import Intervene
from visualizers.panels.shelf import Shelf
from visualizers.panels.stage import OUTPUTS
from visualizers.panels.visitors import Visitors

VALUES: tuple[Any, ...] = ("s1 7 + 3", 3, 8, 0, "latent", "fast", True, True)


class Page:
    """A visitor's page over a fake fit."""

    def __init__(self, shelf: Shelf) -> None:
        self.visitors = Visitors(shelf.board)
        self.explore = Explore(shelf, self.visitors, ENGLISH)
        self.intervene = Intervene(shelf, self.visitors, ENGLISH)
        self.request: Any = SimpleNamespace(session_hash="visitor")

    def run(self) -> str:
        """Press Run; the last caption of the map."""
        captions = [outputs[OUTPUTS.index("caption")] for outputs in self.explore.run(self.request, *VALUES)]
        return [caption for caption in captions if isinstance(caption, str)][-1]

    def arrivals(self) -> list[Any]:
        """The captions that come afterwards, None where nothing is changed."""

        drawn = drawings(self.explore.arrivals(self.request, *VALUES))
        captions = [outputs[OUTPUTS.index("caption")] for outputs in drawn]
        return [caption if isinstance(caption, str) else None for caption in captions]


def drawings(arriving: AsyncIterator[Any]) -> list[Any]:
    """All that a handler draws that waits for maps."""

    async def all_of_them() -> list[Any]:
        return [outputs async for outputs in arriving]

    with ThreadPoolExecutor(1) as aside:  # the browser tests have an event loop of their own in this thread
        return aside.submit(asyncio.run, all_of_them()).result()


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


def test_the_map_to_intervene_on_is_drawn_again_and_nothing_else_of_that_tab(page: Page, fake: Fake) -> None:
    names = intervene_view.OUTPUTS
    fake.gate.clear()
    page.run()
    shown = [dict(zip(names, outputs, strict=True)) for outputs in page.intervene.look(page.request, "")]
    assert "UMAP is being fitted" in shown[-2]["caption"]
    threading.Timer(0.3, fake.gate.set).start()
    *found, last = drawings(page.intervene.arrivals(page.request))
    drawn = dict(zip(names, found[-1], strict=True))
    assert "umap-learn" in drawn["caption"]
    assert drawn["map"] != shown[-2]["map"]
    skipped = {name for name, value in drawn.items() if value == gr.skip()}
    assert skipped == set(names) - {"map", "caption"}
    assert all(value == gr.skip() for value in last)
    assert len(drawings(page.intervene.arrivals(page.request))) == 1


def test_without_a_run_to_intervene_on_no_map_is_waited_for(page: Page) -> None:
    assert len(drawings(page.intervene.arrivals(page.request))) == 1
