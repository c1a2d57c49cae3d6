"""Finding systems, and building them from any agents: whose links are taken over, whose words are used, which task."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
import torch
from shipping import OPTIONS, make, ship, some_tools
from test_run import assert_same
from tiny import tiny_agent

import recmas_core as rm
from recmas_core.patterns import PATTERNS

SEQUENTIAL_EDGES = {("planner", "critic"), ("critic", "solver"), ("solver", "planner")}


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ship(tmp_path_factory.mktemp("assets"))


# -------------------------------------------------------------------------------------------------------- what is there


def test_systems_come_in_the_order_of_the_patterns(assets: Path) -> None:
    assert rm.embedded_systems(assets) == ("sequential", "distillation", "deliberation", "another")
    shipped = rm.embedded_systems()
    assert list(shipped) == [name for name in PATTERNS if name in shipped]


def test_the_shipped_agents_are_what_their_files_say() -> None:
    agents = rm.embedded_agents()
    assert {agent.system for agent in agents} == set(rm.embedded_systems())
    for name in rm.embedded_systems():
        system = rm.load_system(name)
        mine = [agent for agent in agents if agent.system == name]
        assert [agent.role for agent in mine] == list(system.roles)
        for agent in mine:
            there = system.agents[agent.role]
            assert (agent.family, agent.width, agent.parameters) == (there.family, there.hidden_size, there.parameters)
            assert agent.key == f"embedded:{agent.role}"
            assert agent.task == system.task.name
            assert agent.title == next(role.title for role in system.pattern.roles if role.name == agent.role)


def test_a_role_word_that_comes_twice_gets_the_system_in_front(assets: Path) -> None:
    keys = [agent.key for agent in rm.embedded_agents(assets)]
    assert keys[:3] == ["embedded:planner", "embedded:critic", "embedded:solver"]
    assert keys[-3:] == ["embedded:another/planner", "embedded:another/critic", "embedded:another/solver"]
    assert len(set(keys)) == len(keys)


def test_an_agent_without_a_task_knows_no_world(tmp_path: Path) -> None:
    make("distillation", tmp_path / "distillation", task=None)
    assert [agent.task for agent in rm.embedded_agents(tmp_path)] == ["", ""]


def test_damaged_agents_are_named(assets: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(assets / "distillation", tmp_path / "distillation"))
    weights = copy / "expert" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(rm.UnsafeCheckpoint, match="embedded:expert"):
        rm.embedded_agents(tmp_path)
    weights.unlink()
    with pytest.raises(rm.SystemNotFound, match="embedded:expert"):
        rm.embedded_agents(tmp_path)


def test_a_configuration_of_wrong_types_is_a_damaged_agent(assets: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(assets / "distillation", tmp_path / "distillation"))
    path = copy / "expert" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "hidden_size": "large"}))
    with pytest.raises(rm.UnsafeCheckpoint, match="expert"):
        rm.load_system(str(copy))


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_that_is_not_shipped_says_how_to_get_a_system(name: str, tmp_path: Path) -> None:
    with pytest.raises(rm.SystemNotFound, match="pattern that comes without agents") as caught:
        rm.load_system(name, assets=tmp_path)
    assert f"build_system('{name}'" in caught.value.todo


# -------------------------------------------------------------------------------------------------- any agent, any role


def swaps(pattern: str) -> list[tuple[str, str]]:
    """(role, key): a few of all ways to put one agent into a role that is not its own."""
    every = [
        (role.name, agent.key)
        for role in PATTERNS[pattern].roles
        for agent in rm.embedded_agents()
        if (agent.system, agent.role) != (pattern, role.name)
    ]
    return random.Random(pattern).sample(every, min(4, len(every)))


def company(pattern: str, role: str, key: str) -> dict[str, str]:
    """An agent for every role: `key` in `role`, elsewhere the role's own, or whoever comes next where it has none."""
    agents = [agent.key for agent in rm.embedded_agents()]
    names = [each.name for each in PATTERNS[pattern].roles]
    own = {agent.role: agent.key for agent in rm.embedded_agents() if agent.system == pattern}
    return {**{name: own.get(name, agents[i % len(agents)]) for i, name in enumerate(names)}, role: key}


def expected_untrained(pattern: str, agents: dict[str, str]) -> set[tuple[str, str]]:
    """Edges whose two agents were not made for each other in that direction."""
    known = {agent.key: agent for agent in rm.embedded_agents()}
    untrained = set()
    for edge in PATTERNS[pattern].edges:
        sender, receiver = known[agents[edge.sender]], known[agents[edge.receiver]]
        taught = {each.key for each in PATTERNS[sender.system].edges} if sender.system == receiver.system else set()
        if (sender.role, receiver.role) not in taught:
            untrained.add(edge.key)
    return untrained


SWAPS = [(pattern, role, key) for pattern in PATTERNS for role, key in swaps(pattern)]


