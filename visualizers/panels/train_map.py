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
from visualizers.names import named_pattern
from visualizers.panels.atlas import Atlas
from visualizers.panels.mapview import MapPanel, phrase, radios
from visualizers.panels.notes import Notes, Said
from visualizers.panels.spread import RECEIVED, THOUGHTS, Shown
from visualizers.theme import role_colour
from visualizers.words import Words

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


def map_choice_html(pattern: Pattern, shown: Shown, words: Words) -> str:
    """The choice of an agent, and of what it thinks or what it received."""
    whose = [(role.name, role.title, role_colour(pattern, role.name)) for role in pattern.roles]
    spaces = [(space, words(f"train.map.{space}"), "var(--recmas-muted)") for space in (RECEIVED, THOUGHTS)]
    return radios(words("train.map.of"), "agent", whose, shown.role) + radios(
        words("train.map.showing"), "seen", spaces, shown.space
    )


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


def trained_map(session: TrainSession, plan: Plan, entry: Entry, shown: Shown, words: Words) -> MapPanel:
    """The map of what a session has trained, before and after; the training waits meanwhile.

    Raises:
        RecmasError: If there is nothing to look at, or a run cannot go on.
    """
    examples = plan.task(entry.system).sample(plan.manner.mapped, seed=_SEED, split="test")
    with session.between_steps() as course:
        before = seen_in(course.before, examples, shown, rounds=plan.rounds)
        after = seen_in(course.system, examples, shown, rounds=plan.rounds)
    pattern = named_pattern(entry.system.pattern, words)
    return before_after(before, after, entry.notes, entry.atlas, shown, pattern, words)


def before_after(
    before: Sequence[Seen], after: Sequence[Seen], notes: Notes, atlas: Atlas, shown: Shown, pattern: Pattern,
    words: Words,
) -> MapPanel:  # fmt: skip
    """The map: hollow before, filled after, the same vector of the same question joined by a line.

    Args:
        before: What is shown of the runs before.
        after: What is shown of the runs after.
        notes: Of the system, for what each says.
        atlas: Where vectors lie.
        shown: Whose map, and which.
        pattern: Whose roles give the colours.
        words: What the page says.
    """
    places = atlas.place(shown.role, shown.space, np.stack([s.vector for s in (*before, *after)]))
    xy = [(float(x), float(y)) for x, y in places.xy]
    titles = {role.name: role.title for role in pattern.roles}

    def point(seen: Seen, at: tuple[float, float], when: str) -> MapPoint:
        question, turn, step, sender = seen.key
        said = _words(seen, notes, shown)
        label = words(
            "train.map.point", when=when, question=question + 1, round=seen.round, sender=titles[sender],
            step=step + 1,
        )  # fmt: skip
        colour = role_colour(pattern, seen.sender)
        told = phrase(said, words, percent=shown.space == THOUGHTS)
        return MapPoint(*at, label, told, colour, question * _TURNS + turn, seen.round, step)

    hollow = [point(s, at, words("train.map.before")) for s, at in zip(before, xy, strict=False)]
    filled = [point(s, at, words("train.map.after")) for s, at in zip(after, xy[len(before) :], strict=True)]
    figure = latent_map(
        points=filled, cloud=atlas.cloud(shown.role, shown.space), anchors=atlas.tokens(shown.role, shown.space),
        shadows=hollow, paths=False, words=words,
    )  # fmt: skip
    figure.update_layout(meta={"key": f"{pattern.name}.{shown.role}.{shown.space}", "method": places.method})
    behind = "" if atlas.fitted(shown.role, shown.space) is None else words(f"train.map.behind.{shown.space}")
    asked = len({seen.key[0] for seen in after})
    about = words.count(f"train.map.about_{shown.space}", asked, role=escape(titles[shown.role]), behind=behind)
    placed = words("train.map.placed", method=escape(places.told(words)))
    caption = f'<p class="recmas-hint">{about} <span class="recmas-method">{placed}</span></p>'
    return MapPanel(figure.to_json(), caption)


def _words(seen: Seen, notes: Notes, shown: Shown) -> Said:
    if shown.space == RECEIVED:
        return notes.nearest(shown.role, seen.vector)
    return notes.says_of(shown.role, seen.vector)
