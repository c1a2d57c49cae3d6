"""The one recursion. It renders prompts, rolls latents out, transfers them, and decodes at the end.

`recurse` is read in two ways: `system.run` turns its steps into the event stream, without gradients and for one
question; `unroll` drains it for many questions at once, with gradients if wanted. B is the number of questions.

Latent rollout (arXiv 2604.25917): h_1 is the last-layer state at the prompt's end; R_in(h_t) is the next input
embedding; after m states R_out(R_in(h_1..h_m)) waits for the receiver's slot.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

from recmas_core.agents import Agent
from recmas_core.errors import LinkMissing, NonFiniteLatent
from recmas_core.patterns import Place
from recmas_core.prompts import PromptForm, compile_prompt
from recmas_core.reading import Reader
from recmas_core.records import Mode, Segment
from recmas_core.sampling import Chooser

if TYPE_CHECKING:
    from recmas_core.system import System

Edge: TypeAlias = tuple[str, str]
Prompt: TypeAlias = tuple[Segment, ...]
Alter: TypeAlias = Callable[[Place, str, Tensor], Tensor]


@dataclass(frozen=True)
class Settings:
    """What a recursion is run with.

    Attributes:
        rounds, latent_steps, mode, max_new_tokens, temperature, top_p, seed: As in `records.RunConfig`.
        alter: Changes a transfer as it is sent: (place, receiver, (B, m, d_r)) to the same shape.
    """

    rounds: int
    latent_steps: int
    mode: Mode = "latent"
    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 0.95
    seed: int = 0
    alter: Alter | None = None


@dataclass
class Messages:
    """What each role last sent: `latents[(sender, receiver)]` (B, m, d_receiver), or `texts[sender]`, B texts."""

    latents: dict[Edge, Tensor] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Begin:
    """A turn begins with these prompts, one per row."""

    place: Place
    prompts: list[Prompt]


@dataclass(frozen=True)
class Latent:
    """One latent step: hidden (B, d) and R_in of it, embed (B, d)."""

    place: Place
    step: int
    hidden: Tensor
    embed: Tensor


@dataclass(frozen=True)
class Sent:
    """One outer-link hop: vectors (B, m, d_receiver)."""

    place: Place
    receiver: str
    vectors: Tensor
    edited: bool


@dataclass(frozen=True)
class Chosen:
    """One decoding step: a token id per row (-1 where the row had ended) and whether it ends the row now."""

    place: Place
    step: int
    ids: list[int]
    ends: list[bool]


@dataclass(frozen=True)
class Scored:
    """The decoding turn under teacher forcing: logits (N, vocabulary) for the labels (N,), and each one's row (N,)."""

    place: Place
    logits: Tensor
    labels: Tensor
    rows: Tensor


@dataclass(frozen=True)
class End:
    """A turn ends. `texts` holds what each row decoded, () for a latent turn."""

    place: Place
    texts: tuple[str, ...] = ()


Step: TypeAlias = Begin | Latent | Sent | Chosen | Scored | End


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
        self._heads: dict[str, tuple[Reader, list[int]] | None] = {}
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
        """The B prompts of a turn."""
        agent, form = self._system.agents[place.role], self._form(place)
        senders = [sender for _, sender in form.pieces if sender is not None]
        filled: list[Prompt] = []
        for row, question in enumerate(self._questions):
            ids = {s: agent.encode(messages.texts[s][row]) if s in messages.texts else () for s in senders}
            filled.append(form.fill(agent, question, ids))
        return filled

    def read(self, place: Place, prompts: Sequence[Prompt], messages: Messages) -> tuple[Reader, Tensor]:
        """Have the agent read a turn's prompts: the reader and the last hidden states, (B, d)."""
        agent = self._system.agents[place.role]
        head = self._head(place.role, prompts)
        done = head[1] if head else [0] * len(prompts)
        rows = [self._embed(agent, place.role, p, messages, r, skip=done[r]) for r, p in enumerate(prompts)]
        if head and len({len(row) for row in rows}) == 1:
            reader = head[0].fork()
            return reader, reader.feed(torch.stack(rows))[:, -1]
        if head:  # the rows' messages differ in length: read them whole, padded on the left only
            rows = [self._embed(agent, place.role, p, messages, r, skip=0) for r, p in enumerate(prompts)]
        reader = Reader(agent)
        return reader, reader.start(rows)[:, -1]

    def _head(self, role: str, prompts: Sequence[Prompt]) -> tuple[Reader, list[int]] | None:
        """The agent's shared beginning, read once: (reader, tokens read per row); None if it would save nothing."""
        if role not in self._heads:
            agent, forms = self._system.agents[role], self._uses[role]
            starts: list[tuple[int, ...]] = []
            if len(forms) > 1:
                starts = [self._shared_start(agent, forms, question) for question in self._questions]
            if not starts or min(map(len, starts)) == 0:
                self._heads[role] = None
            else:
                reader = Reader(agent)
                with torch.no_grad():  # frozen weights and fixed words: nothing to differentiate
                    reader.start([agent.embed(torch.tensor(ids)) for ids in starts])
                self._heads[role] = reader, [len(ids) for ids in starts]
        return self._heads[role]

    @staticmethod
    def _shared_start(agent: Agent, forms: Sequence[PromptForm], question: str) -> tuple[int, ...]:
        empty = {sender: () for form in forms for _, sender in form.pieces if sender is not None}
        firsts = [form.fill(agent, question, empty)[0].ids for form in dict.fromkeys(forms)]
        shared = len(os.path.commonprefix(firsts))  # noqa: RUF071 (tuples of ids, not paths)
        return firsts[0][: min(shared, min(map(len, firsts)) - 1)]  # a last token is left to be read in the turn

    def _embed(
        self, agent: Agent, role: str, prompt: Prompt, messages: Messages, row: int, *, skip: int
    ) -> Tensor:
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


