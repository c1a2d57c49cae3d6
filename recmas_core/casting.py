"""Filling a pattern's roles: room for the agents, the agents one after the other, the links between them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import nn

from recmas_core.agents import Agent
from recmas_core.homes import Home
from recmas_core.house import House
from recmas_core.links import OuterLink
from recmas_core.patterns import Pattern
from recmas_core.placement import Placement, check_device
from recmas_core.progress import Loading, Tell


@dataclass(frozen=True)
class Choice:
    """Who takes a role: the agent, and its home if it has one."""

    agent: Agent
    home: Home | None


def plan_house(homes: Sequence[Home], placement: Placement) -> House:
    """Where agents will live; nothing is fetched for it.

    Raises:
        TooLarge: If they do not fit.
        FetchFailed: If the hub does not say how large one is.
        BadInput: If this machine has no such device.
    """
    check_device(placement.device)  # before anyone is asked over the network
    different = {home.key: home for home in homes}.values()
    names = [home.title for home in different]
    told = [name if names.count(name) == 1 else f"{name} ({i})" for i, name in enumerate(names)]
    return House.plan({name: home.parameters() for name, home in zip(told, different, strict=True)}, placement)


def load_cast(cast: Mapping[str, tuple[str | Agent, Home | None]], house: House, tell: Tell) -> dict[str, Choice]:
    """Load who was chosen for each role, one after the other; an agent that takes two roles is loaded once."""
    loaded: dict[Hashable, Agent] = {}
    chosen = {}
    of = len({home.key for _, home in cast.values() if home is not None})
    for role, (spec, home) in cast.items():
        if home is None:
            assert isinstance(spec, Agent)
            chosen[role] = Choice(spec, None)
            continue
        if home.key not in loaded:
            now = Loading(home.title, len(loaded), of)
            tell(now)
            loaded[home.key] = home.load(house, lambda part, now=now: tell(_within(now, part)))  # type: ignore[misc]
        chosen[role] = Choice(loaded[home.key], home)
    tell(Loading("", of, of))
    return chosen


def _within(whole: Loading, part: Loading) -> Loading:
    return replace(whole, bytes_done=part.bytes_done, bytes_of=part.bytes_of)


def join(
    shape: Pattern, chosen: Mapping[str, Choice], house: House
) -> tuple[dict[tuple[str, str], nn.Module], frozenset[tuple[str, str]]]:
    """The link of every edge, and the edges whose links are new."""
    # New ones are drawn for all edges and first: what one is does not depend on which others are taken over.
    widths = {role: choice.agent.hidden_size for role, choice in chosen.items()}
    links: dict[tuple[str, str], nn.Module] = {
        edge.key: OuterLink(widths[edge.sender], widths[edge.receiver]) for edge in shape.edges
    }
    untrained = set()
    for sender, receiver in links:
        home = chosen[sender].home
        trained = None if home is None else home.link_to(chosen[receiver].home)
        if trained is None:
            untrained.add((sender, receiver))
        else:
            links[sender, receiver] = trained
    placed = {edge: house.place_link(link, chosen[edge[0]].agent.device) for edge, link in links.items()}
    return placed, frozenset(untrained)
