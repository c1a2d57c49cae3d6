"""A run that comes from a file: read within bounds, matched with a system that is offered, gone on with. No gradio."""

from __future__ import annotations

import zipfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from recmas_core.errors import BadInput, RecmasError, SystemNotFound, UnsafeCheckpoint
from recmas_core.fitting import check_fits
from recmas_core.records import Event, Trace, turn_of
from recmas_core.storage import load_noted
from visualizers.panels.catalogue import Catalogue, Lineup
from visualizers.panels.session import Job
from visualizers.panels.share_link import read_link

if TYPE_CHECKING:
    from recmas_core.system import System

MOST_MB, MOST_ARRAYS = 32, 60_000  # unpacked; a long run of the released agents has about 20 MB
_TODO = "Give a run that was downloaded from this page, or written by Trace.save."


@dataclass(frozen=True, eq=False)
class Filed:
    """A run read from a file.

    Attributes:
        trace: The run.
        lineup: Who may have made it.
        asked: The question as it was typed.
    """

    trace: Trace
    lineup: Lineup
    asked: str


def read_run(file: Path, catalogue: Catalogue, looked_at: Lineup) -> Filed:
    """Read a run and find the system that it is of.

    Args:
        file: An npz written by this page or by `Trace.save`.
        catalogue: What is offered.
        looked_at: The line-up looked at: a run that names no agents is taken to be of these, if it can be.

    Raises:
        UnsafeCheckpoint: If it is no run, damaged, or too large.
        SystemNotFound: If it is of no system that is offered.
    """
    _check_size(file)
    try:
        trace, note = load_noted(file)
    except RecmasError as error:  # without the place where this server keeps what is uploaded
        raise UnsafeCheckpoint(f"file {file.name!r}", "is no intact run", _TODO) from error
    try:
        linked = read_link(parse_qsl(note), catalogue) if note else None
    except RecmasError:
        linked = None  # its agents are not offered here: perhaps others of the same pattern can show it
    if linked is not None and catalogue.pattern(linked.lineup.system).name == trace.pattern:
        return Filed(trace, linked.lineup, linked.asked or trace.config.question)
    return Filed(trace, _guessed(trace, catalogue, looked_at), trace.config.question)


def _guessed(trace: Trace, catalogue: Catalogue, looked_at: Lineup) -> Lineup:
    def suits(system: str) -> bool:
        return catalogue.pattern(system).name == trace.pattern

    if suits(looked_at.system):
        return looked_at
    named = [name for name in catalogue.systems if name == trace.config.system and suits(name)]
    for system in (*named, *(name for name in catalogue.systems if suits(name))):
        return catalogue.lineup(system)
    what = f"is of the pattern {trace.pattern[:40]!r}, of which no system is offered here"
    raise SystemNotFound("this run", what, f"Offered are {', '.join(catalogue.systems)}.")


def _check_size(file: Path) -> None:
    where = f"file {file.name!r}"
    try:
        with zipfile.ZipFile(file) as packed:
            infos = packed.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UnsafeCheckpoint(where, "is no saved run", _TODO) from error
    if sum(info.file_size for info in infos) > MOST_MB << 20 or len(infos) > MOST_ARRAYS:
        raise UnsafeCheckpoint(where, f"holds more than {MOST_MB} MB", "Longer runs are for load and Trace.load.")


def check_filed(filed: Filed, system: System) -> Job:
    """See that a system can have made a run; returns the job that it is of.

    Raises:
        BadInput: If it cannot.
    """
    check_fits(filed.trace, system)
    reading = None if system.task is None else system.task.read(filed.asked)
    if reading is not None and reading.question != filed.trace.config.question:
        raise BadInput("trace", "says another question than its note", _TODO)
    return Job(filed.trace.config, reading, filed.asked)


def going_on(trace: Trace, system: System) -> Generator[Event, None, None] | None:
    """What makes the rest of a run; None for a finished one, and where it was stopped in the middle of a stage's end.

    The turns that were not over are made anew, as far as they had come: their events are not given once more.
    """
    done = trace.until(len(trace.turns))
    kept = trace.events[: len(done.events)]
    if trace.answer is not None or any(one is not other for one, other in zip(kept, done.events, strict=True)):
        return None
    return _rest(system.resume(trace), trace.events[len(done.events) :])


def _rest(live: Generator[Event, None, None], made: tuple[Event, ...]) -> Generator[Event, None, None]:
    try:
        for before in made:
            again = next(live, None)
            if again is None or (type(again), turn_of(again)) != (type(before), turn_of(before)):
                todo = "Press Reset to begin it anew."
                raise BadInput("this run", "goes another way with these agents", todo)
        yield from live
    finally:
        live.close()
