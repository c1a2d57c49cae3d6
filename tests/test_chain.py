"""The chain world against examples worked out by hand and against a plain calculation."""

from __future__ import annotations

import itertools
import re

import pytest

import recmas_core as rm
from recmas_core.tasks.chain import MAX_STEPS, VOCABULARY, Chain, ChainTask, parse_chain
from recmas_core.tasks.splits import split_of

TASK = rm.TASKS["chain"]


def calculate(question: str) -> list[int]:
    """All values of a question, by a route of its own: take the words apart and compute."""
    words = re.sub(r"s\d+ ", "", question.removeprefix("start ")).split()
    value = int(words[0])
    values = [value]
    for sign, operand in zip(words[1::2], words[2::2], strict=True):
        value = {"+": value + int(operand), "-": value - int(operand), "*": value * int(operand)}[sign] % 10
        values.append(value)
    return values


BY_HAND = [
    ("7 + 3", "start 7 s1 + 3", "0"),
    ("7 + 3 * 7 - 4", "start 7 s1 + 3 s2 * 7 s3 - 4", "6"),  # 10 -> 0, 0, -4 -> 6
    ("2 - 9 * 3", "start 2 s1 - 9 s2 * 3", "9"),  # -7 -> 3, 9
    ("start 9 s1 * 9 s2 * 9", "start 9 s1 * 9 s2 * 9", "9"),  # 81 -> 1, 9
    ("5−3×7", "start 5 s1 - 3 s2 * 7", "4"),  # 2, 14 -> 4
    ("  Start 1 S1 + 1 ;", "start 1 s1 + 1", "2"),
]


@pytest.mark.parametrize(("typed", "question", "answer"), BY_HAND)
def test_by_hand(typed: str, question: str, answer: str) -> None:
    reading = TASK.read(typed)
    assert (reading.question, reading.answer) == (question, answer)


@pytest.mark.parametrize(
    "typed", ["", "7", "7 +", "+ 7 3", "7 3 + 2", "12 + 3", "7 / 3", "7 + x", "What is love?", "7 + 3 and more"]
)
def test_what_is_no_chain(typed: str) -> None:
    assert parse_chain(typed) is None
    reading = TASK.read(typed)
    assert reading.answer is None
    assert reading.question == typed
    assert "Outside" in reading.note


def test_notes_say_what_agents_were_not_taught() -> None:
    assert "3 steps: needs 1 round." in TASK.read("7 + 3 * 7 - 4").note
    assert "needs 2 rounds" in TASK.read("1 + 1 + 1 + 1 + 1").note
    assert "never saw '* 4'" in TASK.read("7 * 4").note
    assert "never saw '+ 0'" in TASK.read("7 + 0").note
    long = TASK.read("1" + " + 1" * (MAX_STEPS + 1))
    assert f"up to {MAX_STEPS} steps" in long.note
    assert long.answer == "1"  # 1 + 10 = 11


@pytest.mark.parametrize("split", ["train", "test"])
def test_samples_are_right_distinct_and_repeatable(split: str) -> None:
    examples = TASK.sample(400, seed=5, split=split)
    assert examples == TASK.sample(400, seed=5, split=split)
    assert examples[:100] != TASK.sample(100, seed=6, split=split)
    questions = [example.question for example in examples]
    assert len(set(questions)) == 400
    for example in examples:
        assert split_of(example.question) == split
        assert example.answer == str(calculate(example.question)[-1])
        assert set(example.question.split()) <= set(VOCABULARY)
    assert {(len(q.split()) - 2) // 3 for q in questions} == set(range(3, MAX_STEPS + 1))


def test_splits_share_no_question() -> None:
    """Whatever the seeds."""
    test = {e.question for seed in range(5) for e in TASK.sample(600, seed=seed, split="test")}
    train = {e.question for seed in range(5) for e in TASK.sample(600, seed=seed, split="train")}
    assert len(test) > 2000
    assert not test & train
    short = ChainTask(lengths=(1,))
    everything = [Chain(s, ((o, n),)).question for s in range(10) for o, ns in
                  (("+", range(1, 10)), ("-", range(1, 10)), ("*", (3, 7, 9))) for n in ns]  # fmt: skip
    shares = [split_of(question) for question in everything]
    assert 0.1 < shares.count("test") / len(shares) < 0.3
    assert {e.question for e in short.sample(20, split="test")} < set(everything)


@pytest.mark.parametrize(("n", "split"), [(3, "validation"), (-1, "test")])
def test_bad_samples(n: int, split: str) -> None:
    with pytest.raises(rm.BadInput):
        TASK.sample(n, split=split)


def test_targets_carry_the_chain_one_step_a_turn() -> None:
    for example in TASK.sample(60, seed=1):
        values = calculate(example.question)
        steps = re.findall(r"(s\d+) (.) (\d)", example.question)
        order = [(round_, role) for round_ in range(6) for role in ("planner", "critic", "solver")]
        for turn, (round_, role) in enumerate(order):
            text = example.targets[role][round_]
            if turn < len(steps):
                name, sign, operand = steps[turn]
                assert text == f"{name} = {values[turn + 1]} since {values[turn]} {sign} {operand}"
            else:
                assert text == f"s{len(steps)} = {values[-1]} since chain is done"
                assert text.split()[2] == example.answer


def test_the_grader() -> None:
    example = rm.Example("start 7 s1 + 3", "0", {})
    assert TASK.grade(example, "0")
    assert TASK.grade(example, " 0 since 7 + 3")
    for wrong in ("", " ", "10", "00", "1", "s1 = 0", "7 0"):
        assert not TASK.grade(example, wrong)


def test_transplants_by_brute_force() -> None:
    examples = TASK.sample(40, seed=2)
    seen = {"answer": 0, "none": 0}
    for example, donor in itertools.product(examples, examples[:12]):
        own, theirs = calculate(example.question), calculate(donor.question)
        steps = re.findall(r"s\d+ (.) (\d)", example.question)
        for turn in range(8):
            implied = TASK.transplant(example, donor, turn)
            step = turn + 1
            if step >= len(own) - 1 or step >= len(theirs) or own[step] == theirs[step]:
                assert implied is None
                seen["none"] += 1
                continue
            rest = " ".join(f"{sign} {operand}" for sign, operand in steps[step:])
            assert implied == str(calculate(f"start {theirs[step]} {rest}")[-1])
            seen["answer"] += 1
    assert min(seen.values()) > 100


def test_multiplication_keeps_every_value_apart() -> None:
    """Units modulo 10: another value in the middle always means another answer."""
    for example, donor in itertools.pairwise(TASK.sample(100, seed=3)):
        implied = TASK.transplant(example, donor, 0)
        assert implied is None or implied != example.answer
