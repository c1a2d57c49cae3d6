"""Miniature repositories with the layout of the public release: real architectures, tiny, with random weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from tiny import randomise
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, PreTrainedTokenizerFast

import recmas_core as rm
from recmas_core.released import RELEASED
from recmas_core.released.styles import STYLES

SPECIAL = ("<pad>", "<s>", "</s>", "<turn>")
# One template that has a switch for thinking, one that refuses a system role, one as plain as can be.
SWITCHED = (
    "{% for m in messages %}<turn>{{ m.role }}\n{{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}"
    "<turn>assistant\n{% if not enable_thinking %}[no thinking]{% endif %}{% endif %}"
)
REFUSING = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "<turn>{{ m.content }}</s>{% endfor %}<turn>model\n"
)
PLAIN = "{% for m in messages %}<turn>{{ m.role }}: {{ m.content }}</s>{% endfor %}<turn>assistant: "
_TEXT: Mapping[str, Any] = MappingProxyType(
    {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
     "num_key_value_heads": 2, "initializer_range": 0.15, "max_position_embeddings": 4096}
)  # fmt: skip
_LINEAR: Mapping[str, Any] = MappingProxyType(
    {"linear_num_key_heads": 2, "linear_num_value_heads": 2, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
     "layer_types": ["linear_attention", "full_attention"], "head_dim": 8, "initializer_range": 0.05}
)  # fmt: skip
_SEES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "gemma3": {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
                   "image_size": 28, "patch_size": 14},
        "qwen3_5": {"depth": 1, "hidden_size": 16, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 32},
    }
)  # fmt: skip
# What stands in for each repository of the release: model type, options, chat template.
ARCHITECTURES: Mapping[str, tuple[str, Mapping[str, Any], str]] = MappingProxyType(
    {
        "Qwen3-": ("qwen3", {"head_dim": 8, "tie_word_embeddings": True}, SWITCHED),
        "Llama": ("llama", {"tie_word_embeddings": True, "hidden_size": 16}, PLAIN),
        "Qwen2.5": ("qwen2", {"hidden_size": 24}, PLAIN),
        "Gemma3": ("gemma3", {"head_dim": 8, "sliding_window": 8}, REFUSING),
        "DeepSeek": ("qwen2", {"hidden_size": 40}, PLAIN),
        "BioMistral": ("mistral", {"head_dim": 8}, REFUSING),
        "Qwen3.5": ("qwen3_5", _LINEAR, SWITCHED),
    }
)


def byte_tokenizer(template: str | None) -> PreTrainedTokenizerFast:
    """A tokenizer that writes any text, a token for every byte."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {word: i for i, word in enumerate((*SPECIAL, *letters))}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", bos_token="<s>", eos_token="</s>", chat_template=template,
        additional_special_tokens=["<turn>"],
    )  # fmt: skip


def architecture(repository: str) -> tuple[str, Mapping[str, Any], str]:
    """What stands in for a repository."""
    return next(ARCHITECTURES[key] for key in ("Qwen3-", *ARCHITECTURES) if key in repository)


def make_model(kind: str, options: Mapping[str, Any], tokenizer: PreTrainedTokenizerFast, seed: int) -> Any:
    """A random model of a type; of the multimodal types the whole class, as it is released."""
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")}
    text = {**_TEXT, "vocab_size": len(tokenizer), **ids, **options}
    torch.manual_seed(seed)
    if kind not in _SEES:
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **text))
    config = AutoConfig.for_model(kind, text_config=text, vision_config=dict(_SEES[kind]), **ids)
    return AutoModelForImageTextToText.from_config(config)


def make_release(
    style: str, root: Path, *, tasks: tuple[str, ...] = ("math", "code"), manifests: bool = True, seed: int = 0
) -> dict[str, Path]:
    """Write every repository of a released system; the folder of each."""
    released = STYLES[style]
    layout = RELEASED[released.pattern]
    scoped = tasks if layout.tasks else ("",)
    widths, folders = {}, {}
    for number, (role, repository) in enumerate(released.agents.items()):
        folder = folders[repository] = root / repository
        kind, options, template = architecture(repository)
        tokenizer = byte_tokenizer(template)
        model = make_model(kind, options, tokenizer, seed + number)
        model.save_pretrained(folder, max_shard_size="40KB")
        tokenizer.save_pretrained(folder)
        widths[role] = model.config.get_text_config().hidden_size
        _write(folder / "adapter_config.json", {"adapter_type": "ln_res_adapter"})
        names = {task: f"adapter({task}).pt" if task else "adapter.pt" for task in scoped}
        for task, name in names.items():
            torch.manual_seed(seed + 100 + number + 10 * scoped.index(task))
            save_state(rm.InnerLink(widths[role]), folder / name)
        if layout.tasks and manifests:
            _write(folder / "innerlink_config.json", {"tasks": {t: {"adapter.pt": n} for t, n in names.items()}})
    folder = folders[released.outer] = root / released.outer
    folder.mkdir(parents=True)
    listed = {}
    for task in scoped:
        listed[task] = []
        for number, ((sender, receiver), edge) in enumerate(layout.edges.items()):
            torch.manual_seed(seed + 200 + number + 10 * scoped.index(task))
            name = f"{edge.file}({task}).pt" if task else f"{edge.file}.pt"
            save_state(rm.OuterLink(widths[sender], widths[receiver]), folder / name)
            listed[task].append({"legacy_key": edge.key, "filename": name})
    if manifests:
        whole = {"tasks": {task: {"adapters": each} for task, each in listed.items()}}
        _write(folder / "outerlink_config.json", whole if layout.tasks else {"adapters": listed[""]})
    return folders


def save_state(link: nn.Module, path: Path) -> None:
    """Write a link as the release does: a state dict in bf16."""
    torch.save({key: value.to(torch.bfloat16) for key, value in randomise(link).state_dict().items()}, path)


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value))
