"""A survey as the pieces the Compare tab shows: status, figure and tables. Pure: one moment gives one screen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from recmas_core.intervals import Estimate
from recmas_core.reported import PAPER, SOURCE
from visualizers.figures.rounds import Line, rounds_figure
from visualizers.panels.stage import status_html
from visualizers.panels.survey_session import SurveyMoment
from visualizers.words import Words

if TYPE_CHECKING:
    from recmas_core.comparing import Cost, Survey

_WAYS = ("single", "text", "latent")
_COSTS: tuple[Cost, ...] = ("tokens", "steps", "seconds")
_ENOUGH = 6  # questions, before a bootstrap's interval is worth showing
_HEADS = ("way", "accuracy", "tokens", "steps", "time")


@dataclass(frozen=True)
class SurveyPanels:
    """The values of the outputs that follow a survey, in the order in which the page expects them."""

    status: Any
    figure: Any
    caption: Any
    table: Any
    start: Any
    stop: Any

    def changes(self, before: SurveyPanels | None) -> tuple[Any, ...]:
        """The values that differ from what was sent before; all others are left alone."""
        mine = astuple(self)
        old = (None,) * len(mine) if before is None else astuple(before)
        return tuple(
            gr.skip() if new == was else gr.update(interactive=new) if name in _SWITCHES else new
            for name, new, was in zip(SURVEY_OUTPUTS, mine, old, strict=True)
        )


SURVEY_OUTPUTS = tuple(field.name for field in fields(SurveyPanels))
_SWITCHES = ("start", "stop")


def survey_panels(words: Words, moment: SurveyMoment) -> SurveyPanels:
    """All pieces of a survey at a moment."""
    found = moment.survey
    shown = found is not None and bool(found.outcomes)
    return SurveyPanels(
        status=status_html(says(words, moment), error=moment.phase == "failed"),
        figure=figure(words, found, str(moment.number)) if found is not None else "",
        caption=caption(words, found if shown else None, moment.title),
        table=measured_html(words, found),
        start=not moment.at_work,
        stop=moment.at_work,
    )


def says(words: Words, moment: SurveyMoment) -> str:
    """What goes on, in one sentence."""
    found = moment.survey
    done, of = (0, 0) if found is None else (found.done, found.of)
    if moment.phase == "failed":
        return moment.error or words("compare.survey.says.unforeseen")
    if moment.phase == "waiting":
        return words("compare.survey.says.waiting", place=max(1, moment.place))
    if moment.phase == "running" and found is not None and found.timed:
        return words("compare.survey.says.timing", done=len(found.timed), of=found.timed_of)
    return words(f"compare.survey.says.{moment.phase}", done=f"{done:,}", of=f"{of:,}")


def figure(words: Words, found: Survey, key: str) -> str:
    """Accuracy by rounds as a plotly figure in JSON."""
    lines = [
        Line(way, words(f"compare.ways.{way}"), list(_points(found, way)), level=way == "single" and found.at_once)
        for way in _WAYS
    ]
    return rounds_figure(lines, rounds=found.rounds, words=words, key=key).to_json()


def _points(found: Survey, way: str) -> Iterator[tuple[int, Any]]:
    for score in found.scores:
        if score.name == way:
            yield score.rounds, score


def caption(words: Words, found: Survey | None, title: str) -> str:
    """What the figure shows and how it was computed; before the first answer, what it is going to show."""
    if found is None:
        return f'<p class="recmas-hint">{escape(words("compare.survey.drawn_later"))}</p>'
    asked = min(score.n for score in found.scores)
    single = words("compare.survey.at_once" if found.at_once else "compare.survey.by_itself")
    text = words("compare.survey.caption", n=asked, of=len(found.examples), system=title)
    return f'<p class="recmas-hint">{escape(text)} {escape(single)}</p>'


def measured_html(words: Words, found: Survey | None) -> str:
    """Costs and ratios as measured here, with the paper's beside them in their own column."""
    here = "" if found is None or not found.outcomes else f"{_costs(words, found)}{_ratios(words, found)}"
    empty = f'<p class="recmas-empty">{escape(words("compare.survey.empty"))}</p>'
    return f'<h3 class="recmas-heading">{escape(words("compare.here.title"))}</h3>{here or empty}'


