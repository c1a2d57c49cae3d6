"""Runs the benchmarks and prints their ratios."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from recmas_core.bench.courses import course_lines
from recmas_core.bench.device import device_lines
from recmas_core.bench.large import PROMPT, large_question, large_system
from recmas_core.bench.rivals import Timing, bare_run, engine_run, recorded, reload, wasteful_run
from recmas_core.bench.startup import startup_ratio
from recmas_core.bench.training import training_lines
from recmas_core.errors import BadInput
from recmas_core.loading import assets_folder, load_system
from recmas_core.patterns import MIXTURE
from recmas_core.records import RunConfig
from recmas_core.system import System
from recmas_core.tasks import TASKS

PARTS = ("embedded", "large", "stages", "training", "startup")
LONG = ("courses",)  # an hour or more: run only where it is asked for
HEADER = "| system | (a) engine | (b) no cache, reload | (c) bare calls | b / a | a / c | latent step a | b | b / a |"


def bench(
    *, repeats: int, only: Sequence[str] | None = None, courses_of: str = "sequential", device: str = "cpu"
) -> Iterator[str]:
    """Lines of a report: the engine on both systems, then start-up; or what steps take on a GPU.

    Args:
        repeats: Counted runs of each contestant, taken in turn; (b) on the large triple is run once.
        only: Parts to run, of `PARTS` and `LONG`; None for all of `PARTS`.
        courses_of: Which embedded system's courses are run.
        device: "cpu"; or a CUDA device, whose report is another one and has no parts.

    Raises:
        BadInput: If the device cannot be used, or parts were named for it.
    """
    if device != "cpu":
        if only:
            raise BadInput("only", f"names parts, which {device!r} does not have", "Leave out --only, or --device.")
        yield from device_lines(device, repeats=repeats)
        return
    parts = only or PARTS
    if "embedded" in parts or "large" in parts:
        yield HEADER
        yield "|---" * 9 + "|"
    with tempfile.TemporaryDirectory(prefix="recmas-bench-") as folder:
        if "embedded" in parts:
            question = TASKS["chain"].sample(1, seed=7)[0].question
            system = reload(assets_folder() / "sequential")
            config = system.config(question, rounds=3)
            yield row("embedded Sequential", system, assets_folder() / "sequential", config, repeats, repeats)
        if "large" in parts:
            system = large_system()
            system.save(Path(folder))
            system = reload(Path(folder))
            config = system.config(large_question(), rounds=3, latent_steps=32, max_new_tokens=16)
            yield row(f"3 x 50M Qwen3, prompt {PROMPT}, 32 thoughts", system, Path(folder), config, repeats, 1)
    if "stages" in parts:
        yield "\nSpecialists of one stage in a thread each, against one after the other:"
        embedded = reload(assets_folder() / "mixture")
        question = TASKS["fields"].sample(1, seed=7)[0].question
        yield stage_line("embedded Mixture", embedded, embedded.config(question, rounds=3), 4 * repeats)
        big = large_system(MIXTURE)
        config = big.config(large_question(), rounds=2, latent_steps=16, max_new_tokens=1)
        yield stage_line("4 x 50M Qwen3", big, config, repeats)
    if "training" in parts:
        yield from training_lines(repeats=repeats)
    if "courses" in parts:
        yield from course_lines(load_system(courses_of))
    if "startup" in parts:
        ours, empty, ratio = startup_ratio(assets_folder().parent / "app.py", repeats=min(repeats, 3))
        yield f"\nstart-up: page answers after {ours:.1f} s, an empty page after {empty:.1f} s: ratio {ratio:.2f}"


def stage_line(name: str, system: System, config: RunConfig, repeats: int) -> str:
    """How much faster a run is when roles of one stage compute at once: medians and the ratio pair by pair."""
    seconds: dict[bool, list[float]] = {False: [], True: []}
    for count in range(repeats + 1):  # the first run of a kind is not counted
        for threads, times in seconds.items():
            system.threads = threads
            started = time.perf_counter()
            for _ in system.start(config):
                pass
            if count:
                times.append(time.perf_counter() - started)
    system.threads = None
    ratio = statistics.median(one / many for one, many in zip(seconds[False], seconds[True], strict=True))
    one, many = (statistics.median(times) * 1000 for times in seconds.values())
    return f"- {name}: {one:.0f} ms one after the other, {many:.0f} ms at once: {ratio:.2f} times as fast"


def row(name: str, system: System, folder: Path, config: RunConfig, repeats: int, wasteful_repeats: int) -> str:
    """One line of the table: contestants in turn, medians, ratios pair by pair."""
    with recorded(system) as calls:
        trace = system.solve(config.question, rounds=config.rounds, latent_steps=config.latent_steps,
                             max_new_tokens=config.max_new_tokens)  # fmt: skip
    calls = list(calls)
    models = {role: agent.model for role, agent in system.agents.items()}
    a: list[Timing] = []
    b: list[Timing] = []
    c: list[Timing] = []
    bare_run(models, calls)  # the first run of a kind is not counted
    for count in range(repeats):
        c.append(bare_run(models, calls))
        a.append(engine_run(system, config))
        if count < wasteful_repeats:
            b.append(wasteful_run(folder, config, trace))
            assert b[-1].answer == a[-1].answer, "the two ways of computing must agree"
    slow = [x.seconds / y.seconds for x, y in zip(b, a, strict=False)]
    over = [x.seconds / y.seconds for x, y in zip(a, c, strict=True)]
    step = [x.per_step / y.per_step for x, y in zip(b, a, strict=False)]
    cells = (
        name,
        *(f"{statistics.median(t.seconds for t in times) * 1000:.0f} ms" for times in (a, b, c)),
        f"{statistics.median(slow):.1f}",
        f"{statistics.median(over):.2f}",
        *(f"{statistics.median(t.per_step for t in times) * 1000:.2f} ms" for times in (a, b)),
        f"{statistics.median(step):.1f}",
    )
    return "| " + " | ".join(cells) + " |"
