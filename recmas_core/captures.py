"""An agent's recorded latent steps: CUDA graphs, kept from turn to turn, and lent to one turn at a time.

On a GPU a step of the plain kind is bound by Python, which starts its kernels one by one. A graph starts them all at
once. Where a step cannot be recorded it is taken the plain way, and the log says so.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeAlias

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from recmas_core.reading import Reader
    from recmas_core.static_steps import Record, StaticSteps

StepKind: TypeAlias = Literal["eager", "captured", "fused"]
MOST = 4  # recordings that an agent keeps, each with a cache of its own
WARM_UPS = 3  # libraries choose their kernels and take their workspaces before anything is recorded
COMPILED = 256  # recordings of a process that may be compiled; torch's own limit of 8 is meant for accidents
# Only one capture may be under way in a process, whosever it is.
_CAPTURING = threading.Lock()
_log = logging.getLogger(__name__)


@cache
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    """The stream on which a device's captures are made: one for all, as libraries keep a workspace for each stream."""
    return torch.cuda.Stream(device)


def cuda_graph(step: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """Record a step as a CUDA graph on a stream aside; returns what repeats it on the current stream.

    Raises:
        RuntimeError: If the step does what cannot be recorded, e.g. waits for the GPU.
    """
    graph = torch.cuda.CUDAGraph()
    with _CAPTURING, torch.cuda.device(device):
        side = _side_stream(device)
        side.wait_stream(torch.cuda.current_stream(device))
        # this context stands outside the other: where recording fails, that one leaves the stream as it is
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                step()
            # other threads may use the GPU meanwhile: what they do is no fault of this one's
            with torch.cuda.graph(graph, stream=side, capture_error_mode="thread_local"):
                step()
        torch.cuda.current_stream(device).wait_stream(side)

    def repeat() -> None:
        with torch.cuda.device(device):
            graph.replay()

    return repeat


def fused_graph(step: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """As `cuda_graph`, of a step that torch.compile has made fewer and larger kernels of. Takes up to minutes.

    Many small kernels in a row take longer than reading the weights does, in a graph too. Tuning makes the products
    with a single row kernels of the compiler's own, which read weights faster than a library's.

    Raises:
        RuntimeError: If the step cannot be compiled or recorded.
    """
    import torch._dynamo  # a second to load

    with torch._dynamo.config.patch(recompile_limit=COMPILED):
        tuned = torch.compile(step, fullgraph=True, dynamic=False, options={"coordinate_descent_tuning": True})
        return cuda_graph(tuned, device)


def capacity_for(positions: int) -> int:
    """Columns to keep for so many positions: few sizes, so that turns share recordings, and none far too large."""
    return max(64, 1 << (positions - 1).bit_length()) if positions <= 256 else -(-positions // 256) * 256


@dataclass(frozen=True)
class _Key:
    """What a recording is for: rows, columns, and how it was made."""

    batch: int
    capacity: int
    kind: StepKind


class Captures:
    """The recordings of one agent's steps.

    Args:
        record: Records steps in place of CUDA graphs, whatever the device; for tests.
    """

    def __init__(self, record: Record | None = None) -> None:
        self._record = record
        self._kept: list[tuple[_Key, StaticSteps]] = []  # the last lent is the last
        self._busy: list[StaticSteps] = []
        self._failed: dict[_Key, str] = {}
        self._said: set[str] = set()
        self._lock = threading.Lock()  # systems that share an agent may run in different threads

    @contextmanager
    def lent(
        self, reader: Reader, inner: object, embed: Tensor, *, further: int, kind: StepKind
    ) -> Iterator[StaticSteps | None]:
        """Recorded steps for the rest of a turn, loaded with what was read; no other turn gets them meanwhile.

        Gives None where steps are to be taken the plain way: on other devices than CUDA's and with gradients as a
        rule, and for any reason that the log is told once.

        Args:
            reader: It has read the turn's prompts.
            inner: The inner link.
            embed: (B, d), the first thought's R_in.
            further: Thoughts that follow the first one; nothing is lent for none.
            kind: How steps are to be taken.
        """
        wanted = further > 0 and self._wanted(reader, kind)
        steps = self._take(reader, inner, embed, further, kind) if wanted else None
        try:
            if steps is not None:
                steps.load(reader, embed)
            yield steps
        finally:
            if steps is not None:
                with self._lock:
                    self._busy = [each for each in self._busy if each is not steps]

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """Why steps were taken the plain way so far: every reason that the log was told."""
        return tuple(sorted(self._said))

    def _wanted(self, reader: Reader, kind: StepKind) -> bool:
        recorded = self._record is not None or reader.agent.device.type == "cuda"
        return kind != "eager" and recorded and not torch.is_grad_enabled()

    def _take(self, reader: Reader, inner: object, embed: Tensor, further: int, kind: StepKind) -> StaticSteps | None:
        key = _Key(len(embed), capacity_for(reader.length + further), kind)
        with self._lock:
            found = self._find(key, inner) or self._make(key, reader, inner, embed)
            if not isinstance(found, str):
                self._busy.append(found)
                return found
            if found not in self._said:
                self._said.add(found)
                _log.warning("%s takes latent steps without a CUDA graph: %s", reader.agent.name, found)
        return None

    def _find(self, key: _Key, inner: object) -> StaticSteps | None:
        """A recording that nobody uses; those that can never be used again are let go."""
        for at, (made_for, steps) in enumerate(self._kept):
            if made_for == key and steps.inner is inner and self._idle(steps):
                self._kept.append(self._kept.pop(at))
                if steps.stands():
                    return steps
                self._kept.pop()  # its weights have moved: a new one has to be made
                return self._find(key, inner)
        return None

    def _make(self, key: _Key, reader: Reader, inner: object, embed: Tensor) -> StaticSteps | str:
        """A new recording, in place of the one that was not used for longest; or why there is none."""
        from recmas_core.static_steps import StaticSteps, why_not

        reason = self._failed.get(key) or why_not(reader, inner)
        if reason:
            return reason
        assert isinstance(inner, nn.Module)  # else there is a reason
        if len(self._kept) >= MOST:
            idle = next((at for at, (_, steps) in enumerate(self._kept) if self._idle(steps)), None)
            if idle is None:
                return f"all of its {MOST} recordings are in use"
            self._kept.pop(idle)
        record = self._record or (fused_graph if key.kind == "fused" else cuda_graph)
        try:
            steps = StaticSteps(reader.agent, inner, reader, embed, capacity=key.capacity, record=record)
        except Exception as error:  # of torch, the compiler, a C compiler: whatever it is, the plain way is open
            words = (str(error).strip() or type(error).__name__).splitlines()[0]
            self._failed[key] = f"recording {key.kind!r} steps failed ({words})"
            _log.info("recording %r steps of %s failed", key.kind, reader.agent.name, exc_info=True)
            return self._failed[key]
        self._kept.append((key, steps))
        return steps

    def _idle(self, steps: StaticSteps) -> bool:
        return all(each is not steps for each in self._busy)
