"""Training data: read from wherever it is, and refused with its row and its column."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import recmas_core as rm
from recmas_core.data import files, read_examples, split_held_out

SEQUENTIAL = rm.PATTERNS["sequential"]


def lines(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def row(question: str = "q", answer: object = "a", **cells: object) -> dict[str, object]:
    return {"question": question, "answer": answer, **cells}


def first_turns(example: rm.Example) -> dict[str, str]:
    return {role: turns[0] for role, turns in example.targets.items()}


RELEASED = {
    "sequential": (
        row(plan="p", refined_plan="r"),
        {"planner": "p", "critic": "r", "solver": "a"},
    ),
    "mixture": (
        row(math_expert="m", code="c", hie_science_expert="s"),
        {"math": "m", "code": "c", "science": "s", "summarizer": "a"},
    ),
    "distillation": (
        row(refined_plan="r", distill_expert="e", distill_learner="l"),
        {"expert": "e", "learner": "l"},
    ),
    "deliberation": (row(reflector="r"), {"reflector": "r", "toolcaller": "a"}),
    "loop2": (row(agent1="one"), {"agent1": "one", "agent2": "a"}),
}


@pytest.mark.parametrize("name", RELEASED)
def test_the_columns_of_a_pattern_become_its_roles_turns(name: str, tmp_path: Path) -> None:
    cells, wanted = RELEASED[name]
    (example,) = read_examples(lines(tmp_path / "x.jsonl", cells), rm.PATTERNS[name])
    assert (example.question, example.answer, first_turns(example)) == ("q", "a", wanted)


def test_one_text_holds_for_every_round_and_a_lists_last_one_for_all_later(tmp_path: Path) -> None:
    targets = {"planner": "always", "critic": ["first", "then"]}
    (example,) = read_examples(lines(tmp_path / "x.jsonl", row(targets=targets)), SEQUENTIAL)
    assert example.targets["planner"] == ("always",) * 6
    assert example.targets["critic"] == ("first",) + ("then",) * 5


def test_a_role_without_a_text_has_no_target(tmp_path: Path) -> None:
    (example,) = read_examples(lines(tmp_path / "x.jsonl", row(plan=None, refined_plan=" ")), SEQUENTIAL)
    assert set(example.targets) == {"solver"}


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    path = lines(tmp_path / "x.jsonl", {"problem": "q", "solution": 42, "plan": "not this", "idea": "p"})
    columns = {"question": "problem", "answer": "solution", "planner": "idea"}
    (example,) = read_examples(path, SEQUENTIAL, columns=columns)
    assert (example.question, example.answer) == ("q", "42")
    assert first_turns(example) == {"planner": "p", "solver": "42"}


@pytest.mark.parametrize("wrap", [lambda rows: rows, lambda rows: {"data": rows}])
def test_json_is_a_list_or_has_one_under_data(wrap, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(wrap([row("é"), row("q2")])).encode())
    assert [example.question for example in read_examples(path, SEQUENTIAL)] == ["é", "q2"]


def test_csv_cells_stay_the_texts_they_are(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('question,answer\n"two\nlines, one cell",007\nNA,2020-01-01\n')
    got = [(example.question, example.answer) for example in read_examples(path, SEQUENTIAL)]
    assert got == [("two\nlines, one cell", "007"), ("NA", "2020-01-01")]


def test_an_embedded_task_is_drawn_with_its_targets() -> None:
    got = read_examples("chain", SEQUENTIAL, split="test", limit=3, seed=7)
    assert got == rm.TASKS["chain"].sample(3, seed=7, split="test")


def test_a_limit_draws_by_the_seed_and_keeps_the_order(tmp_path: Path) -> None:
    path = lines(tmp_path / "x.jsonl", *(row(f"{i:03}") for i in range(100)))
    draws = [[e.question for e in read_examples(path, SEQUENTIAL, limit=10, seed=seed)] for seed in (0, 0, 1)]
    assert draws[0] == draws[1] == sorted(draws[0])
    assert draws[0] != draws[2]
    assert len(set(draws[0])) == 10


def test_rows_of_one_task_can_be_chosen(tmp_path: Path) -> None:
    path = lines(tmp_path / "x.jsonl", row("1", task_family="math"), row("2", task_family="code"))
    assert [e.question for e in read_examples(path, SEQUENTIAL, task="code")] == ["2"]
    with pytest.raises(rm.BadInput, match=r"'art'.*\['code', 'math'\]"):
        read_examples(path, SEQUENTIAL, task="art")


BAD_ROWS = {
    "a missing column": ('{"question": "q", "reply": "a"}', r"line 2, column 'answer' is missing.*'reply'"),
    "an empty question": ('{"question": " ", "answer": "a"}', "line 2, column 'question' is empty"),
    "no answer": ('{"question": "q", "answer": null}', "line 2, column 'answer' is empty"),
    "a question of another type": ('{"question": 7, "answer": "a"}', "line 2, column 'question' holds a number"),
    "true": ('{"question": "q", "answer": true}', "line 2, column 'answer' holds true or false"),
    "a turn of another type": ('{"question": "q", "answer": "a", "plan": {}}', "line 2, column 'plan' holds an object"),
    "an empty turn in a list": ('{"question": "q", "answer": "a", "plan": ["p", ""]}', "column 'plan' is empty"),
    "turns beyond any run": ('{"question": "q", "answer": "a", "plan": [1,2,3,4,5,6,7]}', "'plan' has 7 turns"),
    "an unknown role": ('{"question": "q", "answer": "a", "targets": {"boss": "x"}}', "column 'targets' has 'boss'"),
    "targets of another type": ('{"question": "q", "answer": "a", "targets": "x"}', "column 'targets' holds a text"),
    "a key twice": ('{"question": "q", "answer": "a", "answer": "b"}', "line 2, column 'answer' is there twice"),
    "a role twice": (
        '{"question": "q", "answer": "a", "targets": {"critic": "x", "critic": "y"}}',
        "column 'targets' gives 'critic' twice",
    ),
    "half a character": (r'{"question": "q\ud800", "answer": "a"}', "column 'question' holds half a character"),
    "broken JSON": ('{"question": "q", "answer": "a"', "line 2 is no JSON"),
    "a list": ('["q", "a"]', "line 2 holds a list, not an object"),
    "brackets without end": ("[" * 100_000, "line 2 cannot be parsed"),
    "an endless number": ('{"question": "q", "answer": %s}' % ("9" * 5000), "line 2 cannot be parsed"),
    "an endless question": ('{"question": "%s", "answer": "a"}' % ("q" * 20_001), "'question' has 20,001 characters"),
    "an endless answer": ('{"question": "q", "answer": "%s"}' % ("a" * 100_001), "'answer' has 100,001 characters"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_line_is_named_with_its_column(name: str, tmp_path: Path) -> None:
    line, said = BAD_ROWS[name]
    path = tmp_path / "x.jsonl"
    path.write_text('{"question": "fine", "answer": "a"}\n' + line + "\n")
    with pytest.raises(rm.BadInput, match=rf"^'x\.jsonl', .*{said}"):
        read_examples(path, SEQUENTIAL)


BAD_FILES = {
    "x.jsonl": (b"", r"'x\.jsonl' is empty"),
    "blank.jsonl": (b"\n \n", "has no rows"),
    "latin.jsonl": (b'{"question": "q", "answer": "a"}\n{"question": "\xe9"}', r"line 2 is not UTF-8: byte 0xe9"),
    "wide.json": ("[]".encode("utf-16"), "line 1 is not UTF-8"),
    "lines.json": (b'{"question": "q"}\n{"question": "q"}', r"no JSON \(Extra data at line 2.*named \.jsonl"),
    "text.json": (b'"hello"', "is no list of objects"),
    "twice.json": (b'[{"question": "q", "question": "r"}]', r"row 0 \(counted from 0\), column 'question' is there"),
    "index.json": (b'[{"question": "q", "answer": "a"}, {"question": "q"}]', r"row 1 \(.*\), column 'answer' is miss"),
    "short.csv": (b"question,answer\nq\n", "line 2 has 1 cells, the header 2"),
    "twice.csv": (b"answer,answer\nq,a\n", "line 1, column 'answer' is there twice"),
    "open.csv": (b'question,answer\nq,"a\n', "is no CSV"),
    "empty.csv": (b"question,answer\nq,\n", "line 2, column 'answer' is empty"),
    "junk.parquet": (b"junk", "'junk.parquet' cannot be read"),
    "code.py": (b"print()", "no kind that is read here"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_says_what_is_wrong(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(BAD_FILES[name][0])
    with pytest.raises(rm.BadInput, match=BAD_FILES[name][1]):
        read_examples(path, SEQUENTIAL)


def test_too_large_a_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with path.open("wb") as file:
        file.truncate(files.MAX_BYTES + 1)
    with pytest.raises(rm.BadInput, match=r"has 128 MB\. At most 128 MB"):
        read_examples(path, SEQUENTIAL)


WRONG_OPTIONS = {
    "a split of a file": ({"split": "test"}, "is a single file"),
    "no rows": ({"limit": 0}, "limit is 0"),
    "an unknown part": ({"columns": {"boss": "x"}}, "'boss', which an example of 'sequential' does not have"),
    "a column that is not there": ({"columns": {"critic": "x"}}, "column 'x' is missing"),
    "a configuration of a file": ({"subset": "main"}, "subset was given for a single file"),
}


@pytest.mark.parametrize("name", WRONG_OPTIONS)
def test_an_option_that_cannot_be_is_refused(name: str, tmp_path: Path) -> None:
    options, said = WRONG_OPTIONS[name]
    with pytest.raises(rm.BadInput, match=said):
        read_examples(lines(tmp_path / "x.jsonl", row()), SEQUENTIAL, **options)


@pytest.mark.parametrize("source", ["nothing", "no/such.jsonl", "a/b/c", "csv", Path("own/set")])
def test_what_is_nowhere_is_said_without_asking_the_hub(source: str | Path) -> None:
    with pytest.raises(rm.SystemNotFound, match=r"is not to be found.*'chain'"):
        read_examples(source, SEQUENTIAL)


def asked(*questions: str) -> list[rm.Example]:
    return [rm.Example(question, "a", {}) for question in questions]


def test_no_question_is_on_both_sides_and_none_is_lost() -> None:
    examples = asked(*(f"Question  {i % 200}" if i % 2 else f" question {i % 200}" for i in range(1000)))
    train, held = split_held_out(examples, share=0.2)
    sides = [{" ".join(e.question.casefold().split()) for e in side} for side in (train, held)]
    assert not sides[0] & sides[1]
    assert len(train) + len(held) == len(examples)
    assert 20 <= len(sides[1]) <= 60


def test_more_questions_leave_the_others_on_their_sides() -> None:
    few, many = (asked(*map(str, range(n))) for n in (100, 300))
    held = {e.question for e in split_held_out(few, share=0.3)[1]}
    assert held == {e.question for e in split_held_out(many, share=0.3)[1] if int(e.question) < 100}


def test_a_number_of_questions_is_held_out_and_another_seed_holds_out_others() -> None:
    sides = [split_held_out(asked(*map(str, range(100))), number=20, seed=seed)[1] for seed in (0, 0, 1)]
    assert len(sides[0]) == 20
    assert sides[0] == sides[1] != sides[2]


@pytest.mark.parametrize("options", [{}, {"share": 0.5, "number": 1}, {"share": 1.0}, {"number": 0}, {"number": 2}])
def test_a_split_that_cannot_be_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(rm.BadInput):
        split_held_out(asked("one", "two"), **options)
