"""Systems of random 50M-parameter Qwen3 models, for timing what the tiny agents cannot show."""

from __future__ import annotations

import random

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from recmas_core.ablations import new_links
from recmas_core.agents import Agent
from recmas_core.links import InnerLink
from recmas_core.patterns import SEQUENTIAL, Pattern
from recmas_core.pretrain.shaping import make_tokenizer
from recmas_core.prompts import WORDINGS
from recmas_core.system import System
from recmas_core.tasks.chain import VOCABULARY

WORDS, PROMPT = 32_000, 150


def large_system(pattern: Pattern = SEQUENTIAL) -> System:
    """A pattern of Qwen3 models of 50M parameters each (d 512, 10 layers, 32,000 words), weights and links random."""
    words = [*VOCABULARY, *(f"w{i}" for i in range(WORDS - len(VOCABULARY) - 4))]
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=WORDS, hidden_size=512, intermediate_size=1536, num_hidden_layers=10, num_attention_heads=8,
        num_key_value_heads=8, head_dim=64, max_position_embeddings=1024, tie_word_embeddings=True,
    )  # fmt: skip
    agents = {}
    for seed, role in enumerate(r.name for r in pattern.roles):
        tokenizer = make_tokenizer(words, seed=seed)
        model = Qwen3ForCausalLM(config)
        model.generation_config.eos_token_id = None
        agents[role] = Agent(role, model, tokenizer, InnerLink(512), wording="chain")
    prompts = {role: WORDINGS["chain"].prompt(role) for role in agents}
    bare = System("large", pattern, agents, {}, prompts, title="50M-parameter Qwen3 agents", latent_steps=32)
    return bare.with_links(new_links(bare, seed=0))


def large_question() -> str:
    """A question with which the first turn reads a prompt of 150 tokens: its words and four of the prompt's own."""
    rng = random.Random(0)
    return " ".join(f"w{rng.randrange(1000)}" for _ in range(PROMPT - 4))
