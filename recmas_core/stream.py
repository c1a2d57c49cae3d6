"""The event stream of one run: the recursion's steps, read without gradients, as immutable records."""

from __future__ import annotations

import time
import zlib
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from recmas_core.engine import recurse
from recmas_core.errors import BadInput, DimensionMismatch
from recmas_core.patterns import Place
from recmas_core.records import (
    Answer,
    Array,
    Edit,
    Event,
    Prompted,
    RunConfig,
    Segment,
    Thought,
    Token,
    ToolCall,
    ToolReport,
    Trace,
    Transfer,
    Turn,
    TurnDone,
    TurnStart,
    frozen_array,
)
from recmas_core.steps import (
    Begin,
    Called,
    Calling,
    Chosen,
    End,
    Latent,
    Messages,
    Retried,
    Sent,
    Settings,
    Step,
    Timed,
)

if TYPE_CHECKING:
    from recmas_core.system import System


def stream(system: System, trace: Trace) -> Generator[Event, None, None]:
    """Events of a run that goes on from `trace`'s finished turns under its configuration.

    Models are used under the system's lock one step at a time, so that many runs interleave; nothing is held
    while the reader looks at an event or a tool runs. Closing the generator ends the run and frees its caches.
    """
    steps = _steps(system, trace)
    builders: dict[int, _TurnBuilder] = {}  # turns of one stage are open at the same time
    try:
        while True:
            with system.lock, torch.inference_mode():
                started = time.perf_counter()
                step = next(steps, None)
                if step is None:
                    return
                if isinstance(step, Begin):
                    builders[step.place.turn] = _TurnBuilder(system, step)
                events = builders[step.place.turn].take(step, started)
            if isinstance(step, Calling):
                _ = step.results  # the tools run here, where nobody waits for them
            yield from events
            if isinstance(step, End):
                del builders[step.place.turn]
    finally:
        steps.close()


def _steps(system: System, trace: Trace) -> Generator[Step, None, None]:
    config = trace.config
    messages = messages_of(trace.turns)
    return recurse(system, [config.question], settings_of(config), first=len(trace.turns), messages=messages)


def settings_of(config: RunConfig) -> Settings:
    """What a run's recursion is run with, its edits included: any number of rows, each edited as a run by itself."""
    return Settings(
        rounds=config.rounds,
        latent_steps=config.latent_steps,
        mode=config.mode,
        max_new_tokens=config.max_new_tokens,
        temperature=config.temperature,
        top_p=config.top_p,
        seed=config.seed,
        alter=(lambda *at: _apply_to_rows(config, *at)) if config.edits else None,
        tools=config.tools,
    )


def _apply_to_rows(config: RunConfig, place: Place, receiver: str, vectors: Tensor) -> Tensor:
    if len(vectors) == 1:
        return apply_edits(config, place, receiver, vectors)
    return torch.cat([apply_edits(config, place, receiver, row) for row in vectors.split(1)])


def messages_of(turns: Sequence[Turn], *, rows: int = 1) -> Messages:
    """What finished turns have sent, as the recursion reads it: the same for so many rows."""
    messages = Messages()
    for turn in turns:
        if len(turn.thoughts):
            for receiver, vectors in turn.sent.items():
                messages.latents[turn.role, receiver] = torch.tensor(vectors).expand(rows, -1, -1)
        else:
            messages.texts[turn.role] = [turn.text] * rows
    return messages


def apply_edits(config: RunConfig, place: Place, receiver: str, vectors: Tensor) -> Tensor:
    """The transfer of a turn after the run's edits: (1, m, d_receiver) to the same shape."""
    for number, edit in enumerate(config.edits):
        if edit.turn != place.turn or edit.receiver not in (None, receiver):
            continue
        steps = vectors.shape[1]
        positions = list(range(steps)) if edit.positions is None else list(edit.positions)
        if any(not 0 <= p < steps for p in positions):
            raise BadInput("edit", f"names position {positions}, the turn has {steps} thoughts", "Count from 0.")
        old = vectors[:, positions]
        new = _edited(edit, config, place, receiver, old, positions, number)
        if new.shape != old.shape:
            where = f"edit of turn {edit.turn}, for {receiver!r},"
            todo = f"Offer {tuple(old.shape[1:])} numbers; receiver= limits an edit to one transfer."
            raise DimensionMismatch(where, f"offers {tuple(new.shape[1:])}", todo)
        vectors = vectors.clone()
        vectors[:, positions] = new.to(vectors)
    return vectors


