"""Sharing, handler by handler: what a link or a file opens is what was run, and what cannot be opened is said."""

from __future__ import annotations

import ast
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from english import ENGLISH
from starlette.datastructures import QueryParams
from test_run import assert_same

import recmas_core as rm
from recmas_core.storage import save_trace
from visualizers.panels.catalogue import read_catalogue
from visualizers.panels.choose_handlers import SETTING, Choose
from visualizers.panels.explore_handlers import Explore
from visualizers.panels.first import FILE, Firsts, make_first
from visualizers.panels.first import main as make_firsts
from visualizers.panels.intervene_change import Change
from visualizers.panels.share_handlers import Share
from visualizers.panels.shared_file import MOST_MB
from visualizers.panels.shelf import Shelf
from visualizers.panels.stage import OUTPUTS
from visualizers.panels.visitors import Visitor, Visitors
from visualizers.words import read_words

ROOT = Path(__file__).resolve().parents[1]
QUESTION = "start 7 s1 + 3 s2 * 7 s3 - 4"
HERE = "http://127.0.0.1:7860/"
NAMES = (*SETTING, *OUTPUTS, "mode", "note")


@pytest.fixture(scope="module")
def shelf() -> Shelf:
    return Shelf(read_catalogue())


class Page:
    """The handlers of a page, called as the page calls them."""

    def __init__(self, shelf: Shelf, *, firsts: Firsts | None = None) -> None:
        self.visitors = Visitors(shelf.board, firsts=firsts)
        self.explore = Explore(shelf, self.visitors, ENGLISH)
        self.choose = Choose(shelf, self.explore)
        self.share = Share(self.explore, self.choose, ENGLISH)

    def request(self, query: str = "") -> Any:
        request = gr.Request(session_hash="visitor")
        request.__dict__["query_params"] = QueryParams(query)
        return request

    @property
    def visitor(self) -> Visitor:
        return self.visitors.get("visitor")

    @property
    def trace(self) -> rm.Trace:
        trace = self.visitor.session.moment.trace
        assert trace is not None
        return trace

    values = (QUESTION, 2, 3, 0, "latent", "fast", True, True)

    def seen(self, outputs: Iterator[tuple[Any, ...]]) -> dict[str, Any]:
        """The page as it is at the end of what a handler sent: skipped outputs stay as they were."""
        seen: dict[str, Any] = {}
        for values in outputs:
            assert len(values) == len(NAMES)
            new = zip(NAMES, values, strict=True)
            seen |= {name: value for name, value in new if value != gr.skip()}
        return seen

    def arrive(self, query: str) -> dict[str, Any]:
        return self.seen(self.share.arrive(self.request(query), *self.values))

    def upload(self, path: Path) -> dict[str, Any]:
        return self.seen(self.share.upload(str(path), self.request(), *self.values))

    def run(self) -> None:
        for _ in self.explore.run(self.request(), *self.values):
            pass

    def step(self) -> str:
        status = ""
        for values in self.explore.step(self.request(), *self.values):
            drawn = dict(zip(OUTPUTS, values, strict=True))
            status = drawn["status"] if isinstance(drawn["status"], str) else status
        return status

    def saved(self, path: Path) -> Path:
        """What the trace button gives."""
        file, note = self.share.trace(self.request())
        assert path.name.split("-")[0] in note or file["value"]
        return Path(shutil.copyfile(file["value"], path))


@pytest.fixture
def page(shelf: Shelf) -> Page:
    return Page(shelf)


# ------------------------------------------------------------------------------------------------------------ links


def test_a_link_sets_the_page_and_runs(page: Page, shelf: Shelf) -> None:
    seen = page.arrive("system=distillation&question=p+%3D+4&rounds=1&thoughts=4&seed=9&session_hash=x")
    assert (seen["question"].value, seen["rounds"], seen["thoughts"], seen["seed"]) == ("p = 4", 1, 4, 9)
    assert (seen["mode"], page.visitor.lineup.system) == ("latent", "distillation")
    config = page.trace.config
    assert (config.rounds, config.latent_steps, config.seed) == (1, 4, 9)
    assert "answers:" in seen["status"]
    system = shelf.entry(page.visitor.lineup).system
    assert_same(page.trace, system.drain(rm.Trace(config, "distillation")))


def test_a_runs_own_link_gives_the_same_bits(page: Page, shelf: Shelf) -> None:
    page.run()
    html = page.share.link(page.request())
    query = html.split('data-query="')[1].split('"')[0].replace("&amp;", "&")
    other = Page(shelf)
    other.arrive(query)
    assert_same(page.trace, other.trace)
    assert other.visitor.session.moment.job.same_as(page.visitor.session.moment.job)


