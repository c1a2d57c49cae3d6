"""What the engine is timed against: the same recursion done wastefully, and the bare forward calls it cannot avoid."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from recmas_core.agents import Agent
from recmas_core.folders import load_folder, load_link
from recmas_core.records import RunConfig, Trace
from recmas_core.system import System


@dataclass(frozen=True)
class Timing:
    """Seconds of one run: in all, per latent step (mean over the run), and what it answered."""

    seconds: float
    per_step: float
    answer: str


def engine_run(system: System, config: RunConfig) -> Timing:
    """(a) This engine: the event stream, drained."""
    started = time.perf_counter()
    trace = Trace(config, system.pattern.name)
    for event in system.start(config):
        trace = trace.append(event)
    steps = [thought.seconds for thought in trace.thoughts]
    return Timing(time.perf_counter() - started, sum(steps) / len(steps), trace.answer or "")


@torch.inference_mode()
def wasteful_run(folder: Path, config: RunConfig, trace: Trace) -> Timing:
    """(b) As the public reference does it: no cache in the latent steps, every model read from disk at every turn.

    Args:
        folder: The system's folder.
        config: The run.
        trace: The engine's own run of it, for the prompts' words (rendering them is not what is compared).
    """
    started = time.perf_counter()
    sent: dict[tuple[str, str], Tensor] = {}
    in_steps, steps, answer = 0.0, 0, ""
    for turn in trace.turns:
        agent = _plainly_loaded(folder / turn.role)
        rows = [
            agent.embed(torch.tensor(segment.ids, dtype=torch.long))
            if segment.sender is None
            else sent[segment.sender, turn.role]
            for segment in turn.prompt
        ]
        embeds = torch.cat(rows)[None]
        if turn.text or turn.tokens:
            answer = agent.decode(_generate(agent, embeds, len(turn.tokens)))
            continue
        thoughts = []
        begun = time.perf_counter()
        for _ in range(config.latent_steps):
            body = agent.model.get_decoder()
            hidden = body(inputs_embeds=embeds, use_cache=False).last_hidden_state[:, -1]
            thoughts.append(agent.inner(hidden))
            embeds = torch.cat((embeds, thoughts[-1][:, None]), dim=1)
        in_steps, steps = in_steps + time.perf_counter() - begun, steps + config.latent_steps
        for receiver in turn.sent:
            link = load_link(folder / "links" / f"{turn.role}-{receiver}.safetensors")
            sent[turn.role, receiver] = link(torch.cat(thoughts))
    return Timing(time.perf_counter() - started, in_steps / steps, answer)


def _generate(agent: Agent, embeds: Tensor, tokens: int) -> list[int]:
    said: list[int] = []
    hidden, cache = agent.forward(embeds)
    while True:
        said.append(int(agent.logits(hidden[0, -1]).argmax()))
        if len(said) == tokens:
            return said
        hidden, cache = agent.forward(agent.embed(torch.tensor([said[-1:]])), past_key_values=cache)


@dataclass(frozen=True)
class Call:
    """One forward call of a decoder: whose, how many new positions, and how many were in its cache."""

    role: str
    new: int
    past: int


@contextmanager
def recorded(system: System) -> Iterator[list[Call]]:
    """Record every decoder call that is made inside the context."""
    calls: list[Call] = []

    def hook(role: str) -> Callable[..., None]:
        def record(module: nn.Module, args: tuple[object, ...], options: dict[str, object]) -> None:
            embeds, cache = options["inputs_embeds"], options.get("past_key_values")
            assert isinstance(embeds, Tensor)
            past = cache.get_seq_length() if cache is not None else 0  # type: ignore[attr-defined]
            calls.append(Call(role, embeds.shape[1], past))

        return record

    handles = [
        agent.model.get_decoder().register_forward_pre_hook(hook(role), with_kwargs=True)
        for role, agent in system.agents.items()
    ]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


@torch.inference_mode()
def bare_run(models: dict[str, PreTrainedModel], calls: list[Call]) -> Timing:
    """(c) The engine's own decoder calls with a cache, on random embeddings, and nothing else.

    No links, no words, no records. Where the engine goes on from a kept cache, a copy made beforehand is used: copying
    is not counted here, though it is in (a).
    """
    bodies = {role: model.get_decoder() for role, model in models.items()}
    inputs = [torch.randn(1, call.new, models[call.role].config.hidden_size) for call in calls]
    kept: dict[str, Any] = {}
    ready: list[Any] = []
    for at, (call, embeds) in enumerate(zip(calls, inputs, strict=True)):
        goes_on = call.past > 0 and at > 0 and _follows(calls[at - 1], call)
        ready.append(None if goes_on or call.past == 0 else copy.deepcopy(kept[call.role]))
        if call.past == 0:
            kept[call.role] = bodies[call.role](inputs_embeds=embeds, use_cache=True).past_key_values
    started = time.perf_counter()
    cache = None
    for call, embeds, start in zip(calls, inputs, ready, strict=True):
        cache = start if call.past == 0 or start is not None else cache
        cache = bodies[call.role](inputs_embeds=embeds, past_key_values=cache, use_cache=True).past_key_values
    return Timing(time.perf_counter() - started, 0.0, "")


def _follows(before: Call, call: Call) -> bool:
    """Whether a call goes on in the cache of the call before it."""
    return before.role == call.role and before.past + before.new == call.past


def _plainly_loaded(folder: Path) -> Agent:
    """An agent read as the reference does: checks of strangers' files would count against it."""
    loaded: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
    return Agent(folder.name, loaded, AutoTokenizer.from_pretrained(folder), load_link(folder / "inner.safetensors"))


def reload(folder: Path) -> System:
    """The system of a folder, for timing."""
    return load_folder(folder, name=folder.name)
