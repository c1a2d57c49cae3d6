"""A course of training: stages one behind the other over a private copy of a system's links.

The system that is given is never touched. After every few steps held-out questions are asked and the links are kept, so
that one can go back; a loss that is not finite puts the last kept links back.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from recmas_core.engine import Settings
from recmas_core.errors import BadInput, Diverged
from recmas_core.evaluation import ANSWER_TOKENS, measure
from recmas_core.memory import TooLarge
from recmas_core.records import HeldOut, TrainStep
from recmas_core.system import System
from recmas_core.tasks import Example
from recmas_core.training.config import TrainConfig
from recmas_core.training.rounds import Key, all_links
from recmas_core.training.stages import STAGES, Running
from recmas_core.training.starts import private_copy

if TYPE_CHECKING:
    from accelerate import Accelerator

KEPT = 32  # kept links to go back to, at most

Weights = dict[Key, dict[str, Tensor]]


@dataclass(frozen=True)
class Lap:
    """One stage of a course.

    Attributes:
        stage: A key of `STAGES`.
        config: Its settings.

    Raises:
        BadInput: If there is no such stage.
    """

    stage: str
    config: TrainConfig

    def __post_init__(self) -> None:
        """Refuse an unknown stage."""
        if self.stage not in STAGES:
            raise BadInput("stage", f"is {self.stage!r}", f"Choose from {sorted(STAGES)}.")


class Course(Iterator[TrainStep]):
    """Trains a private copy of a system's links, stage by stage; each `next` makes one optimizer step.

    Args:
        system: Where the links start from; it is not touched, and its language models are shared.
        laps: The stages.
        examples: Questions to learn from.
        held_out: Questions to measure on, () for none.
        every: Steps between measurements; also the last step of every stage is measured, and it alone in stages that
            train one link after the other.
        rounds: The numbers of rounds that are measured.
        accelerator: Carries devices, precision and processes; only the main process measures.
        grade: Says whether a text answers an example; None for the system's own task.
        answer_tokens: Tokens an answer may take when it is measured.
        kept: How often links are kept to go back to, at most: each time as much memory as all links take.

    Attributes:
        system: The private copy, its links as they are now.
        before: The copy as it was at the start.

    Raises:
        BadInput: If there are no stages.
    """

    def __init__(
        self,
        system: System,
        laps: Sequence[Lap],
        examples: Sequence[Example],
        *,
        held_out: Sequence[Example] = (),
        every: int = 20,
        rounds: tuple[int, ...] = (1, 2, 3),
        accelerator: Accelerator | None = None,
        grade: Callable[[Example, str], bool] | None = None,
        answer_tokens: int = ANSWER_TOKENS,
        kept: int = KEPT,
    ) -> None:
        if not laps:
            raise BadInput("course", "has no stages", f"Choose at least one of {sorted(STAGES)}.")
        if every < 1:
            raise BadInput("every", f"is {every}", "Give a whole number of steps, 1 or more.")
        self.system, self.before = private_copy(system), private_copy(system)
        self.laps, self.examples, self.held_out = tuple(laps), examples, tuple(held_out)
        self.every, self.rounds, self._accelerator = every, tuple(rounds), accelerator
        self._grade, self._answer_tokens, self._most = grade, answer_tokens, max(2, kept)
        self._lap = 0
        self._run: Running | None = None
        self._pending: TrainStep | None = None
        self._kept: list[Weights] = [self._weights()]
        self._closed = False

    @property
    def lap(self) -> int:
        """The stage under way, 0-based; the number of stages when all are over."""
        return self._lap

    def __next__(self) -> TrainStep:
        """One optimizer step.

        Raises:
            Diverged: If a loss or a gradient is not finite; the last kept links are back in place.
            TooLarge: If the GPU's memory does not do; links stay as they are.
        """
        while not self._closed and self._lap < len(self.laps):
            if self._run is None:
                self._run = self._begin()
            try:
                step = next(self._run, None)
            except Diverged:
                self._put(self._kept[-1])
                self.close()
                raise
            except torch.OutOfMemoryError as error:
                self.close()
                what = "needs more memory than the GPU has free"
                todo = "Lower the batch or the rounds, leave out long questions and answers, or choose smaller agents."
                raise TooLarge(f"stage {self.laps[self._lap].stage!r}", what, todo) from error
            except BaseException:
                self.close()
                raise
            if step is None:
                self._end_lap()
                continue
            step = replace(step, lap=self._lap, laps=len(self.laps))
            if step.step % self.every == 0 or self._last(step):
                step = self._measured(step)
            return step
        self.close()
        raise StopIteration

    def undo(self) -> bool:
        """Go back to the links kept last, or further back when called again; False if there is nothing further back.

        The stage under way is begun anew from there.
        """
        now = self._weights()
        while len(self._kept) > 1 and _same(self._kept[-1], now):
            self._kept.pop()
        if _same(self._kept[-1], now):
            return False
        self._put(self._kept[-1])
        self._keep()
        if self._run is not None:
            self._run.close()
            self._run = None
        return True

    def close(self) -> None:
        """End the course: links stay as they are, frozen."""
        if self._run is not None:
            self._run.close()
        self._closed = True

    def distance(self) -> dict[Key, float]:
        """How far each link's weights lie from where they started: the norm of the change, as a share of the norm."""
        return {key: _change(link, all_links(self.before)[key]) for key, link in all_links(self.system).items()}

    def measure(self) -> tuple[HeldOut, ...]:
        """Ask the held-out questions now."""
        steps = self.laps[min(self._lap, len(self.laps) - 1)].config.latent_steps or self.system.latent_steps
        scores = []
        for rounds in self.rounds if self.held_out else ():
            settings = Settings(rounds, steps, "latent", self._answer_tokens)
            with nullcontext() if self._accelerator is None else self._accelerator.autocast():
                score = measure(self.system, self.held_out, settings, name="held out", grade=self._grade)
            scores.append(HeldOut(rounds, score.right, score.n))
        return tuple(scores)

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on: tensors, numbers, strings, None, lists and dicts."""
        return {
            "lap": self._lap,
            "run": None if self._run is None else self._run.state_dict(),
            "links": _named(self._weights()),
            "before": _named(_copied(self.before)),
            "kept": [_named(kept) for kept in self._kept[-2:]],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on exactly where `state_dict` was taken.

        Raises:
            BadInput: If it was taken of other links or another course.
        """
        try:
            self._lap = state["lap"]
            _load(self.before, _keyed(state["before"]))
            self._put(_keyed(state["links"]))
            self._kept = [_keyed(kept) for kept in state["kept"]]
            self._run = None
            if state["run"] is not None:
                self._run = self._begin()
                self._put(_keyed(state["links"]))  # beginning a stage may set a link's scale
                self._run.load_state_dict(state["run"])
        except (KeyError, ValueError, RuntimeError, IndexError) as error:
            todo = "Resume with the same system and stages, or begin anew in another folder."
            raise BadInput("checkpoint", f"does not fit this course ({error})", todo) from error

    def _begin(self) -> Running:
        lap = self.laps[self._lap]
        return STAGES[lap.stage].begin(self.system, self.examples, lap.config, self._accelerator)

    def _end_lap(self) -> None:
        self._run = None
        self._lap += 1
        self._keep()

    def _last(self, step: TrainStep) -> bool:
        return step.step >= step.steps or bool(getattr(self._run, "over", False))

    def _measured(self, step: TrainStep) -> TrainStep:
        self._keep()
        main = self._accelerator is None or self._accelerator.is_main_process
        asks = self._last(step) or not STAGES[step.stage].by_link
        held_out = self.measure() if main and asks else ()
        return replace(step, held_out=held_out, distance=self.distance())

    def _keep(self) -> None:
        now, far = self._weights(), self.distance()
        self.system.untrained = frozenset(edge for edge in self.before.untrained if far[edge] == 0)
        if not _same(self._kept[-1], now):
            self._kept.append(now)
            if len(self._kept) > self._most:
                del self._kept[1]  # the first ones, from before the course, stay

    def _weights(self) -> Weights:
        return _copied(self.system)

    def _put(self, weights: Weights) -> None:
        _load(self.system, weights)


