"""Traces from anywhere: those that a system can have made are taken, all others refused in words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import QUESTION, deliberating, tiny_pattern_system

import recmas_core as rm
from recmas_core.fitting import check_fits
from recmas_core.storage import load_noted, save_trace

OPTIONS = {"rounds": 2, "latent_steps": 2, "max_new_tokens": 6}


@pytest.fixture(scope="module")
def run(system: rm.System) -> rm.Trace:
    return system.solve(QUESTION, **OPTIONS)


@pytest.mark.parametrize("mode", ["latent", "text"])
@pytest.mark.parametrize("pattern", ["sequential", "mixture", "distillation", "loop3"])
def test_every_run_fits_its_system_at_every_moment(pattern: str, mode: str) -> None:
    own = tiny_pattern_system(rm.patterns.get_pattern(pattern))
    trace = own.solve(QUESTION, mode=mode, **OPTIONS)
    for end in range(len(trace.events) + 1):
        check_fits(replace(trace, events=trace.events[:end]), own)


def test_a_run_with_tool_calls_fits() -> None:
    own = deliberating(("qwen3", "llama"), seed=5)
    trace = own.solve(QUESTION, rounds=2, latent_steps=2, max_new_tokens=60)
    assert any(isinstance(event, rm.ToolCall) for event in trace.events)
    check_fits(trace, own)


def changed(trace: rm.Trace, at: int, **changes: Any) -> rm.Trace:
    events = list(trace.events)
    events[at] = replace(events[at], **changes)
    return replace(trace, events=tuple(events))


def test_what_does_not_fit_is_refused(system: rm.System, run: rm.Trace) -> None:
    first = next(i for i, e in enumerate(run.events) if isinstance(e, rm.Thought))
    hop = next(i for i, e in enumerate(run.events) if isinstance(e, rm.Transfer))
    end = next(i for i, e in enumerate(run.events) if isinstance(e, rm.TurnDone))
    turn = run.turns[0]
    wide, nan = np.zeros(7, np.float32), np.full_like(turn.thoughts[0], np.nan)
    for other in (
        replace(run, pattern="mixture"),
        replace(run, events=run.events[1:]),
        replace(run, events=run.events[::-1]),
        replace(run, events=(*run.events, run.events[-1])),
        replace(run, events=(run.events[0], *run.events)),
        replace(run, events=(run.events[0], run.events[-1])),
        replace(run, config=replace(run.config, rounds=1)),
        replace(run, config=replace(run.config, latent_steps=1)),
        changed(run, 0, role="critic"),
        changed(run, 0, turn=99),
        changed(run, 0, prompt=(rm.Segment((), "king"),)),
        changed(run, first, step=3),
        changed(run, first, hidden=wide),
        changed(run, first, embed=nan),
        changed(run, hop, receiver="solver"),
        changed(run, hop, vectors=turn.thoughts[:1]),
        changed(run, end, turn=replace(turn, thoughts=turn.thoughts[:1])),
        changed(run, end, turn=replace(turn, sent={"king": turn.thoughts})),
        changed(run, end, turn=replace(turn, tokens=(1,))),
    ):
        with pytest.raises(rm.BadInput):
            check_fits(other, system)


def test_another_systems_run_is_refused(run: rm.Trace) -> None:
    with pytest.raises(rm.BadInput, match="another width"):
        check_fits(run, tiny_pattern_system(rm.PATTERNS["sequential"], ("llama", "llama", "llama")))


def test_a_note_is_kept_beside_the_run(run: rm.Trace, tmp_path: Path) -> None:
    save_trace(run, tmp_path / "run.npz", note="rounds=2")
    trace, note = load_noted(tmp_path / "run.npz")
    assert (trace.answer, note) == (run.answer, "rounds=2")
    assert rm.Trace.load(str(tmp_path / "run.npz")).answer == run.answer


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rounds", "2"), ("rounds", True), ("temperature", float("nan")), ("edits", [1]), ("question", 3),
        ("events", 3), ("events", [{"class": "RunConfig", "fields": {"question": "x"}}]), ("pattern", None),
        ("king", 1),
    ],
    ids=str,
)  # fmt: skip
def test_a_file_whose_fields_are_of_other_types_is_refused(
    run: rm.Trace, tmp_path: Path, name: str, value: object
) -> None:
    path = tmp_path / "run.npz"
    run.save(str(path))
    with np.load(path) as stored:
        arrays = {key: stored[key] for key in stored.files}
    header = json.loads(str(arrays.pop("header")))
    fields = header["trace"]["fields"]
    (fields if name in ("events", "pattern", "king") else fields["config"]["fields"])[name] = value
    np.savez(path, header=np.array(json.dumps(header)), **arrays)
    with pytest.raises(rm.RecmasError):
        rm.Trace.load(str(path))
