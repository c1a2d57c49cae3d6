"""The shared credit signal: how strong a gradient every link gets from every round, and how far it has moved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from recmas_core.patterns import Pattern
from visualizers.theme import role_colour
from visualizers.words import Words

Edge = tuple[str, str]
_LEAST, _MOST = -7.0, 2.0  # powers of ten at which a cell is palest and strongest; further out it stays as it is
_SHADE = 50  # percent of the accent colour in the strongest cell: the number stays readable


def credit_html(
    pattern: Pattern,
    norms: Mapping[tuple[int, Edge], float],
    words: Words,
    *,
    links: Sequence[Edge],
    rounds: int,
    distance: Mapping[Edge, float] | None = None,
) -> str:
    """A heat map as a table: a row for every link, a column for every round, and how far its weights have moved.

    The shade tells the power of ten, on a scale that never changes.

    Args:
        pattern: Whose roles name and colour the rows.
        norms: Gradient norms by (round, (sender, receiver)); an inner link is (role, role), round 0 is "no round".
        words: What the page says.
        links: The rows, in order.
        rounds: Columns.
        distance: For each link the share of its starting norm by which its weights have moved.
    """
    columns = range(1, rounds + 1)
    heads = "".join(f'<th scope="col">{r}</th>' for r in columns)
    rows = "".join(_row(pattern, norms, words, link, columns, (distance or {}).get(link)) for link in links)
    return (
        f'<table class="recmas-credit"><thead><tr><th scope="col">{words("train.credit.link")}</th>'
        f'<th scope="colgroup" colspan="{rounds}">{words("train.credit.norms")}</th>'
        f'<th scope="col">{words("train.credit.moved")}</th></tr>'
        f'<tr><td></td>{heads}<td title="{escape(words("train.credit.moved_hint"))}">‖Δw‖ / ‖w‖</td></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def number(value: float) -> str:
    """A norm in few characters: two digits, with a power of ten where it is small or large."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "∞"
    power = math.floor(math.log10(abs(value)))
    if -3 < power < 4:
        return f"{value:.{max(0, 1 - power)}f}"
    return f"{value / 10**power:.1f}e{power}".replace("-", "−")


def shade(value: float) -> float:
    """How strong a cell is, 0..1: the place of a norm's power of ten on the fixed scale."""
    if value <= 0 or math.isnan(value):
        return 0.0
    power = _MOST if math.isinf(value) else math.log10(value)
    return min(1.0, max(0.0, (power - _LEAST) / (_MOST - _LEAST)))


def _row(
    pattern: Pattern, norms: Mapping[tuple[int, Edge], float], words: Words, link: Edge, columns: range,
    moved: float | None,
) -> str:  # fmt: skip
    sender, receiver = link
    titles = {role.name: role.title for role in pattern.roles}
    name = (
        words("train.credit.inner", role=titles[sender])
        if sender == receiver
        else words("train.credit.outer", sender=titles[sender], receiver=titles[receiver])
    )
    whole = norms.get((0, link))
    if whole is not None:
        cells = _cell(whole, words("train.credit.whole", link=name), words, span=len(columns))
    else:
        says = {r: words("train.credit.round", link=name, n=r) for r in columns}
        cells = "".join(_cell(norms.get((r, link)), says[r], words) for r in columns)
    far = "–" if moved is None else words.written(f"{100 * moved:.1f} %") if moved < 9.995 else f"{moved:.0f} ×"
    return (
        f'<tr style="--recmas-role:{role_colour(pattern, sender)}"><th scope="row"><span class="recmas-dot"></span>'
        f"{escape(name)}</th>{cells}<td>{far}</td></tr>"
    )


def _cell(value: float | None, what: str, words: Words, *, span: int = 1) -> str:
    wide = f' colspan="{span}"' if span > 1 else ""
    if value is None:
        return f'<td class="recmas-none"{wide}>·</td>'
    heat = f"--recmas-heat:{round(_SHADE * shade(value))}%"
    return f'<td class="recmas-heat" style="{heat}" title="{escape(what)}"{wide}>{words.written(number(value))}</td>'
