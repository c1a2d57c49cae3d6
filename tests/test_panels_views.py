"""Looking at a run: moments, prefixes, the pieces of the page, and nothing unescaped."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from english import ENGLISH
from tiny import deliberating, tiny_pattern_system

import recmas_core as rm
from recmas_core.records import Thought, ToolCall, Trace, Transfer, TurnDone, TurnStart
from recmas_core.tasks.base import Reading
from visualizers.own_maps import OwnMaps
from visualizers.panels import render
from visualizers.panels.atlas import Atlas
from visualizers.panels.mapview import map_panel, which_map
from visualizers.panels.moments import moments, move, prefix, scene
from visualizers.panels.notes import Memo, Notes
from visualizers.panels.numbers import verdict
from visualizers.panels.saying import status
from visualizers.panels.session import Cursor, Moment
from visualizers.panels.spread import Shown
from visualizers.projection import Projector

QUESTION = "start 7 s1 + 3 s2 * 7"


@pytest.fixture(scope="module")
def trace(system: rm.System) -> Trace:
    return system.solve(QUESTION, rounds=2, latent_steps=3, max_new_tokens=4)


@pytest.fixture(scope="module")
def notes(system: rm.System) -> Notes:
    return Notes(system)


@pytest.fixture
def atlas(system: rm.System) -> Atlas:
    projector = Projector({})
    return Atlas({role: (projector, role) for role in system.roles})


def test_a_moment_holds_what_had_happened_and_nothing_else(trace: Trace) -> None:
    shown = prefix(trace, Cursor(1, 1))
    assert len(shown.thoughts) == 3 + 2
    assert [turn.index for turn in shown.turns] == [0]
    assert shown.answer is None
    assert prefix(trace, Cursor(1)).turns == trace.turns[:2]
    assert prefix(trace, None) is trace
    assert prefix(trace, Cursor(5)).answer == trace.answer


def test_the_arrows_visit_every_moment_and_come_back_to_now(trace: Trace) -> None:
    known = moments(trace)
    visited, cursor = [], move(trace, None, -1)
    while cursor is not None and cursor not in visited:
        visited.append(cursor)
        cursor = move(trace, cursor, -1)
    assert visited == list(reversed(known[:-1]))  # the last moment is now
    cursor = visited[-1]
    for _ in known[1:-1]:
        cursor = move(trace, cursor, 1)
        assert cursor is not None
    assert move(trace, cursor, 1) is None
    assert move(None, None, -1) is None


def test_the_map_holds_every_thought_of_its_role_with_its_place(
    system: rm.System, trace: Trace, notes: Notes, atlas: Atlas
) -> None:
    for role in system.roles:
        view = scene(system.pattern, trace, None, 2, ENGLISH)
        figure = json.loads(map_panel(view, notes, atlas, Shown(role, "thoughts")).figure)
        live = next(t for t in figure["data"] if t["name"] == "thoughts")
        made = [[t.turn, t.step] for t in trace.thoughts if t.role == role]
        assert live["customdata"] == made
        assert len(live["x"]) == len(made)
        assert figure["layout"]["meta"]["key"] == f"{role}.thoughts"


def test_the_map_of_a_moment_holds_the_thoughts_up_to_it(system: rm.System, trace: Trace, notes, atlas) -> None:  # type: ignore[no-untyped-def]
    view = scene(system.pattern, trace, Cursor(0, 1), 2, ENGLISH)
    figure = json.loads(map_panel(view, notes, atlas, Shown("planner", "thoughts")).figure)
    assert next(t for t in figure["data"] if t["name"] == "thoughts")["customdata"] == [[0, 0], [0, 1]]


def test_travelling_back_leaves_every_thought_and_the_axes_where_they_were(
    system: rm.System, trace: Trace, notes: Notes, atlas: Atlas
) -> None:
    own = OwnMaps()

    def drawn(cursor: Cursor | None) -> dict:
        view = scene(system.pattern, trace, cursor, 2, ENGLISH)
        return json.loads(map_panel(view, notes, atlas, Shown("planner", "thoughts"), own=own).figure)

    def places(figure: dict) -> dict:
        live = next(t for t in figure["data"] if t["name"] == "thoughts")
        return dict(zip(map(tuple, live["customdata"]), zip(live["x"], live["y"], strict=True), strict=True))

    now, then = drawn(None), drawn(Cursor(0, 1))
    assert places(then) == {key: places(now)[key] for key in [(0, 0), (0, 1)]}
    assert then["layout"]["xaxis"]["range"] == now["layout"]["xaxis"]["range"]


def test_the_words_of_a_map_of_arrivals_are_claimed_only_where_they_are_drawn(
    system: rm.System, trace: Trace, notes: Notes, atlas: Atlas
) -> None:
    view = scene(system.pattern, trace, None, 2, ENGLISH)
    caption = map_panel(view, notes, atlas, Shown("solver", "received")).caption
    assert "the labels" not in caption
    assert "hover" in caption


def test_the_received_map_shows_the_latest_receiver(
    system: rm.System, trace: Trace, notes: Notes, atlas: Atlas
) -> None:
    at = next(i for i, e in enumerate(trace.events) if isinstance(e, Transfer) and e.receiver == "solver")
    view = scene(system.pattern, replace(trace, events=trace.events[: at + 1]), None, 2, ENGLISH)
    shown = which_map(view, Moment(space="received"))
    figure = json.loads(map_panel(view, notes, atlas, shown).figure)
    assert figure["layout"]["meta"]["key"] == "solver.received"
    assert len(next(t for t in figure["data"] if t["name"] == "thoughts")["x"]) == 3


def test_the_pieces_say_what_the_engine_says(system: rm.System, trace: Trace, notes: Notes) -> None:
    view = scene(system.pattern, trace, Cursor(1), 2, ENGLISH)
    screen = render.render(view, notes, None, None)
    thought = next(t for t in trace.thoughts if t.turn == 1)
    word, score = notes.says(thought)[0]
    assert rm.lens(system.agents["critic"], thought.hidden[None], 1)[0][0].text == word
    assert f"{score:.2f}" in screen.table
    assert "3 latent thoughts from Planner" in screen.prompt
    assert "round 1, Critic" in screen.when
    assert '<dd title="6">6</dd>' in screen.meters  # two turns of three thoughts


@pytest.mark.parametrize(
    ("truth", "answer", "said"), [("4", "4", "right"), ("4", "5", "wrong"), ("4", None, "4"), (None, "5", "not known")]
)
def test_the_verdict_is_never_more_than_is_known(truth: str | None, answer: str | None, said: str) -> None:
    meter = verdict(answer, rm.TASKS["chain"], Reading("q", truth, ""), ENGLISH)
    assert said in meter.value
    assert meter.tone == {"right": "good", "wrong": "bad"}.get(said, "")


def test_what_users_and_models_write_is_escaped(system: rm.System, trace: Trace, notes: Notes) -> None:
    evil = "<img src=x onerror=alert(1)>"
    start = next(e for e in trace.events if isinstance(e, TurnStart))
    prompt = (replace(start.prompt[0], text=evil),)
    events = tuple(replace(e, prompt=prompt) if isinstance(e, TurnStart) else e for e in trace.events)
    last = replace(events[-1], text=evil)
    view = scene(system.pattern, replace(trace, events=(*events[:-1], last)), None, 2, ENGLISH)
    screen = render.render(view, notes, None, Reading(evil, None, evil))
    for piece in (screen.prompt, screen.meters, screen.strip, screen.detail, screen.topology, screen.table):
        assert "<img" not in piece


def test_the_status_tells_a_paused_run_from_a_running_one(system: rm.System, trace: Trace) -> None:
    first = next(i for i, e in enumerate(trace.events) if isinstance(e, Thought))
    view = scene(system.pattern, replace(trace, events=trace.events[: first + 1]), None, 2, ENGLISH)
    assert status(view, running=True) == "Round 1: Planner made thought 1."
    assert status(view, running=False) == "Round 1: Planner made thought 1. Paused."
    over = scene(system.pattern, trace, None, 2, ENGLISH)
    assert "answers" in status(over, running=False)
    assert "Paused" not in status(over, running=False)


def test_before_a_run_everything_can_be_drawn(system: rm.System, notes: Notes, atlas: Atlas) -> None:
    view = scene(system.pattern, None, None, 3, ENGLISH)
    screen = render.render(view, notes, None, None)
    assert screen.strip.count("disabled") == 9
    figure = json.loads(map_panel(view, notes, atlas, Shown("planner", "thoughts")).figure)
    assert not next(t for t in figure["data"] if t["name"] == "thoughts")["x"]


@pytest.fixture(scope="module")
def mixture() -> rm.System:
    return tiny_pattern_system(rm.PATTERNS["mixture"])


@pytest.fixture(scope="module")
def mixed(mixture: rm.System) -> Trace:
    return mixture.solve(QUESTION, rounds=2, latent_steps=2, max_new_tokens=4)


def _until(trace: Trace, kind: type, count: int) -> Trace:
    """The trace up to its `count`-th event of a kind."""
    at = [i for i, e in enumerate(trace.events) if isinstance(e, kind)][count - 1]
    return replace(trace, events=trace.events[: at + 1])


def test_while_specialists_think_all_of_them_are_shown(mixture: rm.System, mixed: Trace) -> None:
    view = scene(mixture.pattern, _until(mixed, Thought, 3), None, 2, ENGLISH)
    assert view.at_work == ("math", "code", "science")
    assert [start.role for start in view.shown] == ["math", "code", "science"]
    screen = render.render(view, Notes(mixture), None, None)
    assert screen.prompt.count("recmas-reader") == 3
    assert screen.table.count("<tr data-turn") == 3
    assert "Math, Code and Science made thought 1." in status(view, running=True)


def test_a_moment_of_one_specialist_shows_how_far_the_others_had_come(mixture: rm.System, mixed: Trace) -> None:
    shown = prefix(mixed, Cursor(1, 1))  # the code specialist's second thought
    assert [(t.role, t.step) for t in shown.thoughts] == [
        ("math", 0), ("code", 0), ("science", 0), ("math", 1), ("code", 1),
    ]  # fmt: skip
    view = scene(mixture.pattern, mixed, Cursor(1, 1), 2, ENGLISH)
    assert view.role == "code"
    assert [start.role for start in view.shown] == ["code"]
    assert view.chosen is not None
    assert (view.chosen.role, view.chosen.step) == ("code", 1)


def test_a_stage_sends_at_once_and_says_so(mixture: rm.System, mixed: Trace) -> None:
    view = scene(mixture.pattern, _until(mixed, Transfer, 3), None, 2, ENGLISH)
    assert view.hops == (("math", "summarizer"), ("code", "summarizer"), ("science", "summarizer"))
    assert "Math's, Code's and Science's thoughts went over the links to Summarizer." in status(view, running=True)
    view = scene(mixture.pattern, _until(mixed, TurnDone, 4), None, 2, ENGLISH)
    assert view.hops == tuple(("summarizer", role) for role in ("math", "code", "science"))
    assert "Summarizer finished and sent its thoughts to Math, Code and Science." in status(view, running=True)


def test_the_map_that_follows_holds_still_while_several_think(mixture: rm.System, mixed: Trace) -> None:
    for thoughts in range(1, 7):
        view = scene(mixture.pattern, _until(mixed, Thought, thoughts), None, 2, ENGLISH)
        assert which_map(view, Moment()) == Shown("math", "thoughts")
        view = scene(mixture.pattern, _until(mixed, Thought, thoughts), Cursor(2, 0), 2, ENGLISH)
    assert which_map(view, Moment()) == Shown("science", "thoughts")  # the reader chose a thought of it
    assert which_map(view, Moment(map_of="code", space="received")) == Shown("code", "received")


def test_tool_calls_are_moments_and_shown_with_their_results() -> None:
    system = deliberating()
    trace = system.solve(QUESTION, rounds=1, latent_steps=2, max_new_tokens=40)
    calls = [e for e in trace.events if isinstance(e, ToolCall)]
    assert calls
    turn = calls[0].turn
    assert Cursor(turn, call=0) in moments(trace)
    shown = prefix(trace, Cursor(turn, call=0))
    assert shown.events[-1] is calls[0]
    view = scene(system.pattern, trace, Cursor(turn, call=0), 1, ENGLISH)
    screen = render.render(view, Notes(system), None, None)
    assert screen.table.count("recmas-call-time") == 1
    assert "recmas-selected" in screen.table
    assert "tool call 1" in screen.when
    assert "called" in status(scene(system.pattern, shown, None, 1, ENGLISH), running=True)
    whole = render.render(scene(system.pattern, trace, None, 1, ENGLISH), Notes(system), None, None)
    assert whole.table.count("recmas-call-time") == len(calls)
    assert whole.strip.count("recmas-call-mark") == len(calls)


def test_an_agent_in_another_role_is_captioned_by_what_it_was_taught(own_system: rm.System) -> None:
    agent = own_system.agents["solver"]
    assert render.caption("solver", agent, ENGLISH) == f"{render.model_name(agent.family)} · d {agent.hidden_size}"
    agent.home = "solver"
    assert render.caption("planner", agent, ENGLISH).startswith("solver · ")


def test_a_memo_forgets_the_oldest_beyond_its_bound() -> None:
    memo, made = Memo(limit=2), []
    for key in ("a", "b", "a", "c", "a", "b"):
        memo.get(key, lambda key=key: made.append(key))  # type: ignore[misc]
    assert made == ["a", "b", "c", "b"]