def test_pressing_on_after_a_link_with_changes_goes_on_with_it(page: Page, shelf: Shelf) -> None:
    query = f"question={QUESTION.replace('+', '%2B').replace(' ', '+')}&rounds=2&thoughts=3&edits=0:zero"
    page.arrive(query)
    assert page.trace.config.edits[0].kind == "zero"
    plain = shelf.entry(page.visitor.lineup).system.solve(QUESTION, rounds=2, latent_steps=3)
    assert not np.array_equal(page.trace.turns[1].thoughts, plain.turns[1].thoughts)


def test_a_link_to_a_branch_hands_its_change_on_once_the_run_is_there(page: Page) -> None:
    page.arrive("question=start+7+s1+%2B+3&rounds=2&change=1:noise:2.0:at-0")
    assert page.trace.answer
    assert page.visitor.intervening.planned() == Change(1, "noise", positions=(0,), amount=2.0)
    assert page.visitor.intervening.planned() is None


def test_an_address_that_asks_for_nothing_changes_nothing(page: Page) -> None:
    assert page.arrive("__theme=dark&session_hash=x") == {}
    assert page.visitor.session.moment.trace is None


@pytest.mark.parametrize("query", ["system=chess&question=1", "question=1&rounds=99", "question=%00", "seed=x"])
def test_a_bad_link_is_said_and_changes_nothing(page: Page, query: str) -> None:
    before = page.visitor.lineup
    seen = page.arrive(query)
    assert set(seen) == {"status", "note"}
    assert "This cannot be opened" in seen["note"]
    assert page.visitor.lineup == before


def test_a_question_that_cannot_be_asked_is_said(page: Page) -> None:
    seen = page.arrive("question=%3Cbos%3E+2&rounds=1")
    assert "This cannot be opened" in seen["status"]


# ------------------------------------------------------------------------------------------------------------ files


def test_without_a_run_every_button_says_what_to_do(page: Page) -> None:
    request = page.request()
    share = page.share
    for said in (
        share.link(request), share.trace(request)[1], share.table(request)[1], share.report(request, HERE)[1],
        share.code(request, HERE), share.notebook(request, HERE)[1],
    ):  # fmt: skip
        assert "Press Step or Run first" in said


def test_a_trace_loads_back_to_the_same_page(page: Page, shelf: Shelf, tmp_path: Path) -> None:
    page.run()
    page.visitor.session.look(None)
    drawn = dict(zip(OUTPUTS, page.explore.look(page.request(), *page.values), strict=True))
    other = Page(shelf)
    seen = other.upload(page.saved(tmp_path / "run.npz"))
    for piece in ("topology", "table", "prompt", "strip", "meters", "detail"):
        assert seen[piece] == drawn[piece], piece
    assert "From the file: Solver answers" in seen["status"]
    assert (seen["question"].value, seen["rounds"], seen["thoughts"]) == (QUESTION, 2, 3)
    assert_same(page.trace, other.trace)


def test_travelling_in_a_run_from_a_file(page: Page, shelf: Shelf, tmp_path: Path) -> None:
    page.run()
    other = Page(shelf)
    other.upload(page.saved(tmp_path / "run.npz"))
    drawn = dict(zip(OUTPUTS, other.explore.first(other.request(), *other.values), strict=True))
    assert "Looking back: round 1, Planner, step 1" in drawn["when"]


def test_a_finished_run_is_begun_anew(page: Page, shelf: Shelf, tmp_path: Path) -> None:
    page.run()
    other = Page(shelf)
    other.upload(page.saved(tmp_path / "run.npz"))
    assert "Planner made thought 1" in other.step()
    assert len(other.trace.thoughts) == 1


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7, 9])
def test_an_unfinished_run_is_gone_on_with(page: Page, shelf: Shelf, tmp_path: Path, steps: int) -> None:
    for _ in range(steps):
        page.step()
    part = page.trace
    other = Page(shelf)
    other.upload(page.saved(tmp_path / "run.npz"))
    assert len(other.trace.events) == len(part.events)
    other.step()
    assert len(other.trace.events) > len(part.events)
    other.run()
    page.run()
    assert other.trace.answer == page.trace.answer
    for one, again in zip(page.trace.thoughts, other.trace.thoughts, strict=True):  # prompts are read anew
        np.testing.assert_allclose(one.hidden, again.hidden, atol=1e-4)


