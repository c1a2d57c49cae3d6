"""The commands intervene and influence: what they print, and how they refuse."""

from __future__ import annotations

import re

import pytest

import recmas_core as rm
from recmas_core.__main__ import main

QUESTION = "start 7 s1 + 5 s2 * 7 s3 - 1 s4 + 9 s5 * 3"
ROUNDS = ["--rounds", "2"]


def run(system: rm.System) -> rm.Trace:
    return system.solve(QUESTION, rounds=2)


def follow(system: rm.System, trace: rm.Trace, turn: int, *edits: rm.Edit) -> rm.Trace:
    branch = trace.fork(turn, edits=edits)
    for event in system.resume(trace, turn, edits):
        branch = branch.append(event)
    return branch


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["intervene", QUESTION, *ROUNDS, *arguments]) == 0
    return capsys.readouterr().out


def test_both_branches_with_the_differences_marked(capsys: pytest.CaptureFixture[str]) -> None:
    system = rm.load_system("sequential")
    trace = run(system)
    branch = follow(system, trace, 1, rm.Edit(1, "zero", (2,)))
    out = printed(capsys, "--turn", "1", "--zero", "--positions", "2")
    assert "positions 2 of turn 1 (critic, round 1) for solver: set to zero" in out
    assert f"  answer as it was:  {trace.answer}   (true answer 6)\n* answer changed:    {branch.answer}\n" in out
    turns = re.findall(r"turn (\d) ", out.split("\n\n", 2)[2])
    assert turns == ["2", "3", "4", "5"]  # nothing before them can differ
    for turn in (2, 3, 4):
        agent = system.agents[trace.turns[turn].role]
        old, new = (rm.lens(agent, each.turns[turn].thoughts, 1) for each in (trace, branch))
        block = next(part for part in out.split("\n\n") if part.startswith(f"turn {turn} "))
        for line, (one,), (other,) in zip(block.splitlines()[1:], old, new, strict=True):
            assert line.split()[-5:-1] == [one.text, f"{one.score:.2f}", other.text, f"{other.score:.2f}"]
            assert line.startswith("*") == (one.text != other.text)
    assert "\n* position" in out


def test_a_change_that_changes_nothing_marks_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "--turn", "1", "--scale", "1")
    assert "times 1" in out
    assert not [line for line in out.splitlines() if line.startswith("* ") and "marks" not in line]


def test_a_swap_says_what_the_other_value_leads_to(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "--turn", "0", "--swap", "5 + 6 + 1")
    assert "taken from '5 + 6 + 1'" in out
    assert "leads to 5: it follows" in out  # 1 * 7 = 7, 6, 15, 5 * 3 = 15
    assert "* answer changed:    5\n" in out


def test_words_in_place_of_thoughts(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "--turn", "0", "--set", "s1 = 4")
    assert "for critic: set to s1 | = | 4\n" in out
    assert "* answer changed:    8\n" in out


def test_a_cut_link_and_noise_for_one_receiver(capsys: pytest.CaptureFixture[str]) -> None:
    system = rm.load_system("sequential")
    cut = follow(system, run(system), 3, rm.Edit(3, "zero", receiver="critic"))
    out = printed(capsys, "--turn", "3", "--cut", "planner>critic")
    assert "the link planner>critic is cut from turn 3 on" in out
    assert f"answer changed:    {cut.answer}\n" in out
    noisy = follow(system, run(system), 0, rm.Edit(0, "noise", value=2.0, receiver="critic"))
    out = printed(capsys, "--noise", "2", "--receiver", "critic")
    assert "for critic: noise of 2 times their size" in out
    assert f"answer changed:    {noisy.answer}\n" in out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--turn", "5", "--zero"], "turn 5"),
        (["--turn", "9", "--zero"], "turn"),
        (["--turn", "-1", "--zero"], "turn"),
        (["--zero", "--positions", "3"], "position"),
        (["--zero", "--receiver", "solver"], "solver"),
        (["--set", "seven"], "'seven'"),
        (["--cut", "planner>solver"], "planner>solver"),
        (["--cut", "planner"], "planner"),
        (["--cut", "planner>critic", "--turn", "4"], "sends nothing"),
        (["--cut", "planner>critic", "--positions", "1"], "positions"),
        (["--swap", ""], "empty"),
    ],
)
def test_what_does_not_fit_is_one_line_and_status_2(
    arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["intervene", QUESTION, *ROUNDS, *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert word in error
    assert error.count("\n") == 1


def test_one_change_at_a_time() -> None:
    for arguments in ([], ["--zero", "--noise", "1"]):
        with pytest.raises(SystemExit):
            main(["intervene", QUESTION, *arguments])


def test_influence_prints_every_drop(capsys: pytest.CaptureFixture[str]) -> None:
    system = rm.load_system("sequential")
    trace = run(system)
    found = rm.influence(system, trace, "6")
    assert main(["influence", QUESTION, *ROUNDS]) == 0
    out = capsys.readouterr().out
    assert f"scored: '6', 1 token, log-probability {found.logprob:.4f} nats" in out
    rows = [line.strip("| ").split(" | ") for line in out.splitlines() if re.match(r"\| \d", line)]
    assert [row[:3] for row in rows] == [[str(t.index), str(t.round), t.role] for t in trace.turns[:-1]]
    for row, drops, whole, turn in zip(rows, found.drops, found.turn_drops, trace.turns, strict=False):
        words = [each[0].text for each in rm.lens(system.agents[turn.role], turn.thoughts, 1)]
        assert [float(cell.split()[0]) for cell in row[3:]] == pytest.approx([*drops, whole], abs=6e-4)
        assert [cell.split()[1] for cell in row[3:-1]] == [f"({word})" for word in words]


def test_influence_on_another_answer_and_outside_the_world(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["influence", QUESTION, *ROUNDS, "--answer", "3"]) == 0
    assert "scored: '3', 1 token" in capsys.readouterr().out
    assert main(["influence", "critic done", "--rounds", "1"]) == 0
    assert "scored: " in capsys.readouterr().out  # what it said itself
    assert main(["influence", QUESTION, *ROUNDS, "--answer", "three"]) == 2
    assert "'three'" in capsys.readouterr().err
