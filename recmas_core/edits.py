"""Edits that are made of more than a number: a typed text in place of thoughts, a link cut in every turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from recmas_core.agents import Agent
from recmas_core.errors import BadInput
from recmas_core.patterns import Pattern
from recmas_core.runconfig import Array, Edit, frozen_array
from recmas_core.steps import Edge

if TYPE_CHECKING:
    from recmas_core.system import System


def cut_edits(pattern: Pattern, rounds: int, edge: Edge, *, first_turn: int = 0) -> tuple[Edit, ...]:
    """Edits that set every transfer of an edge to zero, from a turn on.

    Args:
        pattern: Whose edge it is.
        rounds: Of how many rounds the run is.
        edge: (sender, receiver).
        first_turn: The first turn, 0-based, whose transfers are cut.

    Raises:
        BadInput: If the pattern has no such edge.
    """
    if edge not in [each.key for each in pattern.edges]:
        known = ", ".join(">".join(each.key) for each in pattern.edges)
        raise BadInput(f"edge {'>'.join(edge)}", f"is none of {pattern.name!r}", f"Choose one of {known}.")
    sender, receiver = edge
    return tuple(
        Edit(place.turn, "zero", receiver=receiver)
        for place in pattern.schedule(rounds)
        if place.role == sender and not place.decodes and place.turn >= first_turn
    )


def unknown_words(agent: Agent, text: str) -> tuple[str, ...]:
    """The words of a text that an agent's vocabulary cannot write, each once; () for agents that write anything."""
    if agent.knows(text):
        return ()
    return tuple(dict.fromkeys(word for word in text.split() if not agent.knows(word))) or (text,)


def text_ids(agent: Agent, text: str, count: int) -> tuple[int, ...]:
    """The tokens, one per thought, that a text puts in place of `count` thoughts.

    A thought is as wide as one token's embedding, and thoughts come to carry the words of a turn in order: so the
    text's tokens stand in order, one in each place. A longer text is cut behind the last place; a shorter one begins
    again until all places are filled ("7" for three thoughts is "7 7 7").

    Raises:
        BadInput: If the text is empty, holds a control token, or words that the agent's vocabulary does not have.
    """
    if count < 1:
        raise BadInput("count", f"is {count}", "Set at least one thought.")
    control = next((token for token in agent.special_tokens if token in text), None)
    if control is not None:
        raise BadInput("text", f"holds {control!r}, a control token of {agent.name!r}", "Remove it and try again.")
    strange = unknown_words(agent, text)
    if strange:
        listed = ", ".join(map(repr, strange))
        raise BadInput("text", f"holds words that {agent.name!r} does not know: {listed}", "Choose other words.")
    ids = agent.encode(text)
    if not text.strip() or not ids:
        raise BadInput("text", "is empty", "Type at least one word.")
    return tuple(ids[place % len(ids)] for place in range(count))


def text_words(agent: Agent, text: str, count: int) -> tuple[str, ...]:
    """What stands in each of `count` places when a text is put there, as a reader should see it; see `text_ids`."""
    return tuple(agent.word(token) for token in text_ids(agent, text, count))


def text_vectors(system: System, receiver: str, text: str, count: int) -> Array:
    """A text in place of thoughts: (count, d_receiver) input embeddings of the receiver's own, for Edit(kind="set").

    Args:
        system: Whose receiver.
        receiver: The role that will read them.
        text: What it shall read; see `text_ids` for how it is fitted.
        count: How many thoughts are replaced.

    Raises:
        BadInput: If there is no such role, or the text cannot be used.
    """
    if receiver not in system.agents:
        raise BadInput("receiver", f"{receiver!r} is no role of {system.name!r}", f"Choose one of {system.roles}.")
    agent = system.agents[receiver]
    with system.lock, torch.inference_mode():
        embeds = agent.embed(torch.tensor(text_ids(agent, text, count)))
        return frozen_array(embeds.float().cpu().numpy())


def text_edits(
    system: System,
    turn: int,
    text: str,
    count: int,
    *,
    rounds: int,
    positions: tuple[int, ...] | None = None,
    receiver: str | None = None,
) -> tuple[Edit, ...]:
    """Edits that put a text in place of what a turn sends, one for each of its receivers: their embeddings differ.

    Args:
        system: Whose turn.
        turn: 0-based turn.
        text: What the receivers shall read.
        count: Thoughts per turn of the run.
        rounds: Rounds of the run.
        positions: Which of the turn's thoughts, 0-based; None for all.
        receiver: Only the transfer to this role; None for all receivers.

    Raises:
        BadInput: If the turn sends nothing, or not to that role, or the text cannot be used.
    """
    schedule = system.pattern.schedule(rounds)
    if not 0 <= turn < len(schedule) - 1:
        raise BadInput("turn", f"is {turn}", f"Turns 0 to {len(schedule) - 2} send thoughts; the last one answers.")
    receivers = system.pattern.receivers_of(schedule[turn].role)
    if receiver is not None and receiver not in receivers:
        what = f"is {receiver!r}, to whom {schedule[turn].role!r} does not send"
        raise BadInput("receiver", what, f"Choose from {receivers}, or leave it out.")
    places = count if positions is None else len(positions)
    return tuple(
        Edit(turn, "set", positions, text_vectors(system, each, text, places), receiver=each)
        for each in ((receiver,) if receiver else receivers)
    )
