"""Links of 16 bits learn: what is too small a step for them is made on weights in float32."""

from __future__ import annotations

import torch
from tiny import tiny_system
from torch import nn

import recmas_core as rm
from recmas_core.training.masters import Masters
from recmas_core.training.rounds import all_links

SMALL = 1e-3  # less than half of what lies between 1 and the next number in bf16


def masters() -> tuple[nn.Linear, Masters]:
    link = nn.Linear(1, 1, bias=False).to(torch.bfloat16)
    nn.init.ones_(link.weight)
    return link, Masters({("a", "b"): link})


def test_many_small_steps_move_a_link_of_16_bits() -> None:
    link, kept = masters()
    for _ in range(16):
        with torch.no_grad():
            kept.of(("a", "b"))[0].add_(SMALL)
        kept.write()
    assert link.weight.item() == torch.tensor(1 + 16 * SMALL).bfloat16().item()


def test_a_link_of_32_bits_is_its_own_master() -> None:
    link = nn.Linear(2, 2)
    kept = Masters({("a", "b"): link})
    assert kept.of(("a", "b"))[0] is link.weight
    assert kept.state() == []


def test_what_the_link_does_not_hold_is_kept_and_put_back() -> None:
    _, kept = masters()
    with torch.no_grad():
        kept.every[0].add_(SMALL)
    _, again = masters()
    again.load(kept.state())
    assert torch.equal(again.every[0], kept.every[0])


def test_agents_and_links_in_bf16_train_as_those_in_float32_do() -> None:
    """Steps so small that bf16 links by themselves would hardly move end where float32 ones do."""

    def moved(dtype: torch.dtype) -> torch.Tensor:
        system = tiny_system()
        for agent in system.agents.values():
            agent.model.to(dtype)
        for link in all_links(system).values():
            link.to(torch.bfloat16).to(dtype)
        before = torch.cat([p.detach().float().flatten() for link in system.links.values() for p in link.parameters()])
        examples = system.task.sample(4, seed=0, split="train")
        config = rm.TrainConfig(steps=10, batch=2, rounds=1, latent_steps=2, windows=False, lr=1e-3, floor=1.0)
        assert len(list(rm.train_outer(system, examples, config))) == 10
        after = torch.cat([p.detach().float().flatten() for link in system.links.values() for p in link.parameters()])
        return after - before

    exact, rounded = moved(torch.float32), moved(torch.bfloat16)
    assert torch.nn.functional.cosine_similarity(exact, rounded, dim=0) > 0.7