def _copied(system: System) -> Weights:
    return {
        key: {name: value.detach().clone() for name, value in link.state_dict().items()}
        for key, link in all_links(system).items()
    }


def _load(system: System, weights: Weights) -> None:
    links = all_links(system)
    if set(links) != set(weights):
        raise KeyError(f"links {sorted(weights)} instead of {sorted(links)}")
    for key, state in weights.items():
        links[key].load_state_dict(state)


def _named(weights: Weights) -> dict[str, dict[str, Tensor]]:
    return {"->".join(key): state for key, state in weights.items()}


def _keyed(named: Mapping[str, dict[str, Tensor]]) -> Weights:
    return {(key.split("->")[0], key.split("->")[1]): copy.copy(state) for key, state in named.items()}


def _same(a: Weights, b: Weights) -> bool:
    return all(torch.equal(value, b[key][name]) for key, state in a.items() for name, value in state.items())


@torch.no_grad()
def _change(link: torch.nn.Module, before: torch.nn.Module) -> float:
    pairs = list(zip(link.parameters(), before.parameters(), strict=True))
    moved = sum(float((a.float() - b.float()).square().sum()) for a, b in pairs) ** 0.5
    size = sum(float(b.float().square().sum()) for _, b in pairs) ** 0.5
    return moved / size if size else float(moved > 0)
