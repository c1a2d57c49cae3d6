"""The prompts of a run, filled with what was sent, and read by their agents."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from recmas_core.agents import Agent
from recmas_core.patterns import Place
from recmas_core.prompts import PromptForm, compile_prompt
from recmas_core.reading import Reader
from recmas_core.steps import Messages, Prompt

if TYPE_CHECKING:
    from recmas_core.system import System


class Prompts:
    """Every prompt of a run for B questions, with each agent's fixed beginning read once.

    The beginning that all of an agent's prompts share is put through the model a single time; each turn goes on
    from a copy of that cache.

    Args:
        system: Whose prompts.
        questions: B questions.
        schedule: The turns that will be asked for.
    """

    def __init__(self, system: System, questions: Sequence[str], schedule: Sequence[Place]) -> None:
        self._system, self._questions = system, questions
        self._forms: dict[tuple[str, tuple[str, ...], bool], PromptForm] = {}
        self._uses: dict[str, list[PromptForm]] = {}
        self._starts: dict[str, list[tuple[int, ...]]] = {}
        self._heads: dict[str, Reader] = {}
        for place in schedule:
            self._uses.setdefault(place.role, []).append(self._form(place))

    def _form(self, place: Place) -> PromptForm:
        pattern = self._system.pattern
        senders = pattern.senders_to(place.role, round_=place.round)
        key = (place.role, senders, place.decodes)
        if key not in self._forms:
            agent, prompt = self._system.agents[place.role], self._system.prompts[place.role]
            self._forms[key] = compile_prompt(agent, prompt, pattern, place.role, senders, decodes=place.decodes)
        return self._forms[key]

    def fill(self, place: Place, messages: Messages) -> list[Prompt]:
        """The B prompts of a turn.

        All that a tokenizer has to do for the turn is done here: turns of one stage may be read in several threads,
        and tokenizers are not made for that.
        """
        agent, form = self._system.agents[place.role], self._form(place)
        self._shared_starts(place.role)
        senders = [sender for _, sender in form.pieces if sender is not None]
        filled: list[Prompt] = []
        for row, question in enumerate(self._questions):
            ids = {s: agent.encode(messages.texts[s][row]) if s in messages.texts else () for s in senders}
            filled.append(form.fill(agent, question, ids))
        return filled

    def read(self, place: Place, prompts: Sequence[Prompt], messages: Messages) -> tuple[Reader, Tensor]:
        """Have the agent read a turn's prompts: the reader and the last hidden states, (B, d)."""
        starts = self._shared_starts(place.role)
        if starts:
            done = [len(start) for start in starts]
            rows = [self._embed(place.role, p, messages, r, skip=done[r]) for r, p in enumerate(prompts)]
            if len({len(row) for row in rows}) == 1:
                reader = self._head(place.role, starts).fork()
                return reader, reader.feed(torch.stack(rows))[:, -1]
            # the rows' messages differ in length: read them whole, padded on the left only
        return self.read_rows(place, prompts, messages, range(len(prompts)), [()] * len(prompts))

    def embeds(self, place: Place, prompt: Prompt, messages: Messages, row: int = 0) -> Tensor:
        """The input embeddings of one row's whole prompt, slots filled: (L, d)."""
        return self._embed(place.role, prompt, messages, row)

    def read_rows(
        self,
        place: Place,
        prompts: Sequence[Prompt],
        messages: Messages,
        rows: Sequence[int],
        tails: Sequence[Sequence[int]],
    ) -> tuple[Reader, Tensor]:
        """Have the agent read some rows' prompts from the beginning, and behind each prompt the ids of its tail.

        Returns:
            The reader of these rows, and their last hidden states.
        """
        agent = self._system.agents[place.role]
        whole = [self._embed(place.role, prompts[row], messages, row) for row in rows]
        words = [agent.embed(torch.tensor(tail, dtype=torch.long)) for tail in tails]
        reader = Reader(agent)
        return reader, reader.start([torch.cat(pair) for pair in zip(whole, words, strict=True)])[:, -1]

    def _shared_starts(self, role: str) -> list[tuple[int, ...]]:
        """For each question the beginning that all of the agent's prompts share; [] where that would save nothing."""
        if role not in self._starts:
            agent, forms = self._system.agents[role], self._uses[role]
            starts: list[tuple[int, ...]] = []
            if len(forms) > 1:
                starts = [self._shared_start(agent, forms, question) for question in self._questions]
            self._starts[role] = starts if starts and min(map(len, starts)) > 0 else []
        return self._starts[role]

    def _head(self, role: str, starts: Sequence[Sequence[int]]) -> Reader:
        """The agent's shared beginning, read once."""
        if role not in self._heads:
            agent = self._system.agents[role]
            reader = Reader(agent)
            with torch.no_grad():  # frozen weights and fixed words: nothing to differentiate
                reader.start([agent.embed(torch.tensor(ids)) for ids in starts])
            self._heads[role] = reader
        return self._heads[role]

    @staticmethod
    def _shared_start(agent: Agent, forms: Sequence[PromptForm], question: str) -> tuple[int, ...]:
        empty = {sender: () for form in forms for _, sender in form.pieces if sender is not None}
        firsts = [form.fill(agent, question, empty)[0].ids for form in dict.fromkeys(forms)]
        shared = len(os.path.commonprefix(firsts))  # noqa: RUF071 (tuples of ids, not paths)
        return firsts[0][: min(shared, min(map(len, firsts)) - 1)]  # a last token is left to be read in the turn

    def _embed(self, role: str, prompt: Prompt, messages: Messages, row: int, *, skip: int = 0) -> Tensor:
        agent = self._system.agents[role]
        ids: list[int] = []
        stretches: list[tuple[int, Tensor | None]] = []
        for segment in prompt:
            latents = messages.latents.get((segment.sender, role)) if segment.sender is not None else None
            if latents is None:
                ids += segment.ids[skip:]
            stretches.append((len(segment.ids) - skip, latents))
            skip = 0
        words = agent.embed(torch.tensor(ids, dtype=torch.long))  # all at once: a look-up costs as much as a layer norm
        parts, at = [], 0
        for length, latents in stretches:
            if latents is None:
                parts.append(words[at : at + length])
                at += length
            else:
                parts.append(latents[row].to(words))
        return torch.cat(parts)
