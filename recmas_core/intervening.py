"""What `python -m recmas_core intervene` and `influence` do and print."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from recmas_core.edits import cut_edits, text_edits, text_words
from recmas_core.errors import BadInput
from recmas_core.influence import Influence, influences
from recmas_core.patching import donor_run, implied_answer
from recmas_core.probes import lens
from recmas_core.records import Edit, Trace, Turn, check_question
from recmas_core.system import System
from recmas_core.transplant import says

MARK = "*"  # stands before what is not as it was


@dataclass(frozen=True)
class Wish:
    """What is changed in a run, as the command line takes it: one of the changes, and where.

    Attributes:
        turn: 0-based turn; of a cut link the first one that is cut.
        zero: Whether thoughts are removed.
        noise: How much noise is added, in root mean squares of the transfer.
        scale: What they are multiplied by.
        swap: The question whose thoughts stand in.
        text: The words that stand in.
        cut: The link that is cut, "sender>receiver".
        positions: Which thoughts, 0-based; None for all.
        receiver: Only what this role gets; None for all.
    """

    turn: int
    zero: bool = False
    noise: float | None = None
    scale: float | None = None
    swap: str | None = None
    text: str | None = None
    cut: str | None = None
    positions: tuple[int, ...] | None = None
    receiver: str | None = None

    def __post_init__(self) -> None:
        """Refuse places for a link that is cut whole."""
        if self.cut is not None and (self.positions is not None or self.receiver is not None):
            todo = "Leave --positions and --receiver out: all of the link's transfers are cut."
            raise BadInput("a cut link", "was given with positions or a receiver", todo)


def intervene(system: System, question: str, wish: Wish, **options: Any) -> None:
    """Run a question, change one thing, run on from there, and print both branches side by side.

    Args:
        system: Who thinks.
        question: The question.
        wish: What is changed.
        **options: As in `System.run`.

    Raises:
        BadInput: If the change does not fit the run.
    """
    question, truth = _read(system, question)
    run = system.solve(question, **options)
    donor = None if wish.swap is None else donor_run(system, run, _read(system, wish.swap)[0])
    edits = _edits(system, run, wish, donor)
    if not edits:
        raise BadInput(f"link {wish.cut}", f"sends nothing from turn {wish.turn} on", "Cut it from an earlier turn.")
    branch = run.fork(wish.turn, edits=edits)
    for event in system.resume(run, wish.turn, edits):
        branch = branch.append(event)
    print(f"\nchanged: {_told(system, run, wish)}")
    print(f"{MARK} marks what differs; each thought's likeliest word, then the cosine of the thought with what it was")
    for before, after in zip(run.turns, branch.turns, strict=True):
        if before.index > wish.turn:
            print("\n".join(_lines(system, before, after)))
    known = "" if truth is None else f"   (true answer {truth})"
    mark = " " if run.answer == branch.answer else MARK
    print(f"\n  answer as it was:  {run.answer}{known}\n{mark} answer changed:    {branch.answer}")
    implied = None if donor is None else implied_answer(system, run, donor.config.question, wish.turn)
    if implied is not None:
        followed = "it follows" if says(branch.answer or "", implied) else "it does not follow"
        print(f"  the other question's value leads to {implied}: {followed}")


def tell_influence(system: System, question: str, answer: str | None, **options: Any) -> None:
    """Run a question and print what each of its thoughts was worth to the answer.

    Args:
        system: Who thinks.
        question: The question.
        answer: What is scored; None for the true answer where the system's world knows it, else for the run's own.
        **options: As in `System.run`.

    Raises:
        BadInput: If the answer cannot be scored.
    """
    question, truth = _read(system, question)
    run = system.solve(question, **options)
    print(f"answer: {run.answer}" + ("" if truth is None else f"   (true answer {truth})"))
    steps = run.config.latent_steps
    for number, found in enumerate(influences(system, run, truth if answer is None else answer)):
        if number == 0:
            tokens = f"{found.tokens} token{'s' * (found.tokens != 1)}"
            print(
                f"\nscored: {found.answer!r}, {tokens}, log-probability {found.logprob:.4f} nats\n"
                "nats it loses when one thought, or a whole turn, is set to zero for all receivers "
                "(in brackets what the thought says):\n"
            )
            heads = ("turn", "round", "role", *(f"position {step}" for step in range(steps)), "whole turn")
            print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
        print(_row(system, run.turns[found.turns[-1]], found), flush=True)


def _read(system: System, question: str) -> tuple[str, str | None]:
    """A typed question in the wording of the system's world, and its true answer where that is known."""
    check_question(question)
    if system.task is None:
        return question, None
    reading = system.task.read(question)
    print(f"{reading.question}\n{reading.note}")
    return reading.question, reading.answer


