"""A run and its branch turn by turn: what each thought says in both, and how alike they are. Pure functions."""

from __future__ import annotations

import numpy as np

from recmas_core.patterns import Pattern, Place
from recmas_core.records import Array, Trace, Transfer, Turn
from visualizers.figures.branches import SentPair, TurnPair
from visualizers.panels.intervene_session import Branch
from visualizers.panels.notes import Notes
from visualizers.panels.numbers import short
from visualizers.theme import role_colour


def turn_pairs(pattern: Pattern, notes: Notes, run: Trace, branch: Branch) -> tuple[TurnPair, ...]:
    """Every turn in the run and in its branch.

    Args:
        pattern: That of both.
        notes: What their thoughts say.
        run: The run.
        branch: The branch, perhaps not finished.
    """
    mine, theirs = ({turn.index: turn for turn in trace.turns} for trace in (run, branch.trace))
    return tuple(
        _pair(place, pattern, notes, mine[place.turn], theirs.get(place.turn), run, branch)
        for place in pattern.schedule(run.config.rounds)
        if place.turn in mine
    )


def changed_turns(run: Trace, other: Trace) -> frozenset[int]:
    """The turns whose thoughts or text are not exactly the run's."""
    mine = {turn.index: turn for turn in run.turns}
    return frozenset(
        turn.index
        for turn in other.turns
        if turn.index in mine
        and not (np.array_equal(turn.thoughts, mine[turn.index].thoughts) and turn.text == mine[turn.index].text)
    )


def alike(one: Array, other: Array) -> float | None:
    """The mean cosine of (m, d) thoughts with those of another run; None where they cannot be compared."""
    if one.shape != other.shape or not len(one):
        return None
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    cosines = np.divide((one * other).sum(1), norms, out=np.zeros_like(norms), where=norms > 0)
    return float(cosines.mean())


def _pair(
    place: Place, pattern: Pattern, notes: Notes, mine: Turn, theirs: Turn | None, run: Trace, branch: Branch
) -> TurnPair:
    titles = {role.name: role.title for role in pattern.roles}
    kept = place.turn < branch.change.turn
    return TurnPair(
        index=place.turn,
        round=place.round,
        title=titles[place.role],
        colour=role_colour(pattern, place.role),
        mine=_words(mine, notes),
        theirs=None if theirs is None else _words(theirs, notes),
        kept=kept,
        alike=None if theirs is None or kept else alike(theirs.thoughts, mine.thoughts),
        sent=tuple(
            SentPair(titles[e.receiver], _received(before, notes), _received(e, notes))
            for e in branch.trace.events
            if isinstance(e, Transfer) and e.turn == place.turn and e.edited
            for before in run.events
            if isinstance(before, Transfer) and (before.turn, before.receiver) == (e.turn, e.receiver)
        ),
        answers=place.decodes,
    )


def _words(turn: Turn, notes: Notes) -> tuple[str, ...]:
    if not len(turn.thoughts):
        return (short(turn.text) or "∅",)
    return tuple(notes.says_of(turn.role, hidden)[0][0] for hidden in turn.thoughts)


def _received(transfer: Transfer, notes: Notes) -> tuple[str, ...]:
    return tuple(
        notes.nearest(transfer.receiver, vector)[0][0] if np.any(vector) else "" for vector in transfer.vectors
    )
