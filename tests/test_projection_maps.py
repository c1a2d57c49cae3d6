"""Making the maps: real thoughts, named by the agents themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny import tiny_system

import recmas_core as rm
from visualizers.__main__ import main
from visualizers.fitted import load_maps
from visualizers.maps import Harvest, harvest, make_maps, token_embeddings, with_quality
from visualizers.projection import FittedMap

SIZE = 61  # odd: the halves of different length are uneven


@pytest.fixture(scope="module")
def gathered(system: rm.System) -> dict[str, Harvest]:
    return harvest(tiny_system(trained_steps=(2, 3)), thoughts=SIZE)


@pytest.fixture(scope="module")
def made(system: rm.System, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    said: list[str] = []
    folder = tmp_path_factory.mktemp("maps")
    make_maps(system, folder, thoughts=SIZE, say=said.append)
    return folder, said


def test_every_agent_gives_as_many_thoughts_as_asked(gathered: dict[str, Harvest], system: rm.System) -> None:
    for role, found in gathered.items():
        assert len(found.thoughts) == len(found.selves) == SIZE
        assert {v.shape for v in (*found.thoughts, *found.selves, *found.received)} == {
            (system.agents[role].hidden_size,)
        }


def test_thoughts_are_the_systems_own_from_training_questions(gathered: dict[str, Harvest], system: rm.System) -> None:
    assert system.task is not None
    question = system.task.sample(1, seed=0, split="train")[0].question
    trace = system.solve(question, rounds=4, latent_steps=2)
    turn = trace.turns[0]
    np.testing.assert_allclose(np.array(gathered["planner"].thoughts[:2]), turn.thoughts, atol=1e-5)
    np.testing.assert_allclose(np.array(gathered["critic"].received[:2]), turn.sent["critic"], atol=1e-5)


def test_a_map_holds_what_its_space_holds(made: tuple[Path, list[str]], system: rm.System) -> None:
    maps = load_maps(made[0])
    assert set(maps) == {(role, space) for role in system.roles for space in ("thoughts", "received")}
    for role in system.roles:
        agent = system.agents[role]
        own, received = maps[role, "thoughts"], maps[role, "received"]
        assert own.kinds == ("thought",) * SIZE
        assert own.words == tuple(words[0].text.strip() for words in rm.lens(agent, own.data, 1))
        vectors, names = token_embeddings(agent)
        count = len(names)
        np.testing.assert_array_equal(received.data[:count], vectors)
        assert received.words[:count] == names
        assert received.kinds[:count] == ("token",) * count
        # A token's nearest token is itself: the words of the space are right.
        assert tuple(words[0].text.strip() for words in rm.nearest(agent, vectors, 1)) == names
        assert set(received.kinds[count:]) == {"self", "transfer"}
        assert not set(names) & set(agent.special_tokens)


def test_quality_is_measured_kept_and_told(made: tuple[Path, list[str]]) -> None:
    for (role, space), fitted in load_maps(made[0]).items():
        assert 0 <= fitted.quality["trustworthiness"] <= 1
        assert fitted.quality["k"] == 15
        line = next(line for line in made[1] if line.startswith(f"{role}.{space}.npz"))
        assert f"{fitted.quality['trustworthiness']:.3f}" in line


def test_quality_tells_a_true_map_from_a_shuffled_one() -> None:
    rng = np.random.default_rng(0)
    places = rng.normal(size=(80, 2)).astype(np.float32)
    words = tuple("left" if x < 0 else "right" for x in places[:, 0])
    true = FittedMap(places, places, words, 5, 0.4, "euclidean", "thoughts", "r")
    shuffled = FittedMap(places, rng.permutation(places), words, 5, 0.4, "euclidean", "thoughts", "r")
    good, bad = with_quality(true).quality, with_quality(shuffled).quality
    assert good["trustworthiness"] == 1.0 > bad["trustworthiness"] + 0.2
    assert good["same_word"] > 0.8 > bad["same_word"]


def test_a_system_without_a_little_world_is_refused(tmp_path: Path) -> None:
    with pytest.raises(rm.BadInput, match="no questions"):
        make_maps(tiny_system(task=None), tmp_path)
    with pytest.raises(rm.BadInput, match="at least 60"):
        make_maps(tiny_system(), tmp_path, thoughts=10)


def test_the_command_writes_beside_the_system_or_says_why_not(
    system: rm.System, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    system.save(tmp_path / "tiny")
    assert main(["maps", "--system", str(tmp_path / "tiny"), "--thoughts", "60"]) == 0
    assert len(load_maps(tmp_path / "tiny" / "maps")) == 6
    assert "trustworthiness" in capsys.readouterr().out
    assert main(["maps", "--system", str(tmp_path / "none")]) == 1
    assert "Cannot make the maps" in capsys.readouterr().err
