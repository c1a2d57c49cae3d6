"""Which thoughts matter: a heat map of what the answer loses without each thought, as a table of buttons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from visualizers.words import Words

_SHADE = 50  # percent of the accent colour in the strongest cell: the number stays readable


@dataclass(frozen=True)
class InfluenceRow:
    """One turn's thoughts.

    Attributes:
        turn: 0-based turn.
        round: 1-based round.
        title: The role's name to show.
        colour: The role's colour, `#rrggbb`.
        drops: For each thought the drop in nats when it alone is removed.
        whole: The drop when all are.
    """

    turn: int
    round: int
    title: str
    colour: str
    drops: tuple[float, ...]
    whole: float


def influence_html(rows: Sequence[InfluenceRow], words: Words, *, chosen: tuple[int, int] | None = None) -> str:
    """The table: a row for every turn, a column for every thought, and one for the whole turn.

    The shade goes with the drop, from nothing at 0 to the strongest at the largest drop of the table; a drop below 0,
    where the answer gains by the removal, is written but not shaded. Every cell is a button with `data-turn` and, for
    one thought, `data-step`.

    Args:
        rows: The turns, in order.
        words: What the page says.
        chosen: The (turn, step) that is chosen.
    """
    most = max((value for row in rows for value in (*row.drops, row.whole)), default=0.0)
    steps = max((len(row.drops) for row in rows), default=0)
    numbers = "".join(f'<th scope="col">{step + 1}</th>' for step in range(steps))
    heads = (
        f'<tr><th scope="col" rowspan="2">{escape(words("intervene.influence.turn"))}</th>'
        f'<th scope="colgroup" colspan="{steps}">{escape(words("intervene.influence.thought"))}</th>'
        f'<th scope="col" rowspan="2">{escape(words("intervene.influence.whole"))}</th></tr><tr>{numbers}</tr>'
    )
    body = "".join(_row(row, most, steps, chosen, words) for row in rows)
    return (
        f'<div class="recmas-i-wide"><table class="recmas-influence"><thead>{heads}</thead><tbody>{body}</tbody>'
        "</table></div>"
    )


def nats(value: float) -> str:
    """A number of nats with two digits; what rounds to nothing has no sign."""
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text.replace("-", "−")


def shade(value: float, most: float) -> float:
    """How strong a cell is, 0..1: its share of the largest drop; nothing below 0."""
    return min(1.0, max(0.0, value / most)) if most > 0 else 0.0


def _row(row: InfluenceRow, most: float, steps: int, chosen: tuple[int, int] | None, words: Words) -> str:
    name = words("intervene.turns.name", round=row.round, who=row.title)
    cells = "".join(_cell(row, step, most, words, chosen=(row.turn, step) == chosen) for step in range(len(row.drops)))
    cells += "<td></td>" * (steps - len(row.drops))
    return (
        f'<tr style="--recmas-role:{escape(row.colour)}"><th scope="row"><span class="recmas-dot"></span>'
        f"{escape(name)}</th>{cells}{_cell(row, None, most, words)}</tr>"
    )


def _cell(row: InfluenceRow, step: int | None, most: float, words: Words, *, chosen: bool = False) -> str:
    """One thought's drop, or the whole turn's."""
    value = row.whole if step is None else row.drops[step]
    drop, known = words.written(nats(value)), {"who": row.title, "round": row.round}
    if step is None:
        at, key, label = "", "all", words("intervene.influence.all", value=drop, **known)
    else:
        at, key = f' data-step="{step}"', f"{step}"
        label = words("intervene.influence.one", step=step + 1, value=drop, **known)
    heat = f"--recmas-heat:{round(_SHADE * shade(value, most))}%"
    return (
        f'<td><button type="button" class="recmas-heat" data-turn="{row.turn}"{at} '
        f'data-key="influence-{row.turn}-{key}" style="{heat}" aria-pressed="{str(chosen).lower()}" '
        f'aria-label="{escape(label)}" title="{escape(label)}">{drop}</button></td>'
    )
