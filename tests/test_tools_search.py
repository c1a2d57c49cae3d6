"""The search tool over a corpus: what it finds, in which order, and which files it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from recmas_core.errors import BadInput, SystemNotFound
from recmas_core.tools import CorpusSearch, PythonTool, WebSearch, open_tools

ROWS = [
    ("Iron", "Iron is a metal . its number is 26 ."),
    ("Gold", "Gold is a metal . its number is 79 ."),
    ("Oslo", "Oslo is the capital of Norway ."),
    ("Norway", "Norway has fjords ."),
    ("Twin", "the same words twice ."),
    ("Twin", "the same words twice ."),
    ("Café", "Ein Café in Zürich ."),
    ("Runners", "runners were running ."),
]
Writer = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    def written(text: str) -> Path:
        path = tmp_path / "corpus.jsonl"
        path.write_text(text, encoding="utf-8")
        return path

    return written


@pytest.fixture
def search(write: Writer) -> CorpusSearch:
    return CorpusSearch(write("\n".join(json.dumps({"title": t, "text": x}) for t, x in ROWS) + "\n"))


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("capital of Norway", "Oslo"),
        ("number of gold", "Gold"),
        ("IRON", "Iron"),
        ("fjords", "Norway"),
        ("café", "Café"),
        ("ZÜRICH?", "Café"),
        ("what is the number of iron , please", "Iron"),
        ("26", "Iron"),
    ],
)
def test_finds(search: CorpusSearch, query: str, title: str) -> None:
    assert search.hits(query)[0].title == title
    assert search.call(query) == dict(ROWS)[title]


def test_the_title_counts_too(search: CorpusSearch) -> None:
    assert {hit.title for hit in search.hits("twin")} == {"Twin"}


def test_best_first_and_no_more_than_asked(search: CorpusSearch) -> None:
    hits = search.hits("Norway capital", 3)
    assert [hit.title for hit in hits] == ["Oslo", "Norway"]
    assert hits[0].score > hits[1].score > 0
    assert len(search.hits("is", 1)) == 1


def test_equal_texts_come_in_the_order_of_the_file(write: Writer) -> None:
    rows = [{"title": f"t{i}", "text": "all the same"} for i in range(50)]
    search = CorpusSearch(write("\n".join(map(json.dumps, rows))))
    assert [hit.title for hit in search.hits("same", 50)] == [f"t{i}" for i in range(50)]


def test_words_are_taken_as_they_stand(search: CorpusSearch) -> None:
    assert search.hits("run") == ()
    assert search.hits("running")[0].title == "Runners"


@pytest.mark.parametrize("query", ["zebra", "", " \n", "?!", "\0", "x" * 10**6, "\ud800"])
def test_nothing_found(search: CorpusSearch, query: str) -> None:
    result = search.call(query)
    assert result.startswith("error: nothing found for '")
    assert len(result) < 200
    assert "\n" not in result


def test_a_word_in_every_text_is_still_found(write: Writer) -> None:
    search = CorpusSearch(write('{"title": "a", "text": "salt"}\n{"title": "b", "text": "salt and more"}'))
    assert [hit.title for hit in search.hits("salt")] == ["a", "b"]


def test_one_text_is_a_corpus(write: Writer) -> None:
    assert CorpusSearch(write('{"title": "", "text": "salt"}')).call("salt") == "salt"


def test_further_fields_and_empty_lines_do_no_harm(write: Writer) -> None:
    assert CorpusSearch(write('\n{"title": "a", "text": "salt", "more": 1}\n\n')).call("salt") == "salt"


def test_a_word_that_looks_like_nothing_special(write: Writer) -> None:
    """The library has a word of its own, the empty one: it must not turn up."""
    search = CorpusSearch(write('{"title": "a", "text": "salt"}'))
    assert search.hits("") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ('{"title": "a", "text": "b"}\nrubbish', "line 2 is no JSON"),
        ('["a"]', "line 1 is no JSON object"),
        ('{"title": "a"}', "line 1 has no 'text'"),
        ('{"text": "a"}', "line 1 has no 'title'"),
        ('{"title": "a", "text": 3}', "line 1 has no 'text'"),
        ('{"title": null, "text": "a"}', "line 1 has no 'title'"),
        ('{"title": "a", "text": "b"}\n\n{"title": "a", "text": " . "}', "line 3 has a 'text' without a word"),
        ("[" * 10**5, "line 1 is no JSON"),
    ],
)
def test_a_bad_corpus_is_refused_with_its_line(write: Writer, text: str, said: str) -> None:
    with pytest.raises(BadInput, match=r"corpus\.jsonl") as caught:
        CorpusSearch(write(text))
    assert said in str(caught.value)


def test_a_corpus_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="cannot be read"):
        CorpusSearch(tmp_path / "corpus.jsonl")
    with pytest.raises(BadInput, match="cannot be read"):
        CorpusSearch(tmp_path)


def test_a_corpus_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SystemNotFound, match=r"none\.jsonl"):
        CorpusSearch(tmp_path / "none.jsonl")


def test_less_than_one_text_cannot_be_asked_for(search: CorpusSearch) -> None:
    with pytest.raises(BadInput):
        search.hits("gold", 0)


def test_many_callers_at_once(search: CorpusSearch) -> None:
    with ThreadPoolExecutor(8) as pool:
        results = set(pool.map(search.call, ["number of gold"] * 100))
    assert results == {dict(ROWS)["Gold"]}


def test_closing_and_searching_again(search: CorpusSearch) -> None:
    search.warm()
    search.close()
    assert search.call("fjords") == dict(ROWS)["Norway"]


def test_a_large_corpus_finds_its_needle(write: Writer) -> None:
    rows = ({"title": f"t{i}", "text": f"word{i % 997} word{i % 499} text number {i}"} for i in range(20_000))
    search = CorpusSearch(write("\n".join(map(json.dumps, rows))))
    assert search.hits("number 12345", 1)[0].title == "t12345"


def test_open_tools_picks_what_there_is(search: CorpusSearch, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    tools = open_tools(("python", "search"), corpus=corpus)
    assert list(tools) == ["python", "search"]
    assert isinstance(tools["python"], PythonTool)
    assert tools["search"].source == f"{len(ROWS)} texts of corpus.jsonl"
    for key in ("", "  ", None):
        assert isinstance(open_tools(["search"], corpus=corpus, search_key=key)["search"], CorpusSearch)
    with_key = open_tools(["search"], corpus=corpus, search_key="tvly-x")["search"]
    assert isinstance(with_key, WebSearch)
    assert with_key.source == "the web, through Tavily"
    assert open_tools(()) == {}


def test_open_tools_refuses_what_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="shell"):
        open_tools(["python", "shell"])
    with pytest.raises(BadInput, match="nothing to search"):
        open_tools(["search"])
    with pytest.raises(SystemNotFound):
        open_tools(["search"], corpus=tmp_path / "none.jsonl")


def test_a_search_leaves_other_libraries_one_thread(write: Writer) -> None:
    """It is the first to import numba, where umap-learn was not needed yet: in a process of its own."""
    code = (
        "import sys, torch; torch.set_num_threads(1)\n"
        "from recmas_core.tools import CorpusSearch\n"
        "CorpusSearch(sys.argv[1]).call('kesh')\n"
        "import numba; print(numba.config.NUMBA_NUM_THREADS, torch.get_num_threads())\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_NUM_THREADS"}
    path = write(json.dumps({"title": "Kesh", "text": "A town ."}) + "\n")
    command = [sys.executable, "-c", code, str(path)]
    root = Path(__file__).parent.parent
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=root)
    assert run.stdout.split() == ["1", "1"]