def _edits(system: System, run: Trace, wish: Wish, donor: Trace | None) -> tuple[Edit, ...]:
    rounds, at = run.config.rounds, (wish.positions, wish.receiver)
    if wish.cut is not None:
        sender, _, receiver = wish.cut.partition(">")
        return cut_edits(system.pattern, rounds, (sender, receiver), first_turn=wish.turn)
    if wish.text is not None:
        steps = run.config.latent_steps
        return text_edits(
            system, wish.turn, wish.text, steps, rounds=rounds, positions=wish.positions, receiver=wish.receiver
        )
    if donor is not None:
        return (Edit(wish.turn, "swap", at[0], trace=donor, receiver=at[1]),)
    if wish.noise is not None:
        return (Edit(wish.turn, "noise", at[0], wish.noise, receiver=at[1]),)
    if wish.scale is not None:
        return (Edit(wish.turn, "scale", at[0], wish.scale, receiver=at[1]),)
    return (Edit(wish.turn, "zero", at[0], receiver=at[1]),)


def _told(system: System, run: Trace, wish: Wish) -> str:
    """One line that says what was changed."""
    if wish.cut is not None:
        return f"the link {wish.cut} is cut from turn {wish.turn} on"
    turn = run.turns[wish.turn]
    which = "all thoughts" if wish.positions is None else f"positions {', '.join(map(str, wish.positions))}"
    whom = ", ".join(turn.sent) if wish.receiver is None else wish.receiver
    where = f"{which} of turn {turn.index} ({turn.role}, round {turn.round}) for {whom}"
    if wish.text is not None:
        agent = system.agents[next(iter(turn.sent)) if wish.receiver is None else wish.receiver]
        count = len(turn.thoughts) if wish.positions is None else len(wish.positions)
        return f"{where}: set to {' | '.join(text_words(agent, wish.text, count))}"
    if wish.swap is not None:
        return f"{where}: taken from {wish.swap!r}"
    if wish.noise is not None:
        return f"{where}: noise of {wish.noise:g} times their size"
    return f"{where}: set to zero" if wish.scale is None else f"{where}: times {wish.scale:g}"


def _lines(system: System, before: Turn, after: Turn) -> Iterator[str]:
    """A turn of both branches, thought by thought, or the two texts."""
    yield f"\nturn {before.index}  round {before.round}  {before.role}"
    if before.text or after.text:
        yield f"  as it was: {before.text}\n{' ' if before.text == after.text else MARK} changed:   {after.text}"
    agent = system.agents[before.role]
    old, new = (lens(agent, turn.thoughts, 1) for turn in (before, after))
    for step, ((one,), (other,)) in enumerate(zip(old, new, strict=True)):
        mark = " " if one.text == other.text else MARK
        said = (f"{word.text} {word.score:.2f}" for word in (one, other))
        like = _cosine(before.thoughts[step], after.thoughts[step])
        yield f"{mark} position {step}   {next(said):<16} {next(said):<16} {like:.3f}"


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-12))


def _row(system: System, turn: Turn, found: Influence) -> str:
    said = [row[0].text for row in lens(system.agents[turn.role], turn.thoughts, 1)]
    drops = (f"{_nats(drop)} ({word})" for drop, word in zip(found.drops[-1], said, strict=True))
    cells = (turn.index, turn.round, turn.role, *drops, _nats(found.turn_drops[-1]))
    return "| " + " | ".join(map(str, cells)) + " |"


def _nats(drop: float) -> str:
    return f"{round(float(drop), 3) + 0.0:.3f}"  # no minus before a zero
