"""A pattern is data: one entry in the registry, and everything works with it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from english import ENGLISH
from shipping import OPTIONS, ship, some_tools
from test_resume import assert_same_within
from test_run import assert_same

import recmas_core as rm
from recmas_core.patterns import PATTERNS, Edge, Pattern, Role, get_pattern
from recmas_core.prompts import WORDINGS
from visualizers.figures.geometry import draw_pattern
from visualizers.figures.topology import Activity, topology_svg
from visualizers.theme import role_colour

# All at once what the known ones have one by one: a first stage, two side by side, a shortcut over a stage, a tool.
COURT = Pattern(
    name="court",
    title="Court",
    about="A clerk opens the case, two parties argue side by side, and a judge who heard all of them decides.",
    roles=(
        Role("clerk", "Clerk", "Opens the case."),
        Role("accuser", "Accuser", "Argues against."),
        Role("defender", "Defender", "Argues for."),
        Role("judge", "Judge", "Decides.", tools=("python",)),
    ),
    stages=(("clerk",), ("accuser", "defender"), ("judge",)),
    edges=(
        Edge("clerk", "accuser"),
        Edge("clerk", "defender"),
        Edge("clerk", "judge"),
        Edge("accuser", "judge"),
        Edge("defender", "judge"),
        Edge("judge", "clerk", feedback=True),
    ),
    decoder="judge",
    contrast=("clerk", "judge"),
)
AGENTS = {
    "clerk": "embedded:critic",
    "accuser": "embedded:expert",
    "defender": "embedded:planner",
    "judge": "embedded:solver",
}
QUESTION = "start 7 s1 + 3 s2 * 7"


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ship(tmp_path_factory.mktemp("assets"))


@pytest.fixture
def court(assets: Path, monkeypatch: pytest.MonkeyPatch) -> rm.System:
    """The one place: an entry in the registry, as a line in patterns.py would make it."""
    monkeypatch.setitem(PATTERNS, COURT.name, COURT)
    return rm.build_system("court", AGENTS, tools=some_tools(COURT), assets=assets)


def test_it_is_not_known_before() -> None:
    with pytest.raises(rm.SystemNotFound, match="'court' does not exist"):
        get_pattern("court")


def test_its_schedule(court: rm.System) -> None:
    places = court.pattern.schedule(2)
    assert [(place.round, place.stage, place.role) for place in places] == [
        (round_, stage, role) for round_ in (1, 2) for stage, names in enumerate(COURT.stages) for role in names
    ]
    assert [place.decodes for place in places] == [False] * 7 + [True]


def test_its_links_are_those_of_its_agents_homes(court: rm.System) -> None:
    """Clerk to judge is critic to solver here, which was trained; defender to judge, planner to solver, was not."""
    assert set(court.links) == {edge.key for edge in COURT.edges}
    assert set(court.links) - court.untrained == {("clerk", "judge")}
    assert court.task.name == "chain"


def test_the_engine_runs_it(court: rm.System) -> None:
    events = list(court.run(QUESTION, **OPTIONS))
    side_by_side = [event.role for event in events if isinstance(event, rm.Thought) and event.turn in (1, 2)]
    assert side_by_side == ["accuser", "defender"] * 2
    trace = court.solve(QUESTION, **OPTIONS)
    assert trace.answer is not None
    for turn, place in zip(trace.turns, COURT.schedule(2), strict=True):
        slots = tuple(segment.sender for segment in turn.prompt if segment.sender is not None)
        assert slots == COURT.senders_to(place.role, round_=place.round)
        assert tuple(turn.sent) == (() if place.decodes else COURT.receivers_of(place.role))
        assert "<unk>" not in "".join(segment.text for segment in turn.prompt)


def test_it_runs_in_text_and_by_each_agent_alone(court: rm.System) -> None:
    assert court.solve(QUESTION, mode="text", **OPTIONS).answer is not None
    alone = court.single(court.agents["accuser"], role="accuser")
    assert alone.solve(QUESTION, mode="text", **OPTIONS).answer is not None


def test_what_a_transfer_carries_reaches_its_receiver(court: rm.System) -> None:
    """Over each edge by itself: with that transfer put to zero the receiver's next turn is another one."""
    whole = court.solve(QUESTION, **OPTIONS)
    for sender, receiver in (edge.key for edge in COURT.edges):
        turn = next(turn.index for turn in whole.turns if turn.role == sender)
        reader = next(later.index for later in whole.turns[turn + 1 :] if later.role == receiver)
        cut = court.solve(QUESTION, edits=[rm.Edit(turn, "zero", receiver=receiver)], **OPTIONS)
        assert cut.turns[reader].thoughts.tolist() != whole.turns[reader].thoughts.tolist()


def test_its_traces_are_kept_and_gone_on_with(court: rm.System, tmp_path: Path) -> None:
    trace = court.solve(QUESTION, **OPTIONS)
    trace.save(str(tmp_path / "run.npz"))
    again = rm.Trace.load(str(tmp_path / "run.npz"))
    assert_same(again, trace)
    for turn in range(len(trace.turns)):
        fork = again.until(turn)
        for event in court.resume(again, turn):
            fork = fork.append(event)
        assert_same_within(fork, trace)


def test_its_systems_are_kept(court: rm.System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recmas_core.tools.open_tools", lambda names, **_: some_tools(COURT))
    court.save(tmp_path / "mine")
    again = rm.load_system(str(tmp_path / "mine"))
    assert again.pattern is COURT
    assert again.untrained == court.untrained
    assert_same(again.solve(QUESTION, **OPTIONS), court.solve(QUESTION, **OPTIONS))


def test_it_is_drawn(court: rm.System) -> None:
    drawing = draw_pattern(court.pattern)
    assert set(drawing.boxes) == set(court.roles)
    assert set(drawing.routes) == set(court.links)
    assert drawing.boxes["accuser"].x == drawing.boxes["defender"].x
    svg = topology_svg(court.pattern, Activity(active=("accuser", "defender"), round=1, rounds=2), ENGLISH)
    text = " ".join(ET.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)).itertext())
    assert all(role.title in text for role in COURT.roles)
    assert len({role_colour(COURT, role) for role in court.roles}) == len(court.roles)


def test_without_agents_of_its_own_it_says_so(court: rm.System, assets: Path) -> None:
    with pytest.raises(rm.SystemNotFound, match="comes without agents"):
        rm.load_system("court", assets=assets)
    with pytest.raises(rm.SystemNotFound, match=r"\['accuser', 'defender', 'judge'\] of 'court' have no agent"):
        rm.build_system("court", {"clerk": "embedded:critic"}, assets=assets)


@pytest.mark.parametrize("name", WORDINGS)
def test_every_wording_has_words_for_it(name: str) -> None:
    assert "{question}" in WORDINGS[name].prompt("defender").think