def _edited(
    edit: Edit, config: RunConfig, place: Place, receiver: str, old: Tensor, positions: Sequence[int], number: int
) -> Tensor:
    if edit.kind == "zero":
        return torch.zeros_like(old)
    if edit.kind == "scale":
        return old * _number(edit)
    if edit.kind == "set":
        return torch.tensor(_matrix(edit))[None]
    if edit.kind == "noise":
        mixed = config.seed * 7_919 + place.turn * 31 + number + zlib.crc32(receiver.encode()) * 1_000_003
        generator = torch.Generator().manual_seed(mixed % 2**63)
        size = (1.0 if edit.value is None else _number(edit)) * old.float().square().mean().sqrt()
        return old + size * torch.randn(old.shape, generator=generator).to(old)
    assert edit.trace is not None  # Edit refuses a swap without a trace
    if place.turn >= len(edit.trace.turns) or receiver not in edit.trace.turns[place.turn].sent:
        todo = "Swap with a trace of the same pattern that has this turn."
        raise BadInput("edit 'swap'", f"finds no transfer of turn {place.turn} to {receiver}", todo)
    other = edit.trace.turns[place.turn].sent[receiver]
    if max(positions, default=-1) >= len(other):
        todo = "Run both with as many thoughts per turn."
        raise BadInput("edit 'swap'", f"finds only {len(other)} thoughts in the other run", todo)
    return torch.tensor(other[list(positions)])[None]


def _matrix(edit: Edit) -> Array:
    try:
        return np.atleast_2d(np.array(edit.value, dtype=np.float32))
    except (TypeError, ValueError) as error:
        todo = "Give value=, an array (positions, receiver's width)."
        raise BadInput("edit 'set'", f"takes an array of numbers ({error})", todo) from error


def _number(edit: Edit) -> float:
    if isinstance(edit.value, int | float):
        return float(edit.value)
    raise BadInput(f"edit {edit.kind!r}", "takes one number as value", "Give value=, e.g. 0.5.")


class _TurnBuilder:
    """Collects one turn's steps into events and, at its end, the Turn."""

    def __init__(self, system: System, begin: Begin) -> None:
        self._system, self._place = system, begin.place
        self._agent = system.agents[begin.place.role]
        self._prompt: tuple[Segment, ...] = begin.prompts[0]
        self._thoughts: list[Array] = []
        self._embeds: list[Array] = []
        self._sent: dict[str, Array] = {}
        self._ids: list[int] = []
        self._calls: list[ToolReport] = []
        self._prompted: list[tuple[int, str]] = []
        self._seconds = 0.0

    def take(self, step: Step, started: float) -> list[Event]:
        """The events of one step; `started` is when its computation began."""
        place = self._place
        at = (place.turn, place.round, place.role)
        if isinstance(step, Begin):
            self._tick(started)
            return [TurnStart(*at, prompt=self._prompt, decodes=place.decodes)]
        if isinstance(step, Latent):
            hidden, embed = _numpy(step.hidden[0]), _numpy(step.embed[0])
            self._thoughts.append(hidden)
            self._embeds.append(embed)
            return [Thought(*at, step=step.step, hidden=hidden, embed=embed, seconds=self._tick(started, step))]
        if isinstance(step, Sent):
            self._sent[step.receiver] = vectors = _numpy(step.vectors[0])
            return [Transfer(*at, step.receiver, vectors, edited=step.edited, seconds=self._tick(started, step))]
        if isinstance(step, Chosen):
            self._ids.append(step.ids[0])
            word = self._agent.word(step.ids[0])
            seconds = self._tick(started, step)
            return [Token(*at, step.step, step.ids[0], word, step.ends[0], seconds, step.lasts[0])]
        self._tick(started)
        if isinstance(step, Calling):
            return []
        if isinstance(step, Called):
            report = step.reports[0]
            self._calls.append(report)
            self._seconds += report.seconds
            return [ToolCall(*at, report)]
        if isinstance(step, Retried):
            self._prompted.append((len(self._ids), step.text))
            return [Prompted(*at, step.text)]
        assert isinstance(step, End)  # a run never scores
        turn = self._turn(step.texts[0] if step.texts else "")
        done: list[Event] = [TurnDone(turn)]
        return [*done, Answer(place.turn, place.role, step.answers[0])] if place.decodes else done

    def _tick(self, started: float, step: Timed | None = None) -> float:
        """Count the time of a step: its own count where it brings one, else the time since `started`."""
        own = None if step is None else step.seconds
        seconds = time.perf_counter() - started if own is None else own
        self._seconds += seconds
        return seconds

    def _turn(self, text: str) -> Turn:
        empty = np.zeros((0, self._agent.hidden_size), dtype=np.float32)
        return Turn(
            index=self._place.turn,
            round=self._place.round,
            role=self._place.role,
            prompt=self._prompt,
            thoughts=frozen_array(self._thoughts or empty),
            self_embeds=frozen_array(self._embeds or empty),
            sent=self._sent,
            text=text,
            tokens=tuple(self._ids),
            seconds=self._seconds,
            tool_calls=tuple(self._calls),
            prompted=tuple(self._prompted),
        )


def _numpy(tensor: Tensor) -> Array:
    array = tensor.detach().float().cpu().numpy()
    if array.base is not None:
        array = array.copy()  # a view would keep the whole batch's memory alive
    array.setflags(write=False)
    return array
