"""A pattern as a small picture: a dot for each role, the ways between them. For the cards one chooses from."""

from __future__ import annotations

from recmas_core.patterns import Edge, Pattern
from visualizers.theme import role_colour

WIDTH, HEIGHT = 64, 40
_DOT, _ROW, _MIDDLE = 4.6, 11.0, 16.0


def pattern_icon(pattern: Pattern) -> str:
    """The pattern as an inline SVG of 64 x 40; it explains nothing that its card does not say in words."""
    at = _places(pattern)
    edges = "".join(_edge(edge, at) for edge in pattern.edges)
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


def _edge(edge: Edge, at: dict[str, tuple[float, float]]) -> str:
    (x0, y0), (x1, y1) = at[edge.sender], at[edge.receiver]
    line = 'fill="none" stroke="var(--recmas-muted, #858b94)" stroke-width="1.4"'
    if not edge.feedback:
        return f'<path d="M{x0:.1f} {y0:.1f} L{x1:.1f} {y1:.1f}" {line}/>'
    low = HEIGHT + 6
    path = f"M{x0:.1f} {y0:.1f} C{x0:.1f} {low} {x1 - 4:.1f} {low} {x1:.1f} {y1:.1f}"
    return f'<path d="{path}" {line} stroke-dasharray="2.5 2.5" stroke-opacity="0.8"/>'
