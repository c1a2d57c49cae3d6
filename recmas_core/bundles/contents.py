"""What a bundle holds: the files that `load_system` reads, and nothing that is code or has to be unpickled."""

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath

from safetensors import SafetensorError, safe_open

from recmas_core.configurations import NONSENSE, check_configuration
from recmas_core.errors import SystemNotFound, UnsafeCheckpoint
from recmas_core.folders import link_path
from recmas_core.manifest import FILE, Manifest

_ENDINGS = (".json", ".safetensors", ".jinja", ".txt")
_SENTENCEPIECE = "tokenizer.model"
_FOREIGN = "adapter_config.json"  # through it transformers would load another model
_AGAIN = "Save the system again."


def top_files(kept: Manifest) -> list[str]:
    """The files beside the folders: system.json, and the texts that are searched."""
    return [FILE, *(name for name in kept.tools.values() if name is not None)]


def agent_folders(kept: Manifest) -> list[str]:
    """The agents' folders; one may serve several roles."""
    members = [*kept.agents.values(), *([kept.alone] if kept.alone else [])]
    return sorted({member.folder for member in members})


def refusal(path: PurePosixPath, kept: Manifest) -> str | None:
    """Why a file may not be in a bundle; None if it may.

    Args:
        path: Its place in the system's folder.
        kept: What the system.json says.
    """
    text = path.as_posix()
    if text in top_files(kept):
        return None if text == FILE or path.suffix == ".jsonl" else "is no text to search: those end in .jsonl"
    if text in {link_path(Path(), *edge.key).as_posix() for edge in kept.pattern.edges}:
        return None
    if len(path.parts) != 2 or path.parts[0] not in agent_folders(kept):
        return f"is no part of the system that {FILE} describes"
    if path.name == _FOREIGN or path.name.startswith("."):
        return "is of another kind of model folder"
    if path.suffix not in _ENDINGS and path.name != _SENTENCEPIECE:
        return f"is of a kind that no agent's folder needs; those are {', '.join((*_ENDINGS, _SENTENCEPIECE))}"
    return None


def check_complete(folder: Path, kept: Manifest) -> None:
    """See that nothing every system has is missing.

    Raises:
        SystemNotFound: If something is.
    """
    wanted = [*top_files(kept), *(f"{place}/config.json" for place in agent_folders(kept))]
    wanted += [link_path(Path(), *edge.key).as_posix() for edge in kept.pattern.edges]
    missing = [name for name in wanted if not (folder / name).is_file()]
    missing += [f"{place}/model.safetensors" for place in agent_folders(kept) if not _weights(folder / place)]
    if missing:
        more = f" and {len(missing) - 1} more files" if len(missing) > 1 else ""
        todo = "Save it again with system.save, and take the whole folder."
        raise SystemNotFound("the system", f"lacks {missing[0]!r}{more}", todo)


def check_agent(folder: Path) -> None:
    """See that a stranger's agent names no code, and that its weights are as large as its configuration says.

    transformers would look for the code, and make weights that are not there, however large they are said to be.

    Raises:
        UnsafeCheckpoint: If not.
    """
    for path in sorted(folder.glob("*config.json")):
        check_configuration(path, folder.name, _AGAIN)
    needed, stored = _needed(folder), _stored(folder)
    if needed > stored:
        what = f"has {stored:,} numbers as weights; its config.json asks for {needed:,}"
        raise UnsafeCheckpoint(f"agent {folder.name!r}", what, "Save the system again.")


def _weights(folder: Path) -> list[Path]:
    return sorted(folder.glob("model*.safetensors"))


def _stored(folder: Path) -> int:
    """How many numbers the stored weights hold, by the files' headers."""
    count = 0
    for path in _weights(folder):
        try:
            with safe_open(path, framework="pt") as stored:
                count += sum(math.prod(stored.get_slice(name).get_shape()) for name in list(stored.keys()))
        except (SafetensorError, OSError) as error:
            where = f"{folder.name}/{path.name}"
            raise UnsafeCheckpoint(where, f"cannot be read ({error})", "Save the system again.") from error
    return count


def _needed(folder: Path) -> int:
    """How many numbers the configuration's model needs, tied ones counted once; none of them is made."""
    import torch
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig, AutoModelForCausalLM  # seconds to import

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except (*NONSENSE, StrictDataclassError) as error:
        reason = next(iter(str(error).splitlines()), repr(error))
        where, todo = f"{folder.name}/config.json", "Use a model that transformers has built in."
        raise UnsafeCheckpoint(where, f"describes no language model ({reason})", todo) from error
    model.tie_weights()
    return sum(parameter.numel() for parameter in model.parameters())
