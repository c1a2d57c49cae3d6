"""The latent map of a scene: which points, on which map, and a caption that says what one sees."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np

from recmas_core.records import Array, Thought, Transfer
from visualizers.figures.latent_map import MapPoint, latent_map
from visualizers.panels.atlas import Atlas
from visualizers.panels.moments import Scene
from visualizers.panels.notes import Notes, Said
from visualizers.theme import role_colour

RECEIVED = "received"


@dataclass(frozen=True)
class MapPanel:
    """The map as a plotly figure in JSON, and its caption in HTML."""

    figure: str
    caption: str


def map_panel(view: Scene, notes: Notes, atlas: Atlas, which: str) -> MapPanel:
    """The map of a role's thoughts, or of what arrived last at a receiver.

    Args:
        view: The scene.
        notes: What the thoughts say.
        atlas: Where they lie.
        which: A role's name, or "received".
    """
    return received_map(view, notes, atlas) if which == RECEIVED else thought_map(view, notes, atlas, which)


def thought_map(view: Scene, notes: Notes, atlas: Atlas, role: str) -> MapPanel:
    """All thoughts of one role up to the moment, among reference thoughts of its agent."""
    thoughts = [e for e in view.events if isinstance(e, Thought) and e.role == role]
    colour, chosen = role_colour(view.pattern, role), view.chosen
    picked = None if view.cursor is None or chosen is None else (chosen.turn, chosen.step)
    vectors = [t.hidden for t in thoughts]
    places, method = _places(atlas, role, "thoughts", vectors)
    points = [
        MapPoint(
            x, y, f"round {t.round} · thought {t.step + 1}", _phrase(notes.says(t)), colour, t.turn, t.round, t.step,
            selected=(t.turn, t.step) == picked,
        )
        for t, (x, y) in zip(thoughts, places, strict=True)
    ]  # fmt: skip
    width = notes.system.agents[role].hidden_size
    what = (
        f"Each large mark is a thought of the <b>{escape(view.title(role))}</b> (its last hidden state, {width} "
        "numbers); shapes tell rounds."
    )
    return _panel(atlas, role, "thoughts", tuple(points), what, method)


def received_map(view: Scene, notes: Notes, atlas: Atlas) -> MapPanel:
    """The transfers that reached the receiver of the latest one, among the receiver's own tokens."""
    transfers = [e for e in view.events if isinstance(e, Transfer)]
    if not transfers:
        receiver = view.pattern.edges[0].receiver
    else:
        receiver, transfers = transfers[-1].receiver, [t for t in transfers if t.receiver == transfers[-1].receiver]
    vectors = [vector for t in transfers for vector in t.vectors]
    places, method = _places(atlas, receiver, RECEIVED, vectors)
    at = iter(places)
    points = [
        MapPoint(
            *next(at), f"round {t.round} · from {view.title(t.sender)} · thought {i + 1}",
            _phrase(notes.nearest(receiver, vector), percent=False), role_colour(view.pattern, t.sender), t.turn,
            t.round, i,
        )
        for t in transfers
        for i, vector in enumerate(t.vectors)
    ]  # fmt: skip
    what = (
        f"Each large mark is a thought that arrived at the <b>{escape(view.title(receiver))}</b>, among the "
        "embeddings of its own words (the labels): a thought lies near the word that it is read as."
    )
    return _panel(atlas, receiver, RECEIVED, tuple(points), what, method)


def _places(atlas: Atlas, role: str, space: str, vectors: list[Array]) -> tuple[list[tuple[float, float]], str]:
    if not vectors:
        return [], ""
    placed = atlas.place(role, space, np.stack(vectors))
    return [(float(x), float(y)) for x, y in placed.xy], placed.method


def _panel(
    atlas: Atlas, role: str, space: str, points: tuple[MapPoint, ...], what: str, method: str
) -> MapPanel:  # fmt: skip
    behind = (
        ""
        if atlas.fitted(role, space) is None
        else " Behind: a UMAP of reference vectors from training questions, coloured by the word each says."
    )
    how = f' <span class="recmas-method">Placed by {escape(method)}.</span>' if method else ""
    caption = f'<p class="recmas-hint">{what}{behind} Axes have no unit.{how}</p>'

    def draw() -> str:
        figure = latent_map(points=points, cloud=atlas.cloud(role, space), anchors=atlas.tokens(role, space))
        figure.update_layout(meta={"key": f"{role}.{space}", "method": method})
        return figure.to_json()

    # Most events add no point to the map that is shown, and a figure is what costs most of a redraw.
    return MapPanel(atlas.remember((role, space, points, method), draw), caption)


def _phrase(said: Said, *, percent: bool = True) -> str:
    return " · ".join(
        f"{word.strip() or '␣'} {f'{100 * score:.0f} %' if percent else f'{score:.2f}'}" for word, score in said[:5]
    )
