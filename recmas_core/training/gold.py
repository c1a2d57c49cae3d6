"""Right turns as messages, for agents that read gold text where latents will come later."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from recmas_core.engine import Messages
from recmas_core.errors import BadInput
from recmas_core.patterns import Place
from recmas_core.tasks import Example


def right_turn(example: Example, role: str, round_: int) -> str:
    """What a role rightly says in a round; beyond the last turn that is given, that last one.

    Raises:
        BadInput: If the example has no turn of that role.
    """
    turns = example.targets.get(role, ())
    if not turns:
        todo = "Give targets for every role, or train by the answer alone: the paper's loss without windows."
        raise BadInput(f"example {example.question[:60]!r}", f"has no right turn of the {role}", todo)
    return turns[min(round_, len(turns)) - 1]


def gold_before(first: Place, schedule: Iterable[Place], examples: Sequence[Example]) -> Messages:
    """What everybody rightly said last before a turn begins, as texts."""
    last = {place.role: place.round for place in schedule if place.turn < first.turn}
    texts = {role: [right_turn(each, role, round_) for each in examples] for role, round_ in last.items()}
    return Messages(texts=texts)