def recurse(
    system: System,
    questions: Sequence[str],
    settings: Settings,
    *,
    first: int = 0,
    messages: Messages | None = None,
    answers: Sequence[str] | None = None,
) -> Generator[Step, None, None]:
    """Run the recursion step by step.

    Args:
        system: Who thinks.
        questions: B questions.
        settings: How.
        first: The first turn to run; what earlier turns sent must be in `messages`.
        messages: What earlier turns sent.
        answers: Score these B answers by teacher forcing in place of the final decode.

    Raises:
        LinkMissing: If an edge has no link.
        NonFiniteLatent: If a thought or a transfer is not finite.
    """
    schedule = system.pattern.schedule(settings.rounds)[first:]
    prompts, messages = Prompts(system, questions, schedule), messages or Messages()
    for place in schedule:
        filled = prompts.fill(place, messages)
        yield Begin(place, filled)
        reader, hidden = prompts.read(place, filled, messages)
        if place.decodes and answers is not None:
            yield _score(system.agents[place.role], place, reader, hidden, answers)
            yield End(place)
        elif place.decodes or settings.mode == "text":
            texts = yield from _speak(system.agents[place.role], place, reader, hidden, settings)
            messages.texts[place.role] = texts
            yield End(place, tuple(texts))
        else:
            yield from _think(system, place, reader, hidden, settings, messages)
            yield End(place)


def _think(
    system: System, place: Place, reader: Reader, hidden: Tensor, settings: Settings, messages: Messages
) -> Iterator[Step]:
    embeds = []
    for latent in roll_out(reader, hidden, settings.latent_steps, place=place):
        yield latent
        embeds.append(latent.embed)
    thoughts = torch.stack(embeds, dim=1)
    for receiver in system.pattern.receivers_of(place.role):
        vectors = system.link(place.role, receiver)(thoughts)
        sent = vectors if settings.alter is None else settings.alter(place, receiver, vectors)
        _check_finite(sent, f"transfer {place.role}->{receiver} in round {place.round}")
        messages.latents[place.role, receiver] = sent
        yield Sent(place, receiver, sent, edited=sent is not vectors)


def roll_out(reader: Reader, hidden: Tensor, steps: int, *, place: Place) -> Iterator[Latent]:
    """Latent steps of one turn: from h_1 (B, d), yield h_t and R_in(h_t) for t = 1..steps."""
    inner = reader.agent.inner
    for step in range(steps):
        embed = inner(hidden)
        _check_finite(embed, f"thought {step + 1} of {place.role} in round {place.round}")
        yield Latent(place, step, hidden, embed)
        if step + 1 < steps:
            hidden = reader.feed(embed[:, None])[:, -1]


