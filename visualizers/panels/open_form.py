"""What can be opened on the page, and what the form for it says, checked. No gradio here."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recmas_core.allowed import Allowance
from recmas_core.errors import BadInput, RecmasError
from recmas_core.memory import Room, gigabytes, measure_room
from recmas_core.patterns import PATTERNS, Pattern
from recmas_core.placement import Placement
from recmas_core.released.layouts import RELEASED
from recmas_core.released.styles import PREFIX, STYLES, ReleasedStyle
from visualizers.names import named_pattern
from visualizers.panels.offers import Wanted
from visualizers.panels.zero import ROOM, zero_available
from visualizers.words import Words

OWN = "own:"
MOST_ROLES = max(len(pattern.roles) for name, pattern in PATTERNS.items() if name in RELEASED)
TASKS = ("math", "code")
_WEIGHTS = ("bfloat16", "float16", "float32")
_BITS = ("8", "4")


@dataclass(frozen=True)
class OpenForm:
    """The form's values as they came, unchecked.

    Attributes:
        what: "released:<style>", or "own:<pattern>".
        task, device, weights: As chosen.
        agents: What was typed for each role, in the pattern's order; more than it has roles.
    """

    what: Any
    task: Any
    device: Any
    weights: Any
    agents: tuple[Any, ...]

    @staticmethod
    def read(values: Sequence[Any]) -> OpenForm:
        """The form as the page sends it."""
        what, task, device, kept, *agents = values
        return OpenForm(what, task, device, kept, tuple(agents))

    @property
    def style(self) -> ReleasedStyle | None:
        """The released system that is chosen; None for agents of one's own."""
        return STYLES.get(str(self.what).removeprefix(PREFIX)) if str(self.what).startswith(PREFIX) else None

    @property
    def pattern(self) -> Pattern:
        """The pattern that is chosen.

        Raises:
            BadInput: If there is no such choice.
        """
        style = self.style
        name = style.pattern if style is not None else str(self.what).removeprefix(OWN)
        if name not in RELEASED:
            raise BadInput("system", f"is {str(self.what)[:60]!r}", "Choose one of the list.")
        return PATTERNS[name]

    @property
    def placement(self) -> Placement:
        """Where, and in what precision.

        Raises:
            BadInput: If there is no such device or precision.
        """
        weights, device = str(self.weights), str(self.device)
        if device not in devices():
            raise BadInput("device", f"is {device[:60]!r}", f"Choose one of {devices()}.")
        if weights in _BITS:
            if zero_available():
                todo = "Choose bfloat16; what ZeroGPU lends has room for it."
                raise BadInput("weights", "cannot be kept in fewer bits on ZeroGPU", todo)
            return Placement(device, "bfloat16", int(weights))
        return Placement(device, weights)

    def wanted(self, allowance: Allowance) -> Wanted:
        """What to open.

        Raises:
            BadInput: If a value cannot be used.
            NotAllowed: If this server does not open such models.
        """
        pattern, placement, style = self.pattern, self.placement, self.style
        task = str(self.task)
        if task not in TASKS:
            raise BadInput("links for", f"is {task[:60]!r}", "Choose one of the list.")
        how = {"task": task, "device": placement.device, "dtype": placement.dtype, "bits": placement.bits}
        if style is not None:
            return Wanted(str(allowance.check(f"{PREFIX}{style.name}")), **how)  # type: ignore[arg-type]
        named = {}
        for role, typed in zip(pattern.roles, self.agents, strict=False):
            if not isinstance(typed, str) or not typed.strip():
                todo = "Name a repository of the hub (owner/name), a folder, or a shipped agent (embedded:planner)."
                raise BadInput(f"the {role.title.lower()}", "has no model", todo)
            named[role.name] = str(allowance.check(typed.strip()))
        return Wanted(pattern.name, tuple(named.items()), **how)  # type: ignore[arg-type]


def tasks(words: Words) -> list[tuple[str, str]]:
    """(text, value) of the tasks that released links are for."""
    return [(words(f"open.tasks.{task}"), task) for task in TASKS]


def choices(allowance: Allowance, words: Words) -> list[tuple[str, str]]:
    """(text, value) of everything that this server opens."""
    found = []
    for style in STYLES.values():
        if allowed(allowance, f"{PREFIX}{style.name}"):
            size = gigabytes(style.gigabytes * 1e9)
            found.append((words("open.released", title=style.title.replace("-", " "), size=size), PREFIX + style.name))
    if allowance.opens_models:
        named = {name: named_pattern(PATTERNS[name], words).title for name in RELEASED}
        found += [(words("open.own", pattern=title), OWN + name) for name, title in named.items()]
    return found


def allowed(allowance: Allowance, spec: str) -> bool:
    """Whether this server opens a model or a released system."""
    try:
        allowance.check(spec)
    except RecmasError:  # the answer is no: nobody asked why
        return False
    return True


def devices() -> list[str]:
    """Where agents can be put on this machine."""
    import torch

    if zero_available():  # torch cannot be asked: `spaces` answers for it, in words of its own
        return ["cuda:0", "cpu"]
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [*(f"cuda:{i}" for i in range(count)), *(["auto"] if count > 1 else []), "cpu"]


def free_room(device: str) -> Room:
    """Free memory where agents will be. On ZeroGPU that is here and there: they are loaded here, and copied.

    Raises:
        BadInput: If this machine has no such device.
    """
    if device == "cpu" or not zero_available():
        return measure_room(device)
    host = measure_room("cpu").host
    return Room(min(host, ROOM), host, shared=True)


def weights(words: Words) -> list[tuple[str, str]]:
    """Precisions to choose from; fewer bits only where bitsandbytes is installed, and has a GPU to make them on."""
    fewer = _BITS if importlib.util.find_spec("bitsandbytes") and not zero_available() else ()
    return [*((name, name) for name in _WEIGHTS), *((words("open.bits", n=n), n) for n in fewer)]