def test_other_agents_come_back_with_their_run(page: Page, shelf: Shelf, tmp_path: Path) -> None:
    page.visitor.cast("critic", "embedded:planner")
    page.run()
    other = Page(shelf)
    other.upload(page.saved(tmp_path / "run.npz"))
    assert dict(other.visitor.lineup.agents)["critic"] == "embedded:planner"


def test_the_table_has_a_row_and_a_place_for_every_thought(page: Page) -> None:
    page.run()
    file, _ = page.share.table(page.request())
    with open(file["value"], encoding="utf-8") as text:
        rows = list(csv.DictReader(text))
    assert [(int(row["turn"]), int(row["step"])) for row in rows] == [(t.turn, t.step) for t in page.trace.thoughts]
    assert all(row["x"] and row["y"] and row["method"] for row in rows)
    assert {row["map"] for row in rows} == {"planner.thoughts", "critic.thoughts", "solver.thoughts"}


def test_files_that_are_no_run_are_refused(page: Page, tmp_path: Path) -> None:
    page.run()
    good, before = page.saved(tmp_path / "run.npz"), page.trace
    whole = good.read_bytes()
    cut, text, empty, bomb = (tmp_path / f"{name}.npz" for name in ("cut", "text", "empty", "bomb"))
    cut.write_bytes(whole[: len(whole) // 2])
    text.write_text("hello", encoding="utf-8")
    empty.write_bytes(b"")
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("header.npy", b"\0" * ((MOST_MB + 1) << 20))
    arrays = tmp_path / "arrays.npz"
    np.savez(arrays, header=np.array('{"format": "recmas-trace-1", "trace": {"class": "os.system", "fields": {}}}'))
    for path in (cut, text, empty, bomb, arrays, tmp_path / "nothing.npz"):
        seen = page.upload(path)
        assert set(seen) == {"status", "note"}, path.name
        assert "This cannot be opened" in seen["note"]
        assert str(tmp_path) not in seen["note"]  # where this server puts uploads is nobody's business
    assert page.trace is before


def test_a_run_of_other_agents_is_refused(page: Page, tmp_path: Path) -> None:
    page.run()
    wide = replace(page.trace.events[1], hidden=np.zeros(7, np.float32))
    broken = replace(page.trace, events=(page.trace.events[0], wide, *page.trace.events[2:]))
    save_trace(broken, tmp_path / "broken.npz")
    alone = replace(page.trace, pattern="alone")
    save_trace(alone, tmp_path / "alone.npz")
    assert "another width" in page.upload(tmp_path / "broken.npz")["note"]
    assert "no system is offered" in page.upload(tmp_path / "alone.npz")["note"]


def test_the_script_makes_the_same_run(page: Page, shelf: Shelf, tmp_path: Path) -> None:
    page.run()
    file, _ = page.share.script(page.request(), HERE)
    done = subprocess.run(
        [sys.executable, file["value"]], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.stdout.splitlines()[0] == page.trace.answer
    assert len(done.stdout.splitlines()) == 1 + len(page.trace.thoughts)
    assert_same(rm.Trace.load(str(tmp_path / "run.npz")), page.trace)


def test_the_notebook_holds_the_same_code(page: Page) -> None:
    page.arrive("system=sequential&agents=critic:planner&question=2+%2B+3&rounds=1&edits=0:scale:0.5:to-critic")
    code = Path(page.share.script(page.request(), HERE)[0]["value"]).read_text(encoding="utf-8")
    assert "rm.build_system('sequential', agents={'planner': 'embedded:planner', 'critic': 'embedded:planner'" in code
    assert "rm.Edit(0, 'scale', value=0.5, receiver='critic')" in code
    book = json.loads(Path(page.share.notebook(page.request(), HERE)[0]["value"]).read_text(encoding="utf-8"))
    whole = "\n\n".join("".join(cell["source"]) for cell in book["cells"])
    assert whole.strip() == code.strip()
    assert (book["nbformat"], {cell["cell_type"] for cell in book["cells"]}) == (4, {"code"})
    html = page.share.code(page.request(), HERE)
    assert unescape(html.split("<textarea")[1].split(">", 1)[1].split("</textarea>")[0]) == code


def test_a_question_stays_within_the_code(page: Page, shelf: Shelf) -> None:
    """Whatever was typed is a text in the script, and no address but a plain one gets into it."""
    page.arrive("system=mixture&question=%27%29%3B+import+os%0A%23+x&rounds=1&thoughts=3")
    for address in ("http://x/\nimport os", "javascript:alert(1)", 3, "http://x/?a=1"):
        code = Path(page.share.script(page.request(), address)[0]["value"]).read_text(encoding="utf-8")
        tree = ast.parse(code)
        imported = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        assert imported == ["recmas_core"]
        assert "javascript" not in code


def test_the_report_holds_everything_and_asks_nobody(page: Page) -> None:
    page.run()
    file, note = page.share.report(page.request(), HERE)
    text = Path(file["value"]).read_text(encoding="utf-8")
    assert f"The answer: {page.trace.answer}" in text
    assert text.count('<script type="application/json">') == 6  # thoughts and received of three agents
    assert text.count("plotly.js v") == 1
    assert f"{HERE}?system=sequential" in text
    assert text.count('class="recmas-probe"') == 5
    assert not re.search(r"""<(script|link|img|iframe)[^>]*\b(src|href)=""", text.split("<main")[1].split("</main>")[0])
    assert "kB" in note


def test_a_report_in_german_escapes_what_was_typed(shelf: Shelf) -> None:
    page = Page(shelf)
    page.share = Share(page.explore, page.choose, read_words("de"))
    page.arrive("system=mixture&question=%3C/script%3E%3Cb%3E+x&rounds=1&thoughts=3")
    text = Path(page.share.report(page.request(), HERE)[0]["value"]).read_text(encoding="utf-8")
    main = text.split("<main")[1].split("</main>")[0]
    assert "Die Antwort:" in main
    assert "&lt;/script&gt;" in main
    assert main.count("</script>") == main.count("<script")


# ------------------------------------------------------------------------------------------------------ first visit


def test_a_first_visitor_finds_a_run_and_one_click_begins_their_own(shelf: Shelf) -> None:
    page = Page(shelf, firsts=Firsts())
    page.visitor.session.compare(("solver", "planner"))
    for outputs in page.choose.settle(page.request(), *page.values):
        drawn = outputs
    assert page.visitor.session.moment.origin == "shipped"
    assert page.visitor.session.moment.finished
    assert page.visitor.session.moment.twin is not None  # the comparison is there too
    assert len(drawn) == 3 + len(OUTPUTS)
    status = dict(zip(OUTPUTS, page.explore.look(page.request(), *page.values), strict=True))["status"]
    assert "A run made beforehand on these very agents" in status
    assert "Planner made thought 1" in page.step()
    assert len(page.trace.thoughts) == 1


def test_other_agents_and_what_is_forgotten_are_empty(shelf: Shelf) -> None:
    page = Page(shelf, firsts=Firsts())
    page.explore.reset(page.request(), *page.values)
    assert page.visitor.session.moment.trace is None
    page.visitor.cast("critic", "embedded:planner")
    assert page.visitor.session.moment.trace is None


@pytest.mark.parametrize("system", ["sequential", "mixture", "distillation", "deliberation"])
def test_the_shipped_runs_are_what_the_command_makes(shelf: Shelf, system: str) -> None:
    catalogue = shelf.catalogue
    lineup = catalogue.lineup(system)
    first = Firsts().of(catalogue, lineup)
    assert first is not None
    again = make_first(shelf.entry(lineup).system, catalogue, lineup)
    assert [type(event) for event in again.events] == [type(event) for event in first.trace.events]
    assert again.answer == first.trace.answer
    assert [turn.tokens for turn in again.turns] == [turn.tokens for turn in first.trace.turns]
    for one, other in zip(again.thoughts, first.trace.thoughts, strict=True):  # another processor rounds otherwise
        np.testing.assert_allclose(one.hidden, other.hidden, atol=1e-4)
    assert (catalogue.assets / system / FILE).stat().st_size < 200_000
    assert first.job.reading is not None
    assert first.job.reading.answer is not None
    task = catalogue.task(lineup)
    assert task.grade(rm.Example(first.job.asked, first.job.reading.answer, {}), first.trace.answer), "a wrong example"


def test_a_damaged_first_run_is_left_out(tmp_path: Path, shelf: Shelf) -> None:
    shutil.copytree(shelf.catalogue.assets / "distillation", tmp_path / "distillation")
    (tmp_path / "distillation" / FILE).write_bytes(b"PK")
    catalogue = read_catalogue(assets=tmp_path)
    assert Firsts().of(catalogue, catalogue.lineup("distillation")) is None


def test_the_command_says_what_it_cannot_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "system.json").write_text("{", encoding="utf-8")
    assert make_firsts(["--assets", str(tmp_path), "--out", str(tmp_path / "out")]) in (0, 1)
    assert not (tmp_path / "out").exists()
