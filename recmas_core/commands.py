"""What the commands of the command line do and print."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers.utils import logging as transformers_logging

from recmas_core.ablations import ablations_of
from recmas_core.errors import SystemNotFound
from recmas_core.evaluation import Score, cost, iter_scores
from recmas_core.loading import assets_folder, embedded_systems, load_system
from recmas_core.pretrain import Made, TeachStep, pretrain
from recmas_core.probes import lens, nearest
from recmas_core.progress import Loading
from recmas_core.records import (
    Answer,
    Event,
    Mode,
    Prompted,
    Thought,
    ToolCall,
    Trace,
    Transfer,
    TurnDone,
    TurnStart,
    check_question,
)  # fmt: skip
from recmas_core.system import System
from recmas_core.transplant import transplants


def prepare(threads: int) -> None:
    """Set what holds for the whole process: torch's threads, and no progress bars of transformers."""
    torch.set_num_threads(threads)
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()  # what it leaves out of multimodal checkpoints is meant


@dataclass(frozen=True)
class Which:
    """The system that a command is about, and how it is loaded; see `load_system`."""

    name: str
    device: str = "cpu"
    dtype: str | None = None
    bits: int | None = None
    task: str = "math"
    wordings: Path | None = None

    def load(self) -> System:
        """Load it, saying on the way what takes long.

        Raises:
            RecmasError: Saying why it cannot be had.
        """
        told: set[str] = set()

        def tell(loading: Loading) -> None:
            if loading.what and loading.what not in told and self.name not in embedded_systems():
                told.add(loading.what)
                print(f"{loading.what} ({loading.done + 1} of {loading.of}) …", file=sys.stderr, flush=True)

        return load_system(
            self.name, device=self.device, dtype=self.dtype, bits=self.bits, task=self.task, wordings=self.wordings,
            tell=tell,
        )  # fmt: skip


def run_question(
    which: Which,
    question: str,
    *,
    rounds: int,
    thoughts: int | None,
    seed: int,
    temperature: float | None,
    max_new_tokens: int | None,
    mode: Mode,
    tools: bool,
    save: Path | None,
) -> None:
    """Run one question and print each thought with what it would say."""
    check_question(question)
    system = which.load()
    answer = None
    if system.task is not None:
        reading = system.task.read(question)
        question, answer = reading.question, reading.answer
        print(f"{question}\n{reading.note}")
    wishes = {"latent_steps": thoughts, "temperature": temperature, "max_new_tokens": max_new_tokens}
    given = {name: value for name, value in wishes.items() if value is not None}
    config = system.config(question, rounds=rounds, seed=seed, mode=mode, tools=tools, **given)
    trace = Trace(config, system.pattern.name)
    for event in system.start(config):
        trace = trace.append(event)
        print(_line(system, event, answer), end="", flush=True)
    print(f"{len(trace.thoughts)} latent steps, {trace.decoded_tokens} tokens decoded, {trace.seconds * 1000:.0f} ms")
    if save is not None:
        trace.save(str(save))
        print(f"saved {save}")


def _line(system: System, event: Event, answer: str | None) -> str:
    """What is printed of an event, line ends included. Turns made side by side mix: every line names its role."""
    if isinstance(event, TurnStart):
        return f"\nround {event.round}  {event.role}" + (" answers\n" if event.decodes else "\n")
    if isinstance(event, Thought):
        words = lens(system.agents[event.role], event.hidden[None], 3)[0]
        said = "  ".join(f"{word.text} {word.score:.2f}" for word in words)
        return f"  {event.role}  thought {event.step + 1}  says  {said}\n"
    if isinstance(event, Transfer):
        near = " ".join(row[0].text for row in nearest(system.agents[event.receiver], event.vectors, 1))
        return f"  {event.sender} -> {event.receiver}: {len(event.vectors)} vectors, nearest its words: {near}\n"
    if isinstance(event, ToolCall):
        report = event.report
        where = system.tools[report.tool].source
        return f"  {event.role}  {report.tool}: {report.call}  gives  {report.result}   ({where})\n"
    if isinstance(event, Prompted):
        return f"  {event.role}  gave no answer in a box; put behind its words: {event.text.strip()}\n"
    if isinstance(event, TurnDone) and event.turn.text:
        return f"  {event.turn.role}: {event.turn.text}\n"
    if isinstance(event, Answer):
        truth = "" if answer is None else f"   (true answer {answer})"
        return f"\nanswer: {event.text}{truth}\n"
    return ""


