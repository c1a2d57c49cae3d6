"""ZeroGPU: runs in forked processes that may end at any time, and everything that must not show on the page of it."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
import weakref
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from english import ENGLISH
from lending import Lender, install
from tiny import QUESTION, deliberating, tiny_pattern_system, tiny_system

import recmas_core as rm
from recmas_core.errors import BadInput, NonFiniteLatent, RecmasError, RunInterrupted
from recmas_core.memory import TooLarge
from recmas_core.records import Event, RunConfig, Thought, Token, Trace, TurnDone
from visualizers.panels import zero
from visualizers.panels.atlas import Atlas
from visualizers.panels.beats import one_step, whole_run
from visualizers.panels.choices import Choices
from visualizers.panels.entry import Entry
from visualizers.panels.notes import Notes
from visualizers.panels.offers import Wanted
from visualizers.panels.open_form import OpenForm, devices
from visualizers.panels.open_view import outlook
from visualizers.panels.session import Session
from visualizers.panels.train_form import Filled, form_html
from visualizers.panels.wanted import is_borrowed
from visualizers.panels.zero_run import RunChanged, ZeroRun, alike
from visualizers.panels.zero_time import LEAST, MOST, gpu_seconds
from visualizers.panels.zero_work import Failed, WorkFailed

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def lender(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lender]:
    lender = install(monkeypatch)
    yield lender
    lender.end()


def borrowed(system: rm.System) -> zero.Borrowed:
    return zero.Borrowed(system, device="cpu")


def plain(value: Any) -> Any:
    """An event without its times, its arrays as bytes: what two runs must have in common, bit for bit."""
    if is_dataclass(value):
        return type(value).__name__, [plain(getattr(value, f.name)) for f in fields(value) if f.name != "seconds"]
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, dict):
        return [(key, plain(each)) for key, each in value.items()]
    return [plain(each) for each in value] if isinstance(value, tuple) else value


def same(some: list[Event], others: list[Event]) -> bool:
    return list(map(plain, some)) == list(map(plain, others))


def near(one: Any, other: Any) -> bool:
    """As `same`, but for rounding: a run that goes on reads its prompts' beginnings anew, in other portions."""
    if isinstance(one, np.ndarray):
        return one.shape == other.shape and np.allclose(one, other, rtol=1e-4, atol=1e-5)
    if is_dataclass(one):
        names = [f.name for f in fields(one) if f.name != "seconds"]
        return type(one) is type(other) and all(near(getattr(one, n), getattr(other, n)) for n in names)
    if isinstance(one, dict):
        return list(one) == list(other) and all(near(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(near, one, other))
    return bool(one == other)


# What comes back


@pytest.mark.parametrize("mode", ["latent", "text"])
def test_events_are_those_of_a_run_here_bit_for_bit(lender: Lender, system: rm.System, mode: str) -> None:
    config = system.config(QUESTION, rounds=2, mode=mode, max_new_tokens=6)
    assert same(list(borrowed(system).start(config)), list(system.start(config)))


def test_agents_who_think_side_by_side_do_so_there(lender: Lender) -> None:
    system = tiny_pattern_system(rm.PATTERNS["mixture"])
    config = system.config(QUESTION, rounds=2, max_new_tokens=4)
    assert same(list(borrowed(system).start(config)), list(system.start(config)))


def test_tools_are_called_there(lender: Lender) -> None:
    system = deliberating()
    config = system.config(QUESTION, rounds=1, max_new_tokens=24)
    here = list(system.start(config))
    assert any(isinstance(event, rm.records.ToolCall) for event in here)
    assert same(list(borrowed(system).start(config)), here)


def test_events_stay_read_only(lender: Lender, system: rm.System) -> None:
    config = system.config(QUESTION, rounds=1, max_new_tokens=3)
    thought = next(e for e in borrowed(system).start(config) if isinstance(e, Thought))
    with pytest.raises(ValueError, match="read-only"):
        thought.hidden[0] = 0.0


def test_nothing_is_computed_in_this_process(lender: Lender, own_system: rm.System) -> None:
    config = own_system.config(QUESTION, rounds=1, max_new_tokens=3)
    lock = own_system.lock
    with lock:  # as a visitor's probe would hold it: the forked process has locks of its own
        assert len(list(borrowed(own_system).start(config))) > 5
    assert own_system.lock is lock


def test_a_process_is_used_again_for_the_same_system_only(lender: Lender, system: rm.System) -> None:
    other = tiny_system(seed=3)
    config = system.config(QUESTION, rounds=1, max_new_tokens=3)
    mine, theirs = borrowed(system), borrowed(other)
    for each in (mine, mine, theirs):
        list(each.start(config))
    assert len(lender.workers) == 2


def test_a_system_that_is_let_go_is_not_kept_by_its_decorated_function(lender: Lender) -> None:
    system = tiny_system(seed=4)
    held = weakref.ref(system)
    borrowed(system)
    del system
    gc.collect()
    assert lender.decorated
    assert held() is None


# Errors


def test_what_cannot_be_run_is_refused_at_once(lender: Lender, system: rm.System) -> None:
    edit = rm.Edit(0, "zero")
    config = replace(system.config(QUESTION, rounds=1, mode="text"), edits=(edit,))
    with pytest.raises(BadInput, match="text run"):
        borrowed(system).start(config)
    assert lender.asked == []


def test_an_error_of_the_engine_comes_back_as_it_is(lender: Lender, own_system: rm.System) -> None:
    with_nan = next(own_system.agents["planner"].inner.parameters())
    with_nan.data.fill_(float("nan"))
    config = own_system.config(QUESTION, rounds=1)
    with pytest.raises(NonFiniteLatent) as here:
        list(own_system.start(config))
    with pytest.raises(NonFiniteLatent) as there:
        list(borrowed(own_system).start(config))
    assert str(there.value) == str(here.value)


def test_after_an_unforeseen_error_the_process_is_not_used_again(lender: Lender, own_system: rm.System) -> None:
    own_system.links.clear()
    own_system.tools = {"broken": None}  # type: ignore[dict-item]
    own_system.agents["planner"].body = None  # type: ignore[assignment]
    lent, config = borrowed(own_system), own_system.config(QUESTION, rounds=1)
    for _ in range(2):
        with pytest.raises(WorkFailed, match="TypeError"):
            list(lent.start(config))
    assert len(lender.workers) == 2


def _kinds(kind: type[RecmasError]) -> list[type[RecmasError]]:
    return [kind, *(each for below in kind.__subclasses__() for each in _kinds(below))]


@pytest.mark.parametrize("kind", [k for k in _kinds(RecmasError) if k.__init__ is RecmasError.__init__])
def test_every_error_pickles(kind: type[RecmasError]) -> None:
    back = pickle.loads(pickle.dumps(kind("links", "are none", "Train some.")))
    assert (type(back), back.where, back.what, back.todo) == (kind, "links", "are none", "Train some.")


def test_a_refusal_says_why(lender: Lender, system: rm.System) -> None:
    lender.refusal = "You have exceeded your quota (60s requested vs. 20s left)."
    with pytest.raises(RunInterrupted, match=r"60s requested vs\. 20s left"):
        next(borrowed(system).start(system.config(QUESTION, rounds=1)))


# Time running out


@pytest.mark.parametrize("results", [[1], [9], [10], [12], [17], [12, 12], [9, 9]])
def test_a_run_goes_on_when_time_was_over(lender: Lender, system: rm.System, results: list[int]) -> None:
    config = system.config(QUESTION, rounds=2, max_new_tokens=5)
    lender.results = results
    events, live = [], borrowed(system).start(config)
    while True:
        try:
            events += [event for event in [next(live, None)] if event is not None]
        except RunInterrupted:
            continue  # as a visitor presses again
        if isinstance(events[-1], rm.records.Answer):
            break
    assert near(events, list(system.start(config)))


def test_a_stage_that_was_cut_off_goes_on_in_order(lender: Lender) -> None:
    system = tiny_pattern_system(rm.PATTERNS["mixture"])
    config = system.config(QUESTION, rounds=2, max_new_tokens=4)
    whole = list(system.start(config))
    ends = [i for i, event in enumerate(whole) if isinstance(event, TurnDone)]
    lender.results = [ends[1] + 1, 11]  # between the ends of two turns of one stage, then in the middle of a stage
    assert near(list(borrowed(system).start(config)), whole)


def test_an_answer_that_was_cut_off_comes_after_all(lender: Lender, system: rm.System) -> None:
    config = system.config(QUESTION, rounds=1, max_new_tokens=4)
    whole = list(system.start(config))
    lender.results = [len(whole) - 1]
    assert near(list(borrowed(system).start(config)), whole)


def test_time_that_ends_before_a_turn_does_is_said_once(lender: Lender, system: rm.System) -> None:
    live = borrowed(system).start(system.config(QUESTION, rounds=1))
    lender.results = [2]
    events = [next(live), next(live)]
    with pytest.raises(RunInterrupted, match="before a turn was finished"):
        next(live)
    assert same([*events, next(live)], list(system.start(system.config(QUESTION, rounds=1)))[:3])


def test_more_time_is_asked_for_after_it_was_too_short(lender: Lender, system: rm.System) -> None:
    live = borrowed(system).start(system.config(QUESTION, rounds=1))
    lender.results = [2]
    list(zip(range(2), live, strict=False))
    with pytest.raises(RunInterrupted):
        next(live)
    next(live)
    assert lender.asked[1] > lender.asked[0]


def test_after_a_refusal_no_more_is_asked_for(lender: Lender, system: rm.System) -> None:
    live = borrowed(system).start(system.config(QUESTION, rounds=1))
    lender.refusal = "No GPU was available"
    with pytest.raises(RunInterrupted):
        next(live)
    lender.refusal = ""
    next(live)
    assert lender.asked[1] == lender.asked[0]


def test_a_turn_that_comes_out_otherwise_is_an_error(system: rm.System) -> None:
    config = system.config(QUESTION, rounds=1)
    first, calls = list(system.start(config))[:2], []

    def borrow(trace: Trace, tries: int) -> Iterator[Event | Failed]:
        calls.append(tries)
        if len(calls) == 1:
            yield from first
            return
        thought = first[1]
        assert isinstance(thought, Thought)
        yield first[0]
        yield replace(thought, hidden=-thought.hidden)

    run = ZeroRun(borrow, Trace(config, "sequential"), 3)  # type: ignore[arg-type]
    assert same([next(run), next(run)], first)
    with pytest.raises(RunInterrupted):
        next(run)
    with pytest.raises(RunChanged):
        next(run)


def test_rounding_is_no_difference(system: rm.System) -> None:
    thought = next(e for e in system.start(system.config(QUESTION, rounds=1)) if isinstance(e, Thought))
    assert alike(thought, replace(thought, hidden=thought.hidden * np.float32(1.01), seconds=9.0))


def test_another_token_is_a_difference(system: rm.System) -> None:
    config = system.config(QUESTION, rounds=1, max_new_tokens=2)
    token = next(e for e in system.start(config) if isinstance(e, Token))
    assert not alike(token, replace(token, id=token.id + 1))


# A visitor's session


def _begun(entry: Entry) -> Session:
    session = Session()
    job = Choices(QUESTION, 2, 2, 0, "latent").job(entry.system)
    session.begin(job, entry.system.pattern, entry.start(job.config))
    return session


def _entry(system: rm.System) -> Entry:
    return Entry(system, Notes(system), Atlas({}), borrowed(system))


def test_a_run_that_was_paused_goes_on(lender: Lender, system: rm.System) -> None:
    session = _begun(_entry(system))
    for _ in range(4):
        list(session.events(one_step, epoch=session.command()))
    list(session.events(whole_run, epoch=session.command()))
    trace = session.moment.trace
    assert trace is not None
    assert same(list(trace.events), list(system.start(trace.config)))


def test_a_session_keeps_a_run_whose_gpu_was_taken(lender: Lender, system: rm.System) -> None:
    session = _begun(_entry(system))
    lender.results = [2]
    with pytest.raises(RunInterrupted):
        list(session.events(whole_run, epoch=session.command()))
    assert session.running
    list(session.events(whole_run, epoch=session.command()))
    assert session.moment.trace is not None
    assert near(list(session.moment.trace.events), list(system.start(session.moment.trace.config)))


def test_a_reset_ends_the_work_there(lender: Lender, system: rm.System) -> None:
    entry = _entry(system)
    session = _begun(entry)
    list(session.events(one_step, epoch=session.command()))
    session.reset()
    assert [worker.fit for worker in lender.workers] == [True]


def test_an_entry_solves_where_its_runs_go(lender: Lender, system: rm.System) -> None:
    config = system.config(QUESTION, rounds=1, max_new_tokens=4)
    assert _entry(system).solve(config).answer == system.drain(Trace(config, system.pattern.name)).answer
    assert len(lender.asked) == 1


def test_a_changed_run_goes_on_there_from_the_turn_that_was_changed(lender: Lender, system: rm.System) -> None:
    trace = system.solve(QUESTION, rounds=2, max_new_tokens=4)
    edits = rm.cut_edits(system.pattern, 3, system.pattern.edges[0].key)
    entry = _entry(system)
    found = list(entry.resume(trace, 2, edits, rounds=3))
    assert len(lender.asked) == 1
    assert near(found, list(system.resume(trace, 2, edits, rounds=3)))
    assert not near(found, list(system.resume(trace, 2, rounds=3)))
    with pytest.raises(BadInput, match="does not send"):
        entry.resume(trace, 2, (rm.Edit(0, "zero", receiver="nobody"),))
    assert len(lender.asked) == 1


def test_trained_links_run_there_too(lender: Lender, system: rm.System) -> None:
    twin = _entry(system).like(system.with_links({}))
    assert twin.borrowed is not None


def test_an_embedded_system_runs_here(lender: Lender, system: rm.System) -> None:
    entry = Entry(system, Notes(system), Atlas({}))
    entry.solve(system.config(QUESTION, rounds=1, max_new_tokens=3))
    assert lender.asked == []


# How long


def _config(system: rm.System, **options: Any) -> RunConfig:
    return system.config(QUESTION, **{"rounds": 3, "latent_steps": 100, "max_new_tokens": 200, **options})


def _seconds(system: rm.System, done: Trace | None = None, tries: int = 0, **options: Any) -> int:
    return gpu_seconds(system, done or Trace(_config(system, **options), system.pattern.name), tries)


@pytest.mark.parametrize(
    "more", [{"rounds": 4}, {"latent_steps": 128}, {"max_new_tokens": 400}, {"mode": "text"}, {"tries": 1}]
)
def test_more_work_asks_for_more_time(system: rm.System, more: dict[str, Any]) -> None:
    assert _seconds(system, **more) > _seconds(system)


def test_larger_agents_ask_for_more_time(system: rm.System, monkeypatch: pytest.MonkeyPatch) -> None:
    small = _seconds(system)
    monkeypatch.setattr("visualizers.panels.zero_time._bytes", lambda agent: 8_000_000_000)
    assert _seconds(system) > small


def test_finished_turns_ask_for_none(system: rm.System) -> None:
    config = _config(system, max_new_tokens=3)
    live, trace = system.start(config), Trace(config, system.pattern.name)
    while len(trace.turns) < 2:
        trace = trace.append(next(live))
    live.close()
    assert gpu_seconds(system, trace) < gpu_seconds(system, Trace(config, system.pattern.name))


def test_the_formula(system: rm.System) -> None:
    # start 8, 9 turns at 1, 8 of them 100 thoughts and one 200 tokens at 0.035; the weights are next to nothing
    assert _seconds(system) == pytest.approx(8 + 9 + 35, abs=1)


@pytest.mark.parametrize(
    ("options", "bound"),
    [({"rounds": 1, "latent_steps": 1, "max_new_tokens": 1}, LEAST), ({"rounds": 6, "mode": "text"}, MOST)],
)
def test_time_has_bounds(system: rm.System, options: dict[str, Any], bound: int) -> None:
    assert _seconds(system, **options) == bound


# Where this is no ZeroGPU


def test_a_space_without_the_variable_is_none(lender: Lender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACES_ZERO_GPU")
    assert not zero.zero_available()


def test_without_the_package_nothing_of_it_is_used(tmp_path: Path) -> None:
    code = (
        "import sys, importlib.util as util; found = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'spaces' else found(name, *rest)\n"
        "import app; from visualizers.panels.zero import prepare_zero; prepare_zero(); print('spaces' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True,
        env={"PATH": "", "HOME": str(tmp_path), "SPACES_ZERO_GPU": "true"},
    )  # fmt: skip
    assert done.stdout.strip() == "False"


def test_a_page_that_is_launched_has_decorated_something(lender: Lender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_CPU", "")  # put back after the test
    zero.prepare_zero()
    assert len(lender.decorated) == 1


# Opening and training


def test_the_gpu_is_offered_first(lender: Lender) -> None:
    assert devices() == ["cuda:0", "cpu"]


@pytest.mark.parametrize(("device", "there"), [("cuda:0", True), ("cpu", False)])
def test_only_what_is_opened_for_the_gpu_goes_there(lender: Lender, device: str, there: bool) -> None:
    assert is_borrowed(Wanted("released:sequential_light", device=device)) is there


def test_the_outlook_asks_no_gpu(lender: Lender) -> None:
    form = OpenForm("released:sequential_light", "math", "cuda:0", "bfloat16", ())
    assert "device" not in outlook(form, ENGLISH)


def test_fewer_bits_are_refused(lender: Lender) -> None:
    with pytest.raises(BadInput, match="ZeroGPU"):
        _ = OpenForm("released:sequential_light", "math", "cuda:0", "4", ()).placement


def test_agents_that_are_too_large_are_refused(
    lender: Lender, system: rm.System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zero, "ROOM", 1000)
    with pytest.raises(TooLarge, match="ZeroGPU"):
        borrowed(system)


def test_the_train_tab_says_where_a_training_goes() -> None:
    from visualizers.panels.catalogue import read_catalogue

    assert "on the processor" in form_html(read_catalogue(), None, Filled(), ENGLISH, note="It goes on the processor.")
