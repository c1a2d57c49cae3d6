"""The training benchmark compares the same work: a step by hand, on tiny random agents, against the outer loop's."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from tiny import tiny_pattern_system, tiny_system

import recmas_core as rm
from recmas_core.bench import training
from recmas_core.bench.by_hand import Batch, ByHand, prepare
from recmas_core.bench.courses import course_row
from recmas_core.bench.training import MemoryCase, compare_gradients, memory_row, step_row
from recmas_core.training.config import TrainConfig
from recmas_core.training.course import Lap
from recmas_core.training.outer import OuterLoop
from recmas_core.training.recipes import Recipe
from recmas_core.training.rounds import all_links
from recmas_core.training.starts import private_copy

APPENDING = ("qwen3", "llama", "qwen2")  # families whose caches can be copied layer by layer
EXAMPLES = rm.TASKS["chain"].sample(12, seed=1, split="train")
CONFIG = TrainConfig(windows=False, rounds=2, batch=4, lr=1e-3)


@pytest.mark.parametrize("rounds", [1, 3])
def test_the_step_by_hand_has_the_outer_loops_loss_and_gradients(rounds: int) -> None:
    system = tiny_system(APPENDING)
    lengths = {len(example.question.split()) for example in EXAMPLES}
    assert len(lengths) > 1  # rows are padded
    config = TrainConfig(windows=False, rounds=rounds, batch=6)
    assert compare_gradients(system, EXAMPLES, config) < 1e-4


def test_a_mixture_by_hand_has_the_outer_loops_gradients() -> None:
    system = tiny_pattern_system(rm.PATTERNS["mixture"], APPENDING)
    assert compare_gradients(system, EXAMPLES, CONFIG) < 1e-4


def test_a_step_by_hand_that_weakens_what_flows_back_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ByHand.loss

    def cut(self: ByHand, batch: Batch) -> torch.Tensor:
        first = self.links["planner", "critic"]
        self.links["planner", "critic"] = lambda x: first(0.9 * x.detach() + 0.1 * x)  # type: ignore[assignment]
        loss = whole(self, batch)
        self.links["planner", "critic"] = first
        return loss

    monkeypatch.setattr(ByHand, "loss", cut)
    with pytest.raises(AssertionError, match="differ by"):
        compare_gradients(tiny_system(APPENDING), EXAMPLES, CONFIG)


def test_a_step_by_hand_moves_the_outer_links_only() -> None:
    system = private_copy(tiny_system(APPENDING))
    before = {key: [p.clone() for p in link.parameters()] for key, link in all_links(system).items()}
    ByHand(system, CONFIG).step(prepare(system, EXAMPLES[:3], rounds=2, thoughts=3))
    moved = {
        key
        for key, link in all_links(system).items()
        if not all(torch.equal(a, b) for a, b in zip(link.parameters(), before[key], strict=True))
    }
    assert moved == set(system.links)


def test_a_row_of_times_names_both_ways_their_ratio_and_the_target() -> None:
    row = step_row("tiny", tiny_system(APPENDING), EXAMPLES, CONFIG, 2)
    assert re.fullmatch(
        r"\| tiny \| 4 \| \d+ ms \| \d+ ms \| \d+\.\d\d \(\d+\.\d\d to \d+\.\d\d\) \| at most 1\.2 \| 2 \|", row
    )


def test_a_row_of_memory_holds_what_was_measured_in_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[MemoryCase] = []

    def measured(case: MemoryCase) -> int | None:
        asked.append(case)
        return None if case.checkpointing else 3 * 2**20

    monkeypatch.setattr(training, "peak_in_own_process", measured)
    monkeypatch.setattr(training, "large_examples", lambda n, words: EXAMPLES[:n])
    row = memory_row(tiny_system(APPENDING), 2, repeats=1)
    assert [case.checkpointing for case in asked] == [False, True]
    assert re.fullmatch(r"\| 2 rounds \| 3 MiB \| killed \|  \| \d.* \| 1 \|", row)


def test_the_peak_of_a_step_sees_memory_that_is_freed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "large_system", lambda: tiny_system(APPENDING))
    monkeypatch.setattr(training, "large_examples", lambda n, words: EXAMPLES[:n])
    size = training._memory("VmHWM") - training._memory("VmRSS") + 200 * 2**20
    forward, steps = OuterLoop.forward, []

    def hungry(self: OuterLoop, rows: torch.Tensor) -> object:
        steps.append(1)
        if len(steps) == 2:  # the first one warms up
            torch.ones(size, dtype=torch.uint8)
        return forward(self, rows)

    monkeypatch.setattr(OuterLoop, "forward", hungry)
    peak = training.peak_of_step(
        MemoryCase(2, checkpointing=False, batch=2, thoughts=2, threads=torch.get_num_threads())
    )
    assert peak > 0.95 * size  # the system's counters lag a little


def test_a_course_is_measured_behind_every_stage_and_its_start_is_left_alone() -> None:
    system = tiny_system(APPENDING)
    before = {key: [p.clone() for p in link.parameters()] for key, link in all_links(system).items()}
    laps = (Lap("align", replace(CONFIG, steps=3)), Lap("outer", replace(CONFIG, steps=2)))
    recipe = Recipe("short", "", "random", laps)
    row = course_row(system, recipe, 4, asked=20, learned=12)
    form = r"[|] short [|] 4 [|] N [|] align N, outer N [|] N to N [|] \d+ [|]"
    assert re.fullmatch(form.replace("N", r"0\.\d{3}"), row)
    for key, link in all_links(system).items():
        assert all(torch.equal(a, b) for a, b in zip(link.parameters(), before[key], strict=True)), key


def test_a_course_is_deterministic_in_its_seed() -> None:
    recipe = Recipe("short", "", "damaged", (Lap("outer", replace(CONFIG, steps=2)),))
    cells = [course_row(tiny_system(APPENDING), recipe, seed, asked=20, learned=12).split("|")[:-2] for seed in (1, 1)]
    assert cells[0] == cells[1]
