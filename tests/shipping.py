"""Shipped systems of random agents: a stand-in for the real ones, with tasks, thoughts and tools of its own."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from tiny import tiny_pattern_system

import recmas_core as rm
from recmas_core.patterns import PATTERNS
from recmas_core.tasks.chain import VOCABULARY

FAMILIES = ("qwen3", "llama", "gemma3_text")  # none of them forgets what stands further back than a tiny window
OPTIONS = {"rounds": 2, "latent_steps": 2, "max_new_tokens": 4}


@dataclass
class Told:
    """A tool that says what it was told."""

    name: str
    path: Path | None = None
    about: str = "Says what it was told."
    source: str = "nothing"

    def call(self, request: str) -> str:
        return request

    def warm(self) -> None:
        pass

    def close(self) -> None:
        pass


def some_tools(pattern: rm.Pattern) -> dict[str, Told]:
    return {name: Told(name) for role in pattern.roles for name in role.tools}


def make(pattern: str, folder: Path, *, task: str | None, corpus: Path | None = None, **options: object) -> rm.System:
    """A system of random agents for any pattern, who know the roles of their own system alone; saved as a folder."""
    shape = PATTERNS[pattern]
    tools = some_tools(shape)
    if corpus is not None:
        tools["search"].path = corpus
    words = dict.fromkeys((*VOCABULARY, *(role.name for role in shape.roles)))
    system = tiny_pattern_system(
        shape, FAMILIES, seed=len(pattern), words=tuple(words), task=rm.TASKS[task] if task else None, tools=tools,
        **{"latent_steps": 2, "trained_steps": (2, 6), **options},
    )  # fmt: skip
    system.save(folder)
    return system


def ship(folder: Path) -> Path:
    """Four systems, the last one under a name that is no pattern's and with the first one's roles."""
    make("sequential", folder / "sequential", task="chain")
    make("distillation", folder / "distillation", task="formula", latent_steps=4, trained_steps=(3, 4))
    texts = write_texts(folder / "towns.jsonl")
    make("deliberation", folder / "deliberation", task="almanac", corpus=texts, trained_steps=None)
    shutil.copytree(folder / "sequential", folder / "another")
    return folder


def write_texts(path: Path) -> Path:
    """A few texts to search."""
    rows = [{"title": town, "text": f"{town} lies high."} for town in ("Arbon", "Brugg", "Chur", "Davos")]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
