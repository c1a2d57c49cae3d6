"""The embedded agents' little worlds, by name."""

from recmas_core.tasks.almanac import AlmanacTask
from recmas_core.tasks.base import Example, Reading, Task
from recmas_core.tasks.chain import ChainTask
from recmas_core.tasks.fields import FieldsTask
from recmas_core.tasks.formula import FormulaTask

TASKS: dict[str, Task] = {task.name: task for task in (ChainTask(), FieldsTask(), FormulaTask(), AlmanacTask())}

__all__ = ["TASKS", "AlmanacTask", "ChainTask", "Example", "FieldsTask", "FormulaTask", "Reading", "Task"]
