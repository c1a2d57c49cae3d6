"""The named API endpoint that changes what a turn of a run sends, and runs on from there."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import gradio as gr

from recmas_core.errors import BadInput
from recmas_core.records import RunConfig, Trace
from visualizers.panels.api import Asked, as_gradio_errors
from visualizers.panels.choices import Choices, number, whole
from visualizers.panels.entry import Entry
from visualizers.panels.intervene_change import KINDS, Change, check_change, donor_config, edits_of
from visualizers.panels.numbers import is_right
from visualizers.panels.session import Job
from visualizers.panels.shelf import Shelf
from visualizers.panels.telling import Json, describe_turns, words

Kinds: TypeAlias = Literal["zero", "noise", "scale", "swap", "set", "cut"]


class InterveneApi:
    """The endpoint of one page. Every error reaches the caller as a gr.Error with its message.

    Args:
        shelf: The systems that can be run.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._asked = Asked(shelf)

    def register(self) -> None:
        """Add the endpoint to the page that is being built."""
        gr.api(self.intervene, api_name="intervene", concurrency_limit=32)

    def intervene(
        self,
        question: str,
        turn: int = 0,
        kind: Kinds = "zero",
        positions: list[int] | None = None,
        receiver: str = "",
        amount: float | None = None,
        text: str = "",
        rounds: int = 3,
        thoughts: int | None = None,
        seed: int = 0,
        system: str = "",
        agents: dict[str, str] | None = None,
        tools: bool = True,
    ) -> dict:
        """Run a question, change the latent thoughts that one turn sends, run on from there, and compare the two.

        Everything before the change is the same run; everything after it sees the changed thoughts. So what differs
        was carried by the thoughts that were changed.

        Args:
            question: The question, e.g. "start 7 s1 + 3 s2 * 7 s3 - 4" for "sequential"; /sample gives more.
            turn: The turn whose thoughts are changed as it sends them, from 0; the last turn of a run sends none.
            kind: "zero", "noise" (added), "scale", "swap" (for another question's), "set" (to a text), or "cut".
            positions: Which of the turn's thoughts, from 0, e.g. [2]; null for all of them. "cut" takes all.
            receiver: The role whose copy is changed; "" for everybody the turn sends to.
            amount: "noise": strength in units of the thoughts' own size, null for 1. "scale": the factor.
            text: "set": the words to put in place, one token for each thought. "swap": the other question.
            rounds: Recursion rounds of the run, 1 to 6.
            thoughts: Latent thoughts per turn, 1 to 80; null for as many as these agents were taught.
            seed: Seed of the noise and of what is sampled, 0 or more.
            system: "sequential", "mixture", "distillation", "deliberation", or what /open gave; "" for the first.
            agents: Other agents by role, e.g. {"critic": "embedded:solver"}; /status lists the keys.
            tools: Whether agents that have tools may call them.

        Returns:
            question: as the agents read it
            true_answer: the right answer, null if it is not known
            change: {"turn", "round", "role", "kind", "positions", "receivers", "amount", "text"}, what was changed
            before: {"answer", "right", "sent", "turns", "decoded_tokens", "seconds"}, the run as it was
            after: the same of the run with the change, whose turns differ from the changed one's receivers on
            same_answer: whether both answered the same
            "sent" is {receiver: [[word, cosine], …]}: the word nearest to each vector that it got from the turn
            "turns" are [{"turn", "round", "role", "thoughts": [[word, probability], …], "sent_to", "text"}, …]
        """
        with as_gradio_errors():
            choices = Choices(question, rounds, thoughts, seed, "latent", tools)
            entry, job = self._asked.job(choices, system, agents)
            change = _change(entry, job.config, turn, kind, positions, receiver, amount, text)
            config = donor_config(change, entry.system, job.config)
            donor = None if config is None else entry.solve(config)
            edits = edits_of(change, entry.system, job.config, donor)
            before = entry.solve(job.config)
            after = before.fork(change.turn, edits=edits)
            for event in entry.resume(before, change.turn, edits):
                after = after.append(event)
            made = before.turns[change.turn]
            return {
                "question": job.config.question, "true_answer": None if job.reading is None else job.reading.answer,
                "change": {
                    "turn": made.index, "round": made.round, "role": made.role, "kind": change.kind,
                    "positions": None if change.positions is None else list(change.positions),
                    "receivers": [change.receiver] if change.receiver else list(made.sent),
                    "amount": change.amount, "text": change.text,
                },
                "before": _branch(entry, job, before, made.index), "after": _branch(entry, job, after, made.index),
                "same_answer": before.answer == after.answer,
            }  # fmt: skip


def _change(
    entry: Entry, config: RunConfig, turn: Any, kind: Any, positions: Any, receiver: Any, amount: Any, text: Any
) -> Change:
    """What a caller asks for; programs count turns and thoughts from 0, and are told so.

    Raises:
        BadInput: If it is nothing that can be done to this run.
    """
    known = KINDS.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise BadInput("kind", f"is {str(kind)[:40]!r}", f"Choose one of {', '.join(KINDS)}.")
    last = len(entry.system.pattern.schedule(config.rounds)) - 1
    turn = whole("turn", turn, 0, 10_000)
    if turn >= last:
        what = f"is {turn}, which sends nothing in {config.rounds} rounds"
        raise BadInput("turn", what, f"Turns 0 to {last - 1} send thoughts; the last one answers.")
    chosen: tuple[int, ...] | None = None
    if positions is not None and not known.whole:
        if not isinstance(positions, list):
            raise BadInput("positions", f"are {str(positions)[:40]!r}", "Give a list such as [0, 2], or leave it out.")
        chosen = tuple(sorted({whole("positions", each, 0, config.latent_steps - 1) for each in positions}))
        if not chosen:
            raise BadInput("positions", "are empty", "Name at least one thought, or leave them out for all.")
    size = None
    if known.amount:
        size = number("amount", 1.0 if kind == "noise" and amount is None else amount, known.low, known.high)
    words_put = str(text).strip() if known.text else ""
    if known.text and not words_put:
        raise BadInput("text", f"is empty, and {kind!r} needs one", f"Give the {known.text}.")
    change = Change(turn, kind, chosen, str(receiver) or None, size, words_put)
    check_change(change, entry.system.pattern, config)
    return change


def _branch(entry: Entry, job: Job, trace: Trace, turn: int) -> Json:
    """A run as JSON, with what the changed turn's receivers got."""
    answer = trace.answer or ""
    return {
        "answer": answer, "right": is_right(entry.system.task, job.reading, answer),
        "sent": {
            receiver: [words(entry.notes.nearest(receiver, vector)[:1])[0] for vector in vectors]
            for receiver, vectors in trace.turns[turn].sent.items()
        },
        "turns": describe_turns(trace, entry.notes), "decoded_tokens": trace.decoded_tokens,
        "seconds": trace.seconds,
    }  # fmt: skip
