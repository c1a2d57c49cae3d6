"""A task made of given questions, and reading them within bounds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from english import ENGLISH

import recmas_core as rm
from recmas_core.errors import BadInput
from recmas_core.tasks import Example
from recmas_core.tasks.given import GivenQuestions
from visualizers.panels import questions
from visualizers.panels.questions import check_rows, read_questions
from visualizers.panels.train_choices import TrainForm
from visualizers.panels.train_manners import TRAINED
from visualizers.panels.train_questions import questions_html

SEQUENTIAL = rm.PATTERNS["sequential"]
ROWS = [{"question": f"What is {i} + 1?", "answer": str(i + 1)} for i in range(20)]


@pytest.fixture
def given() -> GivenQuestions:
    return GivenQuestions.of([Example(row["question"], row["answer"], {}) for row in ROWS])


def test_a_fifth_is_held_out(given: GivenQuestions) -> None:
    assert (len(given.train), len(given.test)) == (16, 4)


def test_at_most_two_hundred_are_held_out() -> None:
    many = GivenQuestions.of([Example(f"{i}?", "1", {}) for i in range(1904)])
    assert (len(many.train), len(many.test)) == (1704, 200)


def test_no_question_is_on_both_sides(given: GivenQuestions) -> None:
    assert not {e.question for e in given.train} & {e.question for e in given.test}


def test_no_more_are_drawn_than_there_are(given: GivenQuestions) -> None:
    drawn = given.sample(100, seed=1, split="train")
    assert sorted(e.question for e in drawn) == sorted(e.question for e in given.train)


def test_a_seed_draws_the_same_ones(given: GivenQuestions) -> None:
    assert given.sample(3, seed=4) == given.sample(3, seed=4) != given.sample(3, seed=5)


def test_there_is_no_other_split(given: GivenQuestions) -> None:
    with pytest.raises(BadInput, match="split is 'dev'"):
        given.sample(1, split="dev")


def test_the_answer_of_a_question_it_holds_is_known(given: GivenQuestions) -> None:
    assert given.read("what is  3 + 1?").answer == "4"
    assert given.read("What is 300 + 1?").answer is None


def test_it_grades_by_the_answer_a_text_ends_in(given: GivenQuestions) -> None:
    example = given.train[0]
    assert given.grade(example, rf"So it is \boxed{{{example.answer}}}.")
    assert not given.grade(example, r"So it is \boxed{-5}.")


def test_it_implies_no_transplant_and_is_in_no_registry(given: GivenQuestions) -> None:
    assert given.transplant(given.train[0], given.train[1], 0) is None
    assert given.name not in rm.TASKS


def test_one_question_is_too_few() -> None:
    with pytest.raises(BadInput, match="Give at least two"):
        GivenQuestions.of([Example("a", "1", {}), Example(" A", "1", {})])


def test_roles_without_right_turns_are_named() -> None:
    rows = [row | {"planner": "Add.", "critic": "Good."} for row in ROWS]
    del rows[3]["critic"]
    assert check_rows(rows, SEQUENTIAL).lacking(["planner", "critic", "solver"]) == ("critic",)


# reading


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".csv", ".parquet"])
def test_every_kind_of_file_is_read(suffix: str, tmp_path: Path) -> None:
    import pyarrow
    from pyarrow.parquet import write_table

    path = tmp_path / f"mine{suffix}"
    texts = {
        ".json": json.dumps(ROWS),
        ".jsonl": "\n".join(map(json.dumps, ROWS)),
        ".csv": "question,answer\n" + "\n".join(",".join(row.values()) for row in ROWS),
    }
    if suffix in texts:
        path.write_text(texts[suffix])
    else:
        write_table(pyarrow.Table.from_pylist(ROWS), path)
    assert len(read_questions(path, SEQUENTIAL)) == 20


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [("x.txt", "a", "no kind"), ("x.csv", "question,reply\na,b\n", "column 'answer' is missing"),
     ("x.json", "", "is empty"), ("x.json", "[]", "has no rows"), ("x.parquet", "PAR1", "cannot be read"),
     ("x.jsonl", "{", "no JSON")],
)  # fmt: skip
def test_what_cannot_be_read_is_said(name: str, text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=told):
        read_questions(write(tmp_path, name, text), SEQUENTIAL)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "MOST_MB", 0)
    with pytest.raises(BadInput, match="At most 0 MB"):
        read_questions(write(tmp_path, "x.json", json.dumps(ROWS)), SEQUENTIAL)


def test_a_small_file_that_unpacks_to_much_is_refused(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow.parquet import write_table

    text = "x" * 10_000
    path = tmp_path / "bomb.parquet"
    write_table(pyarrow.table({"question": [text] * 20_000, "answer": [text] * 20_000}), path)
    assert path.stat().st_size < 2**20
    with pytest.raises(BadInput, match="At most 32 MB"):
        read_questions(path, SEQUENTIAL)


def test_of_many_questions_some_are_drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(questions, "MOST", 10)
    assert len(read_questions(write(tmp_path, "x.json", json.dumps(ROWS)), SEQUENTIAL)) == 10


@pytest.mark.parametrize(
    ("rows", "told"),
    [("abc", "no list"), ([], "empty"), ([1, 2], "not an object"), ([{"question": "a"}] * 2, "'answer' is missing"),
     ([{"question": "a", "answer": "b"}] * 5001, "Give 5,000 at most")],
)  # fmt: skip
def test_a_programs_rows_are_checked(rows: object, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        check_rows(rows, SEQUENTIAL)


# what the form says of them


def test_the_form_says_what_was_read_and_which_stages_lack_turns() -> None:
    given = check_rows([row | {"planner": "Add."} for row in ROWS], SEQUENTIAL)
    said = questions_html(SEQUENTIAL, TRAINED, TrainForm(course="from nothing"), given, ENGLISH)
    assert "<b>20 questions</b>: 16 to learn from, 4 held out; right turns for planner, solver." in said
    assert "Inner loop and Teacher-forced outer links need right turns of every role" in said


def test_the_outer_loop_alone_needs_no_turns() -> None:
    said = questions_html(SEQUENTIAL, TRAINED, TrainForm(course="stage:outer"), check_rows(ROWS, SEQUENTIAL), ENGLISH)
    assert "need" not in said
