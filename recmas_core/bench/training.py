"""What a training step costs: its time beside the same step written by hand, and its memory by rounds."""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import torch

from recmas_core.bench.by_hand import ByHand, prepare
from recmas_core.bench.large import large_system
from recmas_core.loading import load_system
from recmas_core.placement import place
from recmas_core.system import System
from recmas_core.tasks import TASKS, Example
from recmas_core.training.config import TrainConfig
from recmas_core.training.outer import OuterLoop
from recmas_core.training.starts import private_copy

T = TypeVar("T")
TARGET = 1.2
WHOLE = TrainConfig(windows=False, grow=False, rounds=3, lr=1e-4, batch=64)  # the paper's loss, the whole loop at once
AGREE = 1e-4  # relative difference of loss and gradients that rounding may make; a wrong term makes far more
ROUNDS = (1, 2, 3, 4)


def training_lines(*, repeats: int) -> Iterator[str]:
    """Lines of the report on a training step.

    Args:
        repeats: Counted pairs of the large triple's steps; of the embedded system's four times as many.
    """
    yield f"\nOne step of the outer loop (paper's loss, 3 rounds) and the same step by hand, in turn; {_clock_name()}:"
    yield "| system | batch | `OuterLoop` | by hand | ratio (quartiles) | target | pairs |"
    yield "|---" * 7 + "|"
    embedded = load_system("sequential")
    yield step_row("embedded Sequential", embedded, TASKS["chain"].sample(512, split="train"), WHOLE, 4 * repeats)
    large, batch, words, thoughts = large_system(), 1, 146, 16
    config = replace(WHOLE, batch=batch, latent_steps=thoughts)
    name = f"3 x 50M Qwen3, prompt {words + 4}, {thoughts} thoughts"
    yield step_row(name, large, large_examples(4, words=words), config, repeats)
    yield "\nPeak memory of one step beyond what stood before it, each in a process of its own; time ratio of pairs:"
    yield "| 3 x 50M Qwen3, prompt 54, 16 thoughts, batch 2 | all kept | checkpointing | share | time ratio | pairs |"
    yield "|---" * 6 + "|"
    for rounds in ROUNDS:
        yield memory_row(large, rounds, repeats=repeats)


def large_examples(n: int, *, words: int) -> list[Example]:
    """Questions of so many words for `large_system`, with an answer of one word."""
    rng = random.Random(0)
    questions = (" ".join(f"w{rng.randrange(1000)}" for _ in range(words)) for _ in range(n))
    return [Example(question, "7", {}) for question in questions]


def compare_gradients(system: System, examples: Sequence[Example], config: TrainConfig) -> float:
    """The largest relative difference between the two ways' losses and link gradients, of one batch.

    Raises:
        AssertionError: If they do not compute the same.
    """
    loop, hand = _pair(system, examples, replace(config, clip=1e9))  # so that nothing is clipped
    batch = prepare(system, _coming(loop, examples), rounds=config.rounds, thoughts=_thoughts(system, config))
    ours, theirs = next(loop).loss, hand.step(batch)
    differences = [abs(ours - theirs) / abs(theirs)]
    for key, link in hand.links.items():
        for a, b in zip(loop.trained[key].parameters(), link.parameters(), strict=True):
            if a.grad is None or b.grad is None:  # the feedback of a single round
                assert a.grad is b.grad, f"a weight of {key} has a gradient in one way only"
                continue
            differences.append(float((a.grad - b.grad).norm() / b.grad.norm()))
    worst = max(differences)
    assert worst < AGREE, f"the two ways of computing differ by {worst:g}"
    return worst


def step_row(name: str, system: System, examples: Sequence[Example], config: TrainConfig, repeats: int) -> str:
    """One line of the table: both ways in turn on the same batches from the same links; medians, ratios of pairs."""
    _settle(system)
    compare_gradients(system, examples, config)
    loop, hand = _pair(system, examples, replace(config, steps=repeats + 1))
    ours: list[float] = []
    theirs: list[float] = []
    for count in range(repeats + 1):  # the first pair is not counted
        batch = prepare(system, _coming(loop, examples), rounds=config.rounds, thoughts=_thoughts(system, config))
        for key, link in hand.links.items():
            link.load_state_dict(loop.trained[key].state_dict())
        hand_first = count % 2 == 0
        if hand_first:
            b, same = _timed(partial(hand.step, batch))
        a, loss = _timed(partial(_loss_of_next, loop))
        if not hand_first:
            b, same = _timed(partial(hand.step, batch))
        assert abs(loss - same) <= AGREE * abs(same), f"the two ways must compute the same loss: {loss}, {same}"
        if count:
            ours.append(a)
            theirs.append(b)
    loop.close()
    cells = (
        name, config.batch, *(f"{statistics.median(times) * 1000:.0f} ms" for times in (ours, theirs)),
        _spread(ours, theirs), f"at most {TARGET}", repeats,
    )  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"


