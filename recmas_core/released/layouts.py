"""How the public release lays its systems out, as data: repositories, file names, the keys of its links.

<agent repository>/        a full model, and beside it
  adapter_config.json      {"adapter_type": "ln_res_adapter"}
  adapter.pt               the inner link; where links are kept per task: adapter(math).pt, adapter(code).pt and
  innerlink_config.json    {"tasks": {"math": {"adapter.pt": "adapter(math).pt"}, ...}}
<outer links' repository>/
  outerlink_config.json    {"adapters": [{"legacy_key": "outer_12", "filename": "..."}, ...]}, or one such object for
                           each task under {"tasks": {"math": ..., "code": ...}}
  Planner-Critic-Outerlink(math).pt and so on
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from recmas_core.engine import Edge
from recmas_core.errors import BadInput
from recmas_core.patterns import Pattern

INNER_TYPE, OUTER_TYPE = "ln_res_adapter", "outer_ln_res_adapter"
ADAPTER_FILE, ADAPTER_CONFIG = "adapter.pt", "adapter_config.json"
INNER_CONFIG, OUTER_CONFIG = "innerlink_config.json", "outerlink_config.json"
_TASKS = ("math", "code")


@dataclass(frozen=True)
class ReleasedEdge:
    """An outer link's names in the release.

    Attributes:
        key: The release's own key, e.g. "outer_12".
        file: Its file's name without the task and without ".pt".
    """

    key: str
    file: str


@dataclass(frozen=True)
class ReleasedLayout:
    """How the release lays the systems of one pattern out.

    Attributes:
        agents: The folder of each role's agent; on the hub the name goes on with the style and the model.
        outer: The folder of the outer links.
        edges: Every outer link's names.
        tasks: The tasks for which there are links of their own; none if one set of links serves all.
    """

    agents: Mapping[str, str]
    outer: str
    edges: Mapping[Edge, ReleasedEdge]
    tasks: tuple[str, ...] = ()

    def check_task(self, task: str) -> None:
        """See that the release has links for this task; any will do where one set serves all.

        Raises:
            BadInput: If it has not.
        """
        if self.tasks and task not in self.tasks:
            todo = f"The public release's loader asks for one of {self.tasks}."
            raise BadInput("task", f"is {task!r}", todo)

    def for_task(self, name: str, task: str) -> str:
        """A file's name where links are kept per task, e.g. "adapter(math).pt"; else as it is."""
        stem, _, ending = name.rpartition(".")
        return f"{stem}({task}).{ending}" if self.tasks else name


def _layout(
    title: str, agents: Mapping[str, str], keys: Mapping[Edge, str], tasks: tuple[str, ...] = ()
) -> ReleasedLayout:
    edges = {
        (sender, receiver): ReleasedEdge(key, f"{agents[sender]}-{agents[receiver]}-Outerlink")
        for (sender, receiver), key in keys.items()
    }
    folders = {role: f"{title}-{word}" for role, word in agents.items()}
    return ReleasedLayout(MappingProxyType(folders), f"{title}-Outerlinks", MappingProxyType(edges), tasks)


# By the pattern's name. Loops of one's own have no layout there.
RELEASED: Mapping[str, ReleasedLayout] = MappingProxyType(
    {
        "sequential": _layout(
            "Sequential",
            {"planner": "Planner", "critic": "Critic", "solver": "Solver"},
            {("planner", "critic"): "outer_12", ("critic", "solver"): "outer_23", ("solver", "planner"): "outer_31"},
            _TASKS,
        ),
        "mixture": _layout(
            "Mixture",
            {"math": "Math", "code": "Code", "science": "Science", "summarizer": "Summarizer"},
            {
                ("math", "summarizer"): "outer_1s",
                ("code", "summarizer"): "outer_2s",
                ("science", "summarizer"): "outer_3s",
                ("summarizer", "math"): "outer_s1",
                ("summarizer", "code"): "outer_s2",
                ("summarizer", "science"): "outer_s3",
            },
        ),
        "distillation": _layout(
            "Distillation",
            {"expert": "Expert", "learner": "Learner"},
            {("expert", "learner"): "outer_el", ("learner", "expert"): "outer_le"},
            _TASKS,
        ),
        "deliberation": _layout(
            "Deliberation",
            {"reflector": "Reflector", "toolcaller": "Toolcaller"},
            {("reflector", "toolcaller"): "outer_rt", ("toolcaller", "reflector"): "outer_tr"},
        ),
    }
)


def released_layout(pattern: Pattern) -> ReleasedLayout:
    """The release's layout of a pattern.

    Raises:
        BadInput: If the release has none.
    """
    if pattern.name not in RELEASED:
        what = "has no layout in the public release, so that nothing could read it"
        raise BadInput(f"pattern {pattern.name!r}", what, f"Save it with system.save; there are {sorted(RELEASED)}.")
    return RELEASED[pattern.name]
