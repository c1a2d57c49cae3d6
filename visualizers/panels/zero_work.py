"""What happens in the process that has the GPU: a run goes on there, and its events come back. No gradio here."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from recmas_core.errors import RecmasError
from recmas_core.forking import settle_in_fork
from recmas_core.records import Event, Trace

if TYPE_CHECKING:
    from recmas_core.system import System

_log = logging.getLogger("recmas.page")


class WorkFailed(RecmasError, RuntimeError):
    """The process with the GPU met an error that nobody foresaw; its log has the whole of it."""


@dataclass(frozen=True)
class Failed:
    """How a run failed there. `spaces` would bring back no more of an exception than the name of its class."""

    error: RecmasError


Item: TypeAlias = Event | Failed
Work: TypeAlias = Callable[[Trace, int], Generator[Item, None, None]]


def work_of(system: System, device: str) -> Work:
    """The work of one system's runs: a generator function of what a run goes on from, and of how often it was tried.

    It holds the system weakly, since `spaces` keeps every function it has decorated for ever. In the forked process
    the system stays all the same: what the thread that forked held is never let go there.

    Args:
        system: Who runs.
        device: Where, in that process.
    """
    held = weakref.ref(system)

    def work(trace: Trace, tries: int) -> Generator[Item, None, None]:
        mine = held()
        assert mine is not None  # whoever calls this holds it
        try:
            settle_in_fork(mine, device)
            yield from mine.resume(trace)
        except RecmasError as error:
            yield Failed(error)
        except Exception as error:
            _log.exception("a run on a borrowed GPU failed")
            todo = "Press Reset and run again; if it happens again, ask for fewer thoughts, or use smaller agents."
            yield Failed(WorkFailed("the run on the GPU", f"failed ({type(error).__name__})", todo))
            raise  # so that this process is not used again: after an error of CUDA's nothing works in it

    return work
