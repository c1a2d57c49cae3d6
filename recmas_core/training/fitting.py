"""Fitting links to vectors: the paper's inner loop, and this project's fast start for outer links.

`train_inner` is the paper's inner loop (arXiv 2604.25917): under teacher forcing R_in(h_t) learns to point where the
embedding of the next token points. `align_outer` is the fast start: each outer link by itself learns to carry R_in(h_t)
to the receiver's embedding of the same next word. It needs words that both vocabularies have.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recmas_core.agents import Agent
from recmas_core.errors import BadInput
from recmas_core.system import System
from recmas_core.tasks import Example
from recmas_core.training.chain import Chained
from recmas_core.training.config import TrainConfig
from recmas_core.training.forced import Lesson, teacher_forced
from recmas_core.training.loop import Part, StageRun
from recmas_core.training.rounds import Key, RoundLinks, wide

if TYPE_CHECKING:
    from accelerate import Accelerator


class Fitting(StageRun):
    """A link fitted to pairs of vectors: (1 - cosine) + mse_weight * MSE / mean square of the targets.

    Args:
        stage: Name of the stage.
        key: Which link.
        link: The link.
        sources: (n, d_in) what it reads.
        targets: (n, d_out) what it should give.
        ids: (n,) the reader's token id of each target.
        reader: The agent whose embeddings the targets are.
        config: How.
        accelerator: Carries devices, precision and processes.
    """

    def __init__(
        self,
        stage: str,
        key: Key,
        link: nn.Module,
        sources: Tensor,
        targets: Tensor,
        ids: Tensor,
        reader: Agent,
        config: TrainConfig,
        accelerator: Accelerator | None,
    ) -> None:
        super().__init__(stage, {key: link}, config, accelerator)
        self._key, self._sources, self._targets, self._ids = key, sources, targets, ids.to(sources.device)
        with torch.no_grad():
            self._words = F.normalize(reader.embed_all().float(), dim=-1)
        self._size = wide(targets).square().mean()

    @property
    def examples(self) -> int:
        """How many pairs there are."""
        return len(self._sources)

    def forward(self, rows: Tensor) -> Part:
        """The loss of a batch; right are vectors whose nearest token, by cosine, is the right one."""
        rows = rows.to(self._sources.device)
        links = RoundLinks(self.trained, {})
        made, wanted = wide(links.at(0, self._key)(self._sources[rows])), wide(self._targets[rows])
        away = 1 - F.cosine_similarity(made, wanted, dim=-1).mean()
        loss = away + self.config.mse_weight * (made - wanted).square().mean() / self._size
        with torch.no_grad():
            nearest = (F.normalize(made.float(), dim=-1) @ self._words.T).argmax(-1)
        return Part(loss, int((nearest == self._ids[rows]).sum()), len(rows), links)

    def adjust(self) -> None:
        """The stage is over once the running accuracy is what was asked for."""
        target, running = self.config.target, self.running
        self.over = target is not None and running is not None and self.step >= 10 and running >= target


def train_inner(
    system: System,
    role: str,
    examples: Sequence[Example],
    config: TrainConfig | None = None,
    *,
    accelerator: Accelerator | None = None,
) -> Chained:
    """The inner loop for one agent: R_in(h_t) towards the agent's own embedding of the next token.

    The step's accuracy is the running share of vectors whose nearest token, by cosine, is the right one.

    Args:
        system: Its inner link is trained in place: give a copy (`private_copy`) of one that others use.
        role: Whose.
        examples: Questions with right turns of every role.
        config: How; `STAGES["inner"].config` by default.
        accelerator: Carries devices, precision and processes.

    Raises:
        BadInput: If there is no such role; from the iterator if there are no examples, or one lacks right turns.
        Diverged: From the iterator, if a loss or gradient is not finite.
    """
    from recmas_core.training.stages import STAGES

    if role not in system.agents:
        raise BadInput("role", f"is {role!r}", f"Choose from {system.roles}.")
    settings = config or STAGES["inner"].config
    return Chained([partial(_inner, system, role, examples, settings, accelerator)])


def inner_loop(
    system: System, examples: Sequence[Example], config: TrainConfig, accelerator: Accelerator | None = None
) -> Chained:
    """The inner loop for every agent in turn."""
    return Chained([partial(_inner, system, role, examples, config, accelerator) for role in system.roles])


def align_outer(
    system: System,
    examples: Sequence[Example],
    config: TrainConfig | None = None,
    *,
    accelerator: Accelerator | None = None,
) -> Chained:
    """The fast start: every outer link by itself, R_out(R_in(h_t)) towards the receiver's embedding of the same word.

    Args:
        system: Its outer links are trained in place: give a copy (`private_copy`) of one that others use.
        examples: Questions with right turns of every role.
        config: How; `STAGES["align"].config` by default.
        accelerator: Carries devices, precision and processes.

    Raises:
        BadInput: From the iterator, if there are no examples, or sender and receiver share no words of the messages.
        Diverged: From the iterator, if a loss or gradient is not finite.
    """
    from recmas_core.training.stages import STAGES

    return alignment(system, examples, config or STAGES["align"].config, accelerator)


def alignment(
    system: System, examples: Sequence[Example], config: TrainConfig, accelerator: Accelerator | None = None
) -> Chained:
    """The fast start; see `align_outer`."""
    return Chained([partial(_aligned, system, key, examples, config, accelerator) for key in system.links])


def _inner(
    system: System, role: str, examples: Sequence[Example], config: TrainConfig, accelerator: Accelerator | None
) -> Fitting:
    agent = system.agents[role]
    lesson = _lesson(system, role, examples, config)
    targets = agent.embed(lesson.next_ids)
    fit_scale(agent.inner, agent, "post_ln")
    return Fitting(
        "inner", (role, role), agent.inner, lesson.hidden, targets, lesson.next_ids, agent, config, accelerator
    )


def _aligned(
    system: System, key: Key, examples: Sequence[Example], config: TrainConfig, accelerator: Accelerator | None
) -> Fitting:
    sender, receiver = key
    link, speaker, reader = system.links[key], system.agents[sender], system.agents[receiver]
    lesson = _lesson(system, sender, examples, config)
    shared = shared_words(speaker, reader)
    kept = torch.tensor([int(i) in shared for i in lesson.next_ids])
    if not bool(kept.any()):
        todo = "Teach this link with gold text, or train it with the paper's loss."
        raise BadInput(f"link {sender}->{receiver}", "joins vocabularies without common words", todo)
    ids = torch.tensor([shared[int(i)] for i in lesson.next_ids[kept]])
    with torch.no_grad():
        sources = speaker.inner(lesson.hidden[kept.to(lesson.hidden.device)])
    fit_scale(link, reader, "ln_target")
    return Fitting("align", key, link, sources, reader.embed(ids), ids, reader, config, accelerator)


def _lesson(system: System, role: str, examples: Sequence[Example], config: TrainConfig) -> Lesson:
    return teacher_forced(
        system, role, examples[: config.questions], rounds=config.rounds, turns=config.turns
    )


def shared_words(speaker: Agent, reader: Agent) -> dict[int, int]:
    """Token ids of the speaker that are one token of the reader too: {speaker's id: reader's id}."""
    theirs = reader.tokenizer.get_vocab()
    return {i: theirs[word] for word, i in speaker.tokenizer.get_vocab().items() if word in theirs}


def fit_scale(link: nn.Module, agent: Agent, norm: str) -> None:
    """Set the gain of a link's last LayerNorm to the root mean square of an agent's embeddings."""
    layer = getattr(link, norm, None)
    if isinstance(layer, nn.LayerNorm):
        with torch.no_grad():
            every = agent.embed_all()
            layer.weight.fill_(every.float().square().mean().sqrt().item())
