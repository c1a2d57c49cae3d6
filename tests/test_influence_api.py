"""The endpoints /influence and /layers, called directly: what they give is what the engine gives."""

from __future__ import annotations

import gradio as gr
import numpy as np
import pytest
from tiny import tiny_system

import recmas_core as rm
from recmas_core.influence import influence
from recmas_core.layers import layer_lens
from visualizers.panels.catalogue import read_catalogue
from visualizers.panels.influence_api import InfluenceApi
from visualizers.panels.shelf import Shelf

QUESTION = "start 7 s1 + 3 s2 * 7"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    folder = tmp_path_factory.mktemp("assets")
    system = tiny_system(trained_steps=(1, 8))
    system.save(folder / "sequential")
    return Shelf(read_catalogue(assets=folder))


@pytest.fixture(scope="module")
def loaded(shelf: Shelf) -> rm.System:
    return shelf.entry(shelf.first).system


def test_influence_scores_the_true_answer_or_the_one_that_is_given(shelf: Shelf, loaded: rm.System) -> None:
    told = InfluenceApi(shelf).influence(QUESTION, rounds=2, thoughts=2)
    run = loaded.solve(QUESTION, rounds=2, latent_steps=2)
    truth = loaded.task.read(QUESTION).answer  # type: ignore[union-attr]
    made = influence(loaded, run, truth)
    assert (told["answer"], told["true_answer"]) == (truth, truth)
    assert np.allclose([turn["drops"] for turn in told["turns"]], made.drops, atol=1e-5)
    assert np.allclose([turn["turn_drop"] for turn in told["turns"]], made.turn_drops, atol=1e-5)
    assert InfluenceApi(shelf).influence(QUESTION, answer="s1 = 4", rounds=2, thoughts=2)["tokens"] == 3


def test_layers_reads_one_thought(shelf: Shelf, loaded: rm.System) -> None:
    told = InfluenceApi(shelf).layers(QUESTION, turn=1, step=1, rounds=2, thoughts=2)
    rows = layer_lens(loaded, loaded.solve(QUESTION, rounds=2, latent_steps=2), 1, 1)
    assert (told["role"], told["round"]) == ("critic", 1)
    assert [[word for word, _ in layer] for layer in told["layers"]] == [[w.text for w in row] for row in rows]


def test_what_cannot_be_done_is_told_to_the_caller(shelf: Shelf) -> None:
    api = InfluenceApi(shelf)
    with pytest.raises(gr.Error, match="no thought"):
        api.layers(QUESTION, turn=5, rounds=2, thoughts=2)
    with pytest.raises(gr.Error, match="answer"):
        api.influence(QUESTION, answer="elephant", rounds=2, thoughts=2)
    with pytest.raises(gr.Error, match="nobody"):
        api.influence(QUESTION, system="nobody")
