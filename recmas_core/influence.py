"""Which thoughts matter: what the answer's log-probability loses when one thought, or a whole turn, is removed."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from recmas_core.calls import result_text
from recmas_core.decoding import Script
from recmas_core.edits import unknown_words
from recmas_core.engine import Messages, locked, recurse
from recmas_core.errors import BadInput
from recmas_core.records import Array, Prompted, Token, ToolCall, Trace, frozen_array
from recmas_core.steps import Scored
from recmas_core.stream import messages_of, settings_of

if TYPE_CHECKING:
    from recmas_core.system import System

ROWS = 16  # variants of a turn that are computed at once
SCORED = 512  # tokens that are scored at once: of a large vocabulary each takes half a megabyte


@dataclass(frozen=True, eq=False)
class Influence:
    """What the answer's log-probability loses without each thought. A drop above 0: the thought helped the answer.

    Attributes:
        answer: What was scored, in the decoder's own words.
        tokens: How many tokens of the decoder's vocabulary that is; the end token behind them is not among them.
        logprob: Their log-probability in the run as it was, in nats: the sum over these tokens, each one read behind
            the true ones before it (teacher forcing).
        turns: The turns that were looked at, 0-based, in order.
        drops: (turns, m) `logprob` less the log-probability when one thought alone is removed, in nats.
        turn_drops: (turns,) the same when all thoughts of the turn are removed.
    """

    answer: str
    tokens: int
    logprob: float
    turns: tuple[int, ...]
    drops: Array
    turn_drops: Array


def influence(system: System, trace: Trace, answer: str | Script | None = None) -> Influence:
    """What every thought of a run was worth to an answer; see `influences`."""
    *_, whole = influences(system, trace, answer)
    return whole


def influences(
    system: System, trace: Trace, answer: str | Script | None = None
) -> Generator[Influence, None, None]:
    """What every thought of a run was worth to an answer, turn by turn. Closing the generator stops the work.

    A thought is removed by setting its transfer to zero for all its receivers, in this one turn; everything after it
    is computed anew. That is what `system.resume` makes of an edit "zero", for all positions of a turn at once.

    Args:
        system: The system the trace was made with.
        trace: A run in latent mode; its own edits stay in force.
        answer: A text that the decoder says and nothing else, e.g. the right answer; or pieces (text, whether it says
            it itself), of which only its own are scored. A text stands where the run's own answer stands: if the
            run called tools, its calls are scored before it, their results are read. None for what the run itself
            said.

    Yields:
        After each latent turn what is known so far.

    Raises:
        BadInput: If the trace is a text run, of another pattern or has no latent turn, or the answer has no words.
    """
    _check(system, trace)
    script = _script(system, trace, answer)
    schedule = system.pattern.schedule(trace.config.rounds)
    first = min(len(trace.turns), len(schedule) - 1)
    (logprob,), tokens = _logprobs(system, trace, script, messages_of(trace.turns[:first]), first, rows=1)
    said = " ".join(text for text, own in script if own)
    most = max(1, min(ROWS, SCORED // tokens))
    turns: list[int] = []
    drops: list[list[float]] = []
    whole: list[float] = []
    for turn in trace.turns:
        if not len(turn.thoughts):
            continue
        steps = len(turn.thoughts)
        # row p is without thought p, the last row is without all of them
        kept = 1 - torch.cat((torch.eye(steps), torch.ones(1, steps)))
        scores: list[float] = []
        for rows in kept.split(most):
            messages = messages_of(trace.turns[: turn.index + 1], rows=len(rows))
            for receiver in turn.sent:
                messages.latents[turn.role, receiver] = messages.latents[turn.role, receiver] * rows[:, :, None]
            scores += _logprobs(system, trace, script, messages, turn.index + 1, rows=len(rows))[0]
        turns.append(turn.index)
        drops.append([logprob - score for score in scores[:-1]])
        whole.append(logprob - scores[-1])
        yield Influence(said, tokens, logprob, tuple(turns), frozen_array(drops), frozen_array(whole))


def told(system: System, trace: Trace, answer: str | None = None) -> Script:
    """What the decoder of a run wrote, piece by piece: (text, whether it said it itself).

    Results of tools and a retry's words it only read. With `answer` this text stands in place of the run's own answer:
    of all that was said behind the last result, or of everything where no tool was called.

    Raises:
        BadInput: If the run has not come to its answer, and needs to have.
    """
    last = system.pattern.schedule(trace.config.rounds)[-1]
    agent, pieces, ids = system.agents[last.role], list[tuple[str, bool]](), list[int]()
    for event in trace.events:
        if isinstance(event, Token) and event.turn == last.turn and not event.end:
            ids.append(event.id)
        elif isinstance(event, ToolCall | Prompted) and event.turn == last.turn:
            read = event.text if isinstance(event, Prompted) else result_text(event.report.result)
            pieces += [(agent.decode(ids), True), (read, False)]
            ids = []
    if trace.answer is None and answer is None:
        raise BadInput("trace", "has no answer yet", "Finish the run, or give an answer.")
    if answer is None:
        pieces.append((agent.decode(ids), True))
    else:
        calls = sum(isinstance(event, ToolCall) for event in trace.events)
        pieces = [*pieces[: 2 * calls], (answer, True)]
    return tuple((text.strip(), own) for text, own in pieces if text.strip())


def _script(system: System, trace: Trace, answer: str | Script | None) -> Script:
    script = told(system, trace, answer) if answer is None or isinstance(answer, str) else tuple(answer)
    agent = system.agents[system.pattern.decoder]
    strange = [word for text, own in script if own for word in unknown_words(agent, text)]
    if strange:
        todo = f"The decoder, {agent.name!r}, can only say words of its own vocabulary."
        raise BadInput("answer", f"holds unknown words: {', '.join(map(repr, strange))}", todo)
    if not any(own and text.strip() for text, own in script):
        raise BadInput("answer", "is empty", "Give the text whose log-probability is to be looked at.")
    return script


def _check(system: System, trace: Trace) -> None:
    if trace.pattern != system.pattern.name:
        todo = f"Load a {trace.pattern!r} system to look at it."
        raise BadInput("trace", f"is of the pattern {trace.pattern!r}, not {system.pattern.name!r}", todo)
    if trace.config.mode != "latent" or not trace.thoughts:
        raise BadInput("trace", "has no latent thoughts", "Give a run in latent mode.")


def _logprobs(
    system: System, trace: Trace, script: Script, messages: Messages, first: int, *, rows: int
) -> tuple[list[float], int]:
    """The script's log-probability for each row of messages, going on from turn `first`; and its own tokens."""
    questions, settings = [trace.config.question] * rows, settings_of(trace.config)
    steps = recurse(system, questions, settings, first=first, messages=messages, answers=[script] * rows)
    (asked,) = [step for step in locked(system, steps) if isinstance(step, Scored)]
    with torch.inference_mode():
        losses = F.cross_entropy(asked.logits.float(), asked.labels, reduction="none")
        losses = losses.view(rows, -1)[:, :-1]  # the last one is the end token
    return (-losses.double().sum(1)).tolist(), losses.shape[1]
