"""One stage's optimizer loop: what all stages have in common.

accelerate carries devices, mixed precision, accumulation and several processes. Every process draws the same order of
examples and takes its own share of each batch; gradients are averaged over them.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from recmas_core.errors import BadInput, Diverged, NonFiniteLatent
from recmas_core.records import TrainStep
from recmas_core.schedule import cosine_rate
from recmas_core.system import System
from recmas_core.tasks import Example
from recmas_core.training.config import TrainConfig
from recmas_core.training.masters import Masters
from recmas_core.training.rounds import Key, RoundLinks, all_links

if TYPE_CHECKING:
    from accelerate import Accelerator

MEMORY = 0.9  # share of the running accuracy that a step keeps


@dataclass(frozen=True)
class Part:
    """One forward pass.

    Attributes:
        loss: Scalar, differentiable.
        right, asked: How much of what was asked was right.
        links: The links it used, round by round.
    """

    loss: Tensor
    right: int
    asked: int
    links: RoundLinks


class StageRun(ABC, Iterator[TrainStep]):
    """An optimizer loop over some links: each `next` makes one step. Closing it leaves the links as they are, frozen.

    Args:
        stage: Name of the stage.
        trained: The links to train, by (sender, receiver); inner links by (role, role).
        config: How.
        accelerator: Carries devices, precision and processes; None makes a plain one.

    Raises:
        BadInput: If the accelerator's precision cannot hold the gradients of an unrolled loop.
    """

    def __init__(
        self, stage: str, trained: Mapping[Key, nn.Module], config: TrainConfig, accelerator: Accelerator | None
    ) -> None:
        self.stage, self.config, self.trained = stage, config, dict(trained)
        self.accelerator = plain_accelerator() if accelerator is None else accelerator
        self.accelerator.gradient_accumulation_steps = config.accumulate
        if self.accelerator.mixed_precision == "fp16":
            todo = "Use bf16, or none: gradients through several rounds leave the range of 16-bit floats."
            raise BadInput("precision", "is fp16", todo)
        self.step, self.over, self.note = 0, False, ""
        self.running: float | None = None
        self.generator = torch.Generator().manual_seed(config.seed)
        for link in self.trained.values():
            link.requires_grad_(True)
        self.masters = Masters(self.trained)
        optimizer = torch.optim.AdamW(self.masters.every, lr=config.lr, betas=(0.9, 0.95))
        self.optimizer = self.accelerator.prepare(optimizer)

    @abstractmethod
    def forward(self, rows: Tensor) -> Part:
        """The loss of a batch of examples, given by their indices (on the CPU)."""

    @property
    @abstractmethod
    def examples(self) -> int:
        """How many there are to draw from."""

    @property
    def window(self) -> int | None:
        """How many stages before the answer run free, where the stage has windows."""
        return None

    def adjust(self) -> None:
        """Called after every step: the stage may open a wider window, say something, or be over."""

    def rate(self) -> float:
        """The learning rate of the coming step."""
        config = self.config
        return cosine_rate(config.lr, self.step, config.steps, warmup=config.warmup, floor=config.floor)

    def __next__(self) -> TrainStep:
        """Make one optimizer step.

        Raises:
            Diverged: If the loss or the gradient is not finite; the links stay as they were.
        """
        if self.over or self.step >= self.config.steps:
            self.close()
            raise StopIteration
        started, rate, window = time.perf_counter(), self.rate(), self.window
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        loss, right, asked, norms = self._backward()
        clip = self.accelerator.clip_grad_norm_
        total = sum(float(clip(weights, self.config.clip)) for weights in self.masters.by_link)
        if not (math.isfinite(loss) and math.isfinite(total)):
            raise diverged(self.stage, self.step + 1, loss, total)
        self.optimizer.step()
        self.masters.write()
        self.step += 1
        self.note = ""
        share = right / max(1, asked)
        self.running = share if self.running is None else MEMORY * self.running + (1 - MEMORY) * share
        self.adjust()
        done = TrainStep(
            self.stage, self.step, self.config.steps, loss, rate, norms, self.running,
            time.perf_counter() - started, window=window, note=self.note,
        )  # fmt: skip
        return done

    def close(self) -> None:
        """End the loop: links stay as they are, frozen."""
        self.over = True
        for link in self.trained.values():
            link.requires_grad_(False)
        for weight in self.masters.every:
            weight.grad = None

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on."""
        return {
            "step": self.step,
            "running": self.running,
            "over": self.over,
            "generator": self.generator.get_state(),
            "optimizer": self.optimizer.state_dict(),
            "links": [link.state_dict() for link in self.trained.values()],
            "masters": self.masters.state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on exactly where `state_dict` was taken."""
        self.step, self.running, self.over = state["step"], state["running"], state["over"]
        self.generator.set_state(state["generator"])
        for link, kept in zip(self.trained.values(), state["links"], strict=True):
            link.load_state_dict(kept)
        self.masters.load(state.get("masters", []))  # checkpoints of before there were any hold none
        self.optimizer.load_state_dict(state["optimizer"])

    def _backward(self) -> tuple[float, int, int, dict[tuple[int, Key], float]]:
        """Gradients of one optimizer step in `.grad`; the loss, what was right, and every round's gradient norm."""
        sums: dict[tuple[int, Key], list[Tensor]] = {}
        losses, right, asked = [], 0, 0
        for _ in range(self.config.accumulate):
            rows = torch.randint(self.examples, (self.config.batch,), generator=self.generator)
            with self.accelerator.accumulate():
                try:
                    with self.accelerator.autocast():
                        part = self.forward(rows[self.accelerator.process_index :: self.accelerator.num_processes])
                except NonFiniteLatent as error:
                    raise Diverged(f"stage {self.stage!r}, step {self.step + 1}", f"met {error}", _TODO) from error
                self.accelerator.backward(part.loss)
            losses.append(part.loss.detach())
            right, asked = right + part.right, asked + part.asked
            for at, gradients in part.links.gradients().items():
                before = sums.get(at)
                sums[at] = gradients if before is None else [a + b for a, b in zip(before, gradients, strict=True)]
        loss, right, asked = self._shared(torch.stack(losses).mean(), right, asked, sums)
        norms = {at: float(torch.cat([g.flatten() for g in gradients]).norm()) for at, gradients in sums.items()}
        for (_, key), gradients in sums.items():
            for weight, gradient in zip(self.masters.of(key), gradients, strict=True):
                weight.grad = gradient if weight.grad is None else weight.grad + gradient
        return loss, right, asked, norms

    def _shared(
        self, loss: Tensor, right: int, asked: int, sums: Mapping[tuple[int, Key], list[Tensor]]
    ) -> tuple[float, int, int]:
        """Average over all processes, gradients in place."""
        if self.accelerator.num_processes == 1:
            return float(loss), right, asked
        every = [g for gradients in sums.values() for g in gradients]
        numbers = torch.tensor([float(loss), right, asked], device=self.accelerator.device)
        numbers = self.accelerator.reduce(numbers, "mean")
        flat = self.accelerator.reduce(torch.cat([g.flatten() for g in every]), "mean")
        at = 0
        for gradient in every:
            gradient.copy_(flat[at : at + gradient.numel()].view_as(gradient))
            at += gradient.numel()
        return float(numbers[0]), round(float(numbers[1])), round(float(numbers[2]))


class QuestionLoop(StageRun):
    """A loop that runs whole questions through the agents, and trains outer links; with `config.inner` all links.

    Args:
        stage: Name of the stage.
        system: Whose links.
        examples: Questions to learn from.
        config: How.
        accelerator: Carries devices, precision and processes.

    Raises:
        BadInput: If there are no examples, or no links to train.
    """

    def __init__(
        self,
        stage: str,
        system: System,
        examples: Sequence[Example],
        config: TrainConfig,
        accelerator: Accelerator | None,
    ) -> None:
        if not examples:
            raise BadInput("examples", "are empty", "Give at least one.")
        if not system.links:
            raise BadInput(f"system {system.name!r}", "has no outer links", "Choose a pattern of two agents or more.")
        every = all_links(system)
        trained = {key: link for key, link in every.items() if config.inner or key in system.links}
        super().__init__(stage, trained, config, accelerator)
        self._system, self._examples = system, examples
        self._fixed = {key: link for key, link in every.items() if key not in trained}

    @property
    def examples(self) -> int:
        """How many there are."""
        return len(self._examples)


_TODO = "Lower the rate, or clip more; the links are put back to the last good ones."


def diverged(stage: str, step: int, loss: float, norm: float) -> Diverged:
    """The error for a loss or a gradient that is not finite."""
    what = f"has the loss {loss:g} and the gradient norm {norm:g}"
    return Diverged(f"stage {stage!r}, step {step}", what, _TODO)


def plain_accelerator() -> Accelerator:
    """An accelerator for this process as it is."""
    from accelerate import Accelerator

    return Accelerator()
