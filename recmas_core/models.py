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

from recmas_core.configurations import NONSENSE, check_configuration, check_weights_named
from recmas_core.errors import BadInput, SystemNotFound, UnsafeCheckpoint
from recmas_core.placement import Placement, place
from recmas_core.templates import check_template
from recmas_core.weights import check_inside, check_weights, weight_files

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
# transformers takes a folder that holds one of these for a PEFT adapter, or for a checkpoint of another form
_NOT_MODEL = ("adapter_config.json", ".metadata")
_WORDS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
_SAMPLE = "Hello, world! What is 6 * 7?\nThe answer is 42."
_LONGEST_WORDS = 1 << 28
_AGAIN = "Save or fetch it again."


def load_pair(
    folder: Path, *, name: str, placement: Placement
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The language model and the tokenizer of a folder, which fit each other.

    Args:
        folder: A transformers model's folder, weights as safetensors.
        name: What to call it in errors.
        placement: Where to put it, in what precision.

    Raises:
        SystemNotFound: If there is no model or no tokenizer in the folder.
        UnsafeCheckpoint: If a file is damaged or no plain data, or the tokenizer writes words that the model lacks.
        BadInput: If it is no causal language model, or is quantised.
    """
    tokenizer = load_tokenizer(folder, name=name)  # small, and soonest wrong
    model = load_language_model(folder, name=name, placement=placement)
    embeddings: Any = model.get_input_embeddings()
    rows, ids = embeddings.weight.shape[0], tokenizer(_SAMPLE, add_special_tokens=False).input_ids
    if max(ids, default=0) >= rows:
        what = f"has a tokenizer that writes word {max(ids)}, of a model with {rows} words"
        raise UnsafeCheckpoint(f"agent {name!r}", what, "Take the tokenizer that came with the model.")
    return model, tokenizer


def load_language_model(folder: Path, *, name: str, placement: Placement) -> PreTrainedModel:
    """The causal language model of a folder; of a multimodal one its text model.

    Args:
        folder: A transformers model's folder, weights as safetensors.
        name: What to call it in errors.
        placement: Where to put it, in what precision.

    Raises:
        SystemNotFound: If there is no model in the folder.
        UnsafeCheckpoint: If a file is damaged or leads elsewhere, a weight is missing, not finite or of another shape
            than the configuration says, or the model needs code of its own.
        BadInput: If it is no causal language model, or is quantised.
    """
    from huggingface_hub.errors import StrictDataclassError

    where = f"agent {name!r}"
    config = _read_config(folder, name, where)
    try:
        text = config.get_text_config()
    except ValueError as error:  # of those that have more than one
        raise _unusable(where, error) from error
    kind = _causal_class(text, where)
    names = dict(_TEXT_PART) if text is not config else {}
    files = weight_files(folder, where)
    try:
        with torch.device("meta"):  # takes no memory, however large the model is said to be
            bare = kind(text)
    except (StrictDataclassError, *NONSENSE) as error:
        raise _unusable(where, error) from error
    bare.tie_weights()
    try:
        check_weights(files, bare, names, where)
    except UnsafeCheckpoint:
        _check_saved_as(config, kind, where)
        raise
    try:
        with _without_adapter(folder) as plain:
            loaded: Any = kind.from_pretrained(
                plain, config=text, dtype=placement.torch_dtype, use_safetensors=True, local_files_only=True,
                **_where(placement),
                key_mapping=names or None, output_loading_info=True,
            )  # fmt: skip
    except (SafetensorError, StrictDataclassError, *NONSENSE) as error:
        raise UnsafeCheckpoint(where, f"cannot be read ({error})", _AGAIN) from error
    model, info = loaded
    absent = sorted(info["missing_keys"])
    if absent:  # transformers would leave them at random
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
        SystemNotFound: If there is none.
        UnsafeCheckpoint: If it cannot be read, or its chat template cannot be used.
    """
    from transformers import AutoTokenizer

    where = f"agent {name!r}"
    if not any((folder / file).is_file() for file in _WORDS):  # transformers would make one that knows no word
        raise SystemNotFound(where, "has no tokenizer", "Fetch it again, with its tokenizer.json.")
    _check_configurations(folder, name, where)
    for file in _WORDS:
        if (folder / file).is_file() and (folder / file).stat().st_size > _LONGEST_WORDS:
            raise UnsafeCheckpoint(where, f"has a {file} larger than {_LONGEST_WORDS >> 20} MB", _AGAIN)
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        len(tokenizer)
    except Exception as error:  # the tokenizers' own library raises nothing more precise
        what = f"has no tokenizer that can be read ({_first_line(error)})"
        raise UnsafeCheckpoint(where, what, _AGAIN) from error
    tokenizer.padding_side = "left"
    check_template(tokenizer, where)
    result: PreTrainedTokenizerBase = tokenizer
    return result


def _read_config(folder: Path, name: str, where: str) -> PreTrainedConfig:
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    path = folder / "config.json"
    if not path.is_file():
        raise SystemNotFound(where, "has no config.json", "Give the folder of a transformers model.")
    _check_configurations(folder, name, where)
    try:
        config: Any = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (StrictDataclassError, *NONSENSE) as error:
        raise _unusable(where, error) from error
    result: PreTrainedConfig = config
    return result


def _check_configurations(folder: Path, name: str, where: str) -> None:
    """See to every configuration before any is used: a tokenizer's class reads the model's, too."""
    check_inside(folder, where)
    for path in sorted(folder.glob("*config.json")):
        # modules may be named: with trust_remote_code=False they are never imported, known types do without
        check_configuration(path, name, _AGAIN, modules=True)
        if path.name == "config.json":
            check_weights_named(path, name, _AGAIN)


def _unusable(where: str, error: Exception) -> UnsafeCheckpoint:
    what = f"has a configuration that cannot be used ({_first_line(error)})"
    return UnsafeCheckpoint(where, what, "Code that comes with a model is never run; take another model.")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), repr(error))[:300]


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
