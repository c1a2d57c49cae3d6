"""Imports go one way, and importing the engine alone stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORE = sorted((ROOT / "recmas_core").rglob("*.py"))
VIEWS = sorted((ROOT / "visualizers").rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Every module an import statement of the file names, wherever in the file it stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def roots(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(path)}


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_is_something_to_check() -> None:
    assert len(CORE) > 20
    assert len(VIEWS) > 20


@pytest.mark.parametrize("path", CORE, ids=label)
def test_the_engine_draws_nothing(path: Path) -> None:
    # bench/startup measures `import gradio` in another process and names it there in a string only
    assert not roots(path) & {"gradio", "plotly", "visualizers", "app", "umap", "numba", "sklearn"}


@pytest.mark.parametrize("path", VIEWS, ids=label)
def test_only_panels_know_gradio(path: Path) -> None:
    assert "app" not in roots(path)
    if "panels" not in path.parts:
        assert not roots(path) & {"gradio", "gradio_client"}
        assert not any(name.startswith("visualizers.panels") for name in imported(path))


def test_importing_the_engine_is_light() -> None:
    code = (
        "import sys, recmas_core; "
        "print(sorted({'gradio', 'plotly', 'umap', 'numba', 'sklearn', 'visualizers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
