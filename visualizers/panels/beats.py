"""The beats of a run: what happens at one go for a reader, though it may be several events. Pure functions."""

from __future__ import annotations

from collections.abc import Callable

from recmas_core.patterns import Pattern, get_pattern
from recmas_core.records import (
    Event,
    Prompted,
    Thought,
    Token,
    ToolCall,
    Trace,
    Transfer,
    TurnDone,
    TurnStart,
    turn_of,
)

SETTLED = (Thought, Transfer, Token, ToolCall, Prompted, TurnDone)  # events after which a person sees something new
Goal = Callable[[Event], bool]


def one_step(event: Event) -> bool:
    """Goal of Step: one thought (of all who think at once), the hops over links, a token, a call, words put there."""
    return isinstance(event, SETTLED)


def whole_run(event: Event) -> bool:
    """Goal of Run: nothing but the answer, which ends every reader."""
    return False


def round_end(pattern: Pattern, rounds: int) -> Goal:
    """Goal of Round: the last turn of a round is done."""
    last = {place.round: place.turn for place in pattern.schedule(rounds)}

    def reached(event: Event) -> bool:
        return isinstance(event, TurnDone) and event.turn.index == last[event.turn.round]

    return reached


def open_turns(trace: Trace) -> tuple[TurnStart, ...]:
    """The turns that have begun and are not over, in order; several where a stage thinks at once."""
    done = {turn.index for turn in trace.turns}
    return tuple(e for e in trace.events if isinstance(e, TurnStart) and e.turn not in done)


def beat_over(trace: Trace, event: Event) -> bool:
    """Whether with `event`, the last of `trace`, everybody who does the same thing at once has done it.

    Specialists who think side by side make one thought each in a beat; transfers of one stage leave together.
    """
    thinking = [start for start in open_turns(trace) if not start.decodes]
    if isinstance(event, Thought):
        made = {turn_of(e) for e in trace.events if isinstance(e, Thought) and e.step == event.step}
        return all(start.turn in made for start in thinking)
    if isinstance(event, Transfer):
        sent = {(e.turn, e.receiver) for e in trace.events if isinstance(e, Transfer)}
        pattern = get_pattern(trace.pattern)
        return all((start.turn, r) in sent for start in thinking for r in pattern.receivers_of(start.role))
    if isinstance(event, TurnDone):
        return not thinking
    return True


def only_quiet_follows(trace: Trace, event: Event) -> bool:
    """Whether after `event` nothing is computed any more before the ends of the turns or the answer."""
    if isinstance(event, Token):
        ended = {e.turn for e in trace.events if isinstance(e, Token) and e.last}
        return all(start.turn in ended for start in open_turns(trace))
    if isinstance(event, Transfer):
        return beat_over(trace, event)
    if isinstance(event, TurnDone):
        decodes = any(isinstance(e, TurnStart) and e.turn == event.turn.index and e.decodes for e in trace.events)
        return decodes or bool(open_turns(trace))
    return False
