"""Teaching one agent from nothing: exact words first, then ever worse ones in its slots, resumable at any point."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from recmas_core.pretrain.lessons import LESSONS, Speller, draw_batch
from recmas_core.pretrain.recipes import AgentRecipe
from recmas_core.pretrain.shaping import make_model, make_tokenizer
from recmas_core.schedule import cosine_rate
from recmas_core.storage import write_whole

SAVE_EVERY = 100


@dataclass(frozen=True)
class TeachStep:
    """Progress of one agent's making.

    Attributes:
        agent: Name of the agent.
        step: Optimizer steps done.
        steps: Optimizer steps in all.
        loss: Cross-entropy of this batch, nats per token.
        right: Share of this batch's targets that were predicted rightly.
    """

    agent: str
    step: int
    steps: int
    loss: float
    right: float


@dataclass(frozen=True)
class Stage:
    """A stretch of an agent's teaching.

    Attributes:
        steps: Optimizer steps.
        peak: Highest learning rate, in units of the recipe's: a warm-up, then a cosine.
        floor: Share of the rate that is left at the end.
        warmup: Steps of warm-up.
        blurred: Share of questions whose slots are blurred.
        stretch: How far blurred words are lengthened or shortened too, as an exponent of e.
    """

    steps: int
    peak: float
    floor: float
    warmup: int = 0
    blurred: float = 0.0
    stretch: float = 0.0


def stages(recipe: AgentRecipe) -> tuple[Stage, ...]:
    """What an agent goes through: exact words, half the slots blurred, most slots blurred and stretched."""
    return (
        Stage(recipe.text_steps, peak=1.0, floor=0.1, warmup=100),
        Stage(recipe.soft_steps, peak=0.4, floor=0.02, blurred=0.5),
        Stage(recipe.firm_steps, peak=0.6, floor=0.02, warmup=50, blurred=0.8, stretch=0.5),
    )


def _stage_at(recipe: AgentRecipe, step: int) -> tuple[Stage, int]:
    """The stage of a step, and which of its steps it is."""
    for stage in stages(recipe):
        if step < stage.steps:
            return stage, step
        step -= stage.steps
    raise IndexError(step)


def blur(embeds: Tensor, slot: Tensor, rows: Tensor, *, stretch: float = 0.0) -> Tensor:
    """Mix noise of the embeddings' own size into the slots of some rows, and stretch what comes of it.

    Args:
        embeds: (rows, length, d) input embeddings.
        slot: (rows, length) bool, where slots are.
        rows: (rows,) bool, which rows to blur.
        stretch: How far: 0 for not at all.

    Returns:
        (rows, length, d): in a blurred slot e becomes s·(a·e + sqrt(1 - a²)·R·u), with a uniform in 0..1 for each
        position, u a random unit vector, R the mean embedding norm, and s = exp(stretch·v) with v uniform in
        -0.8..1.2: links that are not yet right, or damaged, err in length too, and more often upwards.
    """
    keep = torch.rand(embeds.shape[:2])[..., None]
    noise = F.normalize(torch.randn_like(embeds), dim=-1) * embeds.detach().norm(dim=-1).mean()
    mixed = keep * embeds + (1 - keep.square()).sqrt() * noise
    if stretch:
        mixed = mixed * torch.exp(stretch * (2 * torch.rand(embeds.shape[:2])[..., None] - 0.8))
    return torch.where((slot & rows[:, None])[..., None], mixed, embeds)


def teach(recipe: AgentRecipe, checkpoint: Path) -> Iterator[TeachStep]:
    """Teach an agent, saving to `checkpoint` as it goes and resuming from it when it exists."""
    lesson = LESSONS[recipe.lesson]
    tokenizer = make_tokenizer(lesson.vocabulary, seed=recipe.seed, numbers=lesson.numbers)
    spell = Speller(tokenizer)
    model = make_model(recipe, tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.lr, betas=(0.9, 0.98), weight_decay=0.01)
    first, steps = 0, recipe.steps
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    model.train()
    for step in range(first, steps):
        stage, since = _stage_at(recipe, step)
        for group in optimizer.param_groups:
            group["lr"] = cosine_rate(
                stage.peak * recipe.lr, since, stage.steps, warmup=stage.warmup, floor=stage.floor
            )
        loss, right = _lesson(model, tokenizer, spell, recipe, step, stage)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        done = step + 1
        if done % SAVE_EVERY == 0 or done == steps:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": done}
            write_whole(checkpoint, functools.partial(torch.save, state))
        yield TeachStep(recipe.name, done, steps, loss.item(), right)


def _lesson(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    spell: Speller,
    recipe: AgentRecipe,
    step: int,
    stage: Stage,
) -> tuple[Tensor, float]:
    batch = draw_batch(
        LESSONS[recipe.lesson], spell, tokenizer, name=recipe.lesson, seed=recipe.seed, step=step, mix=recipe.mix
    )
    torch.manual_seed(recipe.seed * 1_000_003 + step)
    embeds = model.get_input_embeddings()(batch.ids)
    if stage.blurred:
        embeds = blur(embeds, batch.slot, torch.rand(len(embeds)) < stage.blurred, stretch=stage.stretch)
    mask = batch.mask
    hidden = model.get_decoder()(
        inputs_embeds=embeds, attention_mask=mask, position_ids=batch.positions, use_cache=False
    ).last_hidden_state
    wanted = batch.labels >= 0
    logits = model.get_output_embeddings()(hidden[wanted])
    labels = batch.labels[wanted]
    return F.cross_entropy(logits, labels), (logits.argmax(-1) == labels).float().mean().item()
