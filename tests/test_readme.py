"""The README tells the truth about the tree and about the Space it makes."""

from __future__ import annotations

import re

from recmas_core.loading import assets_folder

ROOT = assets_folder().parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def listed() -> set[str]:
    """Paths of the README's tree: a line ending in a slash opens a folder, an indented one lies in it."""
    block = re.search(r"```text\n(.*?)```", README, re.S)
    assert block is not None
    folder, paths = "", set()
    for line in block[1].splitlines():
        name = line.split()[0]
        if line.startswith(" "):
            paths.add(folder + name)
        elif name.endswith("/"):
            folder = name
        else:
            paths.add(name)
    return paths


def test_the_tree_lists_every_module() -> None:
    folders = ("recmas_core", "visualizers", "tests")
    modules = {path.relative_to(ROOT).as_posix() for folder in folders for path in (ROOT / folder).rglob("*.py")}
    assert modules - listed() == set()


def test_the_tree_lists_nothing_that_is_not_there() -> None:
    assert {path for path in listed() if not (ROOT / path).exists()} == set()


def test_the_space_opens_this_app_with_the_gradio_that_was_tested() -> None:
    front = dict(re.findall(r"^(\w+): (.+)$", README.split("---")[1], re.M))
    pinned = re.search(r"^gradio(?:\[\w+\])?>=(\S+?),", (ROOT / "requirements.txt").read_text(), re.M)
    assert pinned is not None
    assert (ROOT / front["app_file"]).is_file()
    assert front["sdk"] == "gradio"
    assert front["sdk_version"].startswith(pinned[1])
