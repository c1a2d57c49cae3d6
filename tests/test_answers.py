"""Answers of the wide world: which are the same as the reference."""

from __future__ import annotations

import pytest

import recmas_core as rm
from recmas_core.tasks.plain import same_answer

RIGHT = [
    ("4", "4"),
    ("18", "So he has 18 apples."),
    ("18", "Answer: 18 apples"),
    ("Reason.\n#### 1,000", "The answer is **1000**."),
    (r"So \boxed{\frac{1}{2}}.", r"\boxed{0.50}"),
    (r"\boxed{x=5}", r"Not \boxed{x=4}, but \boxed{x = 5}"),
    (r"\boxed{\text{red}}", r"\boxed{Red}"),
    (r"\boxed{90^\circ}", r"\boxed{90}"),
    (r"\boxed{\{1,2\}}", r"\boxed{\{1, 2\}} and on"),
    ("Paris", " paris.\n"),
    ("B", "The answer is (B)."),
    ("-4", "It is −4"),
]
WRONG = [
    ("4", ""),
    ("18", "180"),
    ("18", "18 or 19"),
    ("18", r"\boxed{17}, not 18"),
    ("Apollo 11", "Artemis 11"),
    ("34", "3 4"),
    ("4", "3-5"),
    (r"\boxed{3}", r"\boxed{3}, no, \boxed{2}"),
    (r"\boxed{}", r"\boxed{}"),
]


@pytest.mark.parametrize(("reference", "text"), RIGHT)
def test_the_same_answer_is_right(reference: str, text: str) -> None:
    assert same_answer(rm.Example("q", reference, {}), text)


@pytest.mark.parametrize(("reference", "text"), WRONG)
def test_another_answer_is_wrong(reference: str, text: str) -> None:
    assert not same_answer(rm.Example("q", reference, {}), text)
