"""The outer loop with the paper's loss: the final answer's cross-entropy, back through all rounds into every link.

"Recursive Multi-Agent Systems", arXiv 2604.25917. Two options are the project's own: windows, in which only the last
stages before the answer run free at first and read gold text before that, and a look-out for runs that have stalled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from recmas_core.engine import Messages, Settings, unroll
from recmas_core.patterns import Place
from recmas_core.steps import Scored
from recmas_core.system import System
from recmas_core.tasks import Example
from recmas_core.training.config import TrainConfig
from recmas_core.training.gold import gold_before
from recmas_core.training.loop import Part, QuestionLoop
from recmas_core.training.remembering import unroll_remembering_little
from recmas_core.training.rounds import RoundLinks, wide
from recmas_core.training.stalling import Lookout

if TYPE_CHECKING:
    from accelerate import Accelerator

OPENS = 0.95  # running accuracy at which the next window opens
SETTLE = 8  # steps in a window before its running accuracy counts


@dataclass(frozen=True)
class Window:
    """A stretch of the outer loop.

    Attributes:
        free: Stages before the answer that run free, behind gold text; None for all of them.
        rounds: The numbers of rounds that are run, one of them in each step.
    """

    free: int | None
    rounds: tuple[int, ...]


class OuterLoop(QuestionLoop):
    """The paper's outer loop; see `train_outer`."""

    def __init__(
        self, system: System, examples: Sequence[Example], config: TrainConfig, accelerator: Accelerator | None = None
    ) -> None:
        super().__init__("outer", system, examples, config, accelerator)
        self._pools = pools(examples, config.rounds) if config.grow else {}
        schedules = {r: system.pattern.schedule(r) for r in range(1, config.rounds + 1)}
        self._stages = {r: len(stage_starts(schedule)) - 1 for r, schedule in schedules.items()}
        self._windows = self._plan()
        self._at, self._since = 0, 0
        self._lookout = Lookout()

    @property
    def window(self) -> int:
        """Stages before the answer that run free, at most."""
        window = self._windows[self._at]
        return self._stages[max(window.rounds)] if window.free is None else window.free

    @property
    def whole(self) -> bool:
        """Whether the whole loop runs free."""
        return self._at == len(self._windows) - 1

    def forward(self, rows: Tensor) -> Part:
        """The answers' cross-entropy of a batch."""
        config, window = self.config, self._windows[self._drawn()]
        rounds = window.rounds[int(torch.randint(len(window.rounds), (1,), generator=self.generator))]
        pool = self._pools.get(rounds)
        batch = [self._examples[i if pool is None else pool[i % len(pool)]] for i in rows.tolist()]
        schedule = self._system.pattern.schedule(rounds)
        first = 0 if window.free is None else stage_starts(schedule)[-1 - window.free]
        messages = gold_before(schedule[first], schedule, batch) if first else Messages()
        links = RoundLinks(self.trained, self._fixed)
        settings = Settings(rounds, config.latent_steps or self._system.latent_steps, carry=links.carry)
        # on the way back every agent's weights are needed where it computes: those that take turns have left by then
        in_turn = not self._system.fits(self._system.roles)
        run = unroll_remembering_little if config.checkpointing or in_turn else unroll
        out = run(
            self._system, [e.question for e in batch], settings, answers=[e.script for e in batch],
            messages=messages, first=first, each_round=config.supervise == "every",
        )  # fmt: skip
        loss = torch.stack([self._weight(each.place, rounds) * cross_entropy(each) for each in out.scored]).sum()
        return Part(loss, rows_right(out.scored[-1], len(batch)), len(batch), links)

    def _drawn(self) -> int:
        """Which window a step is made in: the last that is open or, as often, one of those before it.

        Behind gold text a link's own mistakes are seen, which in the whole loop lie hidden behind those of the others.
        """
        if not self.config.windows or not self._at or bool(torch.rand((), generator=self.generator) < 0.5):
            return self._at
        return int(torch.randint(self._at, (), generator=self.generator))

    def _plan(self) -> tuple[Window, ...]:
        """The windows that the settings ask for; the last one is the whole loop in every number of rounds."""
        config = self.config
        known = sorted(self._pools) or [config.rounds]
        # the longest loop comes most often: the shorter ones are in it, and only keep it from forgetting
        whole = [Window(None, (*known[:i], *known[i - 1 : i] * 2)) for i in range(1, len(known) + 1)]
        if not config.windows:
            return tuple(whole)
        every = suffix_windows(self._stages[config.rounds], len(self._system.pattern.stages))[:-1]
        return (*(Window(free, tuple(r for r in known if self._stages[r] >= free)) for free in every), whole[-1])

    def _weight(self, place: Place, rounds: int) -> float:
        config = self.config
        if config.supervise == "last":
            return 1.0
        weights = (config.weights or (1.0,) * config.rounds)[:rounds]
        return weights[place.round - 1] / sum(weights) if sum(weights) else float(place.round == rounds)

    def adjust(self) -> None:
        """Open the next window once this one is solved, or after its time; look out for a stall in the last one."""
        self._since += 1
        assert self.running is not None
        if not self.whole:
            patience = max(10, self.config.steps // (len(self._windows) + 1))
            if (self.running >= OPENS and self._since >= SETTLE) or self._since >= patience:
                self._at, self._since, self.running = self._at + 1, 0, None
            return
        self.note = self._lookout.see(self.running, share_left=1 - self.step / self.config.steps)
        if self.config.target is not None and self._since >= 10 and self.running >= self.config.target:
            self.over = True

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on."""
        own = {"at": self._at, "since": self._since, "lookout": self._lookout.state_dict()}
        return {**super().state_dict(), **own}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on exactly where `state_dict` was taken."""
        super().load_state_dict(state)
        self._at, self._since = state["at"], state["since"]
        self._lookout.load_state_dict(state["lookout"])


def train_outer(
    system: System,
    examples: Sequence[Example],
    config: TrainConfig | None = None,
    *,
    accelerator: Accelerator | None = None,
) -> OuterLoop:
    """The outer loop: every round unrolled, the answer's cross-entropy into every outer link, agents frozen.

    A step's loss is the cross-entropy per token of the answer (and its end token); its accuracy the running share of
    answers all of whose tokens are right; its `grad_norms` what each round had to say to each link.

    Args:
        system: Its links are trained in place: give a copy (`private_copy`) of one that others use.
        examples: Questions with answers; with windows also the right turns of every role.
        config: How; `STAGES["outer"].config` by default.
        accelerator: Carries devices, precision and processes.

    Raises:
        BadInput: If there are no examples, or windows are asked for and an example lacks a role's right turns.
        Diverged: From the iterator, if a loss or gradient is not finite.
    """
    from recmas_core.training.stages import STAGES

    return OuterLoop(system, examples, config or STAGES["outer"].config, accelerator)


def pools(examples: Sequence[Example], rounds: int) -> dict[int, list[int]]:
    """For each number of rounds the examples it answers, by their indices; {} unless that is known of all.

    Those that need every one of the rounds come several times: the others only have their answer carried on at the end.
    """
    needs = [example.rounds for example in examples]
    if min(needs) < 1:
        return {}
    found = {}
    for r in range(1, rounds + 1):
        fitting = [i for i, need in enumerate(needs) if need == r]
        if fitting:
            found[r] = [i for i, need in enumerate(needs) if need <= r] + (r - 1) * fitting
    return found


def stage_starts(schedule: Sequence[Place]) -> list[int]:
    """The first turn of every stage of a run, in order; the last one answers."""
    return [next(turns).turn for _, turns in groupby(schedule, key=lambda place: (place.round, place.stage))]


def suffix_windows(stages: int, loop: int) -> tuple[int, ...]:
    """How many stages before the answer run free, window by window.

    All but one of two rounds first, then all of two, then everything. With fewer, a link's errors in what only a
    further round will need cost nothing, and it takes to confusing words for good: in the first round, say, the labels
    of two steps. Where that is everything already, one round is the first.

    Args:
        stages: Stages before the answer.
        loop: Stages of a round.
    """
    first = 2 * loop - 1 if stages > 2 * loop - 1 else loop
    return (*range(min(first, stages), min(2 * loop + 1, stages)), stages)


def cross_entropy(scored: Scored) -> Tensor:
    """Mean cross-entropy per token of scored answers, in single precision at least."""
    return F.cross_entropy(wide(scored.logits), scored.labels)


@torch.no_grad()
def rows_right(scored: Scored, rows: int) -> int:
    """How many rows have every token of their answer right."""
    wrong = torch.zeros(rows, device=scored.rows.device)
    wrong.index_add_(0, scored.rows, (scored.logits.argmax(-1) != scored.labels).float())
    return int((wrong == 0).sum())