@dataclass(frozen=True)
class MemoryCase:
    """A step whose memory is measured: rounds, questions, words of a question, thoughts, torch threads."""

    rounds: int
    checkpointing: bool
    batch: int = 2
    words: int = 50
    thoughts: int = 16
    threads: int = 1

    def loop(self, system: System) -> OuterLoop:
        """The outer loop of this case, over links of its own."""
        config = replace(
            WHOLE, rounds=self.rounds, batch=self.batch, latent_steps=self.thoughts, checkpointing=self.checkpointing
        )
        return OuterLoop(private_copy(system), large_examples(self.batch, words=self.words), config)


def memory_row(system: System, rounds: int, *, repeats: int) -> str:
    """One line of the table: peak memory with and without checkpointing, and what checkpointing costs in time."""
    cases = [MemoryCase(rounds, checkpointing, threads=torch.get_num_threads()) for checkpointing in (False, True)]
    peaks = [peak_in_own_process(case) for case in cases]
    _settle(system)
    kept, again = (case.loop(system) for case in cases)
    times: list[list[float]] = [[], []]
    for count in range(repeats + 1):
        for loop, seconds in zip((kept, again), times, strict=True):
            taken, _ = _timed(partial(_loss_of_next, loop))
            if count:
                seconds.append(taken)
    share = "" if None in peaks else f"{peaks[1] / peaks[0]:.2f}"  # type: ignore[operator]
    sizes = ("killed" if peak is None else f"{peak / 2**20:.0f} MiB" for peak in peaks)
    cells = (f"{rounds} round{'s'[: rounds - 1]}", *sizes, share, _spread(times[1], times[0]), repeats)
    return "| " + " | ".join(map(str, cells)) + " |"


def peak_in_own_process(case: MemoryCase) -> int | None:
    """Bytes that one step needs at its peak, measured in a fresh process; None if the system killed it."""
    # a fresh process: an old one's freed memory would be used again, and not be seen
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(peak_of_step, case).result()
        except BrokenProcessPool:
            return None


def peak_of_step(case: MemoryCase) -> int:
    """Bytes that one step needs at its peak beyond what this process holds before it."""
    torch.set_num_threads(case.threads)
    system = large_system()
    _settle(system)
    next(replace(case, rounds=1, batch=1, thoughts=2).loop(system))  # libraries and kernels are loaded
    loop = case.loop(system)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        next(loop)
        return torch.cuda.max_memory_allocated() - before
    before = _memory("VmRSS")
    next(loop)
    return _memory("VmHWM") - before


def _memory(line: str) -> int:
    """Bytes in a line of the process's status; where there is none (not Linux), the highest so far."""
    status = Path("/proc/self/status")
    if status.exists():
        found = next(each for each in status.read_text().splitlines() if each.startswith(f"{line}:"))
        return int(found.split()[1]) * 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _pair(system: System, examples: Sequence[Example], config: TrainConfig) -> tuple[OuterLoop, ByHand]:
    return OuterLoop(private_copy(system), examples, config), ByHand(private_copy(system), config)


def _loss_of_next(loop: OuterLoop) -> float:
    return next(loop).loss


def _coming(loop: OuterLoop, examples: Sequence[Example]) -> list[Example]:
    """The batch that the loop's next step will draw."""
    ahead = torch.Generator()
    ahead.set_state(loop.generator.get_state())
    rows = torch.randint(len(examples), (loop.config.batch,), generator=ahead)
    return [examples[row] for row in rows.tolist()]


def _thoughts(system: System, config: TrainConfig) -> int:
    return config.latent_steps or system.latent_steps


def _settle(system: System) -> None:
    """Move a system to the GPU, where there is one."""
    if torch.cuda.is_available():
        for agent in system.agents.values():
            place(agent.model, "cuda", "float32")
            agent.inner.to("cuda")
        for link in system.links.values():
            link.to("cuda")


def _clock_name() -> str:
    return "seconds on the wall" if torch.cuda.is_available() else "processor time, as other work may share the machine"


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds that a piece of work takes, and what it gives."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        started = time.perf_counter()
        result = work()
        torch.cuda.synchronize()
        return time.perf_counter() - started, result
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def _spread(above: Sequence[float], below: Sequence[float]) -> str:
    """Median and quartiles of the ratios, pair by pair."""
    ratios = [a / b for a, b in zip(above, below, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"
