"""How the embedded agents are shaped and taught, as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from recmas_core.tasks.almanac import corpus


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
        firm_steps: Optimizer steps after that, in which most slots are blurred and stretched, so that latents are read
            that come through links which are damaged, or have hardly been trained.
        lesson: A key of `lessons.LESSONS`: what it is taught.
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
    firm_steps: int = 0
    layers: int = 3
    lesson: str = "turns"
    mix: tuple[int, int, int, int] = (20, 50, 10, 20)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Optimizer steps in all."""
        return self.text_steps + self.soft_steps + self.firm_steps


@dataclass(frozen=True)
class SystemRecipe:
    """One embedded system: its agents by role, and the baseline agent that answers alone.

    Attributes:
        pattern: Name of the collaboration pattern.
        task: Name of the task.
        agents: For each role the recipe of its agent.
        alone: An agent of the decoder's size taught to answer at once: the fair single-agent baseline.
        wording: Key of the prompts that the agents are taught with.
        corpus: Makes the texts that the search tool searches, as {"title", "text"} each; None for no search.
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
    wording: str = "little"
    corpus: Callable[[], list[dict[str, str]]] | None = None


_WIDE = {"initializer_range": 0.07}  # with the usual 0.02 agents as narrow as these stay on a plateau for long


def _gemma(layers: int = 3, head: int = 32) -> dict[str, Any]:
    return {
        "initializer_range": 0.08,
        "sliding_window": 512,
        "query_pre_attn_scalar": head,
        "layer_types": ["full_attention"] * layers,
        "hidden_activation": "gelu_pytorch_tanh",
    }


RECIPES: dict[str, SystemRecipe] = {
    "sequential": SystemRecipe(
        pattern="sequential",
        task="chain",
        agents={
            "planner": AgentRecipe("planner", "qwen3", 96, 4, 2, 11, 2.5e-3, 2200, 650, 900),
            "critic": AgentRecipe("critic", "mistral", 96, 4, 2, 12, 2e-3, 1800, 0, 1200, options=_WIDE),
            "solver": AgentRecipe("solver", "gemma3_text", 128, 4, 2, 13, 2.5e-3, 2600, 650, 1300, options=_gemma()),
        },
        alone=AgentRecipe(
            "alone", "gemma3_text", 128, 4, 2, 14, 2e-3, 3000, 0, lesson="direct", options=_gemma()
        ),
        latent_steps=3,
        trained_steps=(3, 7),
        link_seed=21,
        wording="chain",
    ),
    "mixture": SystemRecipe(
        pattern="mixture",
        task="fields",
        agents={
            "math": AgentRecipe(
                "math", "qwen3", 96, 4, 2, 31, 2.5e-3, 3200, 600, lesson="fields/math", options=_WIDE
            ),
            "code": AgentRecipe(
                "code", "llama", 112, 4, 2, 32, 2e-3, 1800, 400, lesson="fields/code", options=_WIDE
            ),
            "science": AgentRecipe(
                "science", "mistral", 80, 4, 2, 33, 2e-3, 1500, 400, lesson="fields/science", options=_WIDE
            ),
            "summarizer": AgentRecipe(
                "summarizer", "gemma3_text", 128, 4, 2, 34, 2.5e-3, 1100, 500, lesson="fields/summarizer",
                options=_gemma(),
            ),
        },
        alone=AgentRecipe(
            "alone", "gemma3_text", 128, 4, 2, 35, 2e-3, 2000, 0, lesson="fields/direct", options=_gemma()
        ),
        latent_steps=4,
        trained_steps=(4, 4),
        link_seed=22,
    ),
    "distillation": SystemRecipe(
        pattern="distillation",
        task="formula",
        agents={
            "expert": AgentRecipe(
                "expert", "gemma3_text", 160, 4, 2, 41, 2e-3, 900, 400, layers=4, lesson="formula/expert",
                options=_gemma(4, 40),
            ),
            "learner": AgentRecipe(
                "learner", "llama", 80, 4, 2, 42, 2.5e-3, 1500, 400, lesson="formula/learner", options=_WIDE
            ),
        },
        alone=AgentRecipe("alone", "llama", 80, 4, 2, 43, 2.5e-3, 2000, 0, lesson="formula/direct", options=_WIDE),
        latent_steps=4,
        trained_steps=(4, 4),
        link_seed=23,
    ),
    "deliberation": SystemRecipe(
        pattern="deliberation",
        task="almanac",
        agents={
            "reflector": AgentRecipe(
                "reflector", "mistral", 112, 4, 2, 51, 2e-3, 600, 400, lesson="almanac/reflector", options=_WIDE
            ),
            "toolcaller": AgentRecipe(
                "toolcaller", "qwen3", 128, 4, 2, 52, 2e-3, 900, 400, lesson="almanac/toolcaller", options=_WIDE
            ),
        },
        alone=AgentRecipe("alone", "qwen3", 128, 4, 2, 53, 2e-3, 900, 0, lesson="almanac/alone", options=_WIDE),
        latent_steps=4,
        trained_steps=(4, 4),
        link_seed=24,
        corpus=corpus,
    ),
}
