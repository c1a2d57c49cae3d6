"""The map of a run and its branch: an agent's thoughts in both, those of the branch hollow where they differ."""

from __future__ import annotations

from html import escape

import numpy as np

from recmas_core.patterns import Pattern
from recmas_core.records import Thought, Trace
from visualizers.figures.latent_map import MapPoint, latent_map
from visualizers.own_maps import OwnMaps
from visualizers.panels.entry import Entry
from visualizers.panels.intervene_session import Branch
from visualizers.panels.mapview import MapPanel, phrase
from visualizers.panels.spread import THOUGHTS, Shown, spread_of
from visualizers.theme import role_colour
from visualizers.words import Words


def branch_role(pattern: Pattern, run: Trace, branch: Branch | None, chosen: str | None) -> str:
    """Whose map to show: the one chosen, else the first whose thoughts the branch changed, else the first role."""
    if chosen in {role.name for role in pattern.roles}:
        return str(chosen)
    differing = [] if branch is None else moved(run, branch.trace)
    return differing[0].role if differing else pattern.roles[0].name


def moved(run: Trace, other: Trace) -> list[Thought]:
    """The thoughts of another run that are not exactly those of the run."""
    mine = {(thought.turn, thought.step): thought.hidden for thought in run.thoughts}
    both = [(thought, mine[at]) for thought in other.thoughts if (at := (thought.turn, thought.step)) in mine]
    return [thought for thought, hidden in both if not np.array_equal(thought.hidden, hidden)]


def branch_map(
    entry: Entry, pattern: Pattern, run: Trace, branch: Branch | None, role: str, own: OwnMaps, words: Words
) -> MapPanel:
    """The map of a role's thoughts.

    Args:
        entry: The system, with its maps.
        pattern: Its pattern.
        run: The run.
        branch: The branch, None for the run alone.
        role: Whose map.
        own: The run's own maps, for agents without a shipped one.
        words: What the page says.
    """
    atlas, notes = entry.atlas, entry.notes
    mine = [t for t in run.thoughts if t.role == role]
    others = [] if branch is None else [t for t in moved(run, branch.trace) if t.role == role]
    vectors = [t.hidden for t in mine]
    spread = spread_of(atlas, own, Shown(role, THOUGHTS), vectors, len(mine), words, [t.hidden for t in others])
    colour = role_colour(pattern, role)

    def point(thought: Thought, at: tuple[float, float], where: str) -> MapPoint:
        label = words(where, round=thought.round, step=thought.step + 1)
        said = phrase(notes.says(thought), words)
        return MapPoint(*at, label, said, colour, thought.turn, thought.round, thought.step)

    points = tuple(point(t, at, "intervene.map.mine") for t, at in zip(mine, spread.shown, strict=True))
    shadows = tuple(point(t, at, "intervene.map.theirs") for t, at in zip(others, spread.others, strict=True))
    title = next(each.title for each in pattern.roles if each.name == role)
    said = [words("intervene.map.caption", who=title, n=entry.system.agents[role].hidden_size)]
    if branch is not None:
        said.append(words("intervene.map.hollow") if others else words("intervene.map.none", who=title))
    if atlas.fitted(role, THOUGHTS) is not None:
        said.append(words("intervene.map.behind"))
    said.append(words("intervene.map.placed", method=spread.method) if spread.method else words("intervene.map.axes"))
    caption = f'<p class="recmas-hint">{escape(" ".join(said))}</p>'
    held = b"" if spread.frame is None else spread.frame.tobytes()

    def draw() -> str:
        cloud, tokens = atlas.cloud(role, THOUGHTS), atlas.tokens(role, THOUGHTS)
        figure = latent_map(
            points=points, cloud=cloud, words=words, anchors=tokens, shadows=shadows, frame=spread.frame
        )
        figure.update_layout(meta={"key": f"{role}.{THOUGHTS}", "method": spread.method})
        return figure.to_json()

    key = ("branch", role, points, shadows, spread.method, held, words.language)
    return MapPanel(atlas.remember(key, draw), caption)
