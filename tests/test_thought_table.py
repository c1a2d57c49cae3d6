"""The table of a run's thoughts: a row for each, with exactly what the probes say."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from tiny import QUESTION

import recmas_core as rm
from recmas_core.thought_table import COLUMNS, MapPlace, thought_rows, thoughts_csv
from visualizers.words import LANGUAGES, read_words


@pytest.fixture(scope="module")
def run(system: rm.System) -> rm.Trace:
    return system.solve(QUESTION, rounds=2, latent_steps=3, max_new_tokens=3)


def test_one_row_per_thought_says_what_the_probes_say(system: rm.System, run: rm.Trace) -> None:
    rows = thought_rows(system, run)
    assert [(r["turn"], r["round"], r["role"], r["step"]) for r in rows] == [
        (t.turn, t.round, t.role, t.step) for t in run.thoughts
    ]
    for row, thought in zip(rows, run.thoughts, strict=True):
        agent = system.agents[thought.role]
        words, near = rm.lens(agent, thought.hidden[None])[0], rm.nearest(agent, thought.embed[None])[0]
        assert [row[f"word_{i}"] for i in range(1, 6)] == [word.text for word in words]
        assert [row[f"p_{i}"] for i in range(1, 6)] == pytest.approx([word.score for word in words], abs=1e-5)
        assert row["near_1"] == near[0].text
        assert row["cos_1"] == pytest.approx(near[0].score, abs=1e-5)
        assert row["norm"] == pytest.approx(float(np.linalg.norm(thought.hidden)), abs=1e-4)
        assert row["x"] is None


def test_as_csv_it_reads_back_and_every_column_is_explained(system: rm.System, run: rm.Trace) -> None:
    places = {(t.turn, t.step): MapPlace(t.turn, -t.step, "a.thoughts", 'UMAP, "new"') for t in run.thoughts}
    rows = list(csv.DictReader(io.StringIO(thoughts_csv(system, run, places, words=2))))
    assert len(rows) == len(run.thoughts)
    assert [(float(r["x"]), float(r["y"]), r["method"]) for r in rows] == [
        (t.turn, -t.step, 'UMAP, "new"') for t in run.thoughts
    ]
    explained = {name.removesuffix("_1") for name in COLUMNS}
    assert {name.removesuffix("_1").removesuffix("_2") for name in rows[0]} == explained
    for language in LANGUAGES:
        assert all(read_words(language).has(f"share.columns.{name}") for name in COLUMNS)


def test_a_run_without_thoughts_is_a_header(system: rm.System) -> None:
    text = thoughts_csv(system, system.solve(QUESTION, rounds=1, mode="text", max_new_tokens=2))
    assert text.startswith("turn,round,role,step,x,y,map,method,norm")
    assert text.count("\n") == 1
