"""States of agents under teacher forcing: they read right messages and speak their right turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from recmas_core.engine import Messages, Prompts
from recmas_core.errors import BadInput
from recmas_core.patterns import Place
from recmas_core.system import System
from recmas_core.tasks import Example
from recmas_core.training.gold import right_turn


@dataclass(frozen=True)
class Lesson:
    """Teacher-forced states of one role: hidden (n, d) and, for each, the id of the right next token (n,)."""

    hidden: Tensor
    next_ids: Tensor


@torch.no_grad()
def teacher_forced(
    system: System, role: str, examples: Sequence[Example], *, rounds: int, turns: int | None = None
) -> Lesson:
    """States of a role that reads right messages and speaks its right turns, in every round.

    It reads each message whole, and cut to as many tokens as there will be thoughts in its slot.

    Args:
        system: Whose role.
        role: Who reads and speaks.
        examples: Questions with right turns of every role.
        rounds: How many rounds' turns there are to read.
        turns: How many of them are read of each question, in rotation; None for all. Many questions of which few turns
            each are read teach more, in the same time, than few of which all are.

    Raises:
        BadInput: If there are no examples, or one lacks a role's right turns.
    """
    if not examples:
        raise BadInput("examples", "are empty", "Give at least one.")
    hidden, ids = [], []
    places = [p for p in system.pattern.schedule(rounds + 1) if p.role == role and p.round <= rounds]
    ways = list(product(places, (system.latent_steps, None)))
    for which, (place, length) in enumerate(ways):
        mine = [e for i, e in enumerate(examples) if turns is None or (which - i * turns) % len(ways) < turns]
        for start in range(0, len(mine), 250):
            states, tokens = _forced_turn(system, place, mine[start : start + 250], length)
            hidden.append(states)
            ids.append(tokens)
    return Lesson(torch.cat(hidden), torch.cat(ids))


def _forced_turn(
    system: System, place: Place, examples: Sequence[Example], length: int | None
) -> tuple[Tensor, Tensor]:
    agent, messages = system.agents[place.role], Messages()
    for sender in system.pattern.senders_to(place.role, round_=place.round):
        edge = next(e for e in system.pattern.edges if e.key == (sender, place.role))
        round_ = place.round - edge.feedback
        speaker = system.agents[sender]
        turns = [speaker.encode(right_turn(example, sender, round_))[:length] for example in examples]
        messages.texts[sender] = [speaker.decode(turn) for turn in turns]
    prompts = Prompts(system, [example.question for example in examples], [place])
    reader, last = prompts.read(place, prompts.fill(place, messages), messages)
    end = min(agent.end_ids)
    right = [[*agent.encode(right_turn(example, place.role, place.round)), end] for example in examples]
    longest = max(map(len, right))
    padded = torch.tensor([turn + [end] * (longest - len(turn)) for turn in right])
    real = torch.tensor([[i < len(turn) for i in range(longest)] for turn in right])
    states = torch.cat((last[:, None], reader.feed(agent.embed(padded[:, :-1]))), dim=1)
    return states[real.to(states.device)], padded[real]
