"""Training the links of a system, agents frozen: generators of `TrainStep`.

`train_inner` is the paper's inner loop (arXiv 2604.25917): under teacher forcing R_in(h_t) learns to point where the
embedding of the next token points. `align_outer` is this project's fast start for outer links: each one by itself
learns to carry R_in(h_t) to the receiver's embedding of the same next word. It needs words that both vocabularies have.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recmas_core.agents import Agent
from recmas_core.engine import Messages, Prompts
from recmas_core.errors import BadInput
from recmas_core.patterns import Place
from recmas_core.records import TrainStep
from recmas_core.schedule import cosine_rate
from recmas_core.system import System
from recmas_core.tasks import Example


@dataclass(frozen=True)
class TrainConfig:
    """How links are trained.

    Attributes:
        steps: Optimizer steps for each link.
        lr: Peak learning rate; a short warm-up and a cosine to zero.
        batch: Vectors per step.
        mse_weight: Weight of the squared error, in units of the target's mean square, beside 1 - cosine.
        rounds: Rounds of right turns to learn from.
        seed: Seed of the order of vectors.
        clip: Gradient norm limit.
        warmup: Steps of warm-up.
    """

    steps: int = 800
    lr: float = 2e-3
    batch: int = 512
    mse_weight: float = 0.1
    rounds: int = 3
    seed: int = 0
    clip: float = 1.0
    warmup: int = 10


@dataclass(frozen=True)
class Lesson:
    """Teacher-forced states of one role: hidden (n, d) and, for each, the id of the right next token (n,)."""

    hidden: Tensor
    next_ids: Tensor


def train_inner(
    system: System, role: str, examples: Sequence[Example], config: TrainConfig | None = None
) -> Iterator[TrainStep]:
    """The inner loop for one agent: R_in(h_t) towards the agent's own embedding of the next token.

    The step's accuracy is the share of the batch whose nearest token, by cosine, is the right one.

    Raises:
        BadInput: If there are no examples.
    """
    config = config or TrainConfig()
    agent = system.agents[role]
    lesson = teacher_forced(system, role, examples, rounds=config.rounds)
    targets = agent.embed(lesson.next_ids)
    fit_scale(agent.inner, agent, "post_ln")
    yield from _fit(agent.inner, lesson.hidden, targets, lesson.next_ids, agent, config, "inner", (role, role))


def align_outer(
    system: System, examples: Sequence[Example], config: TrainConfig | None = None
) -> Iterator[TrainStep]:
    """The fast start: every outer link by itself, R_out(R_in(h_t)) towards the receiver's embedding of the same word.

    Raises:
        BadInput: If there are no examples, or sender and receiver share no words of the messages.
    """
    config = config or TrainConfig()
    for (sender, receiver), link in system.links.items():
        speaker, reader = system.agents[sender], system.agents[receiver]
        lesson = teacher_forced(system, sender, examples, rounds=config.rounds)
        shared = shared_words(speaker, reader)
        kept = torch.tensor([int(i) in shared for i in lesson.next_ids])
        if not bool(kept.any()):
            todo = "Train this link with the paper's loss instead."
            raise BadInput(f"link {sender}->{receiver}", "joins vocabularies without common words", todo)
        ids = torch.tensor([shared[int(i)] for i in lesson.next_ids[kept]])
        with torch.no_grad():
            sources = speaker.inner(lesson.hidden[kept.to(lesson.hidden.device)])
        fit_scale(link, reader, "ln_target")
        yield from _fit(link, sources, reader.embed(ids), ids, reader, config, "align", (sender, receiver))


def shared_words(speaker: Agent, reader: Agent) -> dict[int, int]:
    """Token ids of the speaker that are one token of the reader too: {speaker's id: reader's id}."""
    theirs = reader.tokenizer.get_vocab()
    return {i: theirs[word] for word, i in speaker.tokenizer.get_vocab().items() if word in theirs}


@torch.no_grad()
def teacher_forced(system: System, role: str, examples: Sequence[Example], *, rounds: int) -> Lesson:
    """States of a role that reads right messages and speaks its right turns, in every round.

    It reads each message whole, and cut to as many tokens as there will be thoughts in its slot.

    Raises:
        BadInput: If there are no examples.
    """
    if not examples:
        raise BadInput("examples", "are empty", "Give at least one.")
    hidden, ids = [], []
    places = [p for p in system.pattern.schedule(rounds + 1) if p.role == role and p.round <= rounds]
    for place, length in product(places, (system.latent_steps, None)):
        for start in range(0, len(examples), 250):
            states, tokens = _forced_turn(system, place, examples[start : start + 250], length)
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
        turns = [speaker.encode(example.targets[sender][round_ - 1])[:length] for example in examples]
        messages.texts[sender] = [speaker.decode(turn) for turn in turns]
    prompts = Prompts(system, [example.question for example in examples], [place])
    reader, last = prompts.read(place, prompts.fill(place, messages), messages)
    end = min(agent.end_ids)
    right = [[*agent.encode(example.targets[place.role][place.round - 1]), end] for example in examples]
    longest = max(map(len, right))
    padded = torch.tensor([turn + [end] * (longest - len(turn)) for turn in right])
    real = torch.tensor([[i < len(turn) for i in range(longest)] for turn in right])
    states = torch.cat((last[:, None], reader.feed(agent.embed(padded[:, :-1]))), dim=1)
    return states[real.to(states.device)], padded[real]


def fit_scale(link: nn.Module, agent: Agent, norm: str) -> None:
    """Set the gain of a link's last LayerNorm to the root mean square of an agent's embeddings."""
    layer = getattr(link, norm, None)
    if isinstance(layer, nn.LayerNorm):
        with torch.no_grad():
            every = agent.embed_all()
            layer.weight.fill_(every.float().square().mean().sqrt().item())


def _fit(
    link: nn.Module,
    sources: Tensor,
    targets: Tensor,
    ids: Tensor,
    reader: Agent,
    config: TrainConfig,
    stage: str,
    key: tuple[str, str],
) -> Iterator[TrainStep]:
    link.requires_grad_(True)
    optimizer = torch.optim.AdamW(link.parameters(), lr=config.lr, betas=(0.9, 0.95))
    generator = torch.Generator().manual_seed(config.seed)
    with torch.no_grad():
        words = F.normalize(reader.embed_all(), dim=-1)
    size = targets.square().mean()
    try:
        for step in range(1, config.steps + 1):
            started = time.perf_counter()
            rate = cosine_rate(config.lr, step - 1, config.steps, warmup=config.warmup)
            for group in optimizer.param_groups:
                group["lr"] = rate
            rows = torch.randint(len(sources), (config.batch,), generator=generator).to(sources.device)
            made, wanted = link(sources[rows]), targets[rows]
            away = 1 - F.cosine_similarity(made, wanted, dim=-1).mean()
            loss = away + config.mse_weight * (made - wanted).square().mean() / size
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(link.parameters(), config.clip)
            optimizer.step()
            with torch.no_grad():
                right = (F.normalize(made, dim=-1) @ words.T).argmax(-1).cpu() == ids[rows.cpu()].cpu()
            norms = {(0, key): float(norm)}
            seconds = time.perf_counter() - started
            accuracy = right.float().mean().item()
            yield TrainStep(stage, step, config.steps, loss.item(), rate, norms, accuracy, seconds)
    finally:
        link.requires_grad_(False)
