"""The three younger worlds: true answers recomputed another way, messages that carry the work, typed questions."""

from __future__ import annotations

import itertools
import random
import re

import pytest

from recmas_core.errors import BadInput
from recmas_core.tasks import TASKS, AlmanacTask, FieldsTask, FormulaTask, Task
from recmas_core.tasks.almanac import FACTS, PHRASES, TOWNS, corpus, parse_sum
from recmas_core.tasks.fields import ELEMENTS, FIELDS, PLANETS, draw_question, parse_question
from recmas_core.tasks.formula import ELEMENTS as TABLE
from recmas_core.tasks.formula import parse_formula
from recmas_core.tasks.splits import split_of

YOUNG = [TASKS[name] for name in ("fields", "formula", "almanac")]
worlds = pytest.mark.parametrize("task", YOUNG, ids=lambda task: task.name)
WORDS_OF_A_MESSAGE = 4


@worlds
def test_samples_are_repeatable_distinct_and_held_out(task: Task) -> None:
    one, same, other = (task.sample(300, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one != other
    assert len({example.question for example in one}) == 300
    assert {split_of(example.question) for example in one} == {"test"}
    assert {split_of(example.question) for example in task.sample(50, split="train")} == {"train"}


@worlds
def test_what_cannot_be_sampled_is_refused(task: Task) -> None:
    with pytest.raises(BadInput, match="split"):
        task.sample(1, split="all")
    with pytest.raises(BadInput, match="n"):
        task.sample(-1)


@worlds
def test_a_question_reads_back_to_its_own_answer(task: Task) -> None:
    for example in task.sample(400, seed=3):
        reading = task.read(example.question)
        assert (reading.question, reading.answer) == (example.question, example.answer)
        assert task.grade(example, example.answer)
        assert not task.grade(example, "")
        assert not task.grade(example, str(int(example.answer) + 1))


@worlds
@pytest.mark.parametrize(
    "text", ["hello", "", "s1", "p1", "What is?", "7", "s1 max [ ]", "p1 0 carbon", "How tall is Rome?"]
)
def test_what_is_outside_the_world_is_said_to_be(task: Task, text: str) -> None:
    reading = task.read(text)
    assert reading.answer is None
    assert reading.question == text
    assert "Outside" in reading.note


@worlds
def test_messages_have_as_many_words_as_there_are_thoughts(task: Task) -> None:
    for example in task.sample(200, seed=4):
        for said in example.targets.values():
            assert len(said) == 6
            assert {len(message.split()) for message in said} == {WORDS_OF_A_MESSAGE}


def by_hand(text: str) -> int:
    """A fields question worked out from its words alone, in another way than the world's own."""
    value = 0
    for part in re.split(r"s\d ", text)[1:]:
        words = part.split()
        if words[0] in ("protons", "place"):
            table = ELEMENTS if words[0] == "protons" else PLANETS
            ranks = [table.index(word) + 1 for word in words[3:]]
            value = max(ranks) if words[2] in ("heaviest", "farthest") else min(ranks)
        elif words[0] in ("max", "min", "first", "last") and words[1] == "[":
            numbers = list(map(int, words[2:-1]))
            value = {"max": max(numbers), "min": min(numbers), "first": numbers[0], "last": numbers[-1]}[words[0]]
        elif words[0] in ("max", "min", "gap"):
            other = int(words[2])
            value = {"max": max(value, other), "min": min(value, other), "gap": abs(value - other)}[words[0]]
        else:
            total = value
            if words[0].isdigit():
                total, words = int(words[0]), words[1:]
            for sign, number in zip(words[::2], words[1::2], strict=True):
                total = {"+": total + int(number), "-": total - int(number), "*": total * int(number)}[sign]
            value = total % 10
    return value


def test_answers_of_the_fields_are_right() -> None:
    for example in TASKS["fields"].sample(500, seed=5):
        assert int(example.answer) == by_hand(example.question)


def test_each_field_answers_its_own_steps_only() -> None:
    """In every round just the specialist of the step at hand gives a value; the others name him."""
    for example in TASKS["fields"].sample(300, seed=6):
        question = parse_question(example.question)
        assert question is not None
        for round_, step in enumerate(question.steps):
            said = {field: example.targets[field][round_] for field in FIELDS}
            assert {field for field, words in said.items() if " gives " in words} == {step.field}
            assert all(words.endswith(f"is for {step.field}") for f, words in said.items() if f != step.field)


def test_neighbouring_steps_belong_to_different_fields() -> None:
    rng = random.Random(1)
    for _ in range(300):
        fields = [step.field for step in draw_question(rng).steps]
        assert all(one != other for one, other in itertools.pairwise(fields))


def test_answers_of_formulas_are_right() -> None:
    for example in TASKS["formula"].sample(500, seed=5):
        words = example.question.split()
        parts = zip(words[1::3], words[2::3], strict=True)
        assert int(example.answer) == sum(int(n) * (TABLE.index(e) + 1) for n, e in parts) % 10


def test_the_expert_does_not_count_and_the_learner_needs_no_element() -> None:
    """The expert's word depends on the element and the total alone, the learner's on the count and the message."""
    three, four = parse_formula("p1 3 iron p2 2 zinc"), parse_formula("p1 4 iron p2 2 zinc")
    assert three is not None
    assert four is not None
    assert three.expert(0, 0) == four.expert(0, 0) == "p1 6 after 0"
    assert three.learner(1, 6, 0) == "p1 8 total 8"
    assert four.learner(1, 6, 0) == "p1 4 total 4"


def test_answers_of_the_almanac_are_right() -> None:
    """Worked out from the question's words and the corpus, by Python itself."""
    texts = {text["title"]: text["text"] for text in corpus()}
    signs = {"plus": "+", "gaining": "+", "and": "+", "minus": "-", "losing": "-", "less": "-", "times": "*", "by": "*"}
    for example in TASKS["almanac"].sample(500, seed=5):
        first, *rest = example.question.rstrip("?").split(", ")
        town = next((word for word in first.split() if word in TOWNS), None)
        if town is None:
            code = first.split()[-1]
        else:
            kind = next(k for k, phrases in PHRASES.items() if first in {p.format(town) for p in phrases})
            code = re.findall(r"\d+", texts[f"{town}: {kind}"])[0]
        last = ""
        for part in rest:
            word, number = part.split()
            last = last if word == "again" else signs[word]
            code = f"({code}){last}{number}"
        assert int(example.answer) == eval(code)


def test_every_fact_has_one_text() -> None:
    texts = corpus()
    assert len(texts) == len(FACTS) == 3 * len(TOWNS)
    assert len({text["text"] for text in texts}) == len(texts)


def test_a_plan_grows_by_one_operation_a_round() -> None:
    question = parse_sum("What is 16, times 23, and 82?")
    assert question is not None
    plans = [question.plan(depth) for depth in (1, 2, 3)]
    assert plans == ["number * ? ?", "number * + ?", "number * + ."]


def test_the_script_of_a_question_leads_to_its_answer() -> None:
    """The calls are honest: the python of a script, run here, prints the result that follows it."""
    for example in TASKS["almanac"].sample(200, seed=7):
        question = parse_sum(example.question)
        assert question is not None
        pieces = question.script(question.signs)
        assert pieces[-1] == (example.answer, True)
        for (call, own), (result, given) in itertools.pairwise(pieces):
            if call.startswith("<python>"):
                printed: list[int] = []
                exec(call.removeprefix("<python>").removesuffix("</python>").strip(), {"print": printed.append})
                assert (own, given) == (True, False)
                assert result == f"<result> {printed[0]} </result>"


@worlds
def test_transplants_imply_another_answer_or_none(task: Task) -> None:
    examples = task.sample(120, seed=8)
    implied = [
        (task.transplant(one, other, turn), one.answer)
        for one, other in itertools.pairwise(examples)
        for turn in range(6)
    ]
    answers = [(new, old) for new, old in implied if new is not None]
    assert len(answers) > 20
    assert all(new != old for new, old in answers)


def test_a_transplanted_value_goes_through_the_rest_of_the_question() -> None:
    fields, formula, almanac = FieldsTask(), FormulaTask(), AlmanacTask()
    mine, theirs = (parse_question(text) for text in ("s1 7 + 5 - 3 s2 max with 6", "s1 1 + 1 + 1"))
    assert mine is not None
    assert theirs is not None
    pair = fields.example(mine), fields.example(theirs)
    assert fields.transplant(*pair, 0) == "6"  # 3, and the larger of 3 and 6
    assert fields.transplant(*pair, 1) is None  # code gave no value in round 1
    parts = [parse_formula(text) for text in ("p1 3 carbon p2 2 oxygen", "p1 8 helium")]
    one, other = (formula.example(each) for each in parts if each is not None)
    assert formula.transplant(one, other, 0) == "2"  # 3 x 2 + 2 x 8 = 22
    assert formula.transplant(one, other, 1) == "2"  # 6 (of 16) + 2 x 8 = 22
    assert formula.transplant(one, other, 2) is None  # the donor has no second part
    sums = [parse_sum(text) for text in ("What is 20, plus 11, again 12?", "What is 50, times 11, and 12?")]
    first, second = (almanac.example(each) for each in sums if each is not None)
    assert almanac.transplant(first, second, 0) == str(20 * 11 * 12)  # "again" repeats the donor's sign


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("How tall is Kesh, plus 48, again 12, times 31?", "two|2 operations at most"),
        ("What is 12, times 13, times 14?", "one product at most"),
        ("What is 12, plus 500?", "11 to 99"),
    ],
)
def test_what_lies_beyond_the_agents_lessons_is_said(text: str, word: str) -> None:
    reading = TASKS["almanac"].read(text)
    assert reading.answer is not None
    assert re.search(word, reading.note)
    assert "may be wrong" in reading.note