@pytest.mark.parametrize(("pattern", "role", "key"), SWAPS, ids=str)
def test_any_agent_works_in_any_role(pattern: str, role: str, key: str) -> None:
    agents = company(pattern, role, key)
    given = {role: key} if pattern in rm.embedded_systems() else agents
    system = rm.build_system(pattern, given, tools=some_tools(PATTERNS[pattern]))
    assert system.untrained == expected_untrained(pattern, agents)
    assert set(system.links) == {edge.key for edge in system.pattern.edges}
    trace = system.solve("7", **OPTIONS)
    assert trace.answer is not None
    for turn in trace.turns:
        text = " ".join(segment.text for segment in turn.prompt)
        assert "<unk>" not in text
        assert not turn.prompt[-1].sender


def test_a_loop_of_agents_that_know_each_other_is_their_own_system() -> None:
    names = ("planner", "critic", "solver")
    loop = rm.build_system("loop3", {f"agent{i}": f"embedded:{name}" for i, name in enumerate(names, 1)})
    assert not loop.untrained
    own, question = rm.load_system("sequential"), "start 7 s1 + 3 s2 * 7 s3 - 4 s4 + 5"
    one, other = (system.solve(question, rounds=2) for system in (own, loop))
    assert one.answer == other.answer
    for mine, theirs in zip(one.turns, other.turns, strict=True):
        assert mine.thoughts.tolist() == theirs.thoughts.tolist()
    assert (loop.task, loop.latent_steps, loop.trained_steps) == (own.task, own.latent_steps, own.trained_steps)
    assert loop.folder is None


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_loops_of_every_size(assets: Path, size: int) -> None:
    names = ["planner", "critic", "learner", "solver", "expert"][:size]
    agents = {f"agent{i}": f"embedded:{name}" for i, name in enumerate(names, 1)}
    system = rm.build_system(f"loop{size}", agents, assets=assets)
    ring = list(zip(system.roles, [*system.roles[1:], system.roles[0]], strict=True))
    assert list(system.links) == ring
    made_for = zip(names, [*names[1:], names[0]], strict=True)
    assert system.untrained == {edge for edge, ends in zip(ring, made_for, strict=True) if ends not in SEQUENTIAL_EDGES}
    assert len(system.solve("start 7 s1 + 3", **OPTIONS).turns) == 2 * size


def test_one_agent_in_two_roles_is_loaded_once(assets: Path) -> None:
    keys = ("embedded:planner", "embedded:critic", "embedded:planner")
    system = rm.build_system("loop3", {f"agent{i}": key for i, key in enumerate(keys, 1)}, assets=assets)
    assert system.agents["agent1"] is system.agents["agent3"]
    assert system.untrained == {("agent2", "agent3"), ("agent3", "agent1")}
    assert system.solve("start 7 s1 + 3", **OPTIONS).answer is not None


# ------------------------------------------------------------------------------------------------------------ the links


def test_links_are_taken_over_from_the_common_home_only(assets: Path) -> None:
    both = {"planner": "embedded:another/planner", "critic": "embedded:another/critic"}
    system = rm.build_system("sequential", both, assets=assets)
    assert system.untrained == {("critic", "solver"), ("solver", "planner")}
    home = rm.load_system(str(assets / "another"))
    for name, value in home.links["planner", "critic"].state_dict().items():
        assert torch.equal(system.links["planner", "critic"].state_dict()[name], value)


def test_a_link_is_for_one_direction(assets: Path) -> None:
    agents = {"agent1": "embedded:critic", "agent2": "embedded:planner"}
    assert rm.build_system("loop2", agents, assets=assets).untrained == {("agent1", "agent2")}


def test_what_its_home_calls_untrained_stays_so(assets: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(assets / "sequential", tmp_path / "sequential"))
    kept = json.loads((copy / "system.json").read_text())
    (copy / "system.json").write_text(json.dumps({**kept, "untrained": [["critic", "solver"]]}))
    system = rm.build_system("sequential", {}, assets=tmp_path)
    assert system.untrained == {("critic", "solver")}


