"""Saves a small random system for each pattern: what the page can show of them without the shipped weights.

`python -m tests.browser.small FOLDER` makes a folder for `python app.py --assets FOLDER`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import torch

import recmas_core as rm
from recmas_core.tasks.almanac import corpus
from recmas_core.tools import open_tools
from tests.tiny import FAMILIES, talkative, tiny_pattern_system

WORLDS: Mapping[str, str] = MappingProxyType(
    {"sequential": "chain", "mixture": "fields", "distillation": "formula", "deliberation": "almanac"}
)


def save_small(assets: Path) -> None:
    """Write a system of random agents for every pattern that has a little world; its tool-callers do call."""
    torch.set_num_threads(1)
    for seed, (name, world) in enumerate(WORLDS.items()):
        pattern = rm.PATTERNS[name]
        families = FAMILIES[seed:] + FAMILIES[:seed]
        tools = {}
        if names := {tool for role in pattern.roles for tool in role.tools}:
            texts = assets / "texts.jsonl"
            texts.parent.mkdir(parents=True, exist_ok=True)
            texts.write_text("".join(json.dumps(text) + "\n" for text in corpus()), encoding="utf-8")
            tools = open_tools(sorted(names), corpus=texts)
        system = tiny_pattern_system(
            pattern, families, seed=seed, task=rm.TASKS[world], tools=tools, trained_steps=(1, 8)
        )
        for role in pattern.roles:
            if role.tools:
                talkative(system.agents[role.name], seed=seed)
        system.title = pattern.title
        system.save(assets / name)


if __name__ == "__main__":
    save_small(Path(sys.argv[1]))
