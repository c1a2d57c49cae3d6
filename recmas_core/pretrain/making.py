"""Making an embedded system from nothing: agents in two processes side by side, then the links.

Everything is a function of the recipe: seeds fix weights, vocabulary orders and lessons, and every process works with
one thread. Finished work is kept in the work folder, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import queue
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

from recmas_core.agents import Agent
from recmas_core.errors import SystemNotFound
from recmas_core.links import InnerLink, OuterLink
from recmas_core.patterns import get_pattern
from recmas_core.pretrain.lessons import LESSONS
from recmas_core.pretrain.recipes import RECIPES, AgentRecipe, SystemRecipe
from recmas_core.pretrain.shaping import make_model, make_tokenizer
from recmas_core.pretrain.teaching import TeachStep, teach
from recmas_core.prompts import WORDINGS
from recmas_core.records import TrainStep
from recmas_core.storage import write_whole
from recmas_core.system import System
from recmas_core.tasks import TASKS
from recmas_core.tools import Tool, open_tools
from recmas_core.training import TrainConfig, align_outer, train_inner

QUESTIONS = 800  # train questions from which links learn
ROUNDS = 5  # by then every role has said every finished chain, so links know all their words
WORKERS = 2


@dataclass(frozen=True)
class Made:
    """A part is finished: "agent critic", "inner link critic", …, "system" with the folder it was written to."""

    part: str
    seconds: float


Progress = TeachStep | TrainStep | Made


def pretrain(pattern: str, out: Path, work: Path) -> Iterator[Progress]:
    """Make the embedded system of a pattern.

    Args:
        pattern: A key of `recipes.RECIPES`.
        out: Folder to write the system to.
        work: Folder for checkpoints; a second call goes on from what it finds there.

    Yields:
        Progress of agents and links; last, that the system was written.

    Raises:
        SystemNotFound: If there is no recipe of that name.
    """
    if pattern not in RECIPES:
        raise SystemNotFound(f"recipe {pattern!r}", "does not exist", f"Choose one of {sorted(RECIPES)}.")
    recipe, started = RECIPES[pattern], time.monotonic()
    torch.set_num_threads(1)
    recipes = {**recipe.agents, "alone": recipe.alone}
    yield from _teach_all(list(recipes.values()), work)
    agents = {role: _taught(each, work, recipe) for role, each in recipes.items()}
    alone = agents.pop("alone")
    system = _assemble(recipe, agents, alone, _tools(recipe, work))
    yield from train_links(system, recipe)
    system.save(out)
    yield Made(f"system in {out}", time.monotonic() - started)


def train_links(system: System, recipe: SystemRecipe) -> Iterator[TrainStep | Made]:
    """The inner links, one agent at a time, then all outer links by alignment."""
    lessons = TASKS[recipe.task].sample(QUESTIONS, seed=recipe.link_seed, split="train")
    config = TrainConfig(seed=recipe.link_seed, rounds=ROUNDS, steps=1000)
    for role in system.roles:
        started = time.monotonic()
        yield from train_inner(system, role, lessons, config)
        yield Made(f"inner link {role}", time.monotonic() - started)
    started = time.monotonic()
    yield from align_outer(system, lessons, config)
    yield Made("outer links", time.monotonic() - started)


def _teach_all(recipes: list[AgentRecipe], work: Path) -> Iterator[Progress]:
    """Teach agents in processes of their own, the longest first; progress comes as it happens."""
    todo = sorted(recipes, key=lambda r: -r.steps * r.width)
    environment = {"OMP_NUM_THREADS": "1"}
    os.environ.update(environment)  # inherited by the workers, before torch starts there
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(WORKERS, mp_context=context) as pool:
        reports = manager.Queue()
        jobs = [pool.submit(_teach_one, recipe, work, reports) for recipe in todo]
        while not (all(job.done() for job in jobs) and reports.empty()):
            failed = next((e for job in jobs if job.done() and (e := job.exception())), None)
            if failed:
                pool.shutdown(cancel_futures=True)
                raise failed
            try:
                yield reports.get(timeout=1)
            except queue.Empty:
                continue


def _teach_one(recipe: AgentRecipe, work: Path, reports: queue.Queue[Progress]) -> None:
    torch.set_num_threads(1)
    started = time.monotonic()
    for step in teach(recipe, _checkpoint(recipe, work)):
        if step.step % 50 == 0 or step.step == step.steps:
            reports.put(step)
    reports.put(Made(f"agent {recipe.name}", time.monotonic() - started))


def _checkpoint(recipe: AgentRecipe, work: Path) -> Path:
    return work / f"{recipe.name}.pt"


def _taught(recipe: AgentRecipe, work: Path, system: SystemRecipe) -> Agent:
    lesson = LESSONS[recipe.lesson]
    tokenizer = make_tokenizer(lesson.vocabulary, seed=recipe.seed, numbers=lesson.numbers)
    model = make_model(recipe, tokenizer)
    model.load_state_dict(torch.load(_checkpoint(recipe, work), weights_only=True)["model"])
    torch.manual_seed(system.link_seed * 1_000 + recipe.seed)
    return Agent(recipe.name, model, tokenizer, InnerLink(recipe.width), wording=system.wording)


def _tools(recipe: SystemRecipe, work: Path) -> dict[str, Tool]:
    """The tools that the pattern's roles may call, the corpus written where it is to be searched."""
    names = tuple(dict.fromkeys(tool for role in get_pattern(recipe.pattern).roles for tool in role.tools))
    path = work / "corpus.jsonl"
    if recipe.corpus is not None:
        lines = "".join(json.dumps(text, ensure_ascii=False) + "\n" for text in recipe.corpus())
        write_whole(path, lambda file: file.write(lines.encode()))
    return open_tools(names, corpus=path if recipe.corpus is not None else None)


def _assemble(recipe: SystemRecipe, agents: Mapping[str, Agent], alone: Agent, tools: Mapping[str, Tool]) -> System:
    pattern = get_pattern(recipe.pattern)
    torch.manual_seed(recipe.link_seed)
    links = {
        edge.key: OuterLink(agents[edge.sender].hidden_size, agents[edge.receiver].hidden_size)
        for edge in pattern.edges
    }
    return System(
        recipe.pattern,
        pattern,
        agents,
        links,
        {role: WORDINGS[agent.wording].prompt(role) for role, agent in agents.items()},
        title=pattern.title,
        task=TASKS[recipe.task],
        latent_steps=recipe.latent_steps,
        trained_steps=recipe.trained_steps,
        alone=alone,
        tools=tools,
    )
