"""Repositories of the hub on this machine: what is kept already, or fetched; only files that are read as data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

from recmas_core.errors import BadInput, RecmasError, SystemNotFound

# Configurations, tokenizers, weights as safetensors, links as .pt (read with weights_only=True): never code.
WANTED = ("*.json", "*.safetensors", "*.txt", "*.jinja", "*.model", "adapter*.pt", "*Outerlink*.pt")
# What the hub's answers mean, by their status: what is wrong, what to do.
_REFUSED = MappingProxyType(
    {
        401: ("needs an access token that the hub knows", "Run `hf auth login`, or set HF_TOKEN."),
        403: ("may not be read with this access token", "Ask its owners for access on its page."),
        404: ("does not exist, or is not to be seen with this token", "See to the name, or run `hf auth login`."),
    }
)

Fetch = Callable[[str], Path]


class FetchFailed(RecmasError):
    """A repository could not be fetched from the hub: missing, gated, offline, or broken off."""


def check_repository(name: str) -> str:
    """A repository's name as it is, if it is one: "owner/name".

    Raises:
        BadInput: If it is not.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise BadInput("repository", f"is {name!r}", "Write it as owner/name.") from error
    if name.count("/") != 1:
        raise BadInput("repository", f"is {name!r}", "Write it as owner/name.")
    return name


def fetch(repository: str, *, token: str | None = None, cache: Path | None = None) -> Path:
    """The folder of a repository's files, fetched if they are not all here.

    Args:
        repository: "owner/name".
        token: An access token; else the one of `hf auth login`, or HF_TOKEN.
        cache: Where fetched files are kept; the hub's usual place by default.

    Raises:
        BadInput: If that is no name of a repository.
        FetchFailed: Saying what is wrong: no such repository, no access, no network, or broken off half-way.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError
    from huggingface_hub.utils import httpx

    where = f"repository {check_repository(repository)!r}"
    try:
        return Path(snapshot_download(repository, allow_patterns=list(WANTED), token=token, cache_dir=cache))
    except GatedRepoError as error:
        todo = "Accept its terms on its page, then run `hf auth login`."
        raise FetchFailed(where, "is only given to those who accepted its terms", todo) from error
    except LocalEntryNotFoundError as error:
        todo = "Go online once (and see that HF_HUB_OFFLINE is not set); embedded systems need no network."
        raise FetchFailed(where, "is not on this machine, and the hub cannot be reached", todo) from error
    except HfHubHTTPError as error:
        what, todo = _REFUSED.get(error.response.status_code, ("was not given by the hub", "Try again later."))
        raise FetchFailed(where, what, todo) from error
    except (httpx.HTTPError, OSError) as error:
        reason = next(iter(str(error).splitlines()), repr(error))
        todo = "What came is kept: try again, it goes on from there."
        raise FetchFailed(where, f"broke off ({reason})", todo) from error


def complete(folder: Path) -> Path:
    """The folder of a model whose weights are all there.

    Raises:
        SystemNotFound: If a shard that its index names is missing, or there are no weights.
    """
    import json

    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        if not any(folder.glob("*.safetensors")):
            raise SystemNotFound(f"folder {folder.name!r}", "holds no weights as safetensors", "Fetch it again.")
        return folder
    try:
        shards = set(json.loads(index.read_bytes())["weight_map"].values())
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise SystemNotFound(f"folder {folder.name!r}", f"has a damaged index ({error})", "Fetch it again.") from error
    missing = sorted(str(shard) for shard in shards if not (folder / str(shard)).is_file())
    if missing:
        what = f"lacks {len(missing)} of its weights' files, such as {missing[0]!r}"
        raise SystemNotFound(f"folder {folder.name!r}", what, "Fetch it again: what came is kept.")
    return folder
