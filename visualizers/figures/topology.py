"""The topology as inline SVG: who is in the loop, who is at work, and what travels where."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from types import MappingProxyType

from recmas_core.patterns import Edge, Pattern
from visualizers.figures.geometry import BOX_W, Box, Drawing, Route, can_fold, draw_pattern, fold_pattern
from visualizers.theme import role_colour
from visualizers.words import Words

_INK, _MUTED = "var(--recmas-ink, currentColor)", "var(--recmas-muted, #858b94)"
_LINE, _SURFACE = "var(--recmas-line, #858b94)", "var(--recmas-surface, transparent)"
_WARN = "var(--recmas-warn, #9c7a05)"
_NO_CAPTIONS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Activity:
    """What happens at the moment drawn.

    Attributes:
        active: Roles at work; several when they think at once.
        hops: (sender, receiver) of the transfers that are travelling.
        spoken: Roles whose turn of this round is over.
        decoding: Roles that write the answer as text.
        round: The current round, 1-based; 0 before a run.
        rounds: Rounds in all; 0 draws no round counter.
    """

    active: Collection[str] = ()
    hops: Collection[tuple[str, str]] = ()
    spoken: Sequence[str] = ()
    decoding: Collection[str] = ()
    round: int = 0
    rounds: int = 0


def topology_svg(
    pattern: Pattern,
    activity: Activity,
    words: Words,
    *,
    captions: Mapping[str, str] = _NO_CAPTIONS,
    untrained: Collection[tuple[str, str]] = (),
) -> str:
    """The pattern as an inline SVG that scales with its container; `recmas-tall` where roles stand above one another.

    A ring too long for a narrow screen is drawn twice, the second time folded into two rows; the page's css shows the
    one that fits (classes `recmas-wide` and `recmas-narrow`).

    Args:
        pattern: What to draw.
        activity: Who is at work and what travels.
        words: What the page says.
        captions: A small line under a role's title, e.g. "Qwen3 · d 96".
        untrained: Edges whose links were never trained for these agents.
    """
    if not can_fold(pattern):
        tall = " recmas-tall" if max(map(len, pattern.stages)) > 1 else ""
        return _svg(pattern, draw_pattern(pattern), activity, words, captions, untrained, tall)
    wide, narrow = draw_pattern(pattern), fold_pattern(pattern)
    return _svg(pattern, wide, activity, words, captions, untrained, " recmas-wide") + _svg(
        pattern, narrow, activity, words, captions, untrained, " recmas-narrow"
    )


def _svg(
    pattern: Pattern,
    drawing: Drawing,
    activity: Activity,
    words: Words,
    captions: Mapping[str, str],
    untrained: Collection[tuple[str, str]],
    kind: str,
) -> str:
    title = words("figures.topology.title", pattern=pattern.title)
    about = describe(pattern, activity, words, untrained=untrained)
    never = words("figures.topology.never")
    # travelled edges lie on top
    routes = sorted(drawing.routes.items(), key=lambda item: item[0] in activity.hops)
    edges = "".join(
        _edge(route, role_colour(pattern, key[0]), key in activity.hops, never if key in untrained else "")
        for key, route in routes
    )
    nodes = "".join(
        _node(
            drawing.boxes[role.name],
            role.title,
            words("figures.topology.decoding") if role.name in activity.decoding else captions.get(role.name, ""),
            colour=role_colour(pattern, role.name),
            lit=role.name in activity.active,
            done=role.name in activity.spoken,
        )
        for role in pattern.roles
    )
    w, h = drawing.width, drawing.height
    return (
        f'<svg class="recmas-topology{kind}" role="img" aria-label="{escape(title + ". " + about)}" '
        f'viewBox="0 0 {w:.0f} {h:.0f}" style="width:100%;max-width:{1.2 * w:.0f}px;'
        f'margin:0 auto" font-family="inherit"><title>{escape(title)}</title><desc>{escape(about)}</desc>'
        f"{_counter(drawing, activity, words)}{edges}{nodes}</svg>"
    )


def describe(
    pattern: Pattern, activity: Activity, words: Words, *, untrained: Collection[tuple[str, str]] = ()
) -> str:
    """What the drawing shows, in words. Arguments as for `topology_svg`."""
    titles = {role.name: role.title for role in pattern.roles}

    def named(roles: Collection[str]) -> str:
        return ", ".join(role.title for role in pattern.roles if role.name in roles)

    def way(edge: Edge) -> str:
        return words("figures.topology.way", sender=titles[edge.sender], receiver=titles[edge.receiver])

    def ways(edges: Collection[tuple[str, str]]) -> str:
        return ", ".join(way(edge) for edge in pattern.edges if edge.key in edges)

    def back(edge: Edge) -> str:
        return words("figures.topology.feedback", sender=titles[edge.sender], receiver=titles[edge.receiver])

    every = ", ".join(back(edge) if edge.feedback else way(edge) for edge in pattern.edges)
    begun = activity.rounds and activity.round
    parts = [
        words("figures.topology.round", round=activity.round, rounds=activity.rounds)
        if begun
        else words("figures.topology.none")
    ]
    if activity.hops:
        parts.append(words("figures.topology.travel", ways=ways(activity.hops)))
    thinking = [name for name in activity.active if name not in activity.decoding]
    if thinking:
        parts.append(words.count("figures.topology.thinking", len(thinking), who=named(thinking)))
    if activity.decoding:
        parts.append(words("figures.topology.writes", who=named(activity.decoding)))
    if activity.spoken:
        parts.append(words("figures.topology.spoken", who=named(activity.spoken)))
    if untrained:
        parts.append(words("figures.topology.untrained", ways=ways(untrained)))
    return " ".join((*parts, words("figures.topology.ways", ways=every)))


def _counter(drawing: Drawing, activity: Activity, words: Words) -> str:
    round_, rounds = activity.round, activity.rounds
    if not rounds:
        return ""
    said = (
        words("figures.topology.counter", round=round_, rounds=rounds)
        if round_
        else words.count("figures.topology.rounds", rounds)
    )
    right = drawing.width - 14
    dots = "".join(
        f'<circle cx="{right - 16 * (rounds - i):.0f}" cy="18" r="5" stroke="{_INK}" stroke-width="1.4" '
        f'fill="{_INK if i <= round_ else "none"}" fill-opacity="{1 if i == round_ else 0.45}"/>'
        for i in range(1, rounds + 1)
    )
    text_x = right - 16 * rounds - 2
    return (
        f'<g class="recmas-rounds" aria-hidden="true">{dots}<text x="{text_x:.0f}" y="23" text-anchor="end" '
        f'font-size="15" fill="{_INK}">{said}</text></g>'
    )


def _edge(route: Route, colour: str, travelling: bool, untrained: str) -> str:
    """An edge; `untrained` says that its link was never trained, "" if it was."""
    stroke, width = (colour, 3.2) if travelling else (_WARN if untrained else _LINE, 1.8)
    dashes = "1 6" if untrained else "5 4" if route.back and not travelling else ""
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    hint = f"<title>{escape(untrained)}</title>" if untrained else ""
    line = (
        f'<path d="{route.path}" fill="none" stroke="{stroke}" stroke-width="{3 if untrained else width}"{dash} '
        f'stroke-linecap="round"/><polygon points="{route.head}" fill="{stroke}"/>{hint}'
    )
    if not travelling:
        return f'<g class="recmas-edge">{line}</g>'
    dots = "".join(
        f'<circle r="5.5" fill="{colour}" stroke="{_SURFACE}" stroke-width="1.5">'
        f'<animateMotion path="{route.path}" dur="1.1s" begin="{-0.28 * i:.2f}s" repeatCount="indefinite"/></circle>'
        for i in range(3)
    )
    # The page's css hides .recmas-motion for readers who asked for reduced motion; the thick edge says the same.
    return f'<g class="recmas-edge recmas-hop">{line}<g class="recmas-motion" aria-hidden="true">{dots}</g></g>'


def _node(box: Box, title: str, caption: str, *, colour: str, lit: bool, done: bool) -> str:
    cx, cy = box.middle
    state = "recmas-node" + (" recmas-active" if lit else "") + (" recmas-spoken" if done else "")
    halo = (
        f'<rect x="{box.x - 4:.1f}" y="{box.y - 4:.1f}" width="{BOX_W + 8}" height="{box.h + 8}" rx="15" fill="none" '
        f'stroke="{colour}" stroke-opacity="0.35" stroke-width="5"/>'
        if lit
        else ""
    )
    tick = (
        f'<circle cx="{box.x + BOX_W - 5:.1f}" cy="{box.y + 4:.1f}" r="7.5" fill="{colour}"/>'
        f'<path d="M{box.x + BOX_W - 8.5:.1f} {box.y + 4:.1f} l2.6 2.8 l4.6 -5.4" fill="none" stroke="#fff" '
        f'stroke-width="1.8"/>'
        if done
        else ""
    )
    text_y = cy - 3 if caption else cy + 6
    small = (
        f'<text x="{cx:.1f}" y="{cy + 15:.1f}" text-anchor="middle" font-size="13.5" fill="{_MUTED}">'
        f"{escape(caption)}</text>"
        if caption
        else ""
    )
    # The surface lies under the tint, so that edges do not shine through a lit box.
    rect = f'x="{box.x:.1f}" y="{box.y:.1f}" width="{BOX_W}" height="{box.h}" rx="11"'
    return (
        f'<g class="{state}">{halo}<rect {rect} fill="{_SURFACE}"/>'
        f'<rect {rect} fill="{colour}" fill-opacity="{0.24 if lit else 0.07}" stroke="{colour}" '
        f'stroke-width="{3 if lit else 1.6}"/>'
        f'<text x="{cx:.1f}" y="{text_y:.1f}" text-anchor="middle" font-size="{_size(title)}" '
        f'font-weight="{700 if lit else 600}" fill="{_INK}">{escape(title)}</text>{small}{tick}</g>'
    )


def _size(title: str) -> float:
    """The type size in which a title fits into its box."""
    return 18 if len(title) < 10 else 16.5 if len(title) < 13 else 13.2
