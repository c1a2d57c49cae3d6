"""Where a model lives and in what precision."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

from recmas_core.errors import BadInput

_Module = TypeVar("_Module", bound=nn.Module)
DTYPES = ("float32", "bfloat16", "float16")
BITS = (4, 8)
SPLIT = "auto"  # the device's name for "spread over all GPUs of this machine, by accelerate"


def precision(dtype: str) -> torch.dtype:
    """The torch dtype of that name.

    Raises:
        BadInput: If it is none of `DTYPES`.
    """
    if dtype not in DTYPES:
        raise BadInput("dtype", f"is {dtype!r}", f"Choose one of {DTYPES}.")
    found: torch.dtype = getattr(torch, dtype)
    return found


@dataclass(frozen=True)
class Placement:
    """Where agents live and how their weights are kept.

    Attributes:
        device: "cpu", "cuda", "cuda:1" and so on; or "auto": each agent is spread over all GPUs by accelerate.
        dtype: Precision, one of `DTYPES`.
        bits: 4 or 8: the weights of linear layers are quantised by bitsandbytes; None for none of it.

    Raises:
        BadInput: If the precision or the number of bits is unknown, or bitsandbytes is needed and not installed.
    """

    device: str = "cpu"
    dtype: str = "float32"
    bits: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be had, before anything is fetched for it."""
        precision(self.dtype)
        if self.bits is None:
            return
        if self.bits not in BITS:
            raise BadInput("bits", f"is {self.bits!r}", f"Choose one of {BITS}, or none.")
        if importlib.util.find_spec("bitsandbytes") is None:
            todo = "Install it with `pip install bitsandbytes`, or load the weights as they are."
            raise BadInput("bits", f"is {self.bits}, for which bitsandbytes has to be installed", todo)

    @property
    def split(self) -> bool:
        """Whether an agent may be spread over several devices."""
        return self.device == SPLIT

    @property
    def torch_dtype(self) -> torch.dtype:
        """The precision as torch has it."""
        return precision(self.dtype)

    @property
    def bytes_each(self) -> float:
        """About how many bytes a parameter takes; quantised ones bring scales, and embeddings stay as they are."""
        return self.torch_dtype.itemsize if self.bits is None else self.bits / 8 * 1.25


HERE = Placement()


def place(module: _Module, device: str, dtype: str | None = None) -> _Module:
    """Move a module to a device and, if one is named, a precision.

    A model keeps the precision it was loaded in: its tables of positions are float32 whatever its weights are, and
    would be rounded with them.

    Raises:
        BadInput: If this machine has no such device, or the precision is unknown.
    """
    try:
        return module.to(device) if dtype is None else module.to(device, precision(dtype))
    except (RuntimeError, AssertionError) as error:  # torch's words for "no such device" and "built without it"
        raise _no_device(device, error) from error


def check_device(device: str) -> None:
    """See that this machine has a device, before much is done for it.

    Raises:
        BadInput: If it has not.
    """
    if device == SPLIT:
        return
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise _no_device(device, error) from error


def _no_device(device: str, error: Exception) -> BadInput:
    reason = str(error).splitlines()[0]
    return BadInput("device", f"{device!r} cannot be used ({reason})", "Choose 'cpu', or a GPU of this machine.")
