"""Tiny random agents of six families, put together into systems: what the engine's tests run on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

import recmas_core as rm
from recmas_core.pretrain.shaping import make_tokenizer
from recmas_core.prompts import WORDINGS
from recmas_core.tasks.chain import VOCABULARY

FAMILIES = ("qwen3", "qwen2", "llama", "mistral", "gemma3_text", "qwen3_5_text")
MIXED = (("qwen3", "mistral", "gemma3_text"), ("qwen3_5_text", "llama", "qwen2"))
WINDOW = 6  # far below every prompt's length, so that sliding windows slide
SHORT = "start 7 s1 + 3"
QUESTION = "start 7 s1 + 3 s2 * 7 s3 - 4"
LONG = "start 2 s1 - 9 s2 * 3 s3 + 1 s4 + 8 s5 * 9"
MARKS = ("<python>", "</python>", "<search>", "</search>")
WORDS = (
    *VOCABULARY, *dict.fromkeys(role.name for pattern in rm.PATTERNS.values() for role in pattern.roles
                                if role.name not in VOCABULARY),
    *MARKS, "<result>", "</result>", "error:", "nothing",
)  # fmt: skip
_WIDTHS = {"qwen3": 32, "qwen2": 24, "llama": 16, "mistral": 32, "gemma3_text": 24, "qwen3_5_text": 32}
_SHAPES = {
    "qwen3": {"head_dim": 8, "tie_word_embeddings": True},
    "qwen2": {"tie_word_embeddings": False},
    "llama": {"tie_word_embeddings": False},
    "mistral": {"head_dim": 8, "sliding_window": WINDOW},
    "gemma3_text": {
        "head_dim": 8,
        "sliding_window": WINDOW,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        "num_hidden_layers": 3,
        "query_pre_attn_scalar": 8,
        "final_logit_softcapping": 5.0,
        "tie_word_embeddings": True,
    },
    "qwen3_5_text": {
        "initializer_range": 0.05,  # at 0.15 its delta rule amplifies rounding errors from turn to turn
        "head_dim": 8,
        "num_hidden_layers": 3,
        "layer_types": ["linear_attention", "full_attention", "linear_attention"],
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
        "linear_conv_kernel_dim": 4,
        "tie_word_embeddings": True,
    },
}


def tiny_model(family: str, tokenizer: PreTrainedTokenizerFast, *, seed: int) -> PreTrainedModel:
    """A random model whose weights are large enough that every position matters to every later one."""
    width = _WIDTHS[family]
    options = {
        "vocab_size": len(tokenizer),
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "initializer_range": 0.15,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        **_SHAPES[family],
    }
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **options), dtype=torch.float32)


def tiny_agent(family: str, *, seed: int = 0, name: str = "", words: Sequence[str] = VOCABULARY) -> rm.Agent:
    """An agent with a random inner link and a vocabulary order of its own."""
    tokenizer = make_tokenizer(words, seed=seed)
    model = tiny_model(family, tokenizer, seed=seed)
    inner = randomise(rm.InnerLink(model.config.hidden_size))
    return rm.Agent(name or family, model, tokenizer, inner, wording="chain")


def randomise(link: nn.Module) -> nn.Module:
    """Move every parameter away from its start: a LayerNorm's gain of 1 and bias of 0 would hide a mistake."""
    for parameter in link.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return link.requires_grad_(False).eval()


def tiny_system(families: Sequence[str] = MIXED[0], *, seed: int = 0, **options: object) -> rm.System:
    """A sequential system of random agents of these families."""
    return tiny_pattern_system(
        rm.PATTERNS["sequential"], families, seed=seed, words=VOCABULARY, **{"task": rm.TASKS["chain"], **options}
    )


def tiny_pattern_system(
    pattern: rm.Pattern,
    families: Sequence[str] = FAMILIES,
    *,
    seed: int = 0,
    words: Sequence[str] = WORDS,
    **options: object,
) -> rm.System:
    """A system of random agents for any pattern; families come round again where there are more roles."""
    roles = [role.name for role in pattern.roles]
    agents = {
        role: tiny_agent(family, seed=10 * seed + i, name=role, words=words)
        for i, (role, family) in enumerate(zip(roles, cycle(families), strict=False))
    }
    torch.manual_seed(100 + seed)
    links = {
        edge.key: randomise(rm.OuterLink(agents[edge.sender].hidden_size, agents[edge.receiver].hidden_size))
        for edge in pattern.edges
    }
    prompts = {role: WORDINGS["chain"].prompt(role) for role in roles}
    return rm.System("tiny", pattern, agents, links, prompts, title="Tiny", **{"latent_steps": 3, **options})


@dataclass
class Adder:
    """A real tool for random agents: how many words it was asked, and their sum."""

    name: str
    about: str = "Counts and adds."
    source: str = "this test"
    asked: list[str] = field(default_factory=list)

    def call(self, request: str) -> str:
        self.asked.append(request)
        return added(request)

    def warm(self) -> None:
        """It is always ready."""

    def close(self) -> None:
        """It holds nothing."""


def added(request: str) -> str:
    """The Adder's answer, in words every agent of `tiny_pattern_system` knows."""
    words = request.split()
    digits = [int(word) for word in words if word.isdigit()]
    return f"{len(words) % 10} s{1 + sum(digits) % 5}" if words else "error: nothing"


def talkative(agent: rm.Agent, *, seed: int) -> rm.Agent:
    """Give a random agent a head of its own that prefers the marks of tool calls, so that it makes some.

    A head that is its embeddings would say the same word over and over.
    """
    head = agent.model.get_output_embeddings()
    generator = torch.Generator().manual_seed(seed)
    weight = 0.15 * torch.randn(head.weight.shape, generator=generator)
    weight[[agent.tokenizer.convert_tokens_to_ids(mark) for mark in MARKS]] *= 5
    head.weight = nn.Parameter(weight, requires_grad=False)
    return agent


def deliberating(families: Sequence[str] = ("qwen3", "llama"), *, seed: int = 0, **options: object) -> rm.System:
    """A deliberation of random agents whose tool-caller does call its tools."""
    tools = {name: Adder(name) for name in ("python", "search")}
    pattern = rm.PATTERNS["deliberation"]
    system = tiny_pattern_system(pattern, families, seed=seed, **{"tools": tools, **options})
    talkative(system.agents["toolcaller"], seed=seed)
    return system
