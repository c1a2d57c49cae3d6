"""Training data: read from wherever it is, and refused with its row and its column."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zipfile import ZipFile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import recmas_core as rm
from recmas_core.data import files, library, read_examples, split_held_out
from recmas_core.tasks.plain import same_answer

SEQUENTIAL = rm.PATTERNS["sequential"]
ROOT = Path(__file__).resolve().parent.parent


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


def parquet(path: Path, *rows: dict[str, object]) -> Path:
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path


def test_a_parquet_file_is_read(tmp_path: Path) -> None:
    path = parquet(tmp_path / "x.parquet", row(targets={"planner": ["1", "2"]}), row("q2", targets={"planner": None}))
    one, two = read_examples(path, SEQUENTIAL)
    assert one.targets["planner"] == ("1", *"22222")
    assert "planner" not in two.targets


def test_a_folders_split_and_its_slices_are_read(tmp_path: Path) -> None:
    for split in ("train", "test"):
        parquet(tmp_path / "set" / f"{split}.parquet", *(row(f"{split} {i}") for i in range(5)))
    got = read_examples(tmp_path / "set", SEQUENTIAL, split="test[:2]")
    assert [example.question for example in got] == ["test 0", "test 1"]


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


def test_a_bad_row_of_a_parquet_file_is_named_by_its_index(tmp_path: Path) -> None:
    path = parquet(tmp_path / "x.parquet", row(), row("q2", None))
    with pytest.raises(rm.BadInput, match=r"'x\.parquet', row 1 \(counted from 0\), column 'answer' is empty"):
        read_examples(path, SEQUENTIAL)


def test_too_large_a_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with path.open("wb") as file:
        file.truncate(files.MAX_BYTES + 1)
    with pytest.raises(rm.BadInput, match=r"has 128 MB\. At most 128 MB"):
        read_examples(path, SEQUENTIAL)


def test_too_many_rows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "MAX_ROWS", 3)
    path = parquet(tmp_path / "x.parquet", *(row() for _ in range(4)))
    with pytest.raises(rm.BadInput, match=r"has 4 rows.*split='train\[:3\]'"):
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


def test_an_unknown_split_of_a_folder_is_said_with_those_there_are(tmp_path: Path) -> None:
    parquet(tmp_path / "set" / "train.parquet", row())
    with pytest.raises(rm.BadInput, match=r"'nosuch'.*|Unknown split \"nosuch\".*train"):
        read_examples(tmp_path / "set", SEQUENTIAL, split="nosuch")


def test_a_script_is_refused_and_not_run(tmp_path: Path) -> None:
    folder, trace = tmp_path / "set", tmp_path / "ran"
    folder.mkdir()
    (folder / "set.py").write_text(f"open({str(trace)!r}, 'w')")
    with pytest.raises(rm.BadInput, match=r"scripts are no longer supported, but found set\.py"):
        read_examples(folder, SEQUENTIAL)
    assert not trace.exists()


def test_a_folders_card_must_not_lead_out_of_it(tmp_path: Path) -> None:
    secret = lines(tmp_path / "secret.jsonl", row("hidden"))
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "README.md").write_text(f"---\nconfigs:\n- config_name: default\n  data_files: {secret}\n---\n")
    with pytest.raises(rm.BadInput, match="lies elsewhere"):
        read_examples(folder, SEQUENTIAL)


def test_an_archive_in_a_folder_is_not_opened(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("train.jsonl", json.dumps(row()))
    with pytest.raises(rm.BadInput, match=r"'x\.zip', which is no data file"):
        read_examples(tmp_path, SEQUENTIAL)


@pytest.mark.parametrize("source", ["nothing", "no/such.jsonl", "a/b/c", "csv", Path("own/set")])
def test_what_is_nowhere_is_said_without_asking_the_hub(source: str | Path) -> None:
    with pytest.raises(rm.SystemNotFound, match=r"is not to be found.*'chain'"):
        read_examples(source, SEQUENTIAL)


CARD = b"---\nconfigs:\n- config_name: default\n  data_files: train.jsonl\n---\n"
COMMIT = "1" * 40
HELD = {"README.md": CARD, "train.jsonl": json.dumps(row("from the hub", plan="p")).encode() + b"\n"}


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as a data set needs: own/set."""

    def log_message(self, *args: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        name = path.rpartition("/")[2]
        if path.startswith("/datasets/own/set/resolve/"):
            found = name in HELD
            self.answer(HELD.get(name, b""), found, {} if found else {"X-Error-Code": "EntryNotFound"})
        elif path.startswith("/api/datasets/own/set/tree/"):
            files = [{"type": "file", "oid": "a", "size": len(data), "path": key} for key, data in HELD.items()]
            self.answer(json.dumps(files).encode(), True, {})
        elif path.startswith("/api/datasets/own/set"):
            self.answer(json.dumps({"id": "own/set", "sha": COMMIT, "siblings": []}).encode(), True, {})
        else:
            self.answer(b"{}", False, {"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(b"[]", True, {})

    def answer(self, body: bytes, found: bool, headers: dict[str, str]) -> None:
        self.send_response(200 if found else 404)
        for key, value in {"Content-Length": len(body), "ETag": f'"{len(body)}"', "X-Repo-Commit": COMMIT}.items():
            self.send_header(key, str(value))
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_data_set_is_fetched_from_the_hub_and_found_again_offline(hub: str, tmp_path: Path) -> None:
    code = (
        "import datasets, huggingface_hub, recmas_core as rm; from recmas_core.data import read_examples\n"
        "for offline in (False, True):\n"
        "    datasets.config.HF_HUB_OFFLINE = huggingface_hub.constants.HF_HUB_OFFLINE = offline\n"
        "    for name in ('own/set', 'own/none'):\n"
        "        try: print(read_examples(name, rm.PATTERNS['sequential'])[0].question)\n"
        "        except rm.SystemNotFound as error: print(error)\n"
    )
    env = {**os.environ, "HF_ENDPOINT": hub, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found, missing, found_again, out_of_reach = done.stdout.splitlines()
    assert found == found_again == "from the hub"
    assert "'own/none' gives no data (Dataset 'own/none' doesn't exist" in missing
    assert "'own/none' is out of reach" in out_of_reach


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
