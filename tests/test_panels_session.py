"""A visitor's run: steps, rounds, pausing, many at once, and what is left when they go."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from tiny import deliberating, tiny_pattern_system

import recmas_core as rm
from recmas_core.records import Answer, Event, Thought, Token, ToolCall, Transfer, TurnDone
from visualizers.panels.beats import beat_over, one_step, round_end, whole_run
from visualizers.panels.choices import Choices, whole
from visualizers.panels.session import Session

QUESTION = "start 7 s1 + 3 s2 * 7"


def _begin(session: Session, system: rm.System, *, rounds: int = 2, thoughts: int = 2, mode: str = "latent") -> None:
    job = Choices(QUESTION, rounds, thoughts, 0, mode).job(system)
    session.begin(job, system.pattern, system.start(job.config))  # type: ignore[arg-type]


def _drain(session: Session, goal=whole_run) -> list[Event]:  # type: ignore[no-untyped-def]
    return list(session.events(goal, epoch=session.command()))


def test_one_step_is_one_thought_one_hop_or_one_token(system: rm.System) -> None:
    session = Session()
    _begin(session, system, rounds=1)
    steps = []
    while not session.moment.finished:
        steps.append([e for e in _drain(session, one_step) if isinstance(e, Thought | Transfer | Token)])
    assert [len(step) for step in steps] == [1] * len(steps)
    solved = system.solve(QUESTION, rounds=1, latent_steps=2)
    assert sum(isinstance(e, Thought | Transfer | Token) for e in solved.events) == len(steps)
    assert session.moment.trace is not None
    assert session.moment.trace.answer == solved.answer


def test_the_last_hop_of_a_turn_takes_the_turns_end_with_it(system: rm.System) -> None:
    session = Session()
    _begin(session, system)
    _drain(session, one_step)
    _drain(session, one_step)
    assert [type(e) for e in _drain(session, one_step)] == [Transfer, TurnDone]


def test_a_round_ends_with_its_last_turn(system: rm.System) -> None:
    session = Session()
    _begin(session, system)
    events = _drain(session, round_end(system.pattern, 2))
    assert isinstance(events[-1], TurnDone)
    assert (events[-1].turn.round, events[-1].turn.role) == (1, "solver")
    rest = _drain(session, round_end(system.pattern, 2))
    assert isinstance(rest[-1], Answer)


def test_the_trace_of_a_stepped_run_is_the_engines_own(system: rm.System) -> None:
    session = Session()
    _begin(session, system)
    while not session.moment.finished:
        _drain(session, one_step)
    trace = session.moment.trace
    solved = system.solve(QUESTION, rounds=2, latent_steps=2)
    assert trace is not None
    assert [type(e) for e in trace.events] == [type(e) for e in solved.events]
    assert all((a.hidden == b.hidden).all() for a, b in zip(trace.thoughts, solved.thoughts, strict=True))


def test_a_newer_command_stops_an_older_reader_and_nothing_is_lost(system: rm.System) -> None:
    session = Session()
    _begin(session, system)
    older = session.events(whole_run, epoch=session.command())
    first = [next(older), next(older)]
    newer = session.events(whole_run, epoch=session.command())
    assert list(older) == []
    rest = list(newer)
    trace = session.moment.trace
    assert trace is not None
    assert trace.events == (*first, *rest)
    assert isinstance(rest[-1], Answer)


def test_readers_in_several_threads_never_meet_in_the_generator(system: rm.System) -> None:
    session = Session()
    _begin(session, system, rounds=3, thoughts=4)
    failures: list[BaseException] = []

    def press() -> None:
        try:
            while not session.moment.finished:
                _drain(session, one_step)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert session.moment.trace is not None
    assert len(session.moment.trace.thoughts) == 8 * 4


def test_pausing_ends_the_wait_between_steps(system: rm.System) -> None:
    session = Session()
    _begin(session, system)
    reader = session.events(whole_run, epoch=session.command(), pace=3600.0)
    made: list[Event] = []
    thread = threading.Thread(target=lambda: made.extend(reader))
    thread.start()
    while session.moment.trace is None or not session.moment.trace.thoughts:
        thread.join(0.01)
    session.command()
    thread.join(60)
    assert not thread.is_alive()
    assert session.moment.trace is not None
    assert len(session.moment.trace.thoughts) == 1
    assert session.running


def _watched(live: Iterator[Event], closed: list[bool]) -> Iterator[Event]:
    try:
        yield from live
    finally:
        closed.append(True)


@pytest.mark.parametrize("end", ["reset", "close", "begin"])
def test_a_run_left_behind_is_closed(system: rm.System, end: str) -> None:
    session, closed = Session(), []  # type: ignore[var-annotated]
    job = Choices(QUESTION, 2, 2).job(system)
    session.begin(job, system.pattern, _watched(system.start(job.config), closed))  # type: ignore[arg-type]
    _drain(session, one_step)
    assert closed == []
    if end == "begin":
        _begin(session, system)
    else:
        getattr(session, end)()
    assert closed == [True]
    assert session.running == (end == "begin")


def test_a_run_that_fails_says_so_once_and_can_be_begun_anew(system: rm.System) -> None:
    def broken() -> Iterator[Event]:
        raise rm.NonFiniteLatent("thought 1", "holds NaN", "Check the weights.")
        yield  # a generator all the same

    session, job = Session(), Choices(QUESTION, 2, 2).job(system)
    session.begin(job, system.pattern, broken())  # type: ignore[arg-type]
    with pytest.raises(rm.NonFiniteLatent):
        _drain(session, one_step)
    assert not session.running
    _begin(session, system)
    assert len(_drain(session, one_step)) == 2


@pytest.fixture(scope="module")
def mixture() -> rm.System:
    return tiny_pattern_system(rm.PATTERNS["mixture"])


def _beats(session: Session, system: rm.System, rounds: int) -> list[list[Event]]:
    _begin(session, system, rounds=rounds)
    beats = []
    while not session.moment.finished:
        beats.append(_drain(session, one_step))
    return beats


def test_a_step_of_a_stage_is_one_thought_of_each_who_thinks_at_once(mixture: rm.System) -> None:
    beats = _beats(Session(), mixture, 2)
    made = [[(e.role, e.step) for e in beat if isinstance(e, Thought)] for beat in beats]
    together = [(role, 0) for role in ("math", "code", "science")]
    assert made[0] == together
    assert [role for role, _ in made[1]] == ["math", "code", "science"]


def test_all_hops_of_a_stage_leave_in_one_step_and_end_its_turns(mixture: rm.System) -> None:
    beats = _beats(Session(), mixture, 2)
    hops = [[(e.sender, e.receiver) for e in beat if isinstance(e, Transfer)] for beat in beats]
    assert [hop for hop in hops if hop] == [
        [("math", "summarizer"), ("code", "summarizer"), ("science", "summarizer")],
        [("summarizer", "math"), ("summarizer", "code"), ("summarizer", "science")],
        [("math", "summarizer"), ("code", "summarizer"), ("science", "summarizer")],
    ]
    ends = [sum(isinstance(e, TurnDone) for e in beat) for beat, hop in zip(beats, hops, strict=True) if hop]
    assert ends == [3, 1, 3]


def test_beats_hold_every_event_once_and_in_order(mixture: rm.System) -> None:
    beats = _beats(Session(), mixture, 2)
    solved = mixture.solve(QUESTION, rounds=2, latent_steps=2)
    assert [type(e) for beat in beats for e in beat] == [type(e) for e in solved.events]


def test_text_turns_of_a_stage_are_stepped_token_by_token(mixture: rm.System) -> None:
    session = Session()
    _begin(session, mixture, rounds=1, mode="text")
    steps = 0
    while not session.moment.finished:
        assert sum(isinstance(e, Token) for e in _drain(session, one_step)) == 1
        steps += 1
    assert session.moment.trace is not None
    assert steps == session.moment.trace.decoded_tokens


def test_a_tool_call_is_a_step_of_its_own() -> None:
    session, system = Session(), deliberating()
    _begin(session, system, rounds=1)
    steps = []
    while not session.moment.finished:
        made = _drain(session, one_step)
        steps.append([type(e) for e in made if isinstance(e, Thought | Transfer | Token | ToolCall)])
    assert [ToolCall] in steps
    assert all(len(step) == 1 for step in steps)


def test_no_beat_is_over_before_its_last_thought(mixture: rm.System) -> None:
    session = Session()
    _begin(session, mixture)
    seen = []
    for event in session.events(whole_run, epoch=session.command()):
        trace = session.moment.trace
        if trace is not None and isinstance(event, Thought):
            seen.append(beat_over(trace, event))
    assert seen == ([False, False, True] * 2 + [True] * 2) + [False, False, True] * 2


def test_jobs_are_the_same_when_the_controls_ask_for_the_same(system: rm.System) -> None:
    job = Choices(QUESTION, 2, 2, 0).job(system)
    assert job.same_as(Choices(QUESTION, 2.0, "2", 0).job(system))
    for other in (Choices(QUESTION, 3, 2), Choices(QUESTION, 2, 3), Choices(QUESTION, 2, 2, 1), Choices("1 + 2", 2, 2)):
        assert not job.same_as(other.job(system))


def test_plain_arithmetic_is_run_in_the_agents_wording(system: rm.System) -> None:
    job = Choices("7 + 3 * 7", 2, 2).job(system)
    assert job.config.question == QUESTION
    assert job.reading is not None
    assert job.reading.answer == "0"


@pytest.mark.parametrize(
    "bad", [None, "", "two", 0, 7, 2.5, True, [3], float("nan"), float("inf"), "1e400", -1], ids=repr
)
def test_numbers_that_cannot_be_run_are_refused_by_name(bad: object) -> None:
    with pytest.raises(rm.BadInput, match="Rounds"):
        whole("Rounds", bad, 1, 6)


@pytest.mark.parametrize("bad", [None, 3, "", " \n", "x" * 100_000, "7 + 3\x00", "7 <eos>", "7 \ue001 3"], ids=range(8))
def test_questions_that_cannot_be_asked_are_refused(system: rm.System, bad: object) -> None:
    with pytest.raises(rm.BadInput, match="question"):
        Choices(bad, 3, 3).job(system)
