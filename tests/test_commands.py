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
