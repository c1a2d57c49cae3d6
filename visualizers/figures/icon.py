"""A pattern as a small picture: a dot for each role, the ways between them. For the cards one chooses from."""

from __future__ import annotations

from recmas_core.patterns import Pattern
from visualizers.theme import role_colour

WIDTH, HEIGHT = 64, 40
_DOT, _ROW, _MIDDLE = 4.6, 11.0, 16.0


def pattern_icon(pattern: Pattern) -> str:
    """The pattern as an inline SVG of 64 x 40; it explains nothing that its card does not say in words."""
    at = _places(pattern)
    edges = "".join(_forward(at[edge.sender], at[edge.receiver]) for edge in pattern.edges if not edge.feedback)
    edges += "".join(_back(at[sender], at[receiver]) for sender, receiver in _returns(pattern))
    dots = "".join(
        f'<circle cx="{at[r.name][0]:.1f}" cy="{at[r.name][1]:.1f}" r="{_DOT}" fill="{role_colour(pattern, r.name)}"/>'
        for r in pattern.roles
    )
    return (
        f'<svg class="recmas-icon" aria-hidden="true" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}">{edges}{dots}</svg>'
    )


def _places(pattern: Pattern) -> dict[str, tuple[float, float]]:
    columns = len(pattern.stages)
    step = min(24.0, (WIDTH - 18) / max(1, columns - 1))
    left = (WIDTH - step * (columns - 1)) / 2
    return {
        role: (left + step * column, _MIDDLE + _ROW * (row - (len(stage) - 1) / 2))
        for column, stage in enumerate(pattern.stages)
        for row, role in enumerate(stage)
    }


def _returns(pattern: Pattern) -> list[tuple[str, str]]:
    """The feedback to draw: one way for each stage that gets some, to the lowest role of it."""
    lowest = {role: stage[-1] for stage in pattern.stages for role in stage}
    found = [(edge.sender, lowest[edge.receiver]) for edge in pattern.edges if edge.feedback]
    return list(dict.fromkeys(found))


_LINE = 'fill="none" stroke="var(--recmas-muted, #858b94)" stroke-width="1.4"'


def _forward(start: tuple[float, float], end: tuple[float, float]) -> str:
    return f'<path d="M{start[0]:.1f} {start[1]:.1f} L{end[0]:.1f} {end[1]:.1f}" {_LINE}/>'


def _back(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x0, y0), (x1, y1) = start, end
    low = HEIGHT + 3
    path = f"M{x0:.1f} {y0:.1f} C{x0:.1f} {low} {x1:.1f} {low} {x1:.1f} {y1:.1f}"
    return f'<path d="{path}" {_LINE} stroke-dasharray="2.5 2.5" stroke-opacity="0.8"/>'
