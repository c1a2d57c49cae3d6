"""Language models from folders: the text model alone, no code but transformers' own, and only what can be an agent."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError

from recmas_core.errors import BadInput, SystemNotFound, UnsafeCheckpoint
from recmas_core.placement import Placement, place

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

# Checkpoints of multimodal classes keep the text model's weights under a name in front.
_TEXT_PART: Mapping[str, str] = MappingProxyType(
    {
        r"^language_model\.model\.": "model.",
        r"^model\.language_model\.": "model.",
        r"^language_model\.lm_head": "lm_head",
    }
)
_NOT_MODEL = ("adapter_config.json",)  # transformers takes a folder that holds one for a PEFT adapter
_AGAIN = "Save or fetch it again."


def load_language_model(folder: Path, *, name: str, placement: Placement) -> PreTrainedModel:
    """The causal language model of a folder; of a multimodal one its text model.

    Args:
        folder: A transformers model's folder, weights as safetensors.
        name: What to call it in errors.
        placement: Where to put it, in what precision.

    Raises:
        SystemNotFound: If there is no model in the folder.
        UnsafeCheckpoint: If a file is damaged, a weight is missing or not finite, or the model needs code of its own.
        BadInput: If it is no causal language model.
    """
    from huggingface_hub.errors import StrictDataclassError

    where = f"agent {name!r}"
    config = _read_config(folder, where)
    text = config.get_text_config()
    kind = _causal_class(text, where)
    try:
        with _without_adapter(folder) as plain:
            loaded: Any = kind.from_pretrained(
                plain, config=text, dtype=placement.torch_dtype, use_safetensors=True, local_files_only=True,
                **_where(placement),
                key_mapping=dict(_TEXT_PART) if text is not config else None, output_loading_info=True,
            )  # fmt: skip
    except (
        SafetensorError, StrictDataclassError, OSError, ValueError, RuntimeError, LookupError, TypeError,
    ) as error:  # fmt: skip
        raise UnsafeCheckpoint(where, f"cannot be read ({error})", _AGAIN) from error
    model, info = loaded
    absent = sorted(info["missing_keys"])
    if absent:  # transformers would leave them at random
        _check_saved_as(config, kind, where)
        raise UnsafeCheckpoint(where, f"lacks {len(absent)} of its weights, such as {absent[0]!r}", _AGAIN)
    for key, parameter in model.named_parameters():
        if not bool(parameter.isfinite().all()):
            raise UnsafeCheckpoint(where, f"has a weight that is not finite, {key!r}", "Take another checkpoint.")
        if parameter.device.type == "cpu" and placement.bits is None:
            parameter.data = parameter.data.clone()  # off the file's unaligned pages: the same sums, to the bit
    if placement.bits is None and not placement.split:
        model = place(model, placement.device)
    _check_causal(model, where)
    result: PreTrainedModel = model
    return result


def _where(placement: Placement) -> dict[str, object]:
    """Options of from_pretrained that put the weights where they belong as they are read."""
    if placement.bits is None:
        return {"device_map": "auto"} if placement.split else {}
    from transformers import BitsAndBytesConfig

    kind = placement.torch_dtype
    kept = (
        BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=kind)
        if placement.bits == 4
        else BitsAndBytesConfig(load_in_8bit=True)
    )
    return {"quantization_config": kept, "device_map": "auto" if placement.split else {"": placement.device}}


def load_tokenizer(folder: Path, *, name: str) -> PreTrainedTokenizerBase:
    """A folder's tokenizer, which pads on the left.

    Raises:
        UnsafeCheckpoint: If it cannot be read.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, RuntimeError, LookupError, TypeError) as error:
        raise UnsafeCheckpoint(f"agent {name!r}", f"has no tokenizer that can be read ({error})", _AGAIN) from error
    tokenizer.padding_side = "left"
    result: PreTrainedTokenizerBase = tokenizer
    return result


def _read_config(folder: Path, where: str) -> PreTrainedConfig:
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    if not (folder / "config.json").is_file():
        raise SystemNotFound(where, "has no config.json", "Give the folder of a transformers model.")
    try:
        config: Any = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (StrictDataclassError, OSError, ValueError, LookupError, TypeError) as error:
        what = f"has a configuration that cannot be used ({next(iter(str(error).splitlines()), error)})"
        raise UnsafeCheckpoint(where, what, "Code that comes with a model is never run; take another model.") from error
    result: PreTrainedConfig = config
    return result


def _causal_class(config: PreTrainedConfig, where: str) -> Any:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    unfit = "Take a causal language model, one that continues a text."
    if getattr(config, "is_encoder_decoder", False):
        raise BadInput(where, f"is an encoder with a decoder ({config.model_type})", unfit)
    try:
        return MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    except KeyError as error:
        raise BadInput(where, f"is no causal language model ({config.model_type})", unfit) from error


def _check_saved_as(config: PreTrainedConfig, kind: Any, where: str) -> None:
    """Tell a model that never had a head for words from one whose weights are missing."""
    saved = [str(each) for each in config.architectures or ()]
    if saved and kind.__name__ not in saved and not any("ForConditionalGeneration" in each for each in saved):
        todo = "Take a causal language model, one that continues a text."
        raise BadInput(where, f"is no causal language model: it was saved as {saved[0][:60]}", todo)


@contextmanager
def _without_adapter(folder: Path) -> Iterator[Path]:
    """The folder, or one that looks like it without the files that are not the model's."""
    if not any((folder / name).exists() for name in _NOT_MODEL):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="recmas-model-") as view:
        for path in folder.iterdir():
            if path.name not in _NOT_MODEL:
                Path(view, path.name).symlink_to(path.resolve())
        yield Path(view)


@torch.no_grad()
def _check_causal(model: PreTrainedModel, where: str) -> None:
    """See that a word does not change what was thought before it: an encoder is loaded as if it were a decoder."""
    model.eval()
    embeddings: Any = model.get_input_embeddings()
    size, states = embeddings.weight.shape[0], []
    for last in (1, 2):
        ids = torch.tensor([[3 % size, last % size]], device=embeddings.weight.device)
        embeds = embeddings(ids)
        out = model.get_decoder()(inputs_embeds=embeds)
        states.append(out.last_hidden_state[0, 0].float())
    if not torch.allclose(states[0], states[1], rtol=1e-3, atol=1e-4):
        todo = "Take a causal language model, one that continues a text."
        raise BadInput(where, f"is an encoder: it looks at words that come later ({model.config.model_type})", todo)
