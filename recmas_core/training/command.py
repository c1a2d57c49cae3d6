"""The work behind `python -m recmas_core train`: one process or several, checkpoints, resuming, and the result.

Under `accelerate launch` every process runs this. Only the main one locks the folder, prints, measures and writes; the
others wait for it where gradients are averaged. All of them read the checkpoint: the folder has to be one they share.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers

from recmas_core.errors import BadInput, Diverged, RecmasError
from recmas_core.records import HeldOut, TrainStep
from recmas_core.system import System
from recmas_core.training.arguments import complete, given, laps_of, resumed, seed_of
from recmas_core.training.checkpoints import load_checkpoint, save_checkpoint, writing
from recmas_core.training.course import Course, Lap
from recmas_core.training.opening import (
    check_released,
    check_same,
    open_accelerator,
    open_examples,
    open_system,
    surety,
)
from recmas_core.training.progress import Clock, held_out_said, line, plain_scores, plain_step, table
from recmas_core.training.runfolder import RunFolder
from recmas_core.training.signals import Stopping

if TYPE_CHECKING:
    from accelerate import Accelerator


@dataclass(frozen=True)
class Job:
    """What one process works on.

    Attributes:
        settings: What was asked for, defaults included.
        laps: The stages.
        accelerator: Device, precision, processes.
        folder: Where checkpoints and the result go.
        checkpoint_every: Steps between checkpoints.
        released: Whether the released layout is to be written too.
        repository: Where on the hub to push the system; None for nowhere.
    """

    settings: dict[str, Any]
    laps: tuple[Lap, ...]
    accelerator: Accelerator
    folder: RunFolder
    checkpoint_every: int
    released: bool
    repository: str | None

    def say(self, text: str) -> None:
        """Print, in the main process."""
        if self.accelerator.is_main_process:
            print(text, flush=True)


def train(options: argparse.Namespace) -> None:
    """Train a system as the command line asks, from the start or from where a run stopped.

    Raises:
        RecmasError: Whatever the user can mend.
        KeyboardInterrupt: If the run was stopped by Ctrl-C or SIGTERM; a checkpoint was written before.
    """
    if options.checkpoint_every < 1:
        raise BadInput("--checkpoint-every", f"is {options.checkpoint_every}", "Give 1 or more steps.")
    folder = RunFolder(options.out)
    asked = given(options)
    kept = folder.read_run() if options.resume else None
    if kept is not None:
        asked = resumed(asked, kept["settings"])
    settings, laps = complete(asked), laps_of(asked)
    accelerator = open_accelerator(options.device, settings["precision"])
    job = Job(
        {**settings, "seed": seed_of(asked)}, laps, accelerator, folder, options.checkpoint_every, options.released,
        options.push_to_hub,
    )  # fmt: skip
    try:
        with ExitStack() as stack:
            if accelerator.is_main_process:
                stack.enter_context(folder)
                if kept is None:
                    folder.check_empty()
            accelerator.wait_for_everyone()
            system = _work(job, asked, kept)
            if accelerator.is_main_process:
                _hand_over(job, system)
    except RecmasError:
        if accelerator.is_main_process:
            raise
        raise SystemExit(2) from None  # the main process says it
    accelerator.end_training()


def _work(job: Job, asked: dict[str, Any], kept: dict[str, Any] | None) -> System:
    """Train to the end; the trained system."""
    accelerator, settings = job.accelerator, job.settings
    for lap in job.laps:
        if lap.config.batch % accelerator.num_processes:
            what = f"of stage {lap.stage!r} is {lap.config.batch}, for {accelerator.num_processes} processes"
            raise BadInput("--batch", what, "Give a multiple of the number of processes.")
    system = open_system(settings, accelerator)
    if job.released:
        check_released(system)
    material = open_examples(settings, system)
    course = Course(
        system, job.laps, material.examples, held_out=material.held_out, every=settings["every"],
        rounds=tuple(settings["held_out_rounds"]), accelerator=accelerator, grade=material.grade,
        answer_tokens=settings["answer_tokens"],
    )  # fmt: skip
    same = surety(job.laps, material, accelerator, settings["wordings"])
    stages = ", ".join(lap.stage for lap in job.laps)
    job.say(f"{system.title}: {len(material.examples)} examples, {len(material.held_out)} held out, stages {stages}")
    many = f"{accelerator.num_processes} process{'es' * (accelerator.num_processes > 1)}"
    job.say(f"on {accelerator.device}, precision {accelerator.mixed_precision}, {many}")
    if kept is None:
        before = course.measure() if accelerator.is_main_process else ()
        if accelerator.is_main_process:
            versions = {"torch": torch.__version__, "transformers": transformers.__version__}
            run = {"settings": asked, **same, "before": plain_scores(before), "versions": versions}
            job.folder.write_run(run)
        done = 0
    else:
        check_same(same, kept)
        before = tuple(HeldOut(**score) for score in kept["before"])
        done = _resume(job, course)
    if before:
        job.say(f"before  {held_out_said(before)}")
    after = _steps(job, course, done) or before
    if after:
        job.say("\n" + table(before, after))
    return course.system


def _resume(job: Job, course: Course) -> int:
    """Put a course where its run stopped; how many steps that is."""
    if not job.folder.checkpoints:
        job.say("There is no checkpoint yet: the run begins at its start.")
        state, done = None, 0
    else:
        checkpoint = load_checkpoint(job.folder.path)
        for path in checkpoint.damaged:
            job.say(f"{path.name} is damaged: the run goes on from an older one.")
        state, done = checkpoint.state, checkpoint.step
        job.say(f"Going on behind step {done}.")
    if job.folder.left_behind:
        job.say(job.folder.left_behind)
    if state is not None:
        course.load_state_dict(state)
    if job.accelerator.is_main_process:
        job.folder.cut_steps(done)
    return done


def _steps(job: Job, course: Course, done: int) -> tuple[HeldOut, ...]:
    """Make all steps that are left; what was measured last, () if nothing was."""
    main, clock, saved = job.accelerator.is_main_process, Clock(), done
    after: tuple[HeldOut, ...] = ()
    with Stopping() as stopping:
        try:
            for step in course:
                done += 1
                left = clock.left(step)
                after = step.held_out or after
                if main:
                    job.folder.append_step(plain_step(step, done))
                    if step.note or _is_told(step, course.every):
                        print(line(step, left), flush=True)
                    if step.note:
                        print(step.note, flush=True)
                if main and (done % job.checkpoint_every == 0 or stopping.asked):
                    save_checkpoint(course.state_dict(), job.folder.path, step=done)
                    saved = done
                if stopping.asked:
                    job.say(f"Stopped behind step {done}. Go on with --resume.")
                    raise KeyboardInterrupt
        except Diverged as error:
            if main:
                job.folder.write_system(course.system)
            todo = f"{error.todo} A system with those is in {str(job.folder.path)!r}."
            raise Diverged(error.where, error.what, todo) from error
    if main and saved != done:
        save_checkpoint(course.state_dict(), job.folder.path, step=done)
    return after or (course.measure() if main else ())


def _is_told(step: TrainStep, every: int) -> bool:
    return bool(step.held_out) or step.step % every == 0 or step.step == step.steps


def _hand_over(job: Job, system: System) -> None:
    """Write the trained system, and what else was asked for."""
    folder = job.folder
    folder.write_system(system)
    print(f"The trained system is in {str(folder.path)!r}.", flush=True)
    if job.released:
        from recmas_core.released import save_released

        target = Path(f"{folder.path}-released")
        with writing(target):
            save_released(system, target)
        print(f"The released layout is in {str(target)!r}.", flush=True)
    if job.repository:
        from recmas_core.released import push_folder

        with writing(folder.path), tempfile.TemporaryDirectory(".half", ".push.", folder.path) as clean:
            system.save(clean)
            push_folder(Path(clean), job.repository)
        print(f"Pushed to {job.repository}.", flush=True)
