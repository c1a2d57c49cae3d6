"""Teaching one agent from nothing: exact words first, then blurred slots, resumable at any point."""

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


def _rate(recipe: AgentRecipe, step: int) -> float:
    """Learning rate: a warm-up and a cosine to a tenth for the text stage, a gentler cosine for the soft one."""
    if step < recipe.text_steps:
        return cosine_rate(recipe.lr, step, recipe.text_steps, warmup=100, floor=0.1)
    return cosine_rate(0.4 * recipe.lr, step - recipe.text_steps, recipe.soft_steps, floor=0.02)


def blur(embeds: Tensor, slot: Tensor, rows: Tensor) -> Tensor:
    """Mix noise of the embeddings' own size into the slots of some rows.

    Args:
        embeds: (rows, length, d) input embeddings.
        slot: (rows, length) bool, where slots are.
        rows: (rows,) bool, which rows to blur.

    Returns:
        (rows, length, d): in a blurred slot e becomes a·e + sqrt(1 - a²)·R·u, with a uniform in 0..1 for each
        position, u a random unit vector and R the mean embedding norm.
    """
    keep = torch.rand(embeds.shape[:2])[..., None]
    noise = F.normalize(torch.randn_like(embeds), dim=-1) * embeds.detach().norm(dim=-1).mean()
    mixed = keep * embeds + (1 - keep.square()).sqrt() * noise
    return torch.where((slot & rows[:, None])[..., None], mixed, embeds)


def teach(recipe: AgentRecipe, checkpoint: Path) -> Iterator[TeachStep]:
    """Teach an agent, saving to `checkpoint` as it goes and resuming from it when it exists."""
    lesson = LESSONS[recipe.lesson]
    tokenizer = make_tokenizer(lesson.vocabulary, seed=recipe.seed, numbers=lesson.numbers)
    spell = Speller(tokenizer)
    model = make_model(recipe, tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.lr, betas=(0.9, 0.98), weight_decay=0.01)
    first, steps = 0, recipe.text_steps + recipe.soft_steps
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    model.train()
    for step in range(first, steps):
        for group in optimizer.param_groups:
            group["lr"] = _rate(recipe, step)
        loss, right = _lesson(model, tokenizer, spell, recipe, step)
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
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, spell: Speller, recipe: AgentRecipe, step: int
) -> tuple[Tensor, float]:
    batch = draw_batch(
        LESSONS[recipe.lesson], spell, tokenizer, name=recipe.lesson, seed=recipe.seed, step=step, mix=recipe.mix
    )
    torch.manual_seed(recipe.seed * 1_000_003 + step)
    embeds = model.get_input_embeddings()(batch.ids)
    if step >= recipe.text_steps:
        embeds = blur(embeds, batch.slot, torch.rand(len(embeds)) < 0.5)
    mask = batch.mask
    hidden = model.get_decoder()(
        inputs_embeds=embeds, attention_mask=mask, position_ids=batch.positions, use_cache=False
    ).last_hidden_state
    wanted = batch.labels >= 0
    logits = model.get_output_embeddings()(hidden[wanted])
    labels = batch.labels[wanted]
    return F.cross_entropy(logits, labels), (logits.argmax(-1) == labels).float().mean().item()
