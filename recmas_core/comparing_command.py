"""The command `compare`: surveys a sample and prints accuracy by rounds, ratios of cost, and what the paper reports."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from statistics import mean

from recmas_core.commands import Which, score_row
from recmas_core.comparing import COSTS, LATENT, SINGLE, TEXT, WAYS, Survey, survey
from recmas_core.errors import BadInput
from recmas_core.intervals import Estimate
from recmas_core.reported import PAPER, SOURCE

_SAYS = {"tokens": "tokens decoded", "steps": "tokens and latent steps", "seconds": "time"}


def compare(which: Which, *, n: int, timed: int, seed: int, rounds: Sequence[int]) -> None:
    """Survey a sample of held-out questions. Interrupted, it prints what was measured until then.

    Args:
        which: The system.
        n: Questions.
        timed: How many of them to time one by one.
        seed: Of the sample.
        rounds: Numbers of rounds.

    Raises:
        RecmasError: If the system cannot be had, or cannot be surveyed so.
    """
    system = which.load()
    if n < 1:
        raise BadInput("n", f"is {n}", "Ask at least one question.")
    examples = [] if system.task is None else system.task.sample(n, seed=seed, split="test")
    records = survey(system, examples, rounds=rounds, timed=timed)
    sample = f"{n} held-out questions (split 'test', seed {seed})"
    print(f"{system.title}, {sample}, {system.latent_steps} thoughts a turn; measured here, on these agents\n")
    heads = ("what", "rounds", "accuracy", "95 % interval", "tokens decoded", "latent steps")
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|", flush=True)
    found, told = None, set[tuple[str, int]]()
    try:
        for found in records:
            for score in found.scores:
                if score.n == n and (score.name, score.rounds) not in told:
                    told.add((score.name, score.rounds))
                    _progress("")
                    print(score_row(score), flush=True)
            _progress(f"{found.done:,} of {found.of:,} runs")
    finally:
        _progress("")
        if found is not None:
            print("\n".join((*_unfinished(found), *lines(found))))


def lines(found: Survey) -> Iterator[str]:
    """What a survey says of costs and gains, and beside it the paper's figures."""
    if found.timed:
        asked = f"{len(found.timed)} questions, {found.most} rounds"
        yield f"\nOne question at a time, {asked}, the ways in turn; median time, mean of the rest:\n"
        yield "| what | time | tokens decoded | latent steps |\n|---|---|---|---|"
        for way in WAYS:
            runs = found.runs(way)
            tokens, steps = mean(run.tokens for run in runs), mean(run.latent_steps for run in runs)
            yield f"| {way} | {1000 * (found.seconds(way) or 0):.0f} ms | {tokens:.1f} | {steps:.1f} |"
    yield f"\nAt {found.most} rounds, with 95 % intervals over questions:\n"
    yield "| latent by text | ratio | interval | questions |\n|---|---|---|---|"
    for cost in COSTS:
        ratio = found.ratio(cost, LATENT, TEXT)
        if ratio is not None:
            yield f"| {_SAYS[cost]} | {_estimate(ratio)} |"
    for other in (TEXT, SINGLE):
        gain = found.gain(LATENT, other)
        if gain is not None:
            yield f"| accuracy, latent less {other} | {_estimate(gain, signed=True)} |"
    single = "was taught the whole job and answers at once" if found.at_once else "reads its own turns"
    yield f"\nThe single agent {single}. Tokens and latent steps each take one pass through a model."
    (fast, faster), (few, fewer) = PAPER.faster, PAPER.fewer
    yield (
        f"Reported by the paper of its own agents ({SOURCE}): on average over {PAPER.benchmarks} benchmarks "
        f"{PAPER.gain} % more accuracy than the strongest baselines, {fast} to {faster} times as fast, {few} to "
        f"{fewer} % fewer tokens than text."
    )


def _unfinished(found: Survey) -> Iterator[str]:
    """The rows of what was interrupted."""
    for score in found.scores:
        if score.n < len(found.examples):
            yield f"{score_row(score)} {score.n} of {len(found.examples)} questions"


def _estimate(found: Estimate, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{found.value:{sign}.3f} | {found.low:{sign}.3f} to {found.high:{sign}.3f} | {found.n}"


def _progress(text: str) -> None:
    """One line that changes, on the terminal only."""
    if sys.stderr.isatty():
        print(f"\r{text:40}\r", end="", file=sys.stderr, flush=True)
