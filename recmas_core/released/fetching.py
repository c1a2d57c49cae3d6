"""Repositories of the hub on this machine: what is kept already, or fetched; only files that are read as data."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from recmas_core.errors import BadInput, RecmasError, SystemNotFound
from recmas_core.memory import count_parameters
from recmas_core.released.watching import Tell, Watch
from recmas_core.weights import weight_files

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


def fetch(
    repository: str,
    *,
    token: str | None = None,
    cache: Path | None = None,
    endpoint: str | None = None,
    tell: Tell | None = None,
) -> Path:
    """The folder of a repository's files, fetched if they are not all here.

    Args:
        repository: "owner/name".
        token: An access token; else the one of `hf auth login`, or HF_TOKEN.
        cache: Where fetched files are kept; the hub's usual place by default.
        endpoint: Address of the hub; the usual one by default.
        tell: Told (bytes so far, bytes in all), as far as known: the latter grows while files begin. It is called from
            many threads, one at a time. What it raises stops the download and is raised here; of files that come
            through Xet, the one under way may come to its end first.

    Raises:
        BadInput: If that is no name of a repository.
        FetchFailed: Saying what is wrong: no such repository, no access, no network, or broken off half-way.
    """
    from huggingface_hub import snapshot_download

    where = f"repository {check_repository(repository)!r}"
    watch = None if tell is None else Watch(tell)
    bars: dict[str, Any] = {} if watch is None else {"tqdm_class": watch.bar}
    try:
        with _in_words(where):
            return Path(
                snapshot_download(
                    repository, allow_patterns=list(WANTED), token=token, cache_dir=cache, endpoint=endpoint, **bars
                )
            )
    except FetchFailed:
        if watch is not None and watch.error is not None:  # not the network's fault, whatever its class
            raise watch.error from None
        raise


def parameters(repository: str, *, token: str | None = None, endpoint: str | None = None) -> int:
    """How many parameters a repository's model has; nothing of it is fetched.

    What is all on this machine is counted here. Else the hub is asked, which counts the eyes of multimodal models too.

    Args:
        repository: "owner/name".
        token: An access token, as for `fetch`.
        endpoint: Address of the hub, as for `fetch`.

    Raises:
        BadInput: If that is no name of a repository.
        FetchFailed: If the hub does not tell.
        SystemNotFound: If there are no weights.
    """
    from huggingface_hub import HfApi

    folder = kept(repository)
    if folder is not None:
        return count_parameters(folder)
    where = f"repository {check_repository(repository)!r}"
    with _in_words(where):
        info = HfApi(endpoint=endpoint, token=token).model_info(repository, files_metadata=True)
    if info.safetensors is not None:
        return int(info.safetensors.total)
    stored = sum(file.size or 0 for file in info.siblings or () if file.rfilename.endswith(".safetensors"))
    if not stored:
        todo = "Take a model whose weights are safetensors; others are not read."
        raise SystemNotFound(where, "holds no weights as safetensors", todo)
    return stored // 2  # as if in half precision, as nearly all are


def kept(repository: str) -> Path | None:
    """The folder of a repository whose weights are all on this machine; None if they are not."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        check_repository(repository)
        return complete(Path(snapshot_download(repository, allow_patterns=list(WANTED), local_files_only=True)))
    except (LocalEntryNotFoundError, SystemNotFound):
        return None


@contextmanager
def _in_words(where: str) -> Iterator[None]:
    """Say what an error of the hub's client means."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        IncompleteSnapshotError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
    )
    from huggingface_hub.utils import httpx

    online = "Go online once (and see that HF_HUB_OFFLINE is not set); embedded systems need no network."
    try:
        yield
    except IncompleteSnapshotError as error:
        raise FetchFailed(where, "is only in part on this machine, and the hub cannot be reached", online) from error
    except LocalEntryNotFoundError as error:
        if isinstance(error.__cause__, HfHubHTTPError):  # the client hides the hub's answer where nothing is kept
            raise _refused(where, error.__cause__) from error
        raise FetchFailed(where, "is not on this machine, and the hub cannot be reached", online) from error
    except OfflineModeIsEnabled as error:
        raise FetchFailed(where, "is not asked for: offline mode is set", online) from error
    except GatedRepoError as error:
        todo = "Accept its terms on its page, then run `hf auth login`."
        raise FetchFailed(where, "is only given to those who accepted its terms", todo) from error
    except HfHubHTTPError as error:
        raise _refused(where, error) from error
    except (httpx.HTTPError, OSError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            todo = "Make room, or set HF_HOME to a folder on another disk; then try again."
            raise FetchFailed(where, "does not fit on the disk, which is full", todo) from error
        reason = next(iter(str(error).splitlines()), repr(error))[:200]
        todo = "Files that came whole are kept: try again, it goes on with the others."
        raise FetchFailed(where, f"broke off ({reason})", todo) from error


def _refused(where: str, error: Any) -> FetchFailed:
    status = error.response.status_code
    what, todo = _REFUSED.get(status, (f"was not given by the hub (status {status})", "Try again later."))
    return FetchFailed(where, what, todo)


def complete(folder: Path) -> Path:
    """The folder of a model whose weights are all there.

    Raises:
        SystemNotFound: If a shard that its index names is missing, or there are no weights.
        UnsafeCheckpoint: If the index is damaged, or leads elsewhere.
    """
    weight_files(folder, f"folder {folder.name!r}")
    return folder
