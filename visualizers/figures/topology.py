"""The topology as inline SVG: who is in the loop, who is at work, and what travels where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from types import MappingProxyType

from recmas_core.patterns import Pattern
from visualizers.figures.geometry import BOX_H, BOX_W, Box, Drawing, Route, draw_pattern
from visualizers.theme import role_colour

_INK, _MUTED = "var(--recmas-ink, currentColor)", "var(--recmas-muted, #858b94)"
_LINE, _SURFACE = "var(--recmas-line, #858b94)", "var(--recmas-surface, transparent)"
_NO_CAPTIONS: Mapping[str, str] = MappingProxyType({})


def topology_svg(
    pattern: Pattern,
    *,
    active: str | None,
    hop: tuple[str, str] | None,
    spoken: Sequence[str] = (),
    decoding: bool = False,
    round_: int = 0,
    rounds: int = 0,
    captions: Mapping[str, str] = _NO_CAPTIONS,
) -> str:
    """The pattern as an inline SVG that scales with its container.

    Args:
        pattern: What to draw.
        active: The role at work, or None.
        hop: (sender, receiver) of the transfer that is travelling, or None.
        spoken: Roles whose turn of this round is over.
        decoding: Whether the active role writes the answer as text.
        round_: The current round, 1-based; 0 before a run.
        rounds: Rounds in all; 0 draws no round counter.
        captions: A small line under a role's title, e.g. "Qwen3 · d 96".
    """
    drawing = draw_pattern(pattern)
    title = f"{pattern.title} pattern"
    about = describe(pattern, active=active, hop=hop, spoken=spoken, decoding=decoding, round_=round_, rounds=rounds)
    routes = sorted(drawing.routes.items(), key=lambda item: item[0] == hop)  # the travelled edge lies on top
    edges = "".join(_edge(route, role_colour(pattern, key[0]), key == hop) for key, route in routes)
    nodes = "".join(
        _node(
            drawing.boxes[role.name],
            role.title,
            captions.get(role.name, ""),
            colour=role_colour(pattern, role.name),
            lit=role.name == active,
            done=role.name in spoken,
            decoding=decoding,
        )
        for role in pattern.roles
    )
    w, h = drawing.width, drawing.height
    return (
        f'<svg class="recmas-topology" role="img" aria-label="{escape(title + ". " + about)}" '
        f'viewBox="0 0 {w:.0f} {h:.0f}" style="width:100%;max-width:{1.2 * w:.0f}px;height:auto;display:block;'
        f'margin:0 auto" font-family="inherit"><title>{escape(title)}</title><desc>{escape(about)}</desc>'
        f"{_counter(drawing, round_, rounds)}{edges}{nodes}</svg>"
    )


def describe(
    pattern: Pattern,
    *,
    active: str | None,
    hop: tuple[str, str] | None,
    spoken: Sequence[str] = (),
    decoding: bool = False,
    round_: int = 0,
    rounds: int = 0,
) -> str:
    """What the drawing shows, in words. Arguments as for `topology_svg`."""
    titles = {role.name: role.title for role in pattern.roles}
    ways = ", ".join(
        f"{titles[e.sender]} to {titles[e.receiver]}{' (feedback)' if e.feedback else ''}" for e in pattern.edges
    )
    parts = [f"Round {round_} of {rounds}." if rounds and round_ else "No run yet."]
    if hop is not None:
        parts.append(f"Latent thoughts travel from {titles[hop[0]]} to {titles[hop[1]]}.")
    if active is not None:
        parts.append(f"{titles[active]} {'writes the answer' if decoding else 'is thinking'}.")
    if spoken:
        names = ", ".join(titles[name] for name in spoken)
        parts.append(f"Finished in this round: {names}.")
    return " ".join((*parts, f"Ways: {ways}."))


def _counter(drawing: Drawing, round_: int, rounds: int) -> str:
    if not rounds:
        return ""
    words = f"round {round_} of {rounds}" if round_ else f"{rounds} round{'s' if rounds > 1 else ''}"
    right = drawing.width - 14
    dots = "".join(
        f'<circle cx="{right - 16 * (rounds - i):.0f}" cy="18" r="5" stroke="{_INK}" stroke-width="1.4" '
        f'fill="{_INK if i <= round_ else "none"}" fill-opacity="{1 if i == round_ else 0.45}"/>'
        for i in range(1, rounds + 1)
    )
    text_x = right - 16 * rounds - 2
    return (
        f'<g class="recmas-rounds" aria-hidden="true">{dots}<text x="{text_x:.0f}" y="23" text-anchor="end" '
        f'font-size="15" fill="{_INK}">{words}</text></g>'
    )


def _edge(route: Route, colour: str, travelling: bool) -> str:
    stroke, width = (colour, 3.2) if travelling else (_LINE, 1.8)
    dash = ' stroke-dasharray="5 4"' if route.back and not travelling else ""
    line = (
        f'<path d="{route.path}" fill="none" stroke="{stroke}" stroke-width="{width}"{dash} stroke-linecap="round"/>'
        f'<polygon points="{route.head}" fill="{stroke}"/>'
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


def _node(box: Box, title: str, caption: str, *, colour: str, lit: bool, done: bool, decoding: bool) -> str:
    cx, cy = box.middle
    state = "recmas-node" + (" recmas-active" if lit else "") + (" recmas-spoken" if done else "")
    if lit and decoding:
        caption = "writes the answer"
    halo = (
        f'<rect x="{box.x - 4:.1f}" y="{box.y - 4:.1f}" width="{BOX_W + 8}" height="{BOX_H + 8}" rx="15" fill="none" '
        f'stroke="{colour}" stroke-opacity="0.35" stroke-width="5"/>'
        if lit
        else ""
    )
    tick = (
        f'<circle cx="{box.x + BOX_W - 13:.1f}" cy="{box.y + 13:.1f}" r="7.5" fill="{colour}"/>'
        f'<path d="M{box.x + BOX_W - 16.5:.1f} {box.y + 13:.1f} l2.6 2.8 l4.6 -5.4" fill="none" stroke="#fff" '
        f'stroke-width="1.8"/>'
        if done
        else ""
    )
    text_y = cy - 2 if caption else cy + 6
    small = (
        f'<text x="{cx:.1f}" y="{cy + 18:.1f}" text-anchor="middle" font-size="13.5" fill="{_MUTED}">'
        f"{escape(caption)}</text>"
        if caption
        else ""
    )
    # The surface lies under the tint, so that edges do not shine through a lit box.
    rect = f'x="{box.x:.1f}" y="{box.y:.1f}" width="{BOX_W}" height="{BOX_H}" rx="11"'
    return (
        f'<g class="{state}">{halo}<rect {rect} fill="{_SURFACE}"/>'
        f'<rect {rect} fill="{colour}" fill-opacity="{0.24 if lit else 0.07}" stroke="{colour}" '
        f'stroke-width="{3 if lit else 1.6}"/>'
        f'<text x="{cx:.1f}" y="{text_y:.1f}" text-anchor="middle" font-size="18" '
        f'font-weight="{700 if lit else 600}" fill="{_INK}">{escape(title)}</text>{small}{tick}</g>'
    )
