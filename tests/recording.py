"""Ways to record a step that need no GPU: one calls it again, one repeats its kernels as a CUDA graph does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten
# What a stream that is being captured refuses: reading a number back, and copying a Python value to the device.
FORBIDDEN = {
    aten._local_scalar_dense.default, aten.is_nonzero.default, aten.equal.default, aten.nonzero.default,
    aten.lift_fresh.default, aten.lift_fresh_copy.default,
}  # fmt: skip


def call_again(step: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """No recording: the step is called each time."""
    step()
    return step


class Tape(TorchDispatchMode):
    """Takes down every kernel with the tensors and the numbers it was called with, and can repeat them.

    As in a CUDA graph, a repeated kernel reads the very tensors it read then, writes to those it wrote to, and knows
    nothing of Python: a length or a position that was a Python number stays what it was.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, tuple[Any, ...], dict[str, Any], list[Tensor]]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in FORBIDDEN:
            raise RuntimeError(f"{func} while a step is recorded")
        out = func(*args, **(kwargs or {}))
        made = [each for each in tree_leaves(out) if isinstance(each, Tensor)]
        self.calls.append((func, args, kwargs or {}, made))
        return out

    def repeat(self) -> None:
        for func, args, kwargs, made in self.calls:
            again = [each for each in tree_leaves(func(*args, **kwargs)) if isinstance(each, Tensor)]
            for old, new in zip(made, again, strict=True):
                if old.data_ptr() != new.data_ptr():  # else a view, or written in place
                    old.copy_(new)


def taped(step: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """Warm up, then record the kernels of one step."""
    step()
    tape = Tape()
    with tape:
        step()
    return tape.repeat
