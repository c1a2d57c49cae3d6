"""The retry as it is seen: in the trace and its files, on the page, in saved systems and on the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from english import ENGLISH
from test_retry import OPTIONS, RETRY, boxing, loud, scripted
from test_run import assert_same
from tiny import QUESTION

import recmas_core as rm
from recmas_core import storage
from recmas_core.__main__ import main
from recmas_core.manifest import read_manifest
from visualizers.panels import render
from visualizers.panels.beats import one_step
from visualizers.panels.choices import Choices
from visualizers.panels.moments import scene
from visualizers.panels.notes import Notes
from visualizers.panels.saying import status
from visualizers.panels.session import Session
from visualizers.panels.telling import describe


@pytest.fixture
def run() -> rm.Trace:
    return scripted(boxing(), "s1 7 <eos> 4 }").solve(QUESTION, **OPTIONS)


def test_text_and_tokens_can_be_put_together_again(run: rm.Trace) -> None:
    turn, agent = run.turns[-1], boxing().agents["learner"]
    ((at, words),) = turn.prompted
    assert turn.text == f"{agent.decode(turn.tokens[:at])}{words} {agent.decode(turn.tokens[at:])}"
    assert run.decoded_tokens == len(turn.tokens) == 5


def test_the_last_token_of_a_turn_is_known_as_such(run: rm.Trace) -> None:
    tokens = [event for event in run.events if isinstance(event, rm.Token)]
    assert [token.end for token in tokens] == [False, False, True, False, False]
    assert [token.last for token in tokens] == [False, False, False, False, True]


def test_save_and_load(run: rm.Trace, tmp_path: Path) -> None:
    run.save(str(tmp_path / "run.npz"))
    again = rm.Trace.load(str(tmp_path / "run.npz"))
    assert_same(run, again)
    assert again.turns[-1].prompted == ((3, RETRY.text),)
    assert [e for e in again.events if isinstance(e, rm.Prompted)] == [rm.Prompted(1, 1, "learner", RETRY.text)]


def test_files_from_before_the_retry_still_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, pack = scripted(boxing(retry=None), "7 <eos>").solve(QUESTION, **OPTIONS), storage._pack

    def old(value: object, arrays: list[np.ndarray]) -> object:
        packed = pack(value, arrays)
        if isinstance(value, rm.Turn):
            del packed["fields"]["prompted"]
        if isinstance(value, rm.Token):
            del packed["fields"]["last"]
        return packed

    monkeypatch.setattr(storage, "_pack", old)
    plain.save(str(tmp_path / "run.npz"))
    monkeypatch.undo()
    again = rm.Trace.load(str(tmp_path / "run.npz"))
    assert again.turns[-1].prompted == ()
    assert again.answer == plain.answer


def test_the_page_tells_what_was_put_there_from_what_was_said(run: rm.Trace) -> None:
    system = boxing()
    screen = render.render(scene(system.pattern, run, None, 1, ENGLISH), Notes(system), None, None)
    before, put, after = screen.table.partition('<div class="recmas-put">')
    assert put
    assert RETRY.text.strip() in after.split("</div>")[0]
    assert (before.count("data-step"), after.count("data-step")) == (3, 2)


def test_the_page_says_what_happened(run: rm.Trace) -> None:
    at = next(i for i, event in enumerate(run.events, 1) if isinstance(event, rm.Prompted))
    view = scene(boxing().pattern, replace(run, events=run.events[:at]), None, 1, ENGLISH)
    said = f"Learner gave no answer in a box; “{RETRY.text.strip()}” was put behind its text."
    assert said in status(view, running=True)


def test_the_page_tells_programs_too() -> None:
    event = rm.Prompted(1, 1, "learner", RETRY.text)
    told = {"type": "prompted", "turn": 1, "round": 1, "role": "learner", "text": RETRY.text}
    assert describe(event, Notes(boxing())) == told


def test_a_retry_is_stepped_one_by_one() -> None:
    system, session = scripted(boxing(), "s1 <eos> 4 }"), Session()
    job = Choices(QUESTION, 1, 2, 0).job(system)
    session.begin(job, system.pattern, system.start(job.config))
    steps = []
    while not session.moment.finished:
        made = list(session.events(one_step, epoch=session.command()))
        steps.append([type(e) for e in made if isinstance(e, rm.Token | rm.Prompted | rm.Answer)])
    assert steps[-5:] == [[rm.Token], [rm.Token], [rm.Prompted], [rm.Token], [rm.Token, rm.Answer]]


def test_a_saved_system_keeps_it_and_the_command_line_prints_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    system = loud(boxing(), seed=0)
    system.save(tmp_path / "mine")
    assert read_manifest(tmp_path / "mine").prompts == system.prompts
    trace = rm.load_system(str(tmp_path / "mine")).solve(QUESTION, rounds=1)
    assert trace.turns[-1].prompted
    assert main(["run", QUESTION, "--system", str(tmp_path / "mine"), "--rounds", "1"]) == 0
    assert f"learner  gave no answer in a box; put behind its words:{RETRY.text}" in capsys.readouterr().out
