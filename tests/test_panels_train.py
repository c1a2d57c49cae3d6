"""Training on the page: what the form asks for, and that nothing of one visitor reaches another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from html import escape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from english import ENGLISH
from tiny import tiny_pattern_system

import recmas_core as rm
from recmas_core.errors import BadInput, RecmasError
from recmas_core.training.rounds import all_links
from visualizers.panels.cards import links_html
from visualizers.panels.catalogue import Lineup, read_catalogue
from visualizers.panels.choose_handlers import SETTING, Choose
from visualizers.panels.explore_handlers import Explore
from visualizers.panels.result_handlers import Results
from visualizers.panels.shelf import Shelf
from visualizers.panels.train_choices import TrainForm, offered_courses
from visualizers.panels.train_form import Filled, form_html, read_form
from visualizers.panels.train_handlers import Train
from visualizers.panels.train_manners import WORLD
from visualizers.panels.train_results import pack, result_of
from visualizers.panels.train_view import OUTPUTS
from visualizers.panels.visitors import Visitors

PATIENCE = 60.0
SHORT = TrainForm(course="stage:outer", begin="as they are", rounds=1, windows=False, laps=({"steps": 2, "batch": 2},))


def plan_for(lineup: Lineup | None = None, form: TrainForm = SHORT) -> Any:
    return form.plan(lineup or Lineup("sequential", ()))


def test_the_form_as_drawn_asks_for_a_repair_of_the_first_system() -> None:
    page = form_html(read_catalogue(), None, Filled(), ENGLISH)
    assert '<option value="repair" selected>' in page
    assert '<option value="damaged" selected>' in page
    assert read_form("") == Filled()


def test_every_stage_says_in_the_form_what_it_does_and_whether_it_is_the_papers() -> None:
    from recmas_core.training import STAGES

    for key, offered in offered_courses().items():
        page = form_html(read_catalogue(), None, Filled("sequential", TrainForm(course=key)), ENGLISH)
        infos = [STAGES[lap.stage] for lap in offered.laps]
        assert all(escape(info.title) in page and escape(info.about) in page for info in infos)
        assert page.count("beyond the paper") == sum(info.beyond_paper for info in infos)


def test_another_course_brings_its_own_settings_along() -> None:
    sent = {"system": "mixture", "course": "from nothing", "drawn_for": "repair", "begin": "damaged", "seed": "4",
            "lap.0.steps": "7"}  # fmt: skip
    filled = read_form(json.dumps(sent))
    assert (filled.system, filled.form.begin, filled.form.seed, filled.form.laps) == ("mixture", "random", "4", ())
    kept = read_form(json.dumps(sent | {"drawn_for": "from nothing"}))
    assert kept.form.laps[0]["steps"] == "7"


def test_what_is_typed_decides_the_plan() -> None:
    form = TrainForm(
        course="from nothing", begin="random", rounds="2", seed="5", inner=True, supervise="every", windows=False,
        grow=False, laps=({"steps": "3"}, {}, {"lr": "0.002", "batch": "8"}),
    )  # fmt: skip
    inner, teach, outer = (lap.config for lap in form.plan(Lineup("sequential", ())).laps)
    assert inner.steps == 3
    assert teach.steps == offered_courses()["from nothing"].laps[1].config.steps
    assert (outer.lr, outer.batch, outer.rounds) == (0.002, 8, 2)
    assert (outer.seed, outer.inner, outer.supervise) == (5, True, "every")
    assert (outer.windows, outer.grow) == (False, False)
    left = TrainForm(course="from nothing").plan(Lineup("sequential", ())).laps[2].config
    assert (left.windows, left.grow) == (True, True)


@pytest.mark.parametrize(
    ("changes", "name"),
    [({"seed": "-1"}, "Seed"), ({"rounds": "9"}, "Rounds"), ({"laps": ({"steps": "0"},)}, "Steps"),
     ({"laps": ({"lr": "many"},)}, "Rate"), ({"laps": ({"batch": "2.5"},)}, "Batch"), ({"course": "?"}, "Course"),
     ({"begin": "?"}, "Start from"), ({"begin": "damaged", "sigma": "nan"}, "Noise"), ({"laps": ("x",)}, "stage"),
     ({"supervise": "none"}, "supervise")],
)  # fmt: skip
def test_what_cannot_be_trained_with_is_named(changes: dict[str, Any], name: str) -> None:
    with pytest.raises(BadInput, match=f"^{name}"):
        replace(SHORT, **changes).plan(Lineup("sequential", ()))


# with real, tiny systems


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    folder = tmp_path_factory.mktemp("assets")
    system = tiny_pattern_system(rm.PATTERNS["sequential"], task=rm.TASKS["chain"], trained_steps=(1, 8))
    system.title = "Sequential"
    system.save(folder / "sequential")
    return Shelf(read_catalogue(assets=folder))


class Page:
    """The handlers of a page and two visitors who call them."""

    def __init__(self, shelf: Shelf) -> None:
        self.visitors = Visitors(shelf.board)
        self.explore = Explore(shelf, self.visitors, ENGLISH)
        self.choose = Choose(shelf, self.explore)
        self.train = Train(shelf, self.visitors, ENGLISH)
        self.results = Results(self.train, self.choose)
        self.me: Any = SimpleNamespace(session_hash="me")
        self.other: Any = SimpleNamespace(session_hash="other")

    values = ("start 7 s1 + 3", 1, 2, 0, "latent", "fast", True, True)

    def trained(self, **changes: str) -> Lineup:
        """Press Start and follow the training to its end."""
        sent = {
            "system": "sequential", "course": "stage:outer", "drawn_for": "stage:outer", "begin": "as they are",
            "rounds": "1", "windows": False, "lap.0.steps": "2", "lap.0.batch": "2", "lap.0.lr": "0.01",
        }  # fmt: skip
        *_, last = self.train.start(self.me, json.dumps(sent | changes))
        assert len(last) == len(OUTPUTS) + 3
        visitor = self.visitors.get("me")
        assert visitor.training.moment.phase == "done", visitor.training.moment.error
        return visitor.lineup


@pytest.fixture
def page(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A page whose trainings learn from few questions."""
    monkeypatch.setattr("visualizers.panels.train_choices.EXAMPLES", 20)
    monkeypatch.setattr("visualizers.panels.train_manners.WORLD", replace(WORLD, held_out=2))
    made = Page(shelf)
    yield made
    for name in ("me", "other"):
        made.visitors.close(name)


