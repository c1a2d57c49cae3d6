"""The runs that are there when somebody comes: made beforehand, shipped with the systems, shown to a first visitor.

`python -m visualizers.panels.first` makes them anew: the first example question of each system's little world, with the
settings that the page begins with.
"""

from __future__ import annotations

import argparse
import logging
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recmas_core.errors import RecmasError
from recmas_core.records import Trace
from visualizers.panels.catalogue import Catalogue, Lineup, read_catalogue
from visualizers.panels.choices import Choices
from visualizers.panels.examples import examples_of
from visualizers.panels.session import Job
from visualizers.panels.share_link import ROUNDS, SEED

if TYPE_CHECKING:
    from recmas_core.system import System

FILE = "first.npz"
_log = logging.getLogger("recmas.page")


@dataclass(frozen=True, eq=False)
class First:
    """A run made beforehand."""

    job: Job
    trace: Trace


class Firsts:
    """The shipped runs of a catalogue's systems, each read when it is first looked at."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: dict[Path, First | None] = {}

    def of(self, catalogue: Catalogue, lineup: Lineup) -> First | None:
        """The run of a line-up; None where its agents or links are not those that were shipped, or none was."""
        folder = catalogue.offer(lineup.system).folder
        if folder is None or lineup.links or not catalogue.is_own(lineup):
            return None
        path = folder / FILE
        with self._lock:
            if path not in self._read:
                self._read[path] = _read(path, catalogue, lineup) if path.is_file() else None
            return self._read[path]


def _read(path: Path, catalogue: Catalogue, lineup: Lineup) -> First | None:
    try:
        trace = Trace.load(str(path))
    except RecmasError as error:  # the page goes on without it
        _log.warning("%s", error)
        return None
    pattern, task, question = catalogue.pattern(lineup.system), catalogue.task(lineup), trace.config.question
    if trace.pattern != pattern.name:
        _log.warning("%s is a run of %r, not of %r", path, trace.pattern, pattern.name)
        return None
    return First(Job(trace.config, None if task is None else task.read(question), question), trace)


def make_first(system: System, catalogue: Catalogue, lineup: Lineup) -> Trace:
    """The run that a first visitor is shown: what the page would run if nobody changed anything.

    Raises:
        RecmasError: If it cannot be run.
    """
    question = examples_of(catalogue.task(lineup))[0]
    job = Choices(question, ROUNDS, catalogue.thoughts(lineup), SEED).job(system)
    return system.drain(Trace(job.config, system.pattern.name))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 0, or 1 after a message if it could not be done."""
    parser = argparse.ArgumentParser(prog="python -m visualizers.panels.first", description=__doc__)
    parser.add_argument("--assets", type=Path, default=None, help="folder of the systems (default: those shipped)")
    parser.add_argument("--out", type=Path, default=None, help="folder to write <system>.npz to (default: beside each)")
    chosen = parser.parse_args(arguments)
    try:
        _make(chosen.assets, chosen.out)
    except RecmasError as error:
        print(f"Cannot make the first runs: {error}", file=sys.stderr)
        return 1
    return 0


def _make(assets: Path | None, out: Path | None) -> None:
    import torch

    import recmas_core as rm

    torch.set_num_threads(1)  # tiny models: more threads only wait for one another
    catalogue = read_catalogue(assets=assets)
    for offer in catalogue.offers:
        if not offer.cast or offer.folder is None:
            continue
        system = rm.load_system(offer.name, assets=catalogue.assets)
        try:
            trace = make_first(system, catalogue, catalogue.lineup(offer.name))
        finally:
            for tool in system.tools.values():
                tool.close()
        path = offer.folder / FILE if out is None else out / f"{offer.name}.npz"
        trace.save(str(path))
        print(f"{path}: answers {trace.answer!r}, {len(trace.thoughts)} thoughts, {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    sys.exit(main())
