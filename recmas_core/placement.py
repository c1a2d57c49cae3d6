"""Where a model lives and in what precision."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from recmas_core.errors import BadInput

_Module = TypeVar("_Module", bound=nn.Module)
DTYPES = ("float32", "bfloat16", "float16")


def precision(dtype: str) -> torch.dtype:
    """The torch dtype of that name.

    Raises:
        BadInput: If it is none of `DTYPES`.
    """
    if dtype not in DTYPES:
        raise BadInput("dtype", f"is {dtype!r}", f"Choose one of {DTYPES}.")
    found: torch.dtype = getattr(torch, dtype)
    return found


def place(module: _Module, device: str, dtype: str) -> _Module:
    """Move a module to a device and a precision.

    Raises:
        BadInput: If this machine has no such device, or the precision is unknown.
    """
    try:
        return module.to(device, precision(dtype))
    except (RuntimeError, AssertionError) as error:  # torch's words for "no such device" and "built without it"
        reason = str(error).splitlines()[0]
        todo = "Choose 'cpu', or a GPU of this machine."
        raise BadInput("device", f"{device!r} cannot be used ({reason})", todo) from error
