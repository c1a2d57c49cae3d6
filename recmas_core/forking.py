"""A system in a process that was forked from the one that loaded it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from recmas_core.captures import Captures
from recmas_core.placement import place
from recmas_core.tools.base import tool_in_fork

if TYPE_CHECKING:
    from recmas_core.system import System


def settle_in_fork(system: System, device: str) -> None:
    """Make a system ready to run in a forked process, with its agents and links on a device.

    Only the thread that forked lives on there: a lock that another thread held would stay held for ever, so all of
    them are replaced. Memory is the process's own from the first write on: whoever forked keeps its copy where it is.
    What has been settled before stays as it is.

    Args:
        system: A system whose agents stay where they were loaded (no `Residence`).
        device: Where they compute from now on.

    Raises:
        BadInput: If this machine has no such device.
    """
    system.lock = threading.RLock()
    for agent in system.agents.values():
        agent.captures = Captures()
        place(agent.model, device)
        place(agent.inner, device)
    for link in system.links.values():
        place(link, device)
    system.tools = {name: tool_in_fork(tool) for name, tool in system.tools.items()}
