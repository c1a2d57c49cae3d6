"""The Compare tab: three runs side by side that are those of the engine, surveys in a queue, and what is refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from html import unescape
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from english import ENGLISH
from tiny import WORDS, tiny_agent, tiny_pattern_system

import recmas_core as rm
from recmas_core import comparing, evaluation
from recmas_core.comparing import Survey, survey
from recmas_core.evaluation import evaluate
from recmas_core.runconfig import Decoding
from visualizers.panels import compare_handlers
from visualizers.panels.catalogue import Catalogue, read_catalogue
from visualizers.panels.choices import Choices
from visualizers.panels.compare_api import CompareApi
from visualizers.panels.compare_columns import lane_html
from visualizers.panels.compare_handlers import WAYS, Compare
from visualizers.panels.compare_race import Lane, lanes_of, race
from visualizers.panels.entry import Entry
from visualizers.panels.gate import Gate
from visualizers.panels.shelf import Shelf
from visualizers.panels.survey_sample import Sample
from visualizers.panels.survey_session import SurveySession
from visualizers.panels.survey_view import SURVEY_OUTPUTS, measured_html, reported_html, survey_panels
from visualizers.panels.visitors import Visitors

QUESTION = "start 7 s1 + 3 s2 * 7 s3 - 4"
CHOSEN = (QUESTION, 2, 3, 0, "fast", True)  # as the page sends what Explore says
ME: Any = SimpleNamespace(session_hash="me")
PATIENCE = 120.0
SHORT = Decoding(max_new_tokens=6)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """A shelf with one small system, whose single agent was taught the whole job."""
    assets = tmp_path_factory.mktemp("assets")
    alone = tiny_agent("llama", seed=9, name="alone", words=WORDS)
    system = tiny_pattern_system(rm.PATTERNS["sequential"], task=rm.TASKS["chain"], trained_steps=(1, 8), alone=alone)
    system.title = "Sequential"
    system.save(assets / "sequential")
    return Shelf(read_catalogue(assets=assets))


@pytest.fixture(scope="module")
def entry(shelf: Shelf) -> Entry:
    made = shelf.entry(shelf.first)
    made.system.decoding = SHORT
    return made


@pytest.fixture(autouse=True)
def short_answers(entry: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random agents rarely end what they say."""
    monkeypatch.setattr(comparing, "ANSWER_TOKENS", SHORT.max_new_tokens)
    monkeypatch.setattr(evaluation, "ANSWER_TOKENS", SHORT.max_new_tokens)


@pytest.fixture
def visitors(shelf: Shelf) -> Iterator[Visitors]:
    made = Visitors(shelf.board)
    yield made
    made.close("me")


@pytest.fixture
def page(shelf: Shelf, visitors: Visitors) -> Compare:
    return Compare(shelf, visitors, ENGLISH)


def lanes(entry: Entry, **changes: Any) -> dict[str, Lane]:
    asked: dict[str, Any] = {"question": QUESTION, "rounds": 2, "thoughts": 3, "seed": 0}
    return lanes_of(entry, Choices(**(asked | changes)))


# ------------------------------------------------------------------------------------------------------ three columns


def test_three_runs_side_by_side_are_those_of_the_engine(entry: Entry) -> None:
    *_, last = race(lanes(entry))
    system = entry.system
    for way in ("text", "latent"):
        assert last[way].trace.answer == system.solve(QUESTION, rounds=2, mode=way).answer
        assert last[way].trace.decoded_tokens == system.solve(QUESTION, rounds=2, mode=way).decoded_tokens
    assert system.alone is not None
    alone = system.single(system.alone, role="solver").solve(QUESTION, rounds=1, mode="text")
    assert last["single"].trace.answer == alone.answer


def test_each_in_turn_takes_one_step(entry: Entry) -> None:
    """While all go on, none is more than one settled event ahead; whoever has answered is not asked again."""
    moved, before = [], dict.fromkeys(WAYS, 0)
    for now in race(lanes(entry)):
        counts = {way: len(lane.trace.events) for way, lane in now.items()}
        changed = [way for way in WAYS if counts[way] != before[way]]
        assert len(changed) == 1
        moved.append(changed[0])
        before = counts
    assert moved[:3] == list(WAYS)
    longest = max(moved.count(way) for way in WAYS)
    for at in range(0, 3 * min(moved.count(way) for way in WAYS), 3):
        assert moved[at : at + 3] == list(WAYS)
    assert moved[-1] == max(WAYS, key=moved.count)
    assert longest > min(moved.count(way) for way in WAYS)


