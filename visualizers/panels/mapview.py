"""The latent map of a scene: which points, on which map, and a caption that says what one sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from recmas_core.records import Event, Thought, Trace, Transfer
from visualizers.figures.latent_map import MapPoint, latent_map
from visualizers.own_maps import OwnMaps
from visualizers.panels.atlas import Atlas
from visualizers.panels.glossary import terms
from visualizers.panels.moments import Scene
from visualizers.panels.notes import Notes, Said
from visualizers.panels.session import Edge, Moment
from visualizers.panels.spread import RECEIVED, THOUGHTS, Shown, Spread, spread_of
from visualizers.theme import role_colour
from visualizers.words import Words


@dataclass(frozen=True)
class MapPanel:
    """The map as a plotly figure in JSON, and its caption in HTML."""

    figure: str
    caption: str


@dataclass(frozen=True, eq=False)
class Without:
    """The same run with an edge cut, to compare with."""

    edge: Edge
    trace: Trace


def which_map(view: Scene, moment: Moment) -> Shown:
    """The map to show: the one chosen, or while following that of whoever thought or received last.

    Of several who think or receive at once it is the first, so that the map holds still meanwhile.
    """
    if moment.map_of is not None:
        return Shown(moment.map_of, moment.space)
    if moment.space == RECEIVED:
        return Shown(_latest_receiver(view), RECEIVED)
    thoughts = [e for e in view.events if isinstance(e, Thought)]
    if not thoughts:
        return Shown(view.role, THOUGHTS)
    last = view.places[thoughts[-1].turn]
    return Shown(view.pattern.stages[last.stage][0] if view.cursor is None else thoughts[-1].role, THOUGHTS)


def map_panel(
    view: Scene,
    notes: Notes,
    atlas: Atlas,
    shown: Shown,
    without: Without | None = None,
    own: OwnMaps | None = None,
) -> MapPanel:
    """The map of a role's thoughts, or of what a role received.

    Args:
        view: The scene.
        notes: What the thoughts say.
        atlas: Where they lie.
        shown: Whose map, and which.
        without: The run with an edge cut; its thoughts are drawn hollow on a map of thoughts.
        own: The run's own maps, which place what has no shipped map; None for PCA of what there is.
    """
    own = OwnMaps() if own is None else own
    if shown.space == RECEIVED:
        return received_map(view, notes, atlas, shown.role, own)
    return thought_map(view, notes, atlas, shown.role, own, without)


def map_choice(view: Scene, shown: Shown) -> str:
    """The choice of a map: whose, and its thoughts or what it received. Radios that carry `data-send`.

    Pressing the agent whose map is shown already counts too (`data-again`): while following, it means to stay.
    """
    whose = [(role.name, role.title, role_colour(view.pattern, role.name)) for role in view.pattern.roles]
    words = view.words
    spaces = [(space, words(f"maps.choice.{space}"), "var(--recmas-muted)") for space in (THOUGHTS, RECEIVED)]
    whose_map = radios(words("maps.choice.whose"), "map", whose, shown.role, again=" data-again")
    return whose_map + radios(words("maps.choice.space"), "space", spaces, shown.space)


def radios(legend: str, send: str, options: list[tuple[str, str, str]], chosen: str, *, again: str = "") -> str:
    """A choice among (value, title, colour): radios that carry `data-send`."""
    choices = "".join(
        f'<label class="recmas-mapname" style="--recmas-role:{colour}"><input type="radio" name="recmas-{send}" '
        f'value="{escape(name)}" data-send="{send}" data-key="{send}-{escape(name)}"{again}'
        f"{' checked' if name == chosen else ''}><span>{escape(title)}</span></label>"
        for name, title, colour in options
    )
    return f'<fieldset class="recmas-mapnames"><legend>{legend}</legend>{choices}</fieldset>'


def thought_map(
    view: Scene, notes: Notes, atlas: Atlas, role: str, own: OwnMaps, without: Without | None = None
) -> MapPanel:
    """All thoughts of one role up to the moment, among reference thoughts of its agent where there are any."""
    thoughts = _thoughts(view.events, role)
    others = [] if without is None else _counterparts(thoughts, without.trace)
    chosen, words = view.chosen, view.words
    picked = None if view.cursor is None or chosen is None else (chosen.turn, chosen.step)
    whole = [t.hidden for t in _thoughts(_whole(view), role)]
    spread = spread_of(atlas, own, Shown(role, THOUGHTS), whole, len(thoughts), words, [t.hidden for t in others])
    colour = role_colour(view.pattern, role)

    def point(thought: Thought, at: tuple[float, float], kind: str, *, selected: bool = False) -> MapPoint:
        label = words(f"maps.point.{kind}", round=thought.round, thought=thought.step + 1)
        said = phrase(notes.says(thought), words)
        return MapPoint(*at, label, said, colour, thought.turn, thought.round, thought.step, selected=selected)

    points = tuple(
        point(t, at, "thought", selected=(t.turn, t.step) == picked)
        for t, at in zip(thoughts, spread.shown, strict=True)
    )
    shadows = tuple(point(t, at, "cut") for t, at in zip(others, spread.others, strict=True))
    width = notes.system.agents[role].hidden_size
    what = words("maps.caption.thoughts", who=escape(view.title(role)), width=width)
    if without is not None:
        sender, receiver = (escape(view.title(end)) for end in without.edge)
        hollow = words("maps.caption.hollow", sender=sender, receiver=receiver)
        what = f"{what} {hollow}"
    return _panel(atlas, Shown(role, THOUGHTS), points, shadows, what, spread, words)


def received_map(view: Scene, notes: Notes, atlas: Atlas, receiver: str, own: OwnMaps) -> MapPanel:
    """The transfers that reached a role, among its own tokens where these were mapped."""
    transfers, words = _transfers(view.events, receiver), view.words
    whole = [vector for t in _transfers(_whole(view), receiver) for vector in t.vectors]
    spread = spread_of(atlas, own, Shown(receiver, RECEIVED), whole, sum(len(t.vectors) for t in transfers), words)
    at = iter(spread.shown)
    points = tuple(
        MapPoint(
            *next(at), words("maps.point.received", round=t.round, sender=view.title(t.sender), thought=i + 1),
            phrase(notes.nearest(receiver, vector), words, percent=False), role_colour(view.pattern, t.sender), t.turn,
            t.round, i,
        )
        for t in transfers
        for i, vector in enumerate(t.vectors)
    )  # fmt: skip
    kind = "received" if atlas.fitted(receiver, RECEIVED) is None else "received_among"
    what = words(f"maps.caption.{kind}", who=escape(view.title(receiver)))
    return _panel(atlas, Shown(receiver, RECEIVED), points, (), what, spread, words)


def _whole(view: Scene) -> tuple[Event, ...]:
    return () if view.whole is None else view.whole.events


def _thoughts(events: Sequence[Event], role: str) -> list[Thought]:
    return [e for e in events if isinstance(e, Thought) and e.role == role]


def _transfers(events: Sequence[Event], receiver: str) -> list[Transfer]:
    return [e for e in events if isinstance(e, Transfer) and e.receiver == receiver]


def _latest_receiver(view: Scene) -> str:
    transfers = [e for e in view.events if isinstance(e, Transfer)]
    if not transfers:
        return view.pattern.edges[0].receiver
    return next(t.receiver for t in transfers if t.turn == transfers[-1].turn)


def _counterparts(thoughts: list[Thought], other: Trace) -> list[Thought]:
    """The other run's thoughts of the same turns and steps."""
    made = {(t.turn, t.step): t for t in other.thoughts}
    return [made[key] for t in thoughts if (key := (t.turn, t.step)) in made]