def evaluate_system(which: Which, *, n: int, seed: int, rounds: Sequence[int], timed: int) -> None:
    """Print accuracy by rounds, ablations, transplants and cost, with 95 % confidence intervals."""
    system = which.load()
    if system.task is None:
        todo = "Train and measure it on data of your own: python -m recmas_core train --data …"
        raise SystemNotFound(f"system {which.name!r}", "has no questions of its own to be measured on", todo)
    examples = system.task.sample(n, seed=seed, split="test")
    sample = f"{n} held-out questions (split 'test', seed {seed})"
    print(f"{system.title}, {sample}, {system.latent_steps} thoughts a turn\n")
    kinds = sorted({example.group for example in examples} - {""})
    heads = ("what", "rounds", "accuracy", "95 % interval", "tokens decoded", "latent steps", *kinds)
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    for score in iter_scores(system, examples, rounds, ("single", "text", "latent"), ablations_of(system)):
        print(score_row(score, kinds), flush=True)
    print("\nTransfers of one turn taken from another question, three rounds:\n")
    print("| turn | answers that follow the transplant | 95 % interval | unchanged | cases |\n|---|---|---|---|---|")
    implied = cases = 0
    for result in transplants(system, examples):
        low, high = result.interval
        place = system.pattern.schedule(3)[result.turn]
        implied, cases = implied + result.implied, cases + result.n
        name = f"{result.turn} (round {place.round}, {place.role})"
        print(f"| {name} | {result.share:.3f} | {low:.3f} to {high:.3f} | {result.kept / result.n:.3f} | {result.n} |")
    if cases:
        print(f"| all | {implied / cases:.3f} | | | {cases} |")
    one_by_one = cost(system, examples[:timed], rounds=max(rounds))
    print(
        f"\nOne question at a time, {one_by_one.n} questions, {one_by_one.rounds} rounds: latent takes "
        f"{one_by_one.time_ratio:.2f} of text's time ({one_by_one.latent_seconds * 1000:.0f} against "
        f"{one_by_one.text_seconds * 1000:.0f} ms, medians) and decodes {one_by_one.latent_tokens:.1f} against "
        f"{one_by_one.text_tokens:.1f} tokens, with {one_by_one.latent_steps:.0f} latent steps."
    )


def score_row(score: Score, kinds: Sequence[str] = ()) -> str:
    """One line of the accuracy table, with the accuracy for each kind of question."""
    low, high = score.interval
    cells = (score.name, score.rounds, f"{score.accuracy:.3f}", f"{low:.3f} to {high:.3f}", f"{score.tokens:.1f}")
    shares = (f"{right / n:.3f}" for right, n in (score.groups[kind] for kind in kinds))
    return "| " + " | ".join(map(str, (*cells, f"{score.latent_steps:.0f}", *shares))) + " |"


def make_system(pattern: str, *, out: Path | None, work: Path | None) -> None:
    """Make an embedded system, printing progress every so often."""
    started = time.monotonic()
    for progress in pretrain(pattern, out or assets_folder() / pattern, work or Path("build/pretrain") / pattern):
        clock = f"{time.monotonic() - started:7.1f} s  "
        if isinstance(progress, Made):
            print(f"{clock}{progress.part}: done ({progress.seconds:.1f} s)", flush=True)
        elif isinstance(progress, TeachStep):
            if progress.step % 100 == 0:
                numbers = f"loss {progress.loss:.4f}  right {progress.right:.3f}"
                print(f"{clock}agent {progress.agent}  step {progress.step}/{progress.steps}  {numbers}", flush=True)
        elif progress.step % 200 == 0:
            key = "->".join(next(iter(progress.grad_norms))[1])
            numbers = f"loss {progress.loss:.4f}  right {progress.accuracy:.3f}"
            print(f"{clock}{progress.stage} {key}  step {progress.step}/{progress.steps}  {numbers}", flush=True)


def run_bench(*, repeats: int, only: Sequence[str] | None, system: str, device: str) -> None:
    """Print the benchmarks' ratios; of another device than the CPU, what a latent step takes there."""
    from recmas_core.bench import bench

    for line in bench(repeats=repeats, only=only, courses_of=system, device=device):
        print(line, flush=True)
