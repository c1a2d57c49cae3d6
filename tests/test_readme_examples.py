"""The README's Python runs as it stands there, and prints what it says it prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from recmas_core.loading import assets_folder
from tests.browser.serving import page_server

README = (assets_folder().parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)
_SAYS = re.compile(r"#\s+prints: (.*)$", re.M)  # at the end of a line: what that line prints


def _run(code: str) -> None:
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})


def _check(code: str, printed: str) -> None:
    lines = printed.splitlines()
    for said in _SAYS.findall(code):
        assert said.strip() in lines, f"printed {lines}"


@pytest.mark.parametrize("code", [block for block in BLOCKS if block.startswith("import recmas_core")])
def test_the_engine_does_what_the_readme_shows(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    _run(code)
    _check(code, capsys.readouterr().out)


@pytest.mark.parametrize("code", [block for block in BLOCKS if block.startswith("from gradio_client")])
def test_the_page_does_what_the_readme_shows(
    code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with page_server(tmp_path / "log") as url:
        assert "http://127.0.0.1:7860" in code
        _run(code.replace("http://127.0.0.1:7860", url))
    _check(code, capsys.readouterr().out)
