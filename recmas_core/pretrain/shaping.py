"""Untrained agents from a recipe: an ordinary transformers model and a word-level tokenizer."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from recmas_core.pretrain.recipes import AgentRecipe

SPECIALS = ("<pad>", "<bos>", "<eos>", "<unk>")
# The bare conversation: the words of every message, and nothing that marks whose they are.
CHAT_TEMPLATE = "{{ bos_token }}{% for message in messages %} {{ message['content'] }}{% endfor %}"


def make_tokenizer(words: Sequence[str], *, seed: int, numbers: bool = False) -> PreTrainedTokenizerFast:
    """A word-level tokenizer whose ids are in an order of their own, as between unrelated models.

    Args:
        words: The vocabulary, besides the control tokens.
        seed: Seed of the order.
        numbers: Read numbers digit by digit, take punctuation off words, and ignore case. Words that begin after a
            space are then marked ▁ in the vocabulary.
    """
    order = [*SPECIALS, *words]
    random.Random(f"vocabulary/{seed}").shuffle(order)
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(order)}, unk_token="<unk>"))
    if numbers:
        core.normalizer = normalizers.Lowercase()
        core.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Metaspace(), pre_tokenizers.Split(Regex("▁?[0-9.,?]"), "isolated")]
        )
        core.decoder = decoders.Metaspace()
    else:
        core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", order.index("<bos>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=512,
        chat_template=CHAT_TEMPLATE,
    )


def make_model(recipe: AgentRecipe, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """A randomly initialised model of the recipe's shape, in float32."""
    config = AutoConfig.for_model(
        recipe.family,
        vocab_size=len(tokenizer),
        hidden_size=recipe.width,
        intermediate_size=2 * recipe.width,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.kv_heads,
        head_dim=recipe.width // recipe.heads,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        **{"sliding_window": None, **recipe.options},
    )
    torch.manual_seed(recipe.seed)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32)
