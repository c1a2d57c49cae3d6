"""What a latent thought would say, three ways: the agent's own head, the nearest words, a short decode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from recmas_core.agents import Agent
from recmas_core.engine import Prompts
from recmas_core.errors import BadInput, DimensionMismatch
from recmas_core.records import Array, Trace
from recmas_core.stream import messages_of

if TYPE_CHECKING:
    from recmas_core.system import System


@dataclass(frozen=True)
class Word:
    """A token's text and its score: a probability (`lens`) or a cosine (`nearest`)."""

    text: str
    score: float


@torch.no_grad()
def lens(agent: Agent, hidden: Array, k: int = 5) -> list[tuple[Word, ...]]:
    """Logit lens: the likeliest next tokens by the agent's own head.

    Args:
        agent: Whose hidden states they are.
        hidden: (n, d) last-layer hidden states.
        k: Words per state.

    Returns:
        For each state its k likeliest words with their probabilities.

    Raises:
        DimensionMismatch: If the states are not as wide as the agent.
    """
    states = _rows(agent, hidden)
    probabilities = agent.logits(states).float().softmax(-1)
    return _top(agent, probabilities, k)


@torch.no_grad()
def nearest(agent: Agent, vectors: Array, k: int = 5) -> list[tuple[Word, ...]]:
    """The tokens whose input embeddings point most nearly the same way.

    Args:
        agent: In whose embedding space the vectors live: the agent itself for self embeddings, the receiver for
            a transfer.
        vectors: (n, d) vectors.
        k: Words per vector.

    Returns:
        For each vector its k nearest words with their cosines.

    Raises:
        DimensionMismatch: If the vectors are not as wide as the agent.
    """
    return _words(agent, *agent.cosines(_rows(agent, vectors), k))


@torch.no_grad()
def speak(system: System, trace: Trace, turn: int, step: int, max_new_tokens: int = 8) -> str:
    """What the agent would say if it spoke now: a greedy decode from one of its thoughts.

    Args:
        system: The system the trace was made with.
        trace: A trace in which `turn` has made at least `step` + 1 thoughts.
        turn: 0-based turn.
        step: 0-based thought; the thoughts before it are read as they were made.
        max_new_tokens: Most tokens to say.

    Returns:
        The text, the end token left out.

    Raises:
        BadInput: If there is no such thought.
    """
    made = [thought for thought in trace.thoughts if thought.turn == turn]
    if not 0 <= step < len(made):
        raise BadInput("thought", f"{step} of turn {turn} does not exist", f"The turn has {len(made)} so far.")
    place = system.pattern.schedule(trace.config.rounds)[turn]
    agent, messages = system.agents[place.role], messages_of(trace.turns[:turn])
    with system.lock:
        prompts = Prompts(system, [trace.config.question], [place])
        reader, hidden = prompts.read(place, prompts.fill(place, messages), messages)
        if step:
            past = torch.tensor(np.stack([thought.embed for thought in made[:step]]))[None]
            hidden = reader.feed(past.to(hidden))[:, -1]
        said: list[int] = []
        while len(said) < max_new_tokens:
            said.append(int(agent.logits(hidden)[0].argmax()))
            if said[-1] in agent.end_ids:
                break
            hidden = reader.feed(agent.embed(torch.tensor([said[-1:]])))[:, -1]
    return agent.decode(said)


def _rows(agent: Agent, vectors: Array) -> torch.Tensor:
    rows = torch.tensor(np.asarray(vectors, dtype=np.float32))
    if rows.ndim != 2 or rows.shape[1] != agent.hidden_size:
        todo = "Probe vectors with the agent in whose space they live."
        what = f"got an array of shape {tuple(rows.shape)}, the agent's vectors have {agent.hidden_size} numbers"
        raise DimensionMismatch(f"probe of {agent.name!r}", what, todo)
    return rows.to(agent.device, agent.model.dtype)


def _top(agent: Agent, scores: torch.Tensor, k: int) -> list[tuple[Word, ...]]:
    best = scores.topk(min(k, scores.shape[-1]), dim=-1)
    return _words(agent, best.values, best.indices)


def _words(agent: Agent, scores: torch.Tensor, ids: torch.Tensor) -> list[tuple[Word, ...]]:
    rows: Sequence[tuple[list[float], list[int]]] = list(zip(scores.tolist(), ids.tolist(), strict=True))
    return [tuple(Word(agent.word(i), s) for s, i in zip(*row, strict=True)) for row in rows]
