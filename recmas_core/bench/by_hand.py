"""A training step of the outer loop written by hand, with nothing else: what `OuterLoop` is timed against.

Plain functions over the models' decoder bodies with a DynamicCache each. Words are looked up beforehand, links are
called directly, and nothing is recorded, checked or told apart by rounds.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.cache_utils import DynamicCache

from recmas_core.prompting import Prompts
from recmas_core.steps import Messages
from recmas_core.system import System
from recmas_core.tasks import Example
from recmas_core.training.config import TrainConfig


@dataclass(frozen=True)
class Head:
    """The beginning that all of an agent's prompts share.

    Attributes:
        embeds: (B, L, d), zeros on the left of shorter rows.
        mask, positions: (B, L + what may follow), of every column; None where no row is shorter.
    """

    embeds: Tensor
    mask: Tensor | None
    positions: Tensor | None


@dataclass(frozen=True)
class Turn:
    """One turn: what is read behind the shared beginning, as (B, L, d) words or the name of a sender; who hears it."""

    role: str
    parts: tuple[Tensor | str, ...]
    receivers: tuple[str, ...]


@dataclass(frozen=True)
class Batch:
    """B questions, ready to be computed with.

    Attributes:
        heads: By role.
        turns: All of them; the last one answers.
        answer: (B, T - 1, d), what is read of the answers.
        real: (B, T), where an answer has a token.
        labels: (N,) those tokens.
        thoughts: Of a turn.
    """

    heads: Mapping[str, Head]
    turns: tuple[Turn, ...]
    answer: Tensor
    real: Tensor
    labels: Tensor
    thoughts: int


def prepare(system: System, examples: Sequence[Example], *, rounds: int, thoughts: int) -> Batch:
    """Have the tokenizers and the tables of embeddings done with a batch.

    Args:
        system: Who reads.
        examples: B questions with an answer each.
        rounds: Rounds to be run.
        thoughts: Thoughts of a turn.

    Raises:
        ValueError: If the questions' prompts differ in length behind their shared beginnings.
    """
    schedule = system.pattern.schedule(rounds)
    prompts = Prompts(system, [example.question for example in examples], schedule)
    filled = {place.turn: prompts.fill(place, Messages()) for place in schedule}
    answers = [[*system.agents[schedule[-1].role].encode(example.answer), _end(system)] for example in examples]
    heads: dict[str, Head] = {}
    turns: dict[int, Turn] = {}
    for role in dict.fromkeys(place.role for place in schedule):
        agent, own = system.agents[role], [place for place in schedule if place.role == role]
        shared = [
            min(len(os.path.commonprefix(firsts)), min(map(len, firsts)) - 1)  # noqa: RUF071 (tuples of ids)
            for firsts in zip(*([prompt[0].ids for prompt in filled[place.turn]] for place in own), strict=True)
        ]
        longest = 0
        for place in own:
            parts: list[Tensor | str] = []
            length = 0
            for at, column in enumerate(zip(*filled[place.turn], strict=True)):
                if column[0].sender is not None:
                    parts.append(column[0].sender)
                    length += thoughts
                    continue
                ids = [each.ids[skip if at == 0 else 0 :] for each, skip in zip(column, shared, strict=True)]
                parts.append(agent.embed(torch.tensor(ids, dtype=torch.long)))
                length += len(ids[0])
            turns[place.turn] = Turn(role, tuple(parts), system.pattern.receivers_of(role))
            longest = max(longest, length + thoughts, length + max(map(len, answers)))
        rows = [agent.embed(torch.tensor(filled[own[0].turn][r][0].ids[:n])) for r, n in enumerate(shared)]
        heads[role] = _head(rows, longest)
    agent, most = system.agents[schedule[-1].role], max(map(len, answers))
    padded = torch.tensor([ids + [_end(system)] * (most - len(ids)) for ids in answers], device=agent.device)
    real = torch.tensor([[i < len(ids) for i in range(most)] for ids in answers], device=agent.device)
    return Batch(
        heads, tuple(turns[i] for i in sorted(turns)), agent.embed(padded[:, :-1]), real, padded[real], thoughts
    )


def _end(system: System) -> int:
    return min(system.agents[system.pattern.decoder].end_ids)


def _head(rows: Sequence[Tensor], further: int) -> Head:
    most = max(map(len, rows))
    embeds = torch.stack([F.pad(row, (0, 0, most - len(row), 0)) for row in rows])
    pad = torch.tensor([[most - len(row)] for row in rows], device=embeds.device)
    if not pad.any():
        return Head(embeds, None, None)
    columns = torch.arange(most + further, device=embeds.device)
    return Head(embeds, (columns >= pad).long(), (columns - pad).clamp(min=0))


class ByHand:
    """The outer links of a system, trained by the paper's loss over the whole loop and nothing else.

    Args:
        system: Its outer links are trained in place.
        config: Rate and clipping; everything else it says is done in the plainest way.
    """

    def __init__(self, system: System, config: TrainConfig) -> None:
        self.links, self._clip = system.links, config.clip
        self._bodies = {role: agent.model.get_decoder() for role, agent in system.agents.items()}
        self._inner = {role: agent.inner for role, agent in system.agents.items()}
        self._models = {role: agent.model for role, agent in system.agents.items()}
        self._words = self._models[system.pattern.decoder].get_output_embeddings()
        for link in self.links.values():
            link.requires_grad_(True)
        parameters = [p for link in self.links.values() for p in link.parameters()]
        self._optimizer = torch.optim.AdamW(parameters, lr=config.lr, betas=(0.9, 0.95))

    def step(self, batch: Batch) -> float:
        """One optimizer step; returns the loss."""
        self._optimizer.zero_grad(set_to_none=True)
        loss = self.loss(batch)
        loss.backward()
        for link in self.links.values():
            torch.nn.utils.clip_grad_norm_(link.parameters(), self._clip)
        self._optimizer.step()
        return loss.item()

    def loss(self, batch: Batch) -> Tensor:
        """The answers' mean cross-entropy per token."""
        caches = {}
        with torch.no_grad():
            for role, head in batch.heads.items():
                caches[role] = DynamicCache(config=self._models[role].config)
                self._read(role, head, caches[role], head.embeds, 0)
        sent: dict[tuple[str, str], Tensor] = {}
        for now, after in pairwise((*batch.turns, None)):
            assert now is not None
            role, head = now.role, batch.heads[now.role]
            cache = copy.copy(caches[role])
            cache.layers = [copy.copy(layer) for layer in cache.layers]
            embeds = torch.cat([sent[part, role] if isinstance(part, str) else part for part in now.parts], dim=1)
            at = head.embeds.shape[1] + embeds.shape[1]
            last = self._read(role, head, cache, embeds, head.embeds.shape[1])[:, -1:]
            if after is None:
                states = torch.cat((last, self._read(role, head, cache, batch.answer, at)), dim=1)
                return F.cross_entropy(self._words(states[batch.real]), batch.labels)
            own = [self._inner[role](last)]
            for step in range(batch.thoughts - 1):
                own.append(self._inner[role](self._read(role, head, cache, own[-1], at + step)))
            thoughts = torch.cat(own, dim=1)
            for receiver in now.receivers:
                sent[role, receiver] = self.links[role, receiver](thoughts)
        raise AssertionError("the last turn answers")

    def _read(self, role: str, head: Head, cache: DynamicCache, embeds: Tensor, at: int) -> Tensor:
        options = {}
        if head.mask is not None and head.positions is not None:
            end = at + embeds.shape[1]
            options = {"attention_mask": head.mask[:, :end], "position_ids": head.positions[:, at:end]}
        body = self._bodies[role]
        states: Tensor = body(inputs_embeds=embeds, past_key_values=cache, use_cache=True, **options).last_hidden_state
        return states