def _panel(
    atlas: Atlas,
    where: Shown,
    points: tuple[MapPoint, ...],
    shadows: tuple[MapPoint, ...],
    what: str,
    spread: Spread,
    words: Words,
) -> MapPanel:
    role, space, method, frame = where.role, where.space, spread.method, spread.frame
    behind = [] if atlas.fitted(role, space) is None else [words("maps.caption.behind")]
    placed = words("maps.caption.placed", method=escape(method))
    how = [f'<span class="recmas-method">{placed}</span>'] if method else []
    said = [what, *behind, words("maps.caption.axes"), *how, terms(words, "map", "thought")]
    caption = f'<p class="recmas-hint">{" ".join(said)}</p>'

    def draw() -> str:
        cloud, tokens = atlas.cloud(role, space), atlas.tokens(role, space)
        figure = latent_map(points=points, cloud=cloud, words=words, anchors=tokens, shadows=shadows, frame=frame)
        figure.update_layout(meta={"key": f"{role}.{space}", "method": method})
        return figure.to_json()

    # Most events add no point to the map that is shown, and a figure is what costs most of a redraw.
    held = b"" if frame is None else frame.tobytes()
    return MapPanel(atlas.remember((role, space, points, shadows, method, held, words.language), draw), caption)


def phrase(said: Said, words: Words, *, percent: bool = True) -> str:
    """A reading in one line, for the hover of a point."""
    return " · ".join(
        f"{word.strip() or '␣'} {f'{100 * score:.0f} %' if percent else words.written(f'{score:.2f}')}"
        for word, score in said[:5]
    )
