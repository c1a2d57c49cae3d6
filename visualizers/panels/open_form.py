"""What can be opened on the page, and what the form for it says, checked. No gradio here."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from recmas_core.allowed import Allowance
from recmas_core.errors import BadInput, RecmasError
from recmas_core.memory import Room, gigabytes, make_plan, measure_room
from recmas_core.patterns import PATTERNS, Pattern
from recmas_core.placement import Placement
from recmas_core.progress import Loading
from recmas_core.released.layouts import RELEASED
from recmas_core.released.styles import PREFIX, STYLES, ReleasedStyle
from visualizers.panels.offers import Wanted
from visualizers.panels.zero import ROOM, zero_available

OWN = "own:"
MOST_ROLES = max(len(pattern.roles) for name, pattern in PATTERNS.items() if name in RELEASED)
TASKS = (("mathematics", "math"), ("code", "code"))
_WEIGHTS = (("bfloat16", "bfloat16"), ("float16", "float16"), ("float32", "float32"))
_BITS = (("8 bits", "8"), ("4 bits", "4"))


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
        if weights in dict(_BITS).values():
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
        if task not in dict((value, text) for text, value in TASKS):
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


def choices(allowance: Allowance) -> list[tuple[str, str]]:
    """(text, value) of everything that this server opens."""
    found = []
    for style in STYLES.values():
        if allowed(allowance, f"{PREFIX}{style.name}"):
            found.append((f"{style.title.replace('-', ' ')} · {gigabytes(style.gigabytes * 1e9)}", PREFIX + style.name))
    if allowance.opens_models:
        found += [(f"Your own agents: {PATTERNS[name].title}", OWN + name) for name in RELEASED]
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


def weights() -> list[tuple[str, str]]:
    """Precisions to choose from; fewer bits only where bitsandbytes is installed, and has a GPU to make them on."""
    return [*_WEIGHTS, *(_BITS if importlib.util.find_spec("bitsandbytes") and not zero_available() else ())]


def outlook(form: OpenForm) -> str:
    """What opening it will take, as far as can be told without asking anyone; HTML."""
    try:
        style, placement = form.style, form.placement
        room = free_room(placement.device)
        where = "This machine" if room.shared else "The GPU"
        free = f"{where} has {gigabytes(room.device)} free."
        if style is None:
            lines = [f"{free} How much the agents need is asked before anything is fetched."]
            lines.append("Their links are new and untrained: what arrives over them is noise until you train them.")
            return _hints(lines)
        parameters = {role: int(billions * 1e9) for role, billions in style.billions.items()}
        plan = make_plan(parameters, placement, room)
        lines = [plan.sentence, _fetched(style)]
    except RecmasError as error:
        return f'<p class="recmas-hint recmas-outside">{escape(str(error))}</p>'
    lines.append(
        "The links are the authors&#39;; the prompts&#39; words are this project&#39;s own, and released links may be "
        "sensitive to wording. The README says how to put your own in their place."
    )
    return _hints(lines, safe=True)


def _fetched(style: ReleasedStyle) -> str:
    return f"Fetched once from the hub, about {gigabytes(style.gigabytes * 1e9)}: {len(style.agents)} agents and links."


def _hints(lines: list[str], *, safe: bool = False) -> str:
    return "".join(f'<p class="recmas-hint">{line if safe else escape(line)}</p>' for line in lines)


def progress_html(loading: Loading | None) -> str:
    """How far the opening has come; screen readers hear when another agent is begun."""
    if loading is None:
        return _bar("Looking at what it needs …", None, "")
    if not loading.what:
        return _bar("All agents are here; the system is put together.", 1.0, "")
    text = f"Agent {loading.done + 1} of {loading.of}: {loading.what}"
    part = loading.bytes_done / loading.bytes_of if loading.bytes_of else 0.0
    detail = f"{gigabytes(loading.bytes_done)} of {gigabytes(loading.bytes_of)}" if loading.bytes_of else "loading"
    return _bar(text, (loading.done + min(part, 1.0)) / loading.of, detail)


def _bar(text: str, share: float | None, detail: str) -> str:
    value = "" if share is None else f' value="{share:.3f}"'
    more = f" <span>{escape(detail)}</span>" if detail else ""
    return (
        f'<div class="recmas-opening"><p class="recmas-hint" role="status" aria-live="polite">{escape(text)}{more}</p>'
        f'<progress max="1"{value} aria-label="Opening"></progress></div>'
    )


def failed_html(error: str) -> str:
    """Why nothing was opened, and what is there all the same."""
    return (
        f'<p class="recmas-hint recmas-outside" role="alert">{escape(error)}</p>'
        '<p class="recmas-hint">The embedded systems need no network and little memory: they are there as before.</p>'
    )