def test_closing_a_race_ends_every_run(entry: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    start = rm.System.start

    def watched(system: rm.System, config: rm.RunConfig) -> Generator[rm.Event, None, None]:
        live = start(system, config)
        try:
            yield from live
        finally:
            closed.append(config.mode)

    monkeypatch.setattr(rm.System, "start", watched)
    live = race(lanes(entry))
    for _ in range(3):
        next(live)
    live.close()
    assert sorted(closed) == ["latent", "text", "text"]


def test_a_column_says_the_runs_own_numbers(entry: Entry) -> None:
    *_, last = race(lanes(entry))
    for lane in last.values():
        drawn = unescape(lane_html(ENGLISH, lane))
        trace = lane.trace
        assert f"<dd title=\"{trace.decoded_tokens}\">" in drawn
        assert f"<dd title=\"{len(trace.thoughts)}\">" in drawn
        assert f"{1000 * trace.seconds:.0f} ms" in drawn
        assert ("recmas-good" in drawn) != ("recmas-bad" in drawn)
        assert drawn.count("recmas-column-turn ") == len(trace.turns)
    text, latent = (unescape(lane_html(ENGLISH, last[way])) for way in ("text", "latent"))
    assert all(turn.text in text for turn in last["text"].trace.turns)
    said = [entry.notes.says(thought)[0][0].strip() for thought in last["latent"].trace.thoughts[:3]]
    assert f"<samp>{' '.join(said)}</samp>" in latent
    assert (text.count("recmas-column-latent"), latent.count("recmas-column-latent")) == (0, 5)


def test_a_question_outside_of_the_world_is_neither_right_nor_wrong(entry: Entry) -> None:
    *_, last = race(lanes(entry, question="start 7 start 7"))
    drawn = lane_html(ENGLISH, last["latent"])
    assert "recmas-good" not in drawn
    assert "recmas-bad" not in drawn


def test_run_draws_the_columns_to_their_answers(page: Compare, entry: Entry) -> None:
    outputs = list(page.run(ME, *CHOSEN))
    assert QUESTION in unescape(outputs[0][0])
    newest = {way: [o[2 + i] for o in outputs if isinstance(o[2 + i], str)][-1] for i, way in enumerate(WAYS)}
    for way in ("text", "latent"):
        trace = entry.system.solve(QUESTION, rounds=2, mode=way)
        assert f"<dd title=\"{trace.decoded_tokens}\">" in newest[way]
        assert str(trace.answer) in unescape(newest[way])
    assert ENGLISH("compare.question.done") in unescape(outputs[-2][1])
    assert not any(isinstance(value, str) for value in outputs[-1])


def test_stop_ends_the_runs_where_they_are(page: Compare) -> None:
    live = page.run(ME, *CHOSEN[:4], "calm", True)
    next(live)
    next(live)
    assert ENGLISH("compare.question.stopped") in page.halt(ME)
    rest = [value for outputs in live for value in outputs if isinstance(value, str)]
    assert not any(ENGLISH("compare.question.done") in value or "recmas-good" in value for value in rest)


def test_a_bad_number_is_said(page: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gr, "Warning", lambda *_: None)
    said = "".join(o[1] for o in page.run(ME, QUESTION, 9, 3, 0, "fast", True) if isinstance(o[1], str))
    assert "Rounds" in said
    assert "recmas-error" in said


def test_a_borrowed_gpu_is_refused_in_words(page: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Catalogue, "offer", lambda *_: SimpleNamespace(wanted="w", title="Far", cast=False))
    monkeypatch.setattr(compare_handlers, "is_borrowed", lambda wanted: wanted == "w")
    refused = ENGLISH("compare.refused.borrowed")
    assert refused in next(page.run(ME, *CHOSEN))[1]
    assert refused in next(page.start(ME, 50, 0, 1, *CHOSEN))[1]


def test_without_a_world_the_columns_run_and_a_survey_is_refused(
    page: Compare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Catalogue, "task", lambda *_: None)
    refused = ENGLISH("compare.refused.no_world")
    assert refused in unescape(page.look(ME, *CHOSEN)[0])
    outputs = list(page.start(ME, 50, 0, 1, *CHOSEN))
    assert refused in outputs[0][1]
    assert len(outputs) == 2
    assert ENGLISH("compare.question.done") in unescape(list(page.run(ME, *CHOSEN))[-2][1])


# ----------------------------------------------------------------------------------------------------------- a survey


def wait(session: SurveySession, condition: Callable[[], bool]) -> None:
    end, seen = time.monotonic() + PATIENCE, -1
    while not condition():
        assert time.monotonic() < end, f"waited in vain; the survey is {session.moment.phase}"
        seen = session.wait(seen, 0.2)


def records(entry: Entry, n: int = 4, timed: int = 0) -> Generator[Survey, None, None]:
    return Sample(n, timed, 1, 3, 0).records(entry)


class Held:
    """Records that wait between one and the next until they are let go."""

    def __init__(self, entry: Entry) -> None:
        self._entry, self.free, self.closed = entry, threading.Event(), False

    def make(self) -> Generator[Survey, None, None]:
        try:
            for record in records(self._entry):
                yield record
                assert self.free.wait(PATIENCE)
        finally:
            self.closed = True


def test_a_survey_runs_to_its_end_and_finds_what_evaluate_finds(entry: Entry) -> None:
    session = SurveySession(Gate(1))
    assert session.moment.phase == "idle"
    session.begin("Tiny", lambda: records(entry))
    wait(session, lambda: session.moment.phase == "done")
    found = session.moment.survey
    assert found is not None
    assert found.over
    assert entry.system.task is not None
    examples = entry.system.task.sample(4, seed=0, split="test")
    report = evaluate(entry.system, examples, rounds=(1,), modes=("latent",), latent_steps=3)
    assert found.score("latent", 1) == report.score("latent", 1)


def test_two_survey_at_once_and_a_third_is_told_its_place(entry: Entry, visitors: Visitors) -> None:
    held = [Held(entry) for _ in range(3)]
    sessions = [visitors.get(key).survey for key in ("one", "two", "three")]
    for session, each in zip(sessions, held, strict=True):
        session.begin("Tiny", each.make)
        if session is not sessions[2]:
            wait(session, lambda session=session: session.moment.phase == "running")  # type: ignore[misc]
    wait(sessions[2], lambda: sessions[2].moment.place == 1)
    assert sessions[2].moment.phase == "waiting"
    held[0].free.set()
    wait(sessions[2], lambda: sessions[2].moment.phase == "running")
    for each in held:
        each.free.set()
    for session in sessions:
        wait(session, lambda session=session: session.moment.phase == "done")  # type: ignore[misc]


def test_stopping_keeps_what_was_measured_and_closes_the_records(entry: Entry) -> None:
    session, held = SurveySession(Gate(1)), Held(entry)
    session.begin("Tiny", held.make)
    wait(session, lambda: session.moment.survey is not None)
    session.stop()
    held.free.set()
    assert session.moment.phase == "stopped"
    assert session.moment.survey is not None
    wait(session, lambda: held.closed)
    session.begin("Tiny", lambda: records(entry))
    wait(session, lambda: session.moment.phase == "done")


def test_whoever_has_gone_surveys_no_more(entry: Entry, visitors: Visitors) -> None:
    session, held = visitors.get("gone").survey, Held(entry)
    session.begin("Tiny", held.make)
    wait(session, lambda: session.moment.survey is not None)
    visitors.close("gone")
    held.free.set()
    wait(session, lambda: held.closed)
    with pytest.raises(rm.BadInput, match="over"):
        session.begin("Tiny", held.make)


def test_a_survey_that_fails_says_why(entry: Entry) -> None:
    def broken() -> Generator[Survey, None, None]:
        raise rm.BadInput("here", "is broken", "Mend it.")
        yield

    session = SurveySession(Gate(1))
    session.begin("Tiny", broken)
    wait(session, lambda: session.moment.phase == "failed")
    assert "Mend it" in survey_panels(ENGLISH, session.moment).status


def test_the_handler_follows_a_survey_to_its_end(page: Compare, visitors: Visitors) -> None:
    outputs = list(page.start(ME, 6, 2, 2, *CHOSEN))
    names = ("which", *SURVEY_OUTPUTS)
    newest = {
        name: next((o[i] for o in reversed(outputs) if isinstance(o[i], str)), None) for i, name in enumerate(names)
    }
    found = visitors.get("me").survey.moment.survey
    assert found is not None
    assert (len(found.examples), len(found.timed), found.rounds) == (6, 2, (1, 2))
    assert "Finished" in str(newest["status"])
    assert str(newest["table"]) == measured_html(ENGLISH, found)
    assert '"latent"' in str(newest["figure"])


@pytest.mark.parametrize(
    ("numbers", "word"),
    [((0, 0, 1), "Questions"), ((501, 0, 1), "Questions"), ((5, 6, 1), "Timed"), ((5, 0, 7), "Rounds")],
)
def test_numbers_out_of_range_are_refused(numbers: tuple[int, int, int], word: str) -> None:
    with pytest.raises(rm.BadInput, match=word):
        Sample.read(*numbers, 3, 0)


def test_the_table_tells_measured_from_reported(entry: Entry) -> None:
    assert entry.system.task is not None
    examples = entry.system.task.sample(8, seed=1, split="test")
    *_, found = survey(entry.system, examples, rounds=(1,), timed=6)
    drawn = unescape(measured_html(ENGLISH, found))
    tokens, time = found.ratio("tokens", "latent", "text"), found.ratio("seconds", "latent", "text")
    assert tokens is not None
    assert time is not None
    assert f"<b>{tokens.value:.2f}</b> <span>{tokens.low:.2f}–{tokens.high:.2f}, n = 8</span>" in drawn
    assert f"<b>{time.value:.2f}</b> <span>{time.low:.2f}–{time.high:.2f}, n = 6</span>" in drawn
    assert '<td class="recmas-paper">0.42–0.83</td>' in drawn
    assert ENGLISH("compare.here.title") in drawn
    assert ENGLISH("compare.paper.title") not in drawn
    reported = unescape(reported_html(ENGLISH))
    assert all(figure in reported for figure in ("8.3", "1.2", "2.4", "34.6", "75.6", "2604.25917"))


def test_few_timed_questions_have_no_interval(entry: Entry) -> None:
    assert entry.system.task is not None
    *_, found = survey(entry.system, entry.system.task.sample(8, seed=1, split="test"), rounds=(1,), timed=2)
    time = found.ratio("seconds", "latent", "text")
    assert time is not None
    assert f"<b>{time.value:.2f}</b> <span>n = 2</span>" in measured_html(ENGLISH, found)


# ------------------------------------------------------------------------------------------------------ the endpoints


@pytest.fixture
def api(shelf: Shelf, visitors: Visitors) -> CompareApi:
    return CompareApi(shelf, visitors)


def test_compare_streams_every_event_of_every_way_then_the_results(api: CompareApi, entry: Entry) -> None:
    said = list(api.compare(QUESTION, rounds=2, thoughts=3))
    results = {each["way"]: each for each in said if each["type"] == "result"}
    assert [each["way"] for each in said[-3:]] == list(WAYS)
    for way in ("text", "latent"):
        trace = entry.system.solve(QUESTION, rounds=2, mode=way)
        assert results[way]["answer"] == trace.answer
        assert results[way]["decoded_tokens"] == trace.decoded_tokens
        mine = [each for each in said if each["way"] == way and each["type"] != "result"]
        assert [each["type"] for each in mine].count("token") == trace.decoded_tokens
        assert [each["type"] for each in mine].count("thought") == len(trace.thoughts)
        assert mine[-1]["type"] == "answer"
    assert isinstance(results["latent"]["right"], bool)


def test_survey_streams_records_and_ends(api: CompareApi) -> None:
    said = list(api.survey(n=4, timed=1, rounds=1))
    assert [each["done"] for each in said] == sorted(each["done"] for each in said)
    last = said[-1]
    assert (last["type"], last["phase"], last["done"]) == ("end", "done", last["of"])
    assert {score["way"]: score["n"] for score in last["scores"]} == dict.fromkeys(WAYS, 4)
    assert last["ratios"]["seconds"]["n"] == 1
    assert all(score["interval"][0] <= score["accuracy"] <= score["interval"][1] for score in last["scores"])


def test_the_endpoints_refuse_in_words(api: CompareApi, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(gr.Error, match="Questions"):
        next(api.survey(n=1000))
    with pytest.raises(gr.Error, match="nowhere"):
        next(api.compare(QUESTION, system="nowhere"))
    monkeypatch.setattr(Catalogue, "task", lambda *_: None)
    with pytest.raises(gr.Error, match="no questions of its own"):
        next(api.survey())
