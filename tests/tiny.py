"""Tiny random agents of six families, put together into systems: what the engine's tests run on."""

from __future__ import annotations

from collections.abc import Sequence

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


def tiny_agent(family: str, *, seed: int = 0, name: str = "") -> rm.Agent:
    """An agent with a random inner link and a vocabulary order of its own."""
    tokenizer = make_tokenizer(VOCABULARY, seed=seed)
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
    pattern = rm.PATTERNS["sequential"]
    roles = [role.name for role in pattern.roles]
    agents = {
        role: tiny_agent(family, seed=10 * seed + i, name=role)
        for i, (role, family) in enumerate(zip(roles, families, strict=True))
    }
    torch.manual_seed(100 + seed)
    links = {
        edge.key: randomise(rm.OuterLink(agents[edge.sender].hidden_size, agents[edge.receiver].hidden_size))
        for edge in pattern.edges
    }
    prompts = {role: WORDINGS["chain"].prompt(role) for role in roles}
    settings = {"latent_steps": 3, "task": rm.TASKS["chain"], **options}
    return rm.System("tiny", pattern, agents, links, prompts, title="Tiny", **settings)
