"""The embedded agents' little worlds, by name."""

from recmas_core.tasks.base import Example, Reading, Task
from recmas_core.tasks.chain import ChainTask

TASKS: dict[str, Task] = {"chain": ChainTask()}

__all__ = ["TASKS", "ChainTask", "Example", "Reading", "Task"]
