"""Room for agents: what fits is said before anything is fetched, and agents in turn think as agents side by side do."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from test_run import assert_same
from tiny import MIXED, QUESTION, tiny_pattern_system, tiny_system

import recmas_core as rm
from recmas_core.house import House
from recmas_core.memory import Plan, Room, TooLarge, make_plan
from recmas_core.placement import Placement
from recmas_core.records import Thought
from recmas_core.residence import Residence

BILLION = 10**9
TRIPLE = {"planner": 2 * BILLION, "critic": BILLION, "solver": BILLION}
GPU = Placement("cuda", "bfloat16")


def plan(device: float, host: float, placement: Placement = GPU, *, shared: bool = False) -> Plan:
    return make_plan(TRIPLE, placement, Room(int(device * BILLION), int(host * BILLION), shared))


def test_weights_are_counted_in_the_precision_asked_for() -> None:
    assert plan(20, 20).total == 8 * BILLION
    assert plan(20, 20, replace(GPU, dtype="float32")).total == 16 * BILLION


@pytest.mark.parametrize(("device", "in_turn"), [(9, False), (8.5, True), (5, True)])
def test_agents_take_turns_where_they_do_not_fit_together(device: float, in_turn: bool) -> None:
    assert plan(device, 20).in_turn is in_turn


def test_turns_are_said_to_people() -> None:
    assert plan(5, 20).sentence == (
        "The agents need about 8.0 GB, the GPU has 5.0 GB free: they take turns on it, the others wait in host memory."
    )


@pytest.mark.parametrize(
    ("device", "host", "shared", "told"),
    [
        (4, 100, False, "planner: 4.0 GB.*4.0 GB are free"),  # the largest does not fit by itself
        (5, 8, False, "8.0 GB are free"),  # nor would they all fit into host memory
        (8, 8, True, "Choose smaller agents"),
    ],
)
def test_what_cannot_fit_is_refused(device: float, host: float, shared: bool, told: str) -> None:
    with pytest.raises(TooLarge, match=told):
        plan(device, host, replace(GPU, device="cpu") if shared else GPU, shared=shared)


def test_agents_over_several_gpus_stay_there() -> None:
    split = replace(GPU, device="auto")
    assert not plan(9, 1, split).in_turn
    with pytest.raises(TooLarge):
        plan(5, 100, split)


def test_nothing_is_fetched_for_what_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    from recmas_core.hub import Hub

    def fetch(repository: str, tell: object) -> object:
        raise AssertionError(f"{repository} was fetched")

    monkeypatch.setattr("recmas_core.house.measure_room", lambda _: Room(BILLION, BILLION, True))
    with pytest.raises(TooLarge, match=r"Planner-Qwen3-1\.7B"):
        rm.load_system("released:sequential_light", hub=Hub(fetch, lambda _: 2 * BILLION))  # type: ignore[arg-type]


def lodgers(system: rm.System, share: float) -> Residence:
    """Give a system's agents a device for a share of their weights: the CPU itself, so that nothing else changes."""
    models = [agent.model for agent in system.agents.values()]
    residence = Residence(torch.device("cpu"), 0)
    for agent in system.agents.values():
        residence.add(agent.model)
        agent.residence = residence
    residence._room = int(share * sum(residence.size(model) for model in models))
    system.house = House(residence=residence)
    return residence


@pytest.mark.parametrize("pattern", ["sequential", "mixture"])
def test_agents_in_turn_think_what_agents_together_think(pattern: str) -> None:
    options = {"rounds": 2, "latent_steps": 3, "max_new_tokens": 6, "tools": False}
    before = tiny_pattern_system(rm.PATTERNS[pattern]).solve(QUESTION, **options)
    system = tiny_pattern_system(rm.PATTERNS[pattern])
    residence = lodgers(system, 0.5)
    assert_same(before, system.solve(QUESTION, **options))
    assert residence.moves > len(system.agents)


def test_roles_of_a_stage_that_do_not_fit_together_think_one_after_the_other() -> None:
    system = tiny_pattern_system(rm.PATTERNS["mixture"])
    residence = lodgers(system, 0.5)
    trace = system.solve(QUESTION, rounds=1, latent_steps=4, max_new_tokens=2)
    thoughts = [event.role for event in trace.events if isinstance(event, Thought)]
    assert thoughts == ["math"] * 4 + ["code"] * 4 + ["science"] * 4
    assert residence.moves == 4


def test_who_was_not_used_for_longest_leaves() -> None:
    one, two, three = (agent.model for agent in tiny_system(MIXED[0]).agents.values())
    residence = Residence(torch.device("cpu"), 0)
    for model in (one, two, three):
        residence.add(model)
    residence._room = residence.size(one) + max(residence.size(two), residence.size(three))
    residence.enter(one)
    residence.enter(two)
    residence.enter(one)
    residence.enter(three)
    assert residence.present == (one, three)


def test_agents_in_turn_can_be_trained_through() -> None:
    system = tiny_system()
    lodgers(system, 0.5)
    system.solve(QUESTION, rounds=2, latent_steps=2, max_new_tokens=2)
    links = [link.requires_grad_(True) for link in system.links.values()]
    examples = system.task.sample(2, seed=0, split="train")
    steps = list(rm.train_outer(system, examples, rm.TrainConfig(steps=1, batch=1, rounds=2, latent_steps=2)))
    assert len(links) == 3
    assert steps[0].loss > 0


def test_bits_without_bitsandbytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recmas_core.placement.importlib.util.find_spec", lambda _: None)
    with pytest.raises(rm.BadInput, match="pip install bitsandbytes"):
        rm.load_system("sequential", bits=4)
    with pytest.raises(rm.BadInput, match="Choose one of"):
        rm.load_system("sequential", bits=3)


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(rm.BadInput, match="'cuda:9' cannot be used"):
        rm.load_system("sequential", device="cuda:9")


def test_agents_spread_by_accelerate_think_the_same() -> None:
    """With no GPU here, accelerate spreads them over this machine's CPU: its hooks move nothing, but are all there."""
    spread = rm.load_system("sequential", device="auto").solve("start 3 s1 + 4", rounds=2, latent_steps=3)
    assert_same(rm.load_system("sequential").solve("start 3 s1 + 4", rounds=2, latent_steps=3), spread)
