"""ZeroGPU: Spaces whose GPU is there only inside a function that the package `spaces` has decorated.

Such a function runs in a forked process, eagerly: its results wait here for whoever reads them, and a run that is
paused holds no GPU. Agents live in this process's host memory, where the views read them; a forked process brings its
own copy to the GPU, and keeps it there for as long as ZeroGPU lets it wait for the next run.

Only forked processes import CUDA; gradio is imported where `spaces` has done so.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import weakref
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from recmas_core.errors import RunInterrupted
from recmas_core.memory import TooLarge, gigabytes
from recmas_core.records import Event, RunConfig, Trace
from visualizers.panels.zero_run import ZeroRun
from visualizers.panels.zero_time import LEAST, gpu_seconds
from visualizers.panels.zero_work import Item, Work, work_of

if TYPE_CHECKING:
    from recmas_core.system import System

# The weights that every GPU of ZeroGPU takes without asking for the larger, dearer size: the lowest of the limits that
# spaces 0.51 knows (zero/configs.json, "xlarge_threshold"); half an H200 has 70 GB.
ROOM = 45_097_156_608
_ABORTED = "GPU task aborted"  # how `spaces` says that the process ended: its time was over, or it was killed
_log = logging.getLogger("recmas.page")


def zero_available() -> bool:
    """Whether this is a Space on ZeroGPU: `spaces` is installed, and the variable that it goes by itself says so."""
    said = os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")
    return said and importlib.util.find_spec("spaces") is not None


def prepare_zero() -> None:
    """Get this process ready for ZeroGPU, before the page is launched; nothing happens elsewhere.

    A Space that has decorated nothing by then is taken for broken, and systems are opened later. And torch says there
    that it has a GPU, which accelerate would train on.
    """
    if zero_available():
        os.environ["ACCELERATE_USE_CPU"] = "true"
        _decorated(_nothing, lambda trace, tries: LEAST)


class Borrowed:
    """A system whose runs go to a GPU that is lent for each of them.

    Each system has a decorated function of its own: a process that is kept for its next run was forked when the
    system was there, and has no other system's weights on the GPU.

    Args:
        system: Its agents and links are in host memory, and stay there.
        device: Where they compute in the forked process; for tests.

    Raises:
        TooLarge: If the agents do not fit on such a GPU.
    """

    def __init__(self, system: System, *, device: str = "cuda") -> None:
        models = {id(agent.model): agent.model for agent in system.agents.values()}.values()
        need = sum(model.get_memory_footprint() for model in models)
        if need > ROOM:
            what = f"need {gigabytes(need)}, and ZeroGPU has room for {gigabytes(ROOM)}"
            raise TooLarge("the agents", what, "Choose smaller agents, or bfloat16 weights, or the CPU.")
        self._system = system
        self._work = _decorated(work_of(system, device), _seconds_of(system))

    def start(self, config: RunConfig) -> Generator[Event, None, None]:
        """Run a configuration there; as `System.start`, which refuses at once what cannot be run.

        Raises:
            RecmasError: At once, for what `System.start` refuses.
        """
        self._system.start(config).close()  # never begun: it is there for its checks
        return self.resume(Trace(config, self._system.pattern.name))

    def resume(self, trace: Trace) -> Generator[Event, None, None]:
        """Go on there behind the finished turns of a trace, under its configuration."""
        return ZeroRun(self._borrow, trace, len(self._system.pattern.schedule(trace.config.rounds)))

    def _borrow(self, trace: Trace, tries: int) -> Generator[Item, None, None]:
        """One call: what it raises itself is why there was no GPU, or none any more."""
        import gradio as gr

        try:
            yield from self._work(trace, tries)
        except gr.Error as error:
            if str(error.message) == _ABORTED:
                raise
            raise _refused(str(error.message)) from error
        except Exception as error:  # of its service: a network that is down, a queue that broke off
            _log.warning("ZeroGPU lent no GPU", exc_info=error)
            raise _refused(f"asking for it failed with {type(error).__name__}") from error


def _refused(why: str) -> RunInterrupted:
    todo = "Press again later: the run goes on from its last finished turn. The embedded systems need no GPU."
    return RunInterrupted("a GPU", f"is not to be had now ({why.strip().rstrip('.')})", todo)


def _decorated(work: Work, seconds: Callable[[Trace, int], int]) -> Work:
    import spaces

    decorated: Work = spaces.GPU(work, duration=seconds)
    return decorated


def _seconds_of(system: System) -> Callable[[Trace, int], int]:
    held = weakref.ref(system)  # see `work_of`

    def seconds(trace: Trace, tries: int) -> int:
        mine = held()
        assert mine is not None  # whoever calls this holds it
        return gpu_seconds(mine, trace, tries)

    return seconds


def _nothing(trace: Trace, tries: int) -> Generator[Item, None, None]:
    yield from ()
