"""Sharing a run and the first visit, as a visitor does it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image
from playwright.sync_api import Browser, Download

import recmas_core as rm
from tests.browser.explorer import PATIENCE, Explorer, VisitMaker

QUESTION = "start 7 s1 + 3 s2 * 7 s3 - 4"


def download(explorer: Explorer, button: str) -> Download:
    """Press a button of the share row and take the file that the browser is given."""
    with explorer.page.expect_download(timeout=1000 * PATIENCE) as found:
        explorer.press(button)
    return found.value


def said(explorer: Explorer) -> str:
    return explorer.page.locator("#recmas-s-said").inner_text().strip()


def copied_link(explorer: Explorer) -> str:
    """Press "Copy link" and read the field it was copied from."""
    explorer.press("Copy link")
    field = explorer.page.locator("#recmas-s-said input")
    explorer.until(lambda: field.count() and field.input_value().startswith("http"), "the link")
    return field.input_value()


@pytest.fixture(scope="module")
def run(lasting_visit: VisitMaker) -> Explorer:
    """A visitor with a run of their own, which stays as it is."""
    explorer = lasting_visit()
    explorer.fill("Question", QUESTION)
    explorer.fill("Rounds", "2")
    explorer.fill("Thoughts per turn", "4")
    explorer.choose("fast")
    explorer.run()
    return explorer


def test_the_link_opens_the_same_run(run: Explorer, visit: VisitMaker, embedded: rm.System) -> None:
    link = copied_link(run)
    trace = embedded.solve(QUESTION, rounds=2, latent_steps=4, seed=0)
    other, turns = visit(), run.page.locator(".recmas-strip").inner_text()
    other.page.goto(link)
    other.until(lambda: other.page.locator("#recmas-status").count() and other.answered, "the answer")
    assert other.page.get_by_label("Rounds", exact=True).input_value() == "2"
    assert other.meter("Answer") == trace.answer
    assert other.thoughts == len(trace.thoughts)
    assert other.page.locator(".recmas-strip").inner_text() == turns


def test_the_link_opens_the_german_page_too(visit: VisitMaker, server: str, embedded: rm.System) -> None:
    answer = embedded.solve("start 7 s1 + 3", rounds=1, latent_steps=3).answer
    page = visit().page
    page.goto(f"{server}/de?question=start+7+s1+%2B+3&rounds=1&thoughts=3")
    page.get_by_text("Über einen Link geöffnet").wait_for()
    page.locator("#recmas-strip", has_text=f"→ {answer}").wait_for()


def test_a_bad_link_is_said_on_the_page(visit: VisitMaker, server: str) -> None:
    explorer = visit()
    explorer.page.goto(f"{server}/?system=chess&question=1")
    explorer.until(lambda: "is not offered" in said(explorer), "the refusal")
    assert explorer.step()  # and the page goes on


def test_without_a_run_there_is_nothing_to_share(explorer: Explorer) -> None:
    explorer.press("Copy link")
    explorer.until(lambda: "Press Step or Run first" in said(explorer), "what to do")


def test_the_trace_loads_back_to_the_same_page(run: Explorer, visit: VisitMaker, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    download(run, "Trace (.npz)").save_as(path)
    trace = rm.Trace.load(str(path))
    assert (trace.config.question, trace.config.latent_steps) == (QUESTION, 4)
    other = visit()
    other.page.locator("#recmas-s-upload").locator("xpath=..").locator("input[type=file]").set_input_files(path)
    other.until(lambda: other.status.startswith("From the file"), "the run")
    assert other.meter("Answer") == run.meter("Answer") == trace.answer
    assert other.page.get_by_label("Thoughts per turn", exact=True).input_value() == "4"
    assert other.thoughts == run.thoughts
    other.page.keyboard.press("Home")
    other.until(lambda: "Looking back" in other.page.locator("#recmas-when").inner_text(), "the first thought")


def test_a_file_that_is_no_run_is_refused(explorer: Explorer, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    path.write_bytes(b"PK\x03\x04 nothing")
    explorer.page.locator("#recmas-s-upload").locator("xpath=..").locator("input[type=file]").set_input_files(path)
    explorer.until(lambda: "This cannot be opened" in said(explorer), "the refusal")


def test_the_table_has_a_row_for_every_thought(run: Explorer, tmp_path: Path) -> None:
    download(run, "Thoughts (.csv)").save_as(tmp_path / "thoughts.csv")
    with (tmp_path / "thoughts.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == run.thoughts
    assert all(row["word_1"] and 0 <= float(row["p_1"]) <= 1 and row["x"] for row in rows)


def test_the_report_opens_without_a_network(run: Explorer, browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    download(run, "Report (.html)").save_as(path)
    context = browser.new_context(offline=True)
    page, asked, errors = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(path.as_uri(), timeout=1000 * PATIENCE)
    page.wait_for_function("document.querySelectorAll('.js-plotly-plot').length === 6", timeout=1000 * PATIENCE)
    live = "p.data.find((t) => t.name === 'thoughts').x.length"
    points = page.evaluate(f"[...document.querySelectorAll('.js-plotly-plot')].map((p) => {live})")
    assert sum(points[::2]) == run.thoughts
    assert f"The answer: {run.meter('Answer')}" in page.locator("main").inner_text()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert errors == []
    context.close()


@pytest.mark.parametrize("figure", ["the latent map", "the drawing of the agents"])
def test_a_figure_is_saved_as_svg_and_png(run: Explorer, tmp_path: Path, figure: str) -> None:
    download(run, f"Save {figure} as SVG").save_as(tmp_path / "figure.svg")
    tree = ElementTree.parse(tmp_path / "figure.svg").getroot()
    assert tree.tag.endswith("svg")
    download(run, f"Save {figure} as PNG").save_as(tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as image:
        assert image.width > 400
        assert len(image.convert("RGB").getcolors(1 << 20) or ()) > 20  # something is drawn


def test_the_code_is_shown_and_copied(run: Explorer) -> None:
    run.press("Show the Python")
    field = run.page.locator("#recmas-s-said textarea")
    run.until(lambda: field.count() and "system.solve(" in field.input_value(), "the code")
    run.press("Copy the code")
    run.until(lambda: "Copied." in said(run), "the copy")


# ------------------------------------------------------------------------------------------------------ first visit


@pytest.fixture
def newcomer(shipping_server: str, browser: Browser) -> Iterator[Explorer]:
    """Somebody on the page as visitors find it."""
    made = Explorer(browser, shipping_server, width=1440, height=900, theme="light", ready="A run made beforehand")
    yield made
    made.close()
    assert not made.errors


def test_a_run_is_there_and_one_click_begins_ones_own(newcomer: Explorer) -> None:
    assert newcomer.meter("Answer") not in ("", "–")
    assert newcomer.points == 9
    newcomer.page.locator("#recmas-strip .recmas-turn").nth(1).click()
    newcomer.until(lambda: "Looking back" in newcomer.page.locator("#recmas-when").inner_text(), "the past")
    newcomer.press("Step")
    newcomer.until(lambda: "Planner made thought 1" in newcomer.status, "the first step")
    assert newcomer.thoughts == 1


def test_every_shipped_system_has_a_run(newcomer: Explorer) -> None:
    for title in ("Mixture", "Distillation", "Deliberation"):
        newcomer.pick_pattern(title)
        newcomer.until(lambda: newcomer.status.startswith("A run made beforehand"), title)
        assert "right" in newcomer.meter("True answer")
