"""Training data that the `datasets` library reads: parquet files, folders, and the hub, of which a stand-in is run."""

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
from recmas_core.data import library, read_examples

SEQUENTIAL = rm.PATTERNS["sequential"]
ROOT = Path(__file__).resolve().parent.parent


def row(question: str = "q", answer: object = "a", **cells: object) -> dict[str, object]:
    return {"question": question, "answer": answer, **cells}


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


def test_a_bad_row_of_a_parquet_file_is_named_by_its_index(tmp_path: Path) -> None:
    path = parquet(tmp_path / "x.parquet", row(), row("q2", None))
    with pytest.raises(rm.BadInput, match=r"'x\.parquet', row 1 \(counted from 0\), column 'answer' is empty"):
        read_examples(path, SEQUENTIAL)


def test_too_many_rows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "MAX_ROWS", 3)
    path = parquet(tmp_path / "x.parquet", *(row() for _ in range(4)))
    with pytest.raises(rm.BadInput, match=r"has 4 rows.*split='train\[:3\]'"):
        read_examples(path, SEQUENTIAL)


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
    secret = tmp_path / "secret.jsonl"
    secret.write_text(json.dumps(row("hidden")))
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
