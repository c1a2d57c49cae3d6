"""The systems of the public release, as data: which repositories they are made of, and how they are run there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from recmas_core.errors import SystemNotFound
from recmas_core.runconfig import Decoding

ORGANISATION = "RecursiveMAS"
PREFIX = "released:"
DECODING = Decoding(temperature=0.6, top_p=0.95, max_new_tokens=2048)


@dataclass(frozen=True)
class ReleasedStyle:
    """A released system.

    Attributes:
        name: Its name in the release, e.g. "sequential_light".
        title: Name to show.
        pattern: Its pattern's name.
        agents: Each role's repository on the hub.
        outer: The repository of the outer links.
        billions: About how many parameters each role's agent has, in thousand millions; its text model alone.
        thoughts: Thoughts per turn by task, as released.
    """

    name: str
    title: str
    pattern: str
    agents: Mapping[str, str]
    outer: str
    billions: Mapping[str, float]
    thoughts: Mapping[str, int]

    @property
    def gigabytes(self) -> float:
        """About how much memory the weights of all agents take in bfloat16, as released."""
        return 2 * sum(self.billions.values())


def _style(
    name: str, title: str, pattern: str, agents: Mapping[str, tuple[str, float]], thoughts: Mapping[str, int]
) -> ReleasedStyle:
    hub = {role: f"{ORGANISATION}/{title}-{rest}" for role, (rest, _) in agents.items()}
    billions = {role: size for role, (_, size) in agents.items()}
    outer = f"{ORGANISATION}/{title}-Outerlinks"
    return ReleasedStyle(
        name, title, pattern, MappingProxyType(hub), outer, MappingProxyType(billions), MappingProxyType(thoughts)
    )


_MATH, _CODE = "math", "code"
_STYLES = (
    _style(
        "sequential_light", "Sequential-Light", "sequential",
        {"planner": ("Planner-Qwen3-1.7B", 1.72), "critic": ("Critic-Llama3.2-1B", 1.24),
         "solver": ("Solver-Qwen2.5-Math-1.5B", 1.54)},
        {_MATH: 48, _CODE: 32},
    ),
    _style(
        "sequential_scaled", "Sequential-Scaled", "sequential",
        {"planner": ("Planner-Gemma3-4B", 4.0), "critic": ("Critic-Llama3.2-3B", 3.21),
         "solver": ("Solver-Qwen3.5-4B", 4.25)},
        {_MATH: 32, _CODE: 16},
    ),
    _style(
        "mixture", "Mixture", "mixture",
        {"math": ("Math-DeepSeek-R1-Distill-Qwen-1.5B", 1.78), "code": ("Code-Qwen2.5-Coder-3B", 3.09),
         "science": ("Science-BioMistral-7B", 7.24), "summarizer": ("Summarizer-Qwen3.5-2B", 1.9)},
        {_MATH: 32, _CODE: 16},
    ),
    _style(
        "distillation", "Distillation", "distillation",
        {"expert": ("Expert-Qwen3.5-9B", 9.25), "learner": ("Learner-Qwen3.5-4B", 4.25)}, {_MATH: 32, _CODE: 16},
    ),
    _style(
        "deliberation", "Deliberation", "deliberation",
        {"reflector": ("Reflector-Qwen3.5-4B", 4.25), "toolcaller": ("Toolcaller-Qwen3.5-4B", 4.25)},
        {_MATH: 32, _CODE: 16},
    ),
)  # fmt: skip

STYLES: Mapping[str, ReleasedStyle] = MappingProxyType({style.name: style for style in _STYLES})


def released_style(name: str) -> ReleasedStyle:
    """The released system of that name, with or without "released:" in front.

    Raises:
        SystemNotFound: If there is none.
    """
    short = name.removeprefix(PREFIX)
    if short not in STYLES:
        raise SystemNotFound(f"system {name!r}", "is not in the release", f"There are {[PREFIX + s for s in STYLES]}.")
    return STYLES[short]
