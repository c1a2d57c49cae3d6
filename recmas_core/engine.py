"""The one recursion. It renders prompts, rolls latents out, transfers them, and decodes at the end.

`recurse` is read in two ways: `system.run` turns its steps into the event stream, without gradients and for one
question; `unroll` drains it for many questions at once, with gradients if wanted. B is the number of questions.

Latent rollout (arXiv 2604.25917): h_1 is the last-layer state at the prompt's end; R_in(h_t) is the next input
embedding; after m states R_out(R_in(h_1..h_m)) waits for the receiver's slot.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from recmas_core.captures import StepKind
from recmas_core.decoding import Script, score, speak
from recmas_core.errors import LinkMissing
from recmas_core.patterns import Place
from recmas_core.prompting import Prompts
from recmas_core.reading import Reader
from recmas_core.stages import side_by_side, worth_threads
from recmas_core.steps import (
    Alter,
    Begin,
    Calling,
    Chosen,
    Edge,
    End,
    Latent,
    Messages,
    Prompt,
    Scored,
    Sent,
    Settings,
    Step,
    check_finite,
)

if TYPE_CHECKING:
    from recmas_core.system import System

__all__ = [
    "Alter", "Edge", "Messages", "Prompts", "Settings", "Unrolled", "locked", "recurse", "require_link", "unroll",
]  # fmt: skip


def recurse(
    system: System,
    questions: Sequence[str],
    settings: Settings,
    *,
    first: int = 0,
    stop: int | None = None,
    messages: Messages | None = None,
    answers: Sequence[str | Script] | None = None,
    each_round: bool = False,
) -> Generator[Step, None, None]:
    """Run the recursion step by step. Turns of one stage go side by side: all begin, think in lockstep, and end.

    Args:
        system: Who thinks.
        questions: B questions.
        settings: How.
        first: The first turn to run; what earlier turns sent must be in `messages`.
        stop: The first turn not to run any more; None for all.
        messages: What earlier turns sent.
        answers: Score these B answers (see `decoding.score`) by teacher forcing in place of the final decode.
        each_round: Score them in every earlier round too, as if it were the last one.

    Raises:
        LinkMissing: If an edge has no link.
        NonFiniteLatent: If a thought or a transfer is not finite.
        SystemNotFound: If the answering role names a tool that the system does not have.
    """
    schedule = system.pattern.schedule(settings.rounds)[first:stop]
    asked = [replace(p, decodes=True) for p in schedule if p.role == system.pattern.decoder] if each_round else []
    messages = Messages() if messages is None else messages
    run = _Run(system, settings, Prompts(system, questions, [*schedule, *asked]), messages, answers)
    for _, stage in groupby(schedule, key=lambda place: (place.round, place.stage)):
        places, turns = list(stage), []
        for place in places:
            filled = run.prompts.fill(place, run.messages)
            turns.append(run.turn(place, filled))
            yield Begin(place, filled)
            if each_round and place.role == system.pattern.decoder and not place.decodes:
                yield run.ask(replace(place, decodes=True))
        threads = system.threads
        if threads is None:
            threads = worth_threads([system.agents[place.role] for place in places])
        # backward adds gradients up in an order that threads would leave to chance
        threads = threads and not torch.is_grad_enabled()
        # agents that share a device too small for all think one after the other, not in lockstep
        groups = [turns] if system.fits(place.role for place in places) else [[turn] for turn in turns]
        ends = []
        for group in groups:
            ends += yield from side_by_side(group, threads=threads)
        yield from ends


@dataclass(frozen=True)
class _Run:
    """What all turns of a recursion have in common."""

    system: System
    settings: Settings
    prompts: Prompts
    messages: Messages
    answers: Sequence[str | Script] | None

    def turn(self, place: Place, filled: list[Prompt]) -> Generator[Step, None, End]:
        """The steps of one turn between its beginning and its end, which is returned."""
        agent = self.system.agents[place.role]
        reader, hidden = self.prompts.read(place, filled, self.messages)
        if place.decodes and self.answers is not None:
            yield score(agent, place, reader, hidden, self.answers)
            return End(place)
        if place.decodes or self.settings.mode == "text":
            tools = self.system.tools_of(place.role) if place.decodes and self.settings.tools else {}
            read_rows = partial(self.prompts.read_rows, place, filled, self.messages)
            retry = self.system.prompts[place.role].retry if place.decodes else None
            end = yield from speak(agent, place, reader, hidden, self.settings, tools, read_rows, retry)
            self.messages.texts[place.role] = list(end.texts)
            return end
        yield from self._think(place, reader, hidden)
        return End(place)

    def ask(self, place: Place) -> Scored:
        """The scored answers of a decoding turn."""
        assert self.answers is not None
        reader, hidden = self.prompts.read(place, self.prompts.fill(place, self.messages), self.messages)
        return score(self.system.agents[place.role], place, reader, hidden, self.answers)

    def _think(self, place: Place, reader: Reader, hidden: Tensor) -> Iterator[Step]:
        embeds, carry = [], self.settings.carry
        inner = reader.agent.inner if carry is None else carry(place, place.role)
        steps, kind = self.settings.latent_steps, self.system.steps
        for latent in roll_out(reader, inner, hidden, steps, place=place, kind=kind):
            yield latent
            embeds.append(latent.embed)
        thoughts, alter = torch.stack(embeds, dim=1), self.settings.alter
        for receiver in self.system.pattern.receivers_of(place.role):
            link = self.system.link(place.role, receiver) if carry is None else carry(place, receiver)
            vectors = link(thoughts)
            sent = vectors if alter is None else alter(place, receiver, vectors)
            check_finite(sent, f"transfer {place.role}->{receiver} in round {place.round}")
            self.messages.latents[place.role, receiver] = sent
            yield Sent(place, receiver, sent, edited=sent is not vectors)


def roll_out(
    reader: Reader, inner: Callable[[Tensor], Tensor], hidden: Tensor, steps: int, *, place: Place,
    kind: StepKind = "captured",
) -> Iterator[Latent]:  # fmt: skip
    """Latent steps of one turn: from h_1 (B, d), yield h_t and R_in(h_t) for t = 1..steps; steps are at least 1.

    The reader is used up: whether it has read the thoughts depends on how they were made (see `captures`).
    """
    embed = inner(hidden)
    yield _thought(Latent(place, 0, hidden, embed))
    with reader.agent.captures.lent(reader, inner, embed, further=steps - 1, kind=kind) as recorded:
        for step in range(1, steps):
            if recorded is not None:
                hidden, embed = recorded.step()
            else:
                hidden = reader.feed(embed[:, None])[:, -1]
                embed = inner(hidden)
            yield _thought(Latent(place, step, hidden, embed))


def _thought(latent: Latent) -> Latent:
    check_finite(latent.embed, f"thought {latent.step + 1} of {latent.place.role} in round {latent.place.round}")
    return latent


@dataclass(frozen=True)
class Unrolled:
    """A whole recursion over B questions as tensors; with gradients if it was run with them.

    Attributes:
        thoughts: {turn: (B, m, d)} hidden states of every latent turn.
        self_embeds: {turn: (B, m, d)} R_in of them.
        sent: {(turn, receiver): (B, m, d_receiver)}.
        texts: What each row's final decode reads as it stands, tool calls, their results and a retry's words
            included; () when answers were scored.
        answers: Of each of them what stands behind the last result, all of it when no tool was called: what to grade.
        tokens: (B,) tokens decoded in all turns, end tokens included.
        logits, labels, rows: Of the scored answers (see `Scored`); None when none were given.
        scored: All scored answers, round by round, where every round was asked; else the last ones alone.
    """

    thoughts: Mapping[int, Tensor]
    self_embeds: Mapping[int, Tensor]
    sent: Mapping[tuple[int, str], Tensor]
    texts: tuple[str, ...]
    answers: tuple[str, ...]
    tokens: Tensor
    logits: Tensor | None = None
    labels: Tensor | None = None
    rows: Tensor | None = None
    scored: tuple[Scored, ...] = ()


def unroll(
    system: System,
    questions: Sequence[str],
    settings: Settings,
    *,
    answers: Sequence[str | Script] | None = None,
    messages: Messages | None = None,
    first: int = 0,
    stop: int | None = None,
    each_round: bool = False,
    shared: bool = False,
) -> Unrolled:
    """Drain the recursion for B questions at once. Differentiable in every link unless run under no_grad.

    Args are those of `recurse`; with `shared` the system is in others' use, too, and each step is `locked`.
    """
    thoughts: dict[int, list[Tensor]] = {}
    embeds: dict[int, list[Tensor]] = {}
    sent: dict[tuple[int, str], Tensor] = {}
    ended: End | None = None
    tokens = torch.zeros(len(questions), dtype=torch.long)
    asked: list[Scored] = []
    steps = recurse(
        system, questions, settings, first=first, stop=stop, messages=messages, answers=answers, each_round=each_round
    )
    for step in locked(system, steps) if shared else steps:
        if isinstance(step, Latent):
            thoughts.setdefault(step.place.turn, []).append(step.hidden)
            embeds.setdefault(step.place.turn, []).append(step.embed)
        elif isinstance(step, Sent):
            sent[step.place.turn, step.receiver] = step.vectors
        elif isinstance(step, Chosen):
            tokens += torch.tensor([i >= 0 for i in step.ids])
        elif isinstance(step, Scored):
            asked.append(step)
        elif isinstance(step, End):
            ended = step
    return Unrolled(
        thoughts={turn: torch.stack(rows, 1) for turn, rows in thoughts.items()},
        self_embeds={turn: torch.stack(rows, 1) for turn, rows in embeds.items()},
        sent=sent,
        texts=ended.texts if ended else (),
        answers=ended.answers if ended else (),
        tokens=tokens,
        logits=asked[-1].logits if asked else None,
        labels=asked[-1].labels if asked else None,
        rows=asked[-1].rows if asked else None,
        scored=tuple(asked),
    )


def locked(system: System, steps: Generator[Step, None, None]) -> Generator[Step, None, None]:
    """Steps of a recursion without gradients, each computed under the system's lock, so that runs interleave.

    Nothing is held while the reader looks at a step or a tool runs. Closing the generator ends the recursion.
    """
    try:
        while True:
            with system.lock, torch.inference_mode():
                step = next(steps, None)
            if step is None:
                return
            if isinstance(step, Calling):
                _ = step.results  # the tools run here, where nobody waits for them
            yield step
    finally:
        steps.close()


def require_link(links: Mapping[Edge, object], edge: Edge) -> None:
    """Raise LinkMissing if an edge has no link."""
    if edge not in links:
        todo = f"Train or load a link for it; there are links for {sorted(links)}."
        raise LinkMissing(f"edge {edge[0]}->{edge[1]}", "has no outer link", todo)
