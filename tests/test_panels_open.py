"""Opening further systems on the page: what is offered, what comes of it, and what is said when nothing does."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from english import ENGLISH
from miniature import PLAIN, byte_tokenizer, make_model, make_release

import recmas_core as rm
from recmas_core.allowed import Allowance
from recmas_core.hub import Hub
from recmas_core.memory import Room, count_parameters
from recmas_core.progress import Loading, Tell
from recmas_core.released.fetching import FetchFailed, complete
from visualizers.panels.api import Api
from visualizers.panels.catalogue import read_catalogue
from visualizers.panels.choose_handlers import SETTING, Choose
from visualizers.panels.explore_handlers import Explore
from visualizers.panels.offers import Wanted
from visualizers.panels.open_api import OpenApi
from visualizers.panels.open_form import OpenForm, choices
from visualizers.panels.open_handlers import Opening
from visualizers.panels.open_view import outlook, progress_html
from visualizers.panels.opening import opened
from visualizers.panels.shelf import Shelf
from visualizers.panels.stage import OUTPUTS
from visualizers.panels.visitors import Visitors

RELEASED = ("released:deliberation", "math", "cpu", "bfloat16", "", "", "", "")
CONTROLS = ("What is 6 * 7?", 1, 2, 0, "latent", "fast", True, False)


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hub")
    for style in ("deliberation", "distillation", "sequential_light"):
        make_release(style, root)
    tokenizer = byte_tokenizer(PLAIN)
    make_model("llama", {}, tokenizer, 0).save_pretrained(root / "Some/model")
    tokenizer.save_pretrained(root / "Some/model")
    return root


class Slow:
    """Repositories that come when they are let, and may be missing."""

    def __init__(self, root: Path) -> None:
        self.root, self.gate, self.fetched = root, threading.Event(), 0
        self.gate.set()

    def hub(self) -> Hub:
        return Hub(self.fetch, lambda name: count_parameters(complete(self.folder(name))))

    def folder(self, name: str) -> Path:
        if not (self.root / name).is_dir():
            raise FetchFailed(f"repository {name!r}", "does not exist", "See to the name.")
        return self.root / name

    def fetch(self, name: str, tell: Tell) -> Path:
        folder = self.folder(name)
        end = time.monotonic() + 20
        while not self.gate.wait(0.05):
            assert time.monotonic() < end, "nobody let it come, or stopped it"
            tell(Loading(name, 0, 1, 10**8, 10**9))
        tell(Loading(name, 0, 1, 10**9, 10**9))
        self.fetched += 1
        return folder


class Page:
    """The handlers of a page, called as the page calls them."""

    def __init__(self, source: Slow, allowance: Allowance, first: Wanted | None = None) -> None:
        self.shelf = Shelf(read_catalogue(), hub=source.hub())
        self.visitors = Visitors(self.shelf.board)
        self.explore = Explore(self.shelf, self.visitors, ENGLISH)
        choose = Choose(self.shelf, self.explore)
        self.opening = Opening(self.shelf, self.explore, choose, allowance, first, ENGLISH)
        self.api = OpenApi(self.shelf, allowance)
        self.request: Any = SimpleNamespace(session_hash="visitor")

    @property
    def visitor(self) -> Any:
        return self.visitors.get("visitor")

    def open(self, *form: Any) -> list[str]:
        """Press Open; all that is said of how far it has come."""
        said = [outputs[0] for outputs in self.opening.open(self.request, *(form or RELEASED), *CONTROLS)]
        return [words for words in said if isinstance(words, str)]

    def run(self) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for outputs in self.explore.run(self.request, *CONTROLS):
            seen |= {name: value for name, value in zip(OUTPUTS, outputs, strict=True) if isinstance(value, str)}
        return seen


@pytest.fixture
def source(repositories: Path) -> Slow:
    return Slow(repositories)


@pytest.fixture
def page(source: Slow) -> Page:
    return Page(source, Allowance.everything())


# ------------------------------------------------------------------------------------------- what is offered


def test_every_released_system_and_agents_of_ones_own_are_offered() -> None:
    offered = [value for _, value in choices(Allowance.everything(), ENGLISH)]
    assert offered[:5] == [f"released:{name}" for name in rm.released.styles.STYLES]
    assert offered[5:] == ["own:sequential", "own:mixture", "own:distillation", "own:deliberation"]


@pytest.mark.parametrize(
    ("allowed", "count"), [("none", 0), ("released", 5), ("released:mixture", 1), ("Qwen/*", 4), ("all", 9)]
)
def test_a_server_offers_what_it_may(allowed: str, count: int) -> None:
    assert len(choices(Allowance.parse(allowed), ENGLISH)) == count


def test_what_it_needs_is_said_before_anything_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visualizers.panels.open_form.measure_room", lambda _: Room(10**11, 10**11, True))
    said = outlook(OpenForm.read(("released:sequential_light", "math", "cpu", "bfloat16")), ENGLISH)
    assert "The agents need about 9.0 GB; this machine has 100.0 GB free." in said
    assert "sensitive to wording" in said


def test_what_cannot_fit_is_said_before_anything_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visualizers.panels.open_form.measure_room", lambda _: Room(10**10, 10**10, True))
    said = outlook(OpenForm.read(("released:mixture", "math", "cpu", "float32")), ENGLISH)
    assert "recmas-outside" in said
    assert "bfloat16 takes half of float32" in said


# --------------------------------------------------------------------------------------------- what comes of it


def test_a_released_system_is_opened_looked_at_and_run(page: Page) -> None:
    assert "<b>Deliberation (released)</b> is open" in page.open()[-1]
    assert page.visitor.lineup.system.startswith("released:deliberation@")
    assert "answers:" in page.run()["status"]


def test_its_settings_are_its_own(page: Page) -> None:
    *_, outputs, _ = page.opening.open(page.request, *RELEASED, *CONTROLS)
    left = dict(zip(SETTING, outputs[1:], strict=False))
    assert left["thoughts"] == 32
    assert "temperature 0.6" in left["trained"]
    assert "authors&#x27; own" in left["cast"]


def test_no_second_run_is_made_of_it_unasked(page: Page) -> None:
    page.open("released:distillation", *RELEASED[1:])
    assert page.visitor.session.moment.cut is None


def test_agents_of_ones_own_are_opened_with_untrained_links(page: Page) -> None:
    named = ("Some/model", "embedded:critic", "Some/model", "")
    assert "is open" in page.open("own:sequential", "math", "cpu", "float32", *named)[-1]
    system = page.shelf.entry(page.visitor.lineup).system
    assert len(system.untrained) == 3
    assert system.agents["planner"] is system.agents["solver"]


def test_how_far_it_has_come_is_told(page: Page, source: Slow) -> None:
    source.gate.clear()
    threading.Timer(1.5, source.gate.set).start()
    said = " ".join(page.open())
    assert "Agent 1 of 2: Deliberation-Reflector-Qwen3.5-4B" in said or "Looking at what it needs" in said
    assert "<progress" in said


def test_progress_names_the_agent_and_the_bytes() -> None:
    said = progress_html(Loading("Some-Agent", 1, 3, 5 * 10**8, 10**9), ENGLISH)
    assert "Agent 2 of 3: Some-Agent" in said
    assert "500 MB" in said or "0.5 GB" in said
    assert 'value="0.500"' in said


def test_another_visitor_has_it_at_once(page: Page, source: Slow) -> None:
    page.open()
    before = source.fetched
    page.request = SimpleNamespace(session_hash="another")
    page.open()
    assert source.fetched == before


def test_a_role_of_it_can_be_given_another_agent_and_other_links_stay(page: Page) -> None:
    page.open(*("released:sequential_light", *RELEASED[1:]))
    own = page.shelf.entry(page.visitor.lineup).system
    page.visitor.cast("solver", "embedded:solver")
    mixed = page.shelf.entry(page.visitor.lineup).system
    assert mixed.untrained == {("critic", "solver"), ("solver", "planner")}
    assert mixed.agents["planner"] is own.agents["planner"]
    assert mixed.links["planner", "critic"] is own.links["planner", "critic"]


# --------------------------------------------------------------------------------------------------- what does not come


def test_a_missing_repository_is_said_and_the_embedded_systems_stay(page: Page) -> None:
    before = page.visitor.lineup
    said = page.open("own:distillation", "math", "cpu", "float32", "No/Such", "Some/model", "", "")[-1]
    assert "No/Such" in said
    assert "embedded systems" in said
    assert page.visitor.lineup == before
    assert not [offer for offer in page.shelf.catalogue.offers if offer.wanted is not None]


def test_a_released_system_that_is_not_there_is_withdrawn(page: Page) -> None:
    said = page.open("released:mixture", *RELEASED[1:])[-1]
    assert "does not exist" in said
    assert page.run()["status"]  # the embedded system goes on


def test_what_was_made_of_a_withdrawn_system_goes_with_it(page: Page) -> None:
    page.open()
    page.visitor.cast("reflector", "embedded:planner")
    page.shelf.entry(page.visitor.lineup)
    page.shelf.withdraw(page.visitor.lineup)
    assert page.shelf.entry(page.shelf.first).system.name == "sequential"
    assert not [name for name in page.shelf.loaded() if name.startswith("released:")]


def test_who_leaves_does_not_stop_it_for_others(page: Page, source: Slow) -> None:
    source.gate.clear()
    with page.shelf.waiting(page.shelf.open(Wanted("released:deliberation"))):
        leaving = opened(page.shelf, Wanted("released:deliberation"))
        next(leaving)
        leaving.close()
        source.gate.set()
        assert "is open" in page.open()[-1]


def test_the_last_who_leaves_stops_it(page: Page, source: Slow) -> None:
    source.gate.clear()
    leaving = opened(page.shelf, Wanted("released:deliberation"))
    next(leaving)
    lineup = page.shelf.catalogue.lineup(Wanted("released:deliberation").offer().name)
    future = page.shelf.load(lineup)
    leaving.close()
    with pytest.raises(rm.BadInput, match="was stopped"):
        future.result(10)
    assert lineup.system not in page.shelf.catalogue.systems


def test_opening_can_be_stopped(page: Page, source: Slow) -> None:
    source.gate.clear()
    threading.Timer(1.0, lambda: page.opening.stop(page.request)).start()
    said = page.open()[-1]
    source.gate.set()
    assert "was stopped" in said


@pytest.mark.parametrize(
    ("form", "told"),
    [
        (("released:mixture", "poetry", "cpu", "bfloat16"), "links for"),
        (("released:mixture", "math", "tpu:0", "bfloat16"), "device"),
        (("released:mixture", "math", "cpu", "int3"), "dtype"),
        (("own:elsewhere", "math", "cpu", "bfloat16"), "Choose one of the list"),
        ((7, None, [], {}), "Choose one of the list"),
    ],
)
def test_values_that_cannot_be_used(page: Page, form: tuple[Any, ...], told: str) -> None:
    assert told in page.open(*form, "", "", "", "")[-1]


@pytest.mark.parametrize("name", ["../../etc", "/etc", "a/../b", "http://x/y", "Some/other"])
def test_a_shared_server_opens_only_what_it_may(source: Slow, name: str) -> None:
    page = Page(source, Allowance.parse("Some/model"))
    said = page.open("own:distillation", "math", "cpu", "float32", "Some/model", name, "", "")[-1]
    assert "recmas-outside" in said
    assert source.fetched == 0


def test_a_systems_first_visitor_is_shown_what_the_operator_chose(source: Slow) -> None:
    page = Page(source, Allowance.parse("none"), Wanted("released:deliberation"))
    *_, outputs, _ = page.opening.open_first(page.request, *CONTROLS)
    assert "is open" in outputs[0]
    assert page.visitor.lineup.system.startswith("released:deliberation@")


def test_a_run_is_not_taken_away_by_what_the_operator_chose(source: Slow) -> None:
    page = Page(source, Allowance.parse("none"), Wanted("released:deliberation"))
    page.visitor.choose("mixture")
    page.visitor.choose("sequential")
    list(page.explore.step(page.request, "start 7 s1 + 3", 1, 3, 0, "latent", "fast", True, True))
    *_, outputs, _ = page.opening.open_first(page.request, *CONTROLS)
    assert "choose it among the patterns" in outputs[0]
    assert page.visitor.lineup.system == "sequential"


def test_a_third_opened_system_takes_the_place_of_the_first(page: Page) -> None:
    for style in ("deliberation", "distillation", "sequential_light"):
        page.open(f"released:{style}", *RELEASED[1:])
    loaded = [name.partition("@")[0] for name in page.shelf.loaded() if "released:" in name]
    assert loaded == ["released:distillation", "released:sequential_light"]


# -------------------------------------------------------------------------------------------------------- for programs


def test_programs_open_a_system_and_run_it(page: Page) -> None:
    *told, last = page.api.open("released:deliberation", device="cpu")
    assert all(each["type"] == "loading" for each in told)
    solved = Api(page.shelf, page.visitors).solve(
        "What is 6 * 7?", rounds=1, thoughts=2, system=last["system"], tools=False
    )
    assert solved["latent_steps"] == 2


def test_programs_are_told_what_they_may_not_have(source: Slow) -> None:
    page = Page(source, Allowance.parse("none"))
    with pytest.raises(Exception, match="not offered here"):
        list(page.api.open("distillation", agents={"expert": "Some/model", "learner": "Some/model"}, device="cpu"))