def _costs(words: Words, found: Survey) -> str:
    heads = "".join(f'<th scope="col">{escape(words(f"compare.here.{name}"))}</th>' for name in _HEADS)
    rows = "".join(_cost(words, found, way) for way in _WAYS)
    asked = words("compare.here.costs", rounds=found.most, timed=len(found.timed))
    return (
        f'<table class="recmas-compared"><caption>{escape(asked)}</caption><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _cost(words: Words, found: Survey, way: str) -> str:
    score, seconds = found.score(way, found.most), found.seconds(way)
    cells = ["–"] * 3
    if score is not None:
        low, high = score.interval
        cells = [f"<b>{score.accuracy:.3f}</b> <span>{low:.3f}–{high:.3f}</span>", f"{score.tokens:.1f}"]
        cells = [words.written(cell) for cell in cells]
        cells.append(f"{score.latent_steps:.0f}")
    cells.append("–" if seconds is None else f"{1000 * seconds:.0f} ms")
    return (
        f'<tr><th scope="row">{escape(words(f"compare.ways.{way}"))}</th>'
        f'{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
    )


def _ratios(words: Words, found: Survey) -> str:
    rows = [
        (words(f"compare.ratios.{cost}"), _times(words, found.ratio(cost, "latent", "text")), _of_paper(words, cost))
        for cost in _COSTS
    ]
    rows += [
        (words(f"compare.ratios.gain_{other}"), _points_more(words, found.gain("latent", other)), "–")
        for other in ("text", "single")
    ]
    heads = "".join(
        f'<th scope="col">{escape(words(f"compare.ratios.{name}"))}</th>' for name in ("what", "here", "paper")
    )
    body = "".join(
        f'<tr><th scope="row">{escape(what)}</th><td>{here}</td><td class="recmas-paper">{escape(paper)}</td></tr>'
        for what, here, paper in rows
    )
    said = words("compare.ratios.caption", rounds=found.most)
    return (
        f'<table class="recmas-compared"><caption>{escape(said)}</caption><thead><tr>{heads}</tr></thead>'
        f'<tbody>{body}</tbody></table><p class="recmas-hint">{escape(words("compare.ratios.how"))}</p>'
    )


def _times(words: Words, found: Estimate | None) -> str:
    if found is None:
        return "–"
    spread = f"{words.written(f'{found.low:.2f}–{found.high:.2f}')}, " if found.n >= _ENOUGH else ""
    return f"<b>{words.written(f'{found.value:.2f}')}</b> <span>{spread}n = {found.n}</span>"


def _points_more(words: Words, found: Estimate | None) -> str:
    if found is None:
        return "–"
    numbers = (words.written(f"{100 * each:+.1f}".replace("-", "−")) for each in (found.value, found.low, found.high))
    value, low, high = (words("compare.ratios.points", n=each) for each in numbers)
    return f"<b>{escape(value)}</b> <span>{escape(low)} … {escape(high)}, n = {found.n}</span>"


def _of_paper(words: Words, cost: str) -> str:
    """The paper's figure for the same ratio, in the same form."""
    found = {"tokens": PAPER.token_ratio, "seconds": PAPER.time_ratio}.get(cost)
    return "–" if found is None else words.written(f"{found[0]:.2f}–{found[1]:.2f}")


def reported_html(words: Words) -> str:
    """What the paper reports of its own agents."""
    (slow, fast), (few, fewer) = PAPER.faster, PAPER.fewer
    items = (
        words("compare.paper.accuracy", gain=PAPER.gain, benchmarks=PAPER.benchmarks),
        words("compare.paper.time", low=slow, high=fast),
        words("compare.paper.tokens", low=few, high=fewer),
    )
    listed = "".join(f"<li>{escape(item)}</li>" for item in items)
    said = words("compare.paper.caption", source=SOURCE)
    title = escape(words("compare.paper.title"))
    return f'<h3 class="recmas-heading">{title}</h3><ul>{listed}</ul><p class="recmas-hint">{escape(said)}</p>'
