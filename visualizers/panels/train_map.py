"""The latent map before and after a training, on the same axes: the same questions, run with both links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from recmas_core.patterns import Pattern
from recmas_core.records import Array, Event, Thought, Transfer, TurnStart
from visualizers.figures.latent_map import MapPoint, latent_map
from visualizers.panels.atlas import Atlas
from visualizers.panels.mapview import MapPanel, phrase, radios
from visualizers.panels.notes import Notes, Said
from visualizers.panels.spread import RECEIVED, THOUGHTS, Shown
from visualizers.theme import role_colour
from visualizers.words import LANGUAGES, read_words

if TYPE_CHECKING:
    from recmas_core.system import System
    from recmas_core.tasks import Example
    from visualizers.panels.shelf import Entry
    from visualizers.panels.train_choices import Plan
    from visualizers.panels.train_session import TrainSession

_SEED = 5  # of the questions shown: always the same ones
_TURNS = 10_000  # turns are numbered from question to question


@dataclass(frozen=True, eq=False)
class Seen:
    """A vector of a run: where it belongs, and what it is.

    Attributes:
        key: (question, turn, step, sender): the same in both runs.
        round: 1-based round.
        sender: Whose it is.
        vector: The thought (d,), or the vector that arrived.
    """

    key: tuple[int, int, int, str]
    round: int
    sender: str
    vector: Array


def map_choice_html(pattern: Pattern, shown: Shown) -> str:
    """The choice of an agent, and of what it thinks or what it received."""
    whose = [(role.name, role.title, role_colour(pattern, role.name)) for role in pattern.roles]
    spaces = [(RECEIVED, "received", "var(--recmas-muted)"), (THOUGHTS, "thoughts", "var(--recmas-muted)")]
    return radios("Map of", "agent", whose, shown.role) + radios("showing", "seen", spaces, shown.space)


def first_map(pattern: Pattern) -> Shown:
    """The map shown first: what the first link's receiver received. Transfers are what training outer links moves."""
    return Shown(pattern.edges[0].receiver, RECEIVED)


def seen_in(system: System, examples: Sequence[Example], shown: Shown, *, rounds: int) -> list[Seen]:
    """What a map shows of runs of these questions, up to the answer, which is not decoded."""
    found = []
    for question, example in enumerate(examples):
        live = system.run(example.question, rounds=rounds)
        try:
            for event in live:
                if isinstance(event, TurnStart) and event.decodes:
                    break
                found.extend(_seen(event, question, shown))
        finally:
            live.close()
    return found


def _seen(event: Event, question: int, shown: Shown) -> list[Seen]:
    if shown.space == THOUGHTS and isinstance(event, Thought) and event.role == shown.role:
        return [Seen((question, event.turn, event.step, event.role), event.round, event.role, event.hidden)]
    if shown.space == RECEIVED and isinstance(event, Transfer) and event.receiver == shown.role:
        return [
            Seen((question, event.turn, i, event.sender), event.round, event.sender, vector)
            for i, vector in enumerate(event.vectors)
        ]
    return []


def trained_map(session: TrainSession, plan: Plan, entry: Entry, shown: Shown) -> MapPanel:
    """The map of what a session has trained, before and after; the training waits meanwhile.

    Raises:
        RecmasError: If there is nothing to look at, or a run cannot go on.
    """
    examples = plan.task(entry.system).sample(plan.manner.mapped, seed=_SEED, split="test")
    with session.between_steps() as course:
        before = seen_in(course.before, examples, shown, rounds=plan.rounds)
        after = seen_in(course.system, examples, shown, rounds=plan.rounds)
    return before_after(before, after, entry.notes, entry.atlas, shown, entry.system.pattern)


def before_after(
    before: Sequence[Seen], after: Sequence[Seen], notes: Notes, atlas: Atlas, shown: Shown, pattern: Pattern
) -> MapPanel:
    """The map: hollow before, filled after, the same vector of the same question joined by a line.

    Args:
        before: What is shown of the runs before.
        after: What is shown of the runs after.
        notes: Of the system, for what each says.
        atlas: Where vectors lie.
        shown: Whose map, and which.
        pattern: Whose roles give the colours.
    """
    places = atlas.place(shown.role, shown.space, np.stack([s.vector for s in (*before, *after)]))
    xy = [(float(x), float(y)) for x, y in places.xy]

    def point(seen: Seen, at: tuple[float, float], when: str) -> MapPoint:
        question, turn, step, sender = seen.key
        said = _words(seen, notes, shown)
        label = f"{when} · question {question + 1} · round {seen.round} · {sender} · thought {step + 1}"
        colour = role_colour(pattern, seen.sender)
        return MapPoint(*at, label, phrase(said, percent=shown.space == THOUGHTS), colour, question * _TURNS + turn,
                        seen.round, step)  # fmt: skip

    hollow = [point(s, at, "before") for s, at in zip(before, xy, strict=False)]
    filled = [point(s, at, "after") for s, at in zip(after, xy[len(before) :], strict=True)]
    figure = latent_map(
        points=filled, cloud=atlas.cloud(shown.role, shown.space), anchors=atlas.tokens(shown.role, shown.space),
        shadows=hollow, paths=False, words=read_words(LANGUAGES[0]),
    )  # fmt: skip
    figure.update_layout(meta={"key": f"{pattern.name}.{shown.role}.{shown.space}", "method": places.method})
    title = next(role.title for role in pattern.roles if role.name == shown.role)
    behind = "" if atlas.fitted(shown.role, shown.space) is None else _BEHIND[shown.space]
    asked = len({seen.key[0] for seen in after})
    name = f"the <b>{escape(title)}</b>"
    what = f"what {name} received" if shown.space == RECEIVED else f"{name}&#39;s thoughts"
    caption = (
        f'<p class="recmas-hint">{asked} held-out question{"s" * (asked > 1)}: {what}, hollow before the '
        "training, filled after it, joined by a dotted line; "
        f"shapes tell rounds.{behind} The map is the same for both. Axes have no unit. "
        f'<span class="recmas-method">Placed by {escape(places.told(read_words(LANGUAGES[0])))}.</span></p>'
    )
    return MapPanel(figure.to_json(), caption)


_BEHIND = {
    RECEIVED: " Crosses and words: the receiver's own word embeddings.",
    THOUGHTS: " Behind: reference thoughts of the agent with the links it was made with.",
}


def _words(seen: Seen, notes: Notes, shown: Shown) -> Said:
    if shown.space == RECEIVED:
        return notes.nearest(shown.role, seen.vector)
    return notes.says_of(shown.role, seen.vector)