def test_new_links_are_the_same_for_the_same_seed_whatever_else_is_chosen(assets: Path) -> None:
    one = rm.build_system("sequential", {"planner": "embedded:learner"}, seed=3, assets=assets)
    same = rm.build_system("sequential", {"planner": "embedded:learner"}, seed=3, assets=assets)
    other = rm.build_system("sequential", {"planner": "embedded:learner"}, seed=4, assets=assets)
    more = rm.build_system(
        "sequential", {"planner": "embedded:learner", "critic": "embedded:another/critic"}, seed=3, assets=assets
    )
    weights = [system.links["solver", "planner"].proj1.weight for system in (one, same, other, more)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(weights[0], weights[3])
    assert one.untrained == same.untrained == {("planner", "critic"), ("solver", "planner")}


def test_building_leaves_torchs_own_seed_alone(assets: Path) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    rm.build_system("sequential", {"planner": "embedded:learner"}, assets=assets)
    assert torch.equal(torch.get_rng_state(), before)


def test_left_out_roles_make_the_shipped_system(assets: Path) -> None:
    built, loaded = rm.build_system("sequential", {}, assets=assets), rm.load_system("sequential", assets=assets)
    assert built.name == loaded.name
    assert not built.untrained
    assert built.folder == loaded.folder
    assert_same(built.solve("start 7 s1 + 3", **OPTIONS), loaded.solve("start 7 s1 + 3", **OPTIONS))


def test_an_agents_folder_is_as_good_as_its_key(assets: Path) -> None:
    by_folder = {role: str(assets / "sequential" / role) for role in ("planner", "critic")}
    system = rm.build_system("sequential", by_folder, assets=assets)
    assert not system.untrained
    assert system.name == "sequential"
    assert rm.build_system("sequential", {"critic": by_folder["planner"]}, assets=assets).untrained == {
        ("planner", "critic"), ("critic", "solver"),
    }  # fmt: skip


# ----------------------------------------------------------------------------------------- words, task, thoughts, tools


def test_a_system_of_strangers_keeps_its_words_on_disk(assets: Path, tmp_path: Path) -> None:
    mixed = rm.build_system("loop3", dict.fromkeys(("agent1", "agent2", "agent3"), "embedded:critic"), assets=assets)
    mixed.save(tmp_path / "mine")
    again = rm.load_system(str(tmp_path / "mine"))
    assert again.prompts == mixed.prompts
    assert again.prompts["agent2"].word("agent1") == "critic"
    assert [(agent.home, agent.hears) for agent in again.agents.values()] == [("critic", ("planner",))] * 3
    assert again.untrained == mixed.untrained
    assert_same(mixed.solve("start 7 s1 + 3", **OPTIONS), again.solve("start 7 s1 + 3", **OPTIONS))
    further = rm.build_system("distillation", {"expert": str(tmp_path / "mine" / "agent2")}, assets=assets)
    assert further.prompts["expert"].word("expert") == "critic"


@pytest.mark.parametrize(
    ("pattern", "agents", "task", "steps", "span"),
    [
        ("sequential", {}, "chain", 2, (2, 6)),
        ("sequential", {"critic": "embedded:learner"}, "chain", 3, (3, 4)),
        ("sequential", dict.fromkeys(("planner", "critic", "solver"), "embedded:learner"), "chain", 3, (3, 4)),
        ("sequential", {"critic": "embedded:reflector"}, "chain", 2, None),
        ("distillation", {"expert": "embedded:planner"}, "formula", 4, (3, 4)),
        ("loop2", {"agent1": "embedded:learner", "agent2": "embedded:solver"}, "formula", 4, (3, 4)),
        ("loop2", {"agent1": "embedded:solver", "agent2": "embedded:learner"}, "chain", 3, (3, 4)),
        (
            "loop3",
            {"agent1": "embedded:expert", "agent2": "embedded:critic", "agent3": "embedded:solver"},
            "chain", 3, (3, 4),
        ),
    ],
    ids=str,
)  # fmt: skip
def test_task_and_thoughts(
    assets: Path, pattern: str, agents: dict[str, str], task: str, steps: int, span: tuple[int, int] | None
) -> None:
    """The task of the pattern's own system, else of most agents; thoughts within what all of them were taught."""
    system = rm.build_system(pattern, agents, assets=assets)
    assert (system.task.name, system.latent_steps, system.trained_steps) == (task, steps, span)


def test_agents_of_ones_own_know_no_world(assets: Path) -> None:
    own = {role: tiny_agent("qwen3", seed=i, name=role) for i, role in enumerate(("planner", "critic", "solver"))}
    system = rm.build_system("sequential", own, assets=assets)
    assert (system.task, system.trained_steps) == (None, None)
    assert system.untrained == SEQUENTIAL_EDGES


# -------------------------------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("pattern", "agents", "said"),
    [
        ("spiral", {}, "pattern 'spiral' does not exist"),
        ("loop6", {}, "pattern 'loop6' does not exist"),
        ("sequential", {"juggler": "x"}, r"roles \['juggler'\] are not in 'sequential'"),
        ("loop3", {"agent2": "embedded:critic"}, r"roles \['agent1', 'agent3'\] of 'loop3' have no agent"),
        ("mixture", {"math": "embedded:critic"}, r"roles \['code', 'science', 'summarizer'\] of 'mixture' have no"),
        ("sequential", {"critic": "embedded:juggler"}, "agent 'embedded:juggler' does not exist"),
        ("sequential", {"critic": "embedded:distillation/critic"}, "agent 'embedded:distillation/critic' does not"),
        ("sequential", {"critic": "./nowhere"}, "agent './nowhere' does not exist"),
    ],
)
def test_who_cannot_be_found(assets: Path, pattern: str, agents: dict[str, str], said: str) -> None:
    with pytest.raises(rm.SystemNotFound, match=said) as caught:
        rm.build_system(pattern, agents, assets=assets)
    assert caught.value.todo.endswith(".")
