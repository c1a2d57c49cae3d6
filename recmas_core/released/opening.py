"""Opening a released system: its repositories, fetched or here already, put together as a system."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

from recmas_core.agents import Agent
from recmas_core.errors import DimensionMismatch
from recmas_core.links import InnerLink, OuterLink
from recmas_core.manifest import KEY_VARIABLE, open_named_tools
from recmas_core.models import load_pair
from recmas_core.patterns import get_pattern
from recmas_core.placement import place, precision
from recmas_core.prompts import prompt_for
from recmas_core.released.fetching import Fetch, complete, fetch
from recmas_core.released.layouts import released_layout
from recmas_core.released.reading import read_inner_link, read_outer_links
from recmas_core.released.styles import PREFIX, released_style
from recmas_core.system import System
from recmas_core.weights import check_inside

if TYPE_CHECKING:
    from recmas_core.tools.base import Tool


@dataclass(frozen=True)
class Loading:
    """How far the opening of a system has come.

    Attributes:
        what: The repository under way.
        done: Repositories that are open.
        of: Repositories in all.
    """

    what: str
    done: int
    of: int


def open_released(
    name: str,
    *,
    task: str = "math",
    device: str = "cpu",
    dtype: str = "bfloat16",
    tools: Mapping[str, Tool] | None = None,
    search_key: str | None = None,
    get: Fetch = fetch,
    tell: Callable[[Loading], None] = lambda _: None,
) -> System:
    """A system of the public release, its agents opened one after the other.

    The words of the prompts are this project's own: released links may be sensitive to how they were worded.

    Args:
        name: "released:sequential_light" and so on, see `STYLES`.
        task: "math" or "code": which links to take where they are kept per task, and how many thoughts.
        device: Where to put it.
        dtype: Its precision.
        tools: The tools its roles may call; by default those that its pattern names are opened.
        search_key: Key of a web search, as for `load_system`.
        get: Gives the folder of a repository.
        tell: Told what is opened.

    Raises:
        SystemNotFound: If there is no such system, or a file is missing.
        FetchFailed: If a repository cannot be fetched.
        UnsafeCheckpoint: If a file is damaged, or more than tensors.
        DimensionMismatch: If a link does not fit its agents.
        BadInput: If there is no such task.
    """
    style = released_style(name)
    pattern = get_pattern(style.pattern)
    layout = released_layout(pattern)
    layout.check_task(task)
    kind, count = precision(dtype), len(style.repositories)
    tell(Loading(style.outer, 0, count))
    place_of_links = get(style.outer)
    check_inside(place_of_links, f"repository {style.outer!r}")
    outer = read_outer_links(place_of_links, layout, task)  # small, and soonest wrong
    agents: dict[str, Agent] = {}
    for role, repository in style.agents.items():
        tell(Loading(repository, len(agents) + 1, count))
        folder = complete(get(repository))
        title = repository.rpartition("/")[2]
        check_inside(folder, f"repository {repository!r}")
        state = read_inner_link(folder, layout, task)
        model, tokenizer = load_pair(folder, name=title, dtype=kind)
        model = place(model, device, dtype)
        inner = place(_filled(InnerLink(_width(state)), state), device, dtype)
        agents[role] = Agent(title, model, tokenizer, inner, source=repository)
    links: dict[tuple[str, str], nn.Module] = {}
    for (sender, receiver), state in outer.items():
        link = OuterLink(_width(state), state["residual_proj.weight"].shape[0])
        have, want = (link.in_dim, link.out_dim), (agents[sender].hidden_size, agents[receiver].hidden_size)
        if have != want:
            todo = "Take the links that were trained for these agents."
            raise DimensionMismatch(f"link {sender}->{receiver}", f"maps {have}, the agents need {want}", todo)
        links[sender, receiver] = place(_filled(link, state), device, dtype)
    if tools is None:
        needed = dict.fromkeys(tool for role in pattern.roles for tool in role.tools)
        key = search_key or os.environ.get(KEY_VARIABLE)
        # the release searches the web: without a key there is no search, and a run that calls it says so
        tools = open_named_tools(tuple(tool for tool in needed if tool != "search" or key), None, key)
    tell(Loading("", count, count))
    return System(
        f"{PREFIX}{style.name}",
        pattern,
        agents,
        links,
        {role: prompt_for(role, agents, pattern) for role in agents},
        title=style.title.replace("-", " "),
        latent_steps=style.thoughts.get(task, min(style.thoughts.values())),
        tools=tools,
    )


def _filled(link: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    link.load_state_dict({key: value.float() for key, value in state.items()})
    return link.requires_grad_(False).eval()


def _width(state: Mapping[str, Tensor]) -> int:
    return int(state["proj1.weight"].shape[1])


