"""Hostile programs are contained: the host is as it was, and the next program finds nothing of the last one."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from guarded import Host
from hostile import PROGRAMS, STOPPED, Program

from recmas_core.tools import PythonTool

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the programs aim at a POSIX host")
LONGEST = 2_000
# Everything the programs leave behind would show in one of these.
HONEST = (
    "import math, random, sys\n"
    "assert 'secret' not in globals() and not hasattr(__builtins__, 'secret')\n"
    "print(len(str(int('42'))), round(math.pi, 4), math.sqrt(16), eval('6*7'))\n"
    "print(random.random(), sys.getrecursionlimit())"
)
ANSWER = "2 3.1416 4.0 42\n0.8444218515250481 1000"


@pytest.fixture(scope="module")
def tools() -> Iterator[tuple[PythonTool, PythonTool]]:
    """One that stops programs soon, for those that would not end, and one that lets the others end however busy it is.

    Each has one place only: the honest program runs where the hostile one ran.
    """
    found = PythonTool(seconds=2, at_once=1, longest=LONGEST), PythonTool(seconds=60, at_once=1, longest=LONGEST)
    for tool in found:
        tool.warm()
    yield found
    for tool in found:
        tool.close()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    folder = tmp_path / "host"
    folder.mkdir()
    made = Host(folder, monkeypatch)
    yield made
    made.close()


def test_there_are_enough() -> None:
    assert len(PROGRAMS) >= 60
    assert len({program.name for program in PROGRAMS}) == len(PROGRAMS)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_contained(program: Program, tools: tuple[PythonTool, PythonTool], host: Host) -> None:
    tool = tools[program.result != STOPPED]
    result = tool.call(host.fill(program.code))
    assert host.breaches(result) == frozenset()
    assert len(result) <= LONGEST + 200
    assert re.fullmatch(program.result, result), result[:300]
    assert tool.call(HONEST) == ANSWER
    assert str(host.folder) not in tool.call("import sys\nprint(sys.path, list(globals()))")


@pytest.mark.parametrize("program", [p for p in PROGRAMS if p.breach], ids=lambda program: program.name)
def test_the_same_programs_do_harm_where_nothing_contains_them(program: Program, host: Host) -> None:
    result = host.run_unguarded(host.fill(program.code))
    assert program.breach in host.breaches(result)


def test_the_account_notices_a_process_that_is_left(host: Host) -> None:
    child = os.fork()
    if not child:
        signal.pause()  # until it is killed below
    try:
        assert "left" in host.breaches("")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert host.breaches("") == frozenset()
