"""Opening what a visitor asked for, and giving its roles other agents."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from recmas_core.hub import HUB, Hub
from recmas_core.progress import Tell
from visualizers.panels.offers import Wanted
from visualizers.panels.zero import zero_available

if TYPE_CHECKING:
    from recmas_core.system import System


def is_borrowed(wanted: Wanted) -> bool:
    """Whether it is to run on a GPU that is lent for each run: its agents are loaded into host memory then."""
    return wanted.device != "cpu" and zero_available()


def open_wanted(wanted: Wanted, hub: Hub | None, assets: Path, tell: Tell) -> System:
    """Load what was asked for.

    Raises:
        RecmasError: Saying why it cannot be had.
    """
    import recmas_core as rm

    hub = HUB if hub is None else hub
    if wanted.released:
        return rm.load_system(
            wanted.system, device=_home(wanted), dtype=wanted.dtype, bits=wanted.bits, task=wanted.task, hub=hub,
            tell=tell,
        )  # fmt: skip
    return rm.build_system(
        wanted.system, dict(wanted.agents), device=_home(wanted), dtype=wanted.dtype, bits=wanted.bits,
        task=wanted.task, assets=assets, hub=hub, tell=tell,
    )  # fmt: skip


def recast(base: System, own: Mapping[str, str], agents: Mapping[str, str], wanted: Wanted, assets: Path) -> System:
    """A system with other agents in some of its roles. The others stay as they are, and so do the links between them.

    Args:
        base: The system with its own agents.
        own: The key of its own agent of each role.
        agents: The key of the agent that each role shall have.
        wanted: How it was opened.
        assets: Where shipped agents are.
    """
    import recmas_core as rm

    stay = {role for role, key in agents.items() if key == own[role]}
    mixed = rm.build_system(
        base.pattern.name, {role: base.agents[role] if role in stay else key for role, key in agents.items()},
        device=_home(wanted), dtype=wanted.dtype, tools=base.tools, assets=assets,
    )  # fmt: skip
    kept = {edge: link for edge, link in base.links.items() if set(edge) <= stay}
    system = mixed.with_links(kept)
    system.house = base.house
    system.untrained = mixed.untrained - (kept.keys() - base.untrained)
    return system


def _home(wanted: Wanted) -> str:
    """The device on which its agents stay."""
    return "cpu" if is_borrowed(wanted) else wanted.device


def free_memory() -> None:
    """Give memory of systems that were let go back to the machine."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
