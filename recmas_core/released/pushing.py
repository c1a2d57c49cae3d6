"""Putting a folder on the hub."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from recmas_core.errors import BadInput, RecmasError, SystemNotFound

_HIDDEN = [".*", "**/.*"]  # half-written files, locks, caches
# What the hub's answers mean, by their status: what is wrong, what to do.
_REFUSED = MappingProxyType(
    {
        401: ("cannot be written: the hub does not know the access token", "Run `hf auth login` with a valid token."),
        403: ("may not be written with this access token", "Use a token of its owner, with the right to write."),
        404: ("is not there, or not to be seen with this access token", "Use a token of its owner."),
    }
)


class PushFailed(RecmasError):
    """The hub could not be reached, or did not take what was sent."""


def push_folder(folder: Path, repo_id: str, *, private: bool = True, token: str | None = None) -> str:
    """Put a folder's files into a model repository of the hub, made if it is not there yet.

    Args:
        folder: What to put there; hidden files stay behind.
        repo_id: The repository, e.g. "somebody/my-system".
        private: Whether only its owners may see it. A public repository that is there already is then refused.
        token: An access token with the right to write; else the one of `hf auth login`, or HF_TOKEN.

    Returns:
        The repository's address.

    Raises:
        SystemNotFound: If there is no such folder, or nothing in it.
        BadInput: If `repo_id` is no name of a repository, or the repository is public and should not be.
        PushFailed: Without a token or a network, or if the hub refuses.
    """
    where = f"repository {repo_id!r}"
    if not folder.is_dir() or not any(folder.iterdir()):
        raise SystemNotFound(f"folder {folder.name!r}", "does not exist or is empty", "Give a folder with files in it.")
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    from huggingface_hub.utils import httpx

    key = token or get_token()
    if not key:
        todo = "Run `hf auth login`, or set HF_TOKEN to a token with the right to write."
        raise PushFailed(where, "needs an access token, and there is none", todo)
    api = HfApi(token=key)
    try:
        address = api.create_repo(repo_id, private=private, exist_ok=True)
        if private and api.repo_info(repo_id).private is False:
            todo = "Take another name, or say that it may be public."
            raise BadInput(where, "is there already, and everybody can read it", todo)
        api.upload_folder(repo_id=repo_id, folder_path=folder, ignore_patterns=_HIDDEN)
    except HFValidationError as error:
        raise BadInput(where, f"is no name of a repository ({_line(error)})", "Write it as owner/name.") from error
    except HfHubHTTPError as error:
        what = f"was not taken by the hub ({error.server_message or _line(error)})"
        what, todo = _REFUSED.get(error.response.status_code, (what, "Try again later; what went up is kept."))
        raise PushFailed(where, what, todo) from error
    except (httpx.HTTPError, OSError) as error:  # OSError: offline mode, and what the system says of sockets and files
        todo = "See to the network, and that HF_HUB_OFFLINE is not set."
        raise PushFailed(where, f"cannot be reached ({_line(error)})", todo) from error
    except RuntimeError as error:  # of the hub's own way to send large files
        raise PushFailed(where, f"was not taken by the hub ({_line(error)})", "Try again later.") from error
    return str(address)


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), repr(error))
