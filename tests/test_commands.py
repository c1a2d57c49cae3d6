"""The command line: what it prints, and how it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

import recmas_core as rm
from recmas_core.__main__ import main

QUESTION = "start 4 s1 + 9 s2 * 3"


def test_run_prints_the_answer_that_solve_gives(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    saved = tmp_path / "run.npz"
    assert main(["run", QUESTION, "--rounds", "1", "--save", str(saved)]) == 0
    trace = rm.load_system("sequential").solve(QUESTION, rounds=1)
    assert f"answer: {trace.answer}" in capsys.readouterr().out
    assert rm.Trace.load(str(saved)).answer == trace.answer


@pytest.mark.parametrize(
    ("arguments", "word"),
    [([""], "empty"), ([QUESTION, "--rounds", "9"], "rounds"), ([QUESTION, "--system", "nowhere"], "nowhere")],
)
def test_bad_input_is_one_line_and_status_2(
    arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ")
    assert word in printed.err
    assert printed.err.count("\n") == 1


def test_run_prints_each_tool_call(capsys: pytest.CaptureFixture[str]) -> None:
    question = "When was Vesk founded, plus 48?"
    assert main(["run", question, "--system", "deliberation", "--rounds", "1"]) == 0
    printed = capsys.readouterr().out
    trace = rm.load_system("deliberation").solve(question, rounds=1)
    assert len(trace.turns[-1].tool_calls) == 2
    for call in trace.turns[-1].tool_calls:
        assert f"{call.tool}: {call.call}  gives  {call.result}" in printed
    assert main(["run", question, "--system", "deliberation", "--rounds", "1", "--no-tools"]) == 0
    assert "gives" not in capsys.readouterr().out


def test_run_prints_text_turns_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """Turns made side by side are printed one under the other, each in one piece."""
    question = "s1 7 + 5 - 3 s2 max with 6"
    assert main(["run", question, "--system", "mixture", "--rounds", "1", "--mode", "text"]) == 0
    printed = capsys.readouterr().out
    trace = rm.load_system("mixture").solve(question, rounds=1, mode="text")
    assert len(trace.turns) == 4
    for turn in trace.turns:
        assert f"  {turn.role}: {turn.text}\n" in printed
