"""How the embedded agents are shaped and taught, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class AgentRecipe:
    """One agent made from nothing.

    Attributes:
        name: Folder name of the agent.
        family: A transformers model type ("qwen3", "mistral", "gemma3_text", …).
        width: Hidden size, d.
        layers: Decoder layers.
        heads: Attention heads.
        kv_heads: Key/value heads.
        seed: Seed of the weights, of the vocabulary order and of the lessons.
        lr: Peak learning rate of the text stage.
        text_steps: Optimizer steps on exact words.
        soft_steps: Optimizer steps in which half the slots are blurred, so that inexact latents are read too.
        lesson: "turns" (speak any turn of the loop) or "direct" (answer the whole question at once).
        mix: How often a turn's message is missing, any, the last but one, the last of the chain.
        options: Further entries of the model's configuration.
    """

    name: str
    family: str
    width: int
    heads: int
    kv_heads: int
    seed: int
    lr: float
    text_steps: int
    soft_steps: int
    layers: int = 3
    lesson: str = "turns"
    mix: tuple[int, int, int, int] = (20, 50, 10, 20)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SystemRecipe:
    """One embedded system: its agents by role, and the baseline agent that answers alone.

    Attributes:
        pattern: Name of the collaboration pattern.
        task: Name of the task.
        agents: For each role the recipe of its agent.
        alone: An agent of the same size taught to answer at once: the fair single-agent baseline.
        latent_steps: Thoughts per turn the system is used with by default.
        trained_steps: Fewest and most thoughts per turn that the agents saw in their slots.
        link_seed: Seed of the links and of their lessons.
    """

    pattern: str
    task: str
    agents: Mapping[str, AgentRecipe]
    alone: AgentRecipe
    latent_steps: int
    trained_steps: tuple[int, int]
    link_seed: int


_GEMMA = {
    "initializer_range": 0.08,
    "sliding_window": 512,
    "query_pre_attn_scalar": 32,
    "layer_types": ["full_attention"] * 3,
    "hidden_activation": "gelu_pytorch_tanh",
}

RECIPES: dict[str, SystemRecipe] = {
    "sequential": SystemRecipe(
        pattern="sequential",
        task="chain",
        agents={
            "planner": AgentRecipe("planner", "qwen3", 96, 4, 2, 11, 2.5e-3, 2200, 650),
            "critic": AgentRecipe("critic", "mistral", 96, 4, 2, 12, 2e-3, 2400, 650),
            "solver": AgentRecipe("solver", "gemma3_text", 128, 4, 2, 13, 2.5e-3, 2600, 650, options=_GEMMA),
        },
        alone=AgentRecipe(
            "alone", "gemma3_text", 128, 4, 2, 14, 2e-3, 3000, 0, lesson="direct", options=_GEMMA
        ),
        latent_steps=3,
        trained_steps=(3, 7),
        link_seed=21,
    ),
}
