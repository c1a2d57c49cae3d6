"""What a visitor does to a run: the change asked for, the branches kept, and what is forgotten. No gradio."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import recmas_core as rm
from recmas_core.records import Trace
from visualizers.panels.choices import Choices
from visualizers.panels.intervene_change import Change, Filled, change_of, donor_config, edits_of, read_filled
from visualizers.panels.intervene_session import BRANCH, KEPT, InterveneSession
from visualizers.panels.offers import Lineup
from visualizers.panels.session import Moment

QUESTION, OTHER = "start 7 s1 + 3 s2 * 7", "start 2 s1 - 9 s2 * 3"
LINEUP = Lineup("tiny", ())


def _run(system: rm.System, *, mode: str = "latent", question: str = QUESTION) -> Moment:
    job = Choices(question, 2, 3, 0, mode).job(system)
    return Moment(job=job, trace=system.drain(Trace(job.config, system.pattern.name)))


@pytest.fixture(scope="module")
def run(system: rm.System) -> Moment:
    return _run(system)


def _branch(system: rm.System, run: Moment, change: Change) -> Trace:
    assert run.trace is not None
    config = donor_config(change, system, run.trace.config)
    donor = None if config is None else system.drain(Trace(config, system.pattern.name))
    edits = edits_of(change, system, run.trace.config, donor)
    return system.drain(run.trace.fork(change.turn, edits=edits))


def _sent(trace: Trace, turn: int, receiver: str) -> Any:
    return trace.turns[turn].sent[receiver]


def test_every_kind_of_change_sends_what_it_says(system: rm.System, run: Moment) -> None:
    own = _sent(run.trace, 0, "critic")  # type: ignore[arg-type]

    def sent(**change: Any) -> Any:
        return _sent(_branch(system, run, Change(0, **change)), 0, "critic")

    assert not sent(kind="zero").any()
    assert np.array_equal(sent(kind="zero", positions=(1,)), own * np.array([[1], [0], [1]], dtype=np.float32))
    assert np.allclose(sent(kind="scale", amount=-2.0), -2 * own)
    noisy = sent(kind="noise", amount=0.5)
    assert 0.3 < np.sqrt(np.square(noisy - own).mean() / np.square(own).mean()) < 0.7
    other = _run(system, question=OTHER).trace
    assert np.array_equal(sent(kind="swap", text=OTHER), _sent(other, 0, "critic"))  # type: ignore[arg-type]
    said = sent(kind="set", text="start 7", positions=(0, 2))
    assert np.array_equal(said[1], own[1])
    words = [rm.nearest(system.agents["critic"], said, 1)[i][0].text.strip() for i in (0, 2)]
    assert words == ["start", "7"]


def test_a_cut_link_stays_cut_in_later_rounds_and_leaves_the_others(system: rm.System, run: Moment) -> None:
    branch = _branch(system, run, Change(0, "cut"))
    assert not _sent(branch, 0, "critic").any()
    assert not _sent(branch, 3, "critic").any()
    assert _sent(branch, 1, "solver").any()
    later = _branch(system, run, Change(3, "cut"))
    assert np.array_equal(_sent(later, 0, "critic"), _sent(run.trace, 0, "critic"))  # type: ignore[arg-type]


def test_a_form_says_which_change_is_asked_for(system: rm.System, run: Moment) -> None:
    assert run.trace is not None
    sent = json.dumps(
        {"kind": "noise", "which": "some", "thought-0": False, "thought-2": True, "receiver": "critic",
         "strength": "0.5", "factor": "x", "question": "", "text": ""}
    )  # fmt: skip
    change = change_of(read_filled(sent), 0, system.pattern, run.trace.config)
    assert change == Change(0, "noise", (2,), "critic", 0.5)
    assert read_filled("") == Filled()


@pytest.mark.parametrize(
    ("filled", "turn", "says"),
    [
        (Filled(kind="melt"), 0, "melt"),
        (Filled(), 5, "sends nothing"),
        (Filled(), 99, "sends nothing"),
        (Filled(which="some", ticked=frozenset()), 0, "names no thought"),
        (Filled(which="some", ticked=frozenset({7})), 0, "names thoughts"),
        (Filled(receiver="planner"), 0, "planner"),
        (Filled(kind="noise", strength="much"), 0, "strength"),
        (Filled(kind="noise", strength="-1"), 0, "strength"),
        (Filled(kind="scale", factor="nan"), 0, "factor"),
        (Filled(kind="swap"), 0, "question is empty"),
        (Filled(kind="set", text=" "), 0, "text is empty"),
        (Filled(kind="set", text="7 " * 2000), 0, "characters"),
    ],
)
def test_a_change_that_does_not_fit_is_refused(
    system: rm.System, run: Moment, filled: Filled, turn: int, says: str
) -> None:
    assert run.trace is not None
    with pytest.raises(rm.BadInput, match=says):
        change_of(filled, turn, system.pattern, run.trace.config)


def test_what_cannot_be_read_is_refused(system: rm.System, run: Moment) -> None:
    assert run.trace is not None
    with pytest.raises(rm.BadInput, match="form"):
        read_filled("[1]")
    with pytest.raises(rm.BadInput, match="own"):
        donor_config(Change(0, "swap", text=QUESTION), system, run.trace.config)


def test_another_run_makes_everything_about_the_one_before_forgotten(system: rm.System, run: Moment) -> None:
    session = InterveneSession()
    assert session.adopt(LINEUP, Moment()).lacks == "none"
    moment = session.adopt(LINEUP, run)
    assert moment.origin is not None
    assert run.trace is not None
    epoch = session.begin(BRANCH)
    session.keep(epoch, Change(0, "zero"), run.trace)
    session.choose(3, 1)
    assert session.adopt(LINEUP, run).branches, "the same run keeps its branches"
    again = session.adopt(LINEUP, _run(system))
    assert (again.branches, again.turn, again.thought, again.lacks) == ((), 0, None, "")
    assert session.adopt(LINEUP, _run(system, mode="text")).lacks == "text"
    assert session.adopt(LINEUP, replace(run, trace=run.trace.until(2))).lacks == "unfinished"


def test_the_last_branches_are_kept_under_numbers_of_their_own(run: Moment) -> None:
    session = InterveneSession()
    session.adopt(LINEUP, run)
    assert run.trace is not None
    for _ in range(KEPT + 2):
        session.keep(session.begin(BRANCH), Change(0, "zero"), run.trace)
    numbers = [branch.number for branch in session.moment.branches]
    assert numbers == list(range(3, KEPT + 3))
    session.show(5)
    assert session.moment.branch is not None
    assert session.moment.branch.number == 5
    session.forget()
    assert session.moment.branch is None
    session.keep(session.begin(BRANCH), Change(0, "zero"), run.trace)
    assert [branch.number for branch in session.moment.branches] == [KEPT + 3]


def test_a_branch_that_is_stopped_or_superseded_is_not_kept(run: Moment) -> None:
    session = InterveneSession()
    session.adopt(LINEUP, run)
    assert run.trace is not None
    first = session.begin(BRANCH, 6)
    session.grow(first, Change(0, "zero"), run.trace.until(2))
    session.progress(first, 2, 6)
    assert session.moment.work is not None
    assert (session.moment.work.done, session.moment.branch.done) == (2, False)  # type: ignore[union-attr]
    second = session.begin(BRANCH, 6)
    assert not session.goes_on(first)
    session.keep(first, Change(0, "zero"), run.trace)
    assert session.moment.branches == ()
    session.grow(second, Change(1, "zero"), run.trace.until(2))
    assert session.stop()
    assert (session.moment.branches, session.moment.work) == ((), None)
    assert not session.stop(second)


def test_who_has_gone_wants_nothing_any_more(run: Moment) -> None:
    session = InterveneSession()
    session.adopt(LINEUP, run)
    epoch = session.begin(BRANCH)
    session.close()
    assert not session.goes_on(epoch)
    assert session.moment.origin is None