def weights(system: rm.System) -> dict[tuple[str, str], torch.Tensor]:
    return {key: torch.cat([p.flatten() for p in link.parameters()]) for key, link in all_links(system).items()}


def test_training_changes_only_the_visitors_own_links(page: Page, shelf: Shelf) -> None:
    shared = shelf.entry(shelf.first).system
    before = {key: value.clone() for key, value in weights(shared).items()}
    page.trained()
    session = page.visitors.get("me").training
    plan = session.moment.plan
    assert plan is not None
    with session.between_steps() as course:
        result = result_of(course, plan)
    assert all(torch.equal(value, before[key]) for key, value in weights(shared).items())
    moved = {key for key, value in weights(result).items() if not torch.equal(value, before[key])}
    assert moved == {edge.key for edge in shared.pattern.edges if not edge.feedback}  # one round uses no feedback
    assert page.visitors.get("other").training.moment.phase == "idle"


def test_what_was_trained_runs_in_explore_plainly_labelled_and_can_be_left_again(page: Page) -> None:
    page.trained()
    outputs = page.results.use(page.me, *page.values)
    said = dict(zip(("tabs", *SETTING), outputs, strict=False))
    assert 'value="sequential" data-send="choose"' in said["cards"]
    assert said["tabs"].selected == "explore"
    assert "trained here: outer loop" in said["links"]
    visitor = page.visitors.get("me")
    assert visitor.lineup.links
    mine = page.explore.shelf(visitor).entry(visitor.lineup).system
    shared = page.train.everybodys.entry(page.train.everybodys.first).system
    key = ("planner", "critic")
    assert not torch.equal(weights(mine)[key], weights(shared)[key])
    event: Any = SimpleNamespace(value="", role="")
    page.choose.links(event, page.me, *page.values)
    assert visitor.lineup.links == ""
    assert "trained here" in links_html(visitor.belongings, visitor.lineup, ENGLISH)


def test_nobody_else_can_run_a_visitors_links(page: Page) -> None:
    page.trained()
    page.results.use(page.me, *page.values)
    name = page.visitors.get("me").lineup.links
    event: Any = SimpleNamespace(value=name, role="")
    outputs = page.choose.links(event, page.other, *page.values)
    assert any("are not kept" in str(value) for value in outputs)
    assert page.visitors.get("other").lineup.links == ""
    with pytest.raises(RecmasError, match="not kept"):
        page.explore.shelf(page.visitors.get("other")).entry(page.visitors.get("me").lineup)


def test_one_can_go_on_from_the_links_just_trained(page: Page) -> None:
    page.trained()
    with page.visitors.get("me").training.between_steps() as course:
        first = weights(course.system)
    page.trained(begin="trained")
    with page.visitors.get("me").training.between_steps() as course:
        assert all(torch.equal(value, first[key]) for key, value in weights(course.before).items())


def test_a_download_is_a_system_that_loads_to_the_same_links(page: Page, tmp_path: Path) -> None:
    page.trained()
    session = page.visitors.get("me").training
    plan = session.moment.plan
    assert plan is not None
    with session.between_steps() as course:
        result = result_of(course, plan)
    from recmas_core.bundles import unpack_system

    again = rm.load_system(str(unpack_system(pack(result, tmp_path, "mine", ENGLISH), tmp_path / "unpacked")))
    assert all(torch.equal(value, weights(result)[key]) for key, value in weights(again).items())


def test_an_upload_is_offered_to_its_visitor_alone(page: Page, shelf: Shelf, tmp_path: Path) -> None:
    zipped = pack(shelf.entry(shelf.first).system, tmp_path, "mine", ENGLISH)
    said, cards, form, *_ = page.results.upload(str(zipped), page.me, "")
    assert "to you alone" in said
    assert "(yours)" in cards
    assert "(yours)" in form
    assert "upload-1" not in page.visitors.get("other").belongings.catalogue.systems
    page.visitors.get("me").choose("upload-1")
    entry = page.explore.shelf(page.visitors.get("me")).entry(page.visitors.get("me").lineup)
    assert entry.system.solve("start 7 s1 + 3", rounds=1, max_new_tokens=2).answer is not None


def test_a_file_that_is_no_system_is_refused_with_its_reason(page: Page, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"no zip")
    said, *rest = page.results.upload(str(tmp_path / "x.zip"), page.me, "")
    assert "no intact zip" in said
    assert len(rest) == 1 + page.train.drawn_outputs


def test_untrained_links_lead_to_the_train_tab_with_that_lineup(page: Page) -> None:
    visitor = page.visitors.get("me")
    visitor.cast("planner", "embedded:solver")
    tabs, form, *_ = page.results.to_train(page.me, "")
    assert tabs.selected == "train"
    assert '<option value="explore" selected>' in form
    assert '<option value="from nothing" selected>' in form