def _speak(
    agent: Agent, place: Place, reader: Reader, hidden: Tensor, settings: Settings
) -> Generator[Step, None, list[str]]:
    """Decode every row to its end token; returns the texts."""
    choose = Chooser(settings.temperature, settings.top_p, seed=settings.seed, turn=place.turn, rows=len(hidden))
    said: list[list[int]] = [[] for _ in range(len(hidden))]
    running = [True] * len(hidden)
    for step in range(settings.max_new_tokens):
        _check_finite(hidden, f"decode of {place.role} in round {place.round}")
        ids = choose(agent.logits(hidden))
        picked = [int(i) if going else -1 for i, going in zip(ids.tolist(), running, strict=True)]
        ends = [going and i in agent.end_ids for i, going in zip(picked, running, strict=True)]
        for row, i in enumerate(picked):
            if running[row]:
                said[row].append(i)
        running = [going and not end for going, end in zip(running, ends, strict=True)]
        yield Chosen(place, step, picked, ends)
        if not any(running) or step + 1 == settings.max_new_tokens:
            break
        hidden = reader.feed(agent.embed(ids)[:, None])[:, -1]
    return [agent.decode(row) for row in said]


def _score(agent: Agent, place: Place, reader: Reader, hidden: Tensor, answers: Sequence[str]) -> Scored:
    """Logits of each answer's tokens (an end token behind them) after the prompt."""
    end = min(agent.end_ids)
    ids = [[*agent.encode(answer), end] for answer in answers]
    longest = max(map(len, ids))
    padded = torch.tensor([row + [end] * (longest - len(row)) for row in ids], device=agent.device)
    states = hidden[:, None]
    if longest > 1:
        states = torch.cat((states, reader.feed(agent.embed(padded[:, :-1]))), dim=1)
    real = torch.tensor([[i < len(row) for i in range(longest)] for row in ids], device=agent.device)
    return Scored(place, agent.logits(states[real]), padded[real], real.nonzero()[:, 0])


def _check_finite(values: Tensor, where: str) -> None:
    # a sum is finite only if every term is: one pass in place of the several that isfinite().all() takes
    if not math.isfinite(values.sum(dtype=torch.float32).item()):
        todo = "Check the links and the edits before this point; the run stops here."
        raise NonFiniteLatent(where, "holds NaN or infinity", todo)


@dataclass(frozen=True)
class Unrolled:
    """A whole recursion over B questions as tensors; with gradients if it was run with them.

    Attributes:
        thoughts: {turn: (B, m, d)} hidden states of every latent turn.
        self_embeds: {turn: (B, m, d)} R_in of them.
        sent: {(turn, receiver): (B, m, d_receiver)}.
        texts: B answers, () when answers were scored.
        tokens: (B,) tokens decoded in all turns, end tokens included.
        logits, labels, rows: Of the scored answers (see `Scored`); None when none were given.
    """

    thoughts: Mapping[int, Tensor]
    self_embeds: Mapping[int, Tensor]
    sent: Mapping[tuple[int, str], Tensor]
    texts: tuple[str, ...]
    tokens: Tensor
    logits: Tensor | None = None
    labels: Tensor | None = None
    rows: Tensor | None = None


def unroll(
    system: System,
    questions: Sequence[str],
    settings: Settings,
    *,
    answers: Sequence[str] | None = None,
    messages: Messages | None = None,
    first: int = 0,
) -> Unrolled:
    """Drain the recursion for B questions at once. Differentiable in every link unless run under no_grad."""
    thoughts: dict[int, list[Tensor]] = {}
    embeds: dict[int, list[Tensor]] = {}
    sent: dict[tuple[int, str], Tensor] = {}
    texts: tuple[str, ...] = ()
    tokens = torch.zeros(len(questions), dtype=torch.long)
    scored: Scored | None = None
    for step in recurse(system, questions, settings, answers=answers, messages=messages, first=first):
        if isinstance(step, Latent):
            thoughts.setdefault(step.place.turn, []).append(step.hidden)
            embeds.setdefault(step.place.turn, []).append(step.embed)
        elif isinstance(step, Sent):
            sent[step.place.turn, step.receiver] = step.vectors
        elif isinstance(step, Chosen):
            tokens += torch.tensor([i >= 0 for i in step.ids])
        elif isinstance(step, Scored):
            scored = step
        elif isinstance(step, End):
            texts = step.texts
    return Unrolled(
        thoughts={turn: torch.stack(rows, 1) for turn, rows in thoughts.items()},
        self_embeds={turn: torch.stack(rows, 1) for turn, rows in embeds.items()},
        sent=sent,
        texts=texts,
        tokens=tokens,
        logits=scored.logits if scored else None,
        labels=scored.labels if scored else None,
        rows=scored.rows if scored else None,
    )


def require_link(links: Mapping[Edge, object], edge: Edge) -> None:
    """Raise LinkMissing if an edge has no link."""
    if edge not in links:
        todo = f"Train or load a link for it; there are links for {sorted(links)}."
        raise LinkMissing(f"edge {edge[0]}->{edge[1]}", "has no outer link", todo)
