"""Where training starts from: links of one's own, at random, or damaged."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import nn

from recmas_core.errors import BadInput
from recmas_core.links import LINK_VARIANTS, InnerLink, LinkVariant, OuterLink
from recmas_core.system import System
from recmas_core.training.fitting import fit_scale
from recmas_core.training.rounds import Key, all_links


def private_copy(system: System) -> System:
    """A system with links of its own, inner and outer, in their present state; the language models are shared."""
    return with_own_links(system, {key: copy.deepcopy(link) for key, link in all_links(system).items()})


def with_own_links(system: System, links: Mapping[Key, nn.Module]) -> System:
    """The system with these links: outer ones by (sender, receiver), inner ones by (role, role).

    Raises:
        DimensionMismatch: If a link does not fit its agents.
    """
    outer = {key: link for key, link in links.items() if key[0] != key[1]}
    inner = {key[0]: link for key, link in links.items() if key[0] == key[1]}
    return system.with_links(outer, inner=inner)


def fresh_links(
    system: System, *, seed: int = 0, variant: LinkVariant = LINK_VARIANTS["released"], inner: bool = True
) -> System:
    """The same agents with links as they are before any training.

    The gain of a link's last LayerNorm is set to the size of the embeddings it has to imitate: a receiver that was
    never shown vectors of another size cannot read them.

    Args:
        system: Whose agents.
        seed: Seed of the weights.
        variant: The links' form, as in the paper's ablation.
        inner: Whether inner links are new too.
    """
    agents = system.agents
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        links: dict[Key, nn.Module] = {}
        for role, agent in agents.items():
            own: nn.Module = copy.deepcopy(agent.inner)
            if inner:
                own = InnerLink(agent.hidden_size, variant)
                fit_scale(own, agent, "post_ln")
            links[role, role] = own
        for sender, receiver in (edge.key for edge in system.pattern.edges):
            outer = OuterLink(agents[sender].hidden_size, agents[receiver].hidden_size, variant)
            fit_scale(outer, agents[receiver], "ln_target")
            links[sender, receiver] = outer
    for (_, receiver), link in links.items():
        agent = agents[receiver]
        link.to(agent.device, agent.model.dtype).requires_grad_(False).eval()
    twin = with_own_links(system, links)
    twin.untrained = frozenset(system.links)
    return twin


def damaged(system: System, *, sigma: float = 1.0, seed: int = 0) -> System:
    """The system with Gaussian noise on every weight of its outer links.

    Args:
        system: Whose links; they are not touched.
        sigma: Size of the noise, in units of each tensor's standard deviation.
        seed: Seed of the noise.

    Raises:
        BadInput: If `sigma` is no number from 0 to 100.
    """
    if not isinstance(sigma, int | float) or not 0 <= sigma <= 100:
        raise BadInput("sigma", f"is {sigma!r}", "Give a number from 0 to 100.")
    twin, generator = private_copy(system), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for link in twin.links.values():
            for weight in link.parameters():
                spread = weight.float().std(correction=0) if weight.numel() > 1 else weight.new_zeros(())
                noise = torch.randn(weight.shape, generator=generator).to(weight)
                weight.add_(noise * spread.to(weight) * sigma)
    return twin
