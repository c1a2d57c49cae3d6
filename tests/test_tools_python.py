"""The Python tool: real Python inside, limits that hold, many callers at once."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from recmas_core.errors import BadInput
from recmas_core.tools import PythonTool, SandboxUnavailable, building, sandbox


@pytest.fixture(scope="module")
def tool() -> Iterator[PythonTool]:
    found = PythonTool(seconds=60)
    found.warm()
    yield found
    found.close()


@pytest.mark.parametrize(
    ("program", "result"),
    [
        ("6*7", "42"),
        ("print(3**100)", str(3**100)),
        ("print(12345678901 * 98765432109)", str(12345678901 * 98765432109)),
        ("  import math\n  math.comb(50, 25)", "126410606437752"),
        ("x = 5\nx += 1\nx", "6"),
        ("x = 5", "(nothing printed)"),
        ("None", "(nothing printed)"),
        ("print(1)\n2", "1"),
        ("print('a', 'b', sep='-', end='!')\nprint()", "a-b!"),
        ("def f(n):\n    return 1 if n < 2 else n * f(n - 1)\nf(20)", "2432902008176640000"),
        ("class A:\n    def __init__(self): self.x = 3\nA().x", "3"),
        ("from fractions import Fraction\nprint(Fraction(1, 3) + Fraction(1, 6))", "1/2"),
        ("from decimal import Decimal, getcontext\ngetcontext().prec = 30\nprint(Decimal(2).sqrt())",
         "1.41421356237309504880168872421"),
        ("import statistics\nstatistics.median([3, 1, 2])", "2"),
        ("import re\nprint(re.findall('\\d+', 'a1b22'))", "['1', '22']"),
        ("import json\njson.loads('[1, 2]')[1]", "2"),
        ("import itertools\nlen(list(itertools.permutations(range(5))))", "120"),
        ("import datetime\nprint(datetime.date(2024, 2, 28) + datetime.timedelta(2))", "2024-03-01"),
        ("import datetime\nprint(datetime.datetime.strptime('3 May 2020', '%d %B %Y').date())", "2020-05-03"),
        ("import hashlib\nprint(hashlib.sha256(b'x').hexdigest()[:8])", "2d711642"),
        ("import random\nrandom.seed(3)\nrandom.randrange(10**6)", "249523"),
        ("print('é', '中', '😀')", "é 中 😀"),
        ("'text'", "'text'"),
        ("0.1 + 0.2", "0.30000000000000004"),
        ("import sys\nprint('kept')\nsys.exit()", "kept"),
        ("try:\n    1 / 0\nexcept ZeroDivisionError:\n    print('caught')", "caught"),
        ("async def f(): return 7\ntry: f().send(None)\nexcept StopIteration as s: print(s.value)", "7"),
        ("sum(i * i for i in range(1000))", "332833500"),
    ],
)  # fmt: skip
def test_it_is_python(tool: PythonTool, program: str, result: str) -> None:
    assert tool.call(program) == result


@pytest.mark.parametrize(
    ("program", "result"),
    [
        ("1/0", "error: ZeroDivisionError: division by zero"),
        ("nobody", "error: NameError: name 'nobody' is not defined"),
        ("def f(", "error: SyntaxError: '(' was never closed (line 1)"),
        ("x = 1\n  y = 2", "error: IndentationError: unexpected indent (line 2)"),
        ("import numpy", "error: ModuleNotFoundError: No module named 'numpy'"),
        ("open('x')", "error: OSError: no files in the sandbox"),
        ("assert False", "error: AssertionError"),
        ("raise MemoryError", "error: out of memory (256 MB)"),
        ("import time\ntime.time()", "error: the sandbox has no files, network, processes, clock or threads"),
        ("import os\nos.abort()", "error: the interpreter crashed"),
        ("eval('(' * 9999 + ')' * 9999)", "error: nested too deeply"),
        ("#" * 200_000, "error: the program is longer than 100000 characters"),
    ],
)
def test_what_goes_wrong_is_said_in_few_words(tool: PythonTool, program: str, result: str) -> None:
    assert tool.call(program) == result


def test_the_same_program_gives_the_same_result(tool: PythonTool) -> None:
    program = "import random\nprint(random.random(), id(object()), hash('word'), {'c', 'a', 'b'})"
    assert len({tool.call(program) for _ in range(3)}) == 1


def test_a_long_result_says_that_it_was_cut() -> None:
    short = PythonTool(seconds=60, longest=10)
    try:
        assert short.call("print('x' * 500)") == "xxxxxxxxxx … (cut: 501 characters in all)"
        assert short.call("print('x' * 9)") == "xxxxxxxxx"
        assert short.call("raise ValueError('y' * 500)") == "error: Val … (cut: 519 characters in all)"
    finally:
        short.close()


def test_the_memory_limit_is_the_argument() -> None:
    small, large = PythonTool(seconds=60, megabytes=64), PythonTool(seconds=60, megabytes=512)
    program = "len(bytearray(200 << 20))"
    try:
        assert small.call(program) == "error: out of memory (64 MB)"
        assert large.call(program) == str(200 << 20)
    finally:
        small.close()
        large.close()


def test_a_time_out_stops_one_program_and_no_other() -> None:
    tool = PythonTool(seconds=8, at_once=8)
    tool.warm()
    programs = ["while True: pass", "6*7"] * 4
    try:
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(tool.call, programs))
        assert results == ["error: stopped after 8 s", "42"] * 4
        assert tool.call("6*7") == "42"
    finally:
        tool.close()


def test_eight_callers_each_get_their_own(tool: PythonTool) -> None:
    def ask(i: int) -> str:
        return tool.call(f"import sys\nsys.mine = getattr(sys, 'mine', 0) + {i}\nprint(sys.mine, {i}**2)")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(1, 65))) == [f"{i} {i * i}" for i in range(1, 65)]


def test_callers_from_the_start_wait_for_one_opening() -> None:
    tool, barrier = PythonTool(seconds=60), threading.Barrier(4)

    def ask(i: int) -> str:
        barrier.wait()
        return tool.call(f"{i} + 1")

    try:
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(ask, range(4))) == ["1", "2", "3", "4"]
    finally:
        tool.close()


def test_closing_and_calling_again() -> None:
    tool = PythonTool(seconds=60)
    assert tool.call("1+1") == "2"
    tool.close()
    tool.close()
    assert tool.call("1+2") == "3"
    tool.close()


def test_no_import_of_the_host(tool: PythonTool) -> None:
    """The strongest thing that can be said of the sandbox: there is nothing it could call."""
    slot = tool._sandbox.open().get()
    try:
        assert slot.component.type.imports(slot.engine) == {}
        assert {"run", "letter"} <= set(slot.component.type.exports(slot.engine))
    finally:
        tool._sandbox.open().put(slot)


def test_a_machine_without_a_sandbox_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    tool = PythonTool(folder=tmp_path)
    with pytest.raises(SandboxUnavailable, match="has no sandbox here"):
        tool.warm()
    assert tool.call("6*7").startswith("error: python tool has no sandbox here")


def test_a_sandbox_that_cannot_be_made_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('the compiler is missing')")
    monkeypatch.setattr(building, "__file__", str(broken))
    with pytest.raises(SandboxUnavailable, match="the compiler is missing"):
        PythonTool(folder=tmp_path).warm()


def test_a_damaged_file_is_not_opened(tmp_path: Path) -> None:
    damaged = tmp_path / "sandbox.cwasm"
    damaged.write_bytes(b"\x7fELF rubbish" * 99)
    assert not sandbox._opens(damaged)


def test_a_folder_that_others_can_write_to_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    safe = sandbox.cache_folder()
    assert safe == tmp_path / "recmas-explorer"
    safe.chmod(0o777)
    other = sandbox.cache_folder()
    assert other != safe
    assert not other.stat().st_mode & 0o022
    other.rmdir()


@pytest.mark.parametrize("wrong", [{"seconds": 0}, {"seconds": -1}, {"megabytes": 1}, {"at_once": 0}, {"longest": 0}])
def test_limits_under_which_nothing_runs(wrong: dict[str, int]) -> None:
    with pytest.raises(BadInput):
        PythonTool(**wrong)


def test_what_it_says_of_itself() -> None:
    tool = PythonTool()
    assert (tool.name, tool.source) == ("python", "WebAssembly sandbox, 5 s, 256 MB")


def test_importing_the_tools_loads_none_of_their_libraries() -> None:
    heavy = ("wasmtime", "componentize_py", "bm25s", "numba", "httpx")
    assert all(importlib.util.find_spec(name) for name in heavy)
    code = f"import sys, recmas_core.tools.python, recmas_core.tools.search; print({heavy} & sys.modules.keys())"
    code = code.replace(str(heavy), f"set({heavy})")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()", done.stdout
