"""Training on the page what knows no little world: a released system in miniature, with a visitor's own questions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
import torch
from english import ENGLISH
from miniature import make_release
from test_panels_train import weights
from tiny import tiny_pattern_system

import recmas_core as rm
from recmas_core.hub import Hub
from visualizers.panels import train_manners, train_results
from visualizers.panels.catalogue import read_catalogue
from visualizers.panels.choose_handlers import Choose
from visualizers.panels.explore_handlers import Explore
from visualizers.panels.offers import Offer, Wanted
from visualizers.panels.question_handlers import Questions
from visualizers.panels.result_handlers import Results
from visualizers.panels.shelf import Shelf
from visualizers.panels.train_api import TrainApi
from visualizers.panels.train_handlers import Train
from visualizers.panels.train_manners import TRAINED, UNTRAINED, WORLD, manner_of
from visualizers.panels.train_questions import questions_html
from visualizers.panels.train_results import compare, pack, pack_released, result_of
from visualizers.panels.train_ways import plan_of
from visualizers.panels.visitors import Visitors

ROWS = [{"question": f"What is {i} + 1?", "answer": str(i + 1)} for i in range(20)]
FEW = {"held_out": 2, "compared": 2, "told": 1, "mapped": 1, "answer_tokens": 3}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shelf, Offer]:
    """A shelf with a shipped system and one of the release."""
    assets = tmp_path_factory.mktemp("assets")
    system = tiny_pattern_system(rm.PATTERNS["sequential"], task=rm.TASKS["chain"], trained_steps=(1, 8))
    system.title = "Sequential"
    system.save(assets / "sequential")
    folders = make_release("sequential_light", tmp_path_factory.mktemp("release"))
    shelf = Shelf(read_catalogue(assets=assets), hub=Hub.of(folders.__getitem__))
    offer = Wanted("released:sequential_light").offer()
    shelf.board.add(offer)
    entry = shelf.entry(shelf.catalogue.lineup(offer.name))
    entry.system.latent_steps = 2
    return shelf, offer


class Page:
    """The handlers of a page, and a visitor who has chosen the opened system on the Train tab."""

    def __init__(self, shelf: Shelf, offer: Offer) -> None:
        self.shelf, self.offer = shelf, offer
        self.visitors = Visitors(shelf.board)
        self.train = Train(shelf, self.visitors, ENGLISH)
        self.results = Results(self.train, Choose(shelf, Explore(shelf, self.visitors, ENGLISH)))
        self.me: Any = SimpleNamespace(session_hash="me")

    def sent(self, **changes: Any) -> str:
        asked = {
            "system": self.offer.name, "course": "stage:outer", "drawn_for": "stage:outer", "begin": "as they are",
            "manner": "trained", "rounds": "1", "lap.0.steps": "2",
        }  # fmt: skip
        return json.dumps(asked | changes)

    def give(self, path: Path, text: str = json.dumps(ROWS)) -> str:
        path.write_text(text)
        return str(Questions(self.train).upload(str(path), self.me, self.sent())[0])

    def run(self, **changes: Any) -> Any:
        """Press Start and follow the training to its end; the last outputs."""
        *_, last = self.train.start(self.me, self.sent(**changes))
        return last

    @property
    def moment(self) -> Any:
        return self.visitors.get("me").training.moment


@pytest.fixture
def page(opened: tuple[Shelf, Offer], monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    monkeypatch.setattr(train_manners, "TRAINED", replace(TRAINED, **FEW))
    made = Page(*opened)
    yield made
    made.visitors.close("me")


@pytest.fixture
def trained(page: Page, tmp_path: Path) -> Page:
    page.give(tmp_path / "mine.json")
    page.run()
    assert page.moment.phase == "done", page.moment.error
    return page


def test_a_system_without_a_world_is_trained_in_the_papers_manner(page: Page) -> None:
    catalogue = page.shelf.catalogue
    lineup = catalogue.lineup(page.offer.name)
    assert manner_of(catalogue, lineup).key == TRAINED.key
    assert manner_of(catalogue, page.shelf.first) is WORLD


def test_agents_of_ones_own_have_links_to_train_from_nothing(page: Page) -> None:
    own = Wanted("sequential", (("planner", "a/b"), ("critic", "a/b"), ("solver", "a/b"))).offer()
    catalogue = page.shelf.catalogue.with_offers([own])
    assert manner_of(catalogue, catalogue.lineup(own.name)) is UNTRAINED


def test_the_form_proposes_the_outer_loop_from_the_links_as_they_are(page: Page) -> None:
    sent = json.dumps({"system": page.offer.name, "course": "repair", "drawn_for": "repair", "lap.0.batch": "64"})
    form, *_, button = page.train.look(page.me, sent)
    assert '<option value="stage:outer" selected>' in form
    assert '<option value="as they are" selected>' in form
    assert 'name="lap.0.batch" value="2"' in form
    assert 'name="lap.0.lr" value="0.0005"' in form
    assert "The paper&#x27;s settings" in form
    assert button == gr.update(visible=True)


def test_back_at_a_world_its_own_course_is_proposed(page: Page) -> None:
    form, *_, button = page.train.look(page.me, page.sent(system="sequential"))
    assert '<option value="repair" selected>' in form
    assert 'name="lap.0.batch" value="64"' in form
    assert button == gr.update(visible=False)


def test_the_settings_are_the_papers(page: Page, tmp_path: Path) -> None:
    page.give(tmp_path / "mine.json")
    plan = page.train.plan(page.visitors.get("me"), page_filled(page.sent(**{"lap.0.steps": ""})))
    config = plan.laps[0].config
    assert (config.batch, config.lr, config.warmup, config.clip, config.checkpointing) == (2, 5e-4, 10, 1.0, True)
    assert not config.windows


def page_filled(sent: str) -> Any:
    from visualizers.panels.train_form import read_form

    return read_form(sent)


def test_start_without_questions_says_what_to_do(page: Page) -> None:
    page.run()
    assert page.moment.phase == "failed"
    assert 'Press "Questions" and choose a .json' in page.moment.error


def test_what_was_read_is_told(page: Page, tmp_path: Path) -> None:
    form = page.give(tmp_path / "mine.json")
    assert "<b>20 questions</b>: 16 to learn from, 4 held out; right turns for solver." in form


def test_what_cannot_be_read_is_told_and_the_questions_before_stay(page: Page, tmp_path: Path) -> None:
    page.give(tmp_path / "mine.json")
    form = page.give(tmp_path / "other.csv", "question,reply\na,b\n")
    assert "is missing" in form
    assert "<b>20 questions</b>" in form


def test_questions_are_deleted_with_their_visitor(page: Page, tmp_path: Path) -> None:
    page.give(tmp_path / "mine.json")
    folder = page.visitors.get("me").belongings.folder()
    assert list(folder.rglob("mine.json"))
    page.visitors.close("me")
    assert not folder.exists()


def test_questions_are_not_used_where_there_is_a_world(page: Page, tmp_path: Path) -> None:
    page.give(tmp_path / "mine.json")
    filled = page_filled(page.sent(system="sequential", manner="world"))
    assert page.train.plan(page.visitors.get("me"), filled).given is None


def test_a_question_that_imitates_a_control_token_is_named(page: Page, tmp_path: Path) -> None:
    page.give(tmp_path / "mine.json", json.dumps([*ROWS, {"question": "What is <turn>?", "answer": "1"}]))
    page.run()
    assert page.moment.error.startswith("question 'What is <turn>?' cannot be asked")


def test_a_way_out_goes_on_with_the_same_questions_in_the_same_manner(trained: Page) -> None:
    plan = trained.moment.plan
    way = plan_of("fresh", plan)
    assert way.given is plan.given
    assert (way.laps[0].config.batch, way.laps[0].config.lr) == (2, 5e-4)


def test_a_gpu_without_room_is_said_with_what_to_do(page: Page, tmp_path: Path, monkeypatch: Any) -> None:
    def full(*_: object) -> object:
        raise torch.OutOfMemoryError

    monkeypatch.setattr("recmas_core.training.outer.OuterLoop.forward", full)
    page.give(tmp_path / "mine.json")
    page.run()
    assert "needs more memory than the GPU has free. Lower the batch" in page.moment.error


def test_a_course_trains_links_of_16_bits_and_measures_held_out_questions(trained: Page) -> None:
    shared = weights(trained.shelf.entry(trained.moment.plan.lineup).system)
    with trained.visitors.get("me").training.between_steps() as course:
        mine = weights(course.system)
    moved = {key for key, value in mine.items() if not torch.equal(value, shared[key])}
    assert moved == {("planner", "critic"), ("critic", "solver")}
    assert {value.dtype for value in mine.values()} == {torch.bfloat16}
    assert [(h.rounds, h.n) for h in trained.moment.held.held_out] == [(1, 2)]


@pytest.mark.parametrize("course", ["from nothing", "fast start"])
def test_recipes_train_random_links_of_16_bits_with_right_turns(page: Page, tmp_path: Path, course: str) -> None:
    turns = {"planner": "Add one.", "critic": "Good."}
    page.give(tmp_path / "mine.json", json.dumps([row | turns for row in ROWS]))
    laps = {f"lap.{i}.steps": "1" for i in range(3)}
    page.run(course=course, drawn_for=course, begin="random", **laps)
    assert page.moment.phase == "done", page.moment.error


def test_before_and_after_are_compared_on_other_questions(trained: Page) -> None:
    *_, said = trained.results.compare(trained.me)
    assert "2 held-out questions, other ones than those measured" in said


def test_where_all_were_measured_the_same_are_compared(trained: Page) -> None:
    plan = trained.moment.plan
    everything = replace(plan, manner=replace(plan.manner, held_out=20))
    with trained.visitors.get("me").training.between_steps() as course:
        found = compare(course.before, course.system, everything)
    assert not found.fresh


def test_the_map_is_drawn_before_and_after(trained: Page) -> None:
    figure, caption, _ = trained.train.draw(trained.me)
    assert json.loads(figure)["data"]
    assert "1 held-out question:" in caption


def test_the_links_run_in_explore(trained: Page) -> None:
    values = ("What is 3 + 1?", 1, 2, 0, "latent", "fast", True, True)
    tabs, *_ = trained.results.use(trained.me, *values)
    assert tabs.selected == "explore"
    visitor = trained.visitors.get("me")
    mine = trained.train.shelf(visitor).entry(visitor.lineup).system
    assert visitor.lineup.links
    assert mine.solve("What is 3 + 1?", rounds=1, max_new_tokens=2).answer is not None


def result(page: Page) -> rm.System:
    with page.visitors.get("me").training.between_steps() as course:
        return result_of(course, page.moment.plan)


def test_the_links_are_packed_as_in_the_release(trained: Page, tmp_path: Path) -> None:
    assert pack_released(result(trained), tmp_path, "mine", task="code").stat().st_size > 0


def test_agents_of_gigabytes_are_not_packed(trained: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_results, "weight_bytes", lambda _: 9 * 10**9)
    with pytest.raises(rm.BadInput, match=r'has 9\.0 GB of weights.*"Links as in the release"'):
        pack(result(trained), tmp_path, "mine", ENGLISH)
    assert not list(tmp_path.glob("system*"))


def test_programs_give_questions_with_the_call(page: Page) -> None:
    api = TrainApi(page.shelf, page.visitors)
    laps = [{"steps": 1}]
    told = list(api.train("stage:outer", system=page.offer.name, rounds=1, laps=laps, questions=ROWS))
    assert [each["type"] for each in told] == ["before", "step", "end"]


def test_programs_are_told_what_is_wrong_with_their_questions(page: Page) -> None:
    api = TrainApi(page.shelf, page.visitors)
    with pytest.raises(gr.Error, match="row 1"):
        list(api.train("stage:outer", system=page.offer.name, questions=[ROWS[0], {"question": "a"}]))
    with pytest.raises(gr.Error, match="has its own"):
        list(api.train("stage:outer", system="sequential", questions=ROWS))


def test_programs_learn_what_is_proposed_for_a_system(page: Page) -> None:
    told = TrainApi(page.shelf, page.visitors).courses(page.offer.name)
    assert told["questions"] is True
    assert told["first"] == {"course": "stage:outer", "start_from": "as they are"}


def test_nothing_is_said_of_questions_where_there_is_a_world(page: Page) -> None:
    pattern = page.shelf.pattern(page.shelf.first)
    assert questions_html(pattern, WORLD, page_filled("").form, None, ENGLISH) == ""
