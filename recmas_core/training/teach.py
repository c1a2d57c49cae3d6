"""Teaching outer links with gold text: all of them jointly, each hop by itself. It goes beyond the paper.

For every link its sender reads right messages as text and thinks; the thoughts pass the link, and the receiver must
say its own right turn (or, where it decodes, the answer). No round is unrolled, so a link learns in seconds what words
to carry, from anywhere, also between vocabularies that share none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from recmas_core.decoding import Script, score
from recmas_core.engine import Messages, Prompts, Settings, roll_out, unroll
from recmas_core.errors import BadInput
from recmas_core.patterns import Pattern, Place
from recmas_core.system import System
from recmas_core.tasks import Example
from recmas_core.training.config import TrainConfig
from recmas_core.training.gold import right_turn
from recmas_core.training.loop import MEMORY, Part, QuestionLoop
from recmas_core.training.outer import cross_entropy, rows_right
from recmas_core.training.rounds import Key, RoundLinks

if TYPE_CHECKING:
    from accelerate import Accelerator

SETTLE = 10  # steps before a running accuracy counts
ASKED = 192  # questions of such a look


@dataclass(frozen=True)
class Hop:
    """A message on its way: the turn that sends it and the turn that reads it."""

    sender: Place
    receiver: Place


def hops(pattern: Pattern, rounds: int) -> dict[Key, list[list[Hop]]]:
    """For each edge the hops of what is sent in the first `rounds` rounds, those of one form of prompts together."""
    every: dict[Key, dict[object, list[Hop]]] = {}
    thinking = [place for place in pattern.schedule(rounds + 2) if place.round <= rounds + 1]
    answering = [replace(place, decodes=True) for place in thinking if place.role == pattern.decoder]
    for read in [*thinking, *answering]:
        for sender in pattern.senders_to(read.role, round_=read.round):
            sent = [p for p in thinking if p.role == sender and p.turn < read.turn and _apart(p, read)][-1]
            if sent.round > rounds:
                continue  # what is fed back in the last of the rounds is read in the one behind it
            form = (
                pattern.senders_to(sender, round_=sent.round), pattern.senders_to(read.role, round_=read.round),
                read.decodes,
            )  # fmt: skip
            every.setdefault((sender, read.role), {}).setdefault(form, []).append(Hop(sent, read))
    return {edge: list(forms.values()) for edge, forms in every.items()}


def _apart(a: Place, b: Place) -> bool:
    """Whether two turns stand in different stages: those of one stage do not read each other."""
    return (a.round, a.stage) != (b.round, b.stage)


def hop_for(example: Example, form: Sequence[Hop], pick: int) -> Hop | None:
    """One of the hops of a form for an example; an answer is asked only in the round in which it can be known."""
    if not form[0].receiver.decodes:
        return form[pick % len(form)]
    if not example.rounds:
        return form[-1]
    return next((hop for hop in form if hop.receiver.round == example.rounds), None)


class Teaching(QuestionLoop):
    """Teacher-forced training of all outer links; see `teach_outer`."""

    def __init__(
        self, system: System, examples: Sequence[Example], config: TrainConfig, accelerator: Accelerator | None = None
    ) -> None:
        super().__init__("teach", system, examples, config, accelerator)
        if not system.fits(system.roles):
            self.close()
            what = "teaches all links at once, and these agents only fit on their device in turn"
            raise BadInput("stage 'teach'", what, "Choose the outer loop, or a device with more memory.")
        self._hops = hops(system.pattern, config.rounds)
        self._each: dict[Key, float | None] = dict.fromkeys(self._hops)

    def forward(self, rows: Tensor) -> Part:
        """The mean over all links of the receivers' cross-entropy; right are rows with every token right."""
        links = RoundLinks(self.trained, self._fixed)
        batch = [self._examples[i] for i in rows.tolist()]
        losses, right = [], 0
        for edge, forms in self._hops.items():
            sizes = torch.tensor([float(len(form)) for form in forms])
            form = forms[int(torch.multinomial(sizes, 1, generator=self.generator))]
            # every process draws for the whole batch and takes its share
            drawn = torch.randint(2**20, (self.config.batch,), generator=self.generator)
            picks = drawn[self.accelerator.process_index :: self.accelerator.num_processes].tolist()
            found = [(hop_for(e, form, pick), e) for e, pick in zip(batch, picks, strict=True)]
            ways = [(hop, example) for hop, example in found if hop is not None]
            if not ways:
                continue  # none of these questions is answered in the rounds of this form
            loss, good = self._hop(edge, [hop for hop, _ in ways], [example for _, example in ways], links)
            losses.append(loss)
            right += good
            share, before = good / len(ways), self._each[edge]
            self._each[edge] = share if before is None else MEMORY * before + (1 - MEMORY) * share
        return Part(torch.stack(losses).mean(), right, len(batch) * len(losses), links)

    def _hop(self, edge: Key, each: Sequence[Hop], batch: Sequence[Example], links: RoundLinks) -> tuple[Tensor, int]:
        system, (sender, receiver) = self._system, edge
        sent, read = each[0].sender, each[0].receiver
        questions = [example.question for example in batch]
        # a turn named twice has its fixed beginning read apart, without gradients
        prompts = Prompts(system, questions, [sent, sent, read, read])
        told = self._told([hop.sender for hop in each], batch, without=None)
        reader, hidden = prompts.read(sent, prompts.fill(sent, told), told)
        steps = self.config.latent_steps or system.latent_steps
        thoughts = [s.embed for s in roll_out(reader, links.at(0, (sender, sender)), hidden, steps, place=sent)]
        heard = self._told([hop.receiver for hop in each], batch, without=sender)
        heard.latents[edge] = links.at(0, edge)(torch.stack(thoughts, dim=1))
        reader, hidden = prompts.read(read, prompts.fill(read, heard), heard)
        agent = system.agents[receiver]
        whole = self.config.whole_turns or read.decodes
        answers: list[str | Script] = []
        for hop, example in zip(each, batch, strict=True):
            right = right_turn(example, receiver, hop.receiver.round)
            said = right if whole else agent.decode(agent.encode(right)[:steps])
            answers.append(example.script if read.decodes else said)
        scored = score(agent, read, reader, hidden, answers, ended=whole)
        return cross_entropy(scored), rows_right(scored, len(batch))

    def _told(self, places: Sequence[Place], batch: Sequence[Example], *, without: str | None) -> Messages:
        """What each row's reader was rightly told, as texts."""
        pattern, texts = self._system.pattern, {}
        feedback = {edge.key: edge.feedback for edge in pattern.edges}
        for sender in pattern.senders_to(places[0].role, round_=places[0].round):
            if sender != without:
                texts[sender] = [
                    right_turn(example, sender, place.round - feedback[sender, place.role])
                    for place, example in zip(places, batch, strict=True)
                ]
        return Messages(texts=texts)

    def adjust(self) -> None:
        """The running accuracy is that of the worst link; the stage is over once it is what was asked for."""
        worst = min(each or 0.0 for each in self._each.values())
        self.running, target = worst, self.config.target
        self.over = target is not None and self.step >= SETTLE and worst >= target
        share = self.config.handover
        if share is not None and self.step >= SETTLE and worst >= share:  # a loop is not better than its worst link
            self.over = self.over or self._answered() >= share

    @torch.no_grad()
    def _answered(self) -> float:
        """The share of some training questions that the whole loop, running free, answers rightly."""
        drawn = torch.Generator().manual_seed(self.config.seed * 1_000_003 + self.step)
        rows = torch.randint(len(self._examples), (ASKED,), generator=drawn).tolist()
        batch = [self._examples[i] for i in rows]
        settings = Settings(self.config.rounds, self.config.latent_steps or self._system.latent_steps)
        answers = [example.script for example in batch]
        run = unroll(self._system, [example.question for example in batch], settings, answers=answers)
        return rows_right(run.scored[-1], ASKED) / ASKED

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on."""
        return {**super().state_dict(), "each": list(self._each.values())}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on exactly where `state_dict` was taken."""
        super().load_state_dict(state)
        self._each = dict(zip(self._each, state["each"], strict=True))


def teach_outer(
    system: System,
    examples: Sequence[Example],
    config: TrainConfig | None = None,
    *,
    accelerator: Accelerator | None = None,
) -> Teaching:
    """Teacher-forced training of all outer links jointly, agents frozen. Not in the paper.

    A step's loss is the mean over links of the receivers' cross-entropy per token; its accuracy the running share of
    turns all of whose tokens are right, of the link where it is lowest; its `grad_norms` are keyed by round 0.

    Args:
        system: Its links are trained in place: give a copy (`private_copy`) of one that others use.
        examples: Questions with answers and the right turns of every role.
        config: How; `STAGES["teach"].config` by default. The stage is over at `target`, or at `handover`.
        accelerator: Carries devices, precision and processes.

    Raises:
        BadInput: If there are no examples, or one lacks a role's right turns (from the iterator), or the agents fit on
            their device in turn only.
        Diverged: From the iterator, if a loss or gradient is not finite.
    """
    from recmas_core.training.stages import STAGES

    return Teaching(system, examples, config or STAGES["teach"].config, accelerator)
