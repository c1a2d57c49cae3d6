"""A run as one HTML file that opens anywhere, without a network: its figures live, plotly.js in it once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path

from visualizers.figures import stylesheet
from visualizers.figures.buttons import plotly_buttons
from visualizers.words import Words

_PAGE = Path(__file__).resolve().parents[1] / "assets" / "page"


@dataclass(frozen=True)
class Shown:
    """A live figure: plotly's JSON, a title, and what one sees and how it was computed, in HTML."""

    title: str
    figure: str
    caption: str


@dataclass(frozen=True)
class Told:
    """A turn: who, what was read and what was said, in HTML."""

    title: str
    reads: str
    says: str


@dataclass(frozen=True)
class Report:
    """What a report says, in the order in which it stands there. Titles and rows are texts, all else is HTML.

    Attributes:
        title, lead: What was asked of whom, and what came of it.
        link: The run's address, "" for none.
        topology, meters: The drawing of the agents, and the run's numbers.
        figures: The maps.
        turns: Every turn that is over.
        settings: (name, value) of all that decides the run.
        columns: (name, what it holds) of how each number was computed.
        versions: (package, version).
        code: The Python that makes it again, "" for none.
    """

    title: str
    lead: str
    link: str
    topology: str
    meters: str
    figures: Sequence[Shown]
    turns: Sequence[Told]
    settings: Sequence[tuple[str, str]]
    columns: Sequence[tuple[str, str]]
    versions: Sequence[tuple[str, str]]
    code: str


def report_html(report: Report, words: Words) -> str:
    """The whole file."""
    return (
        f'<!doctype html><html lang="{words.language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(report.title)}</title><style>{_styles()}</style></head>"
        f'<body class="recmas-report"><script>{_dark()}</script><main data-language="{words.language}" '
        f'data-decimal="{words("page.decimal")}" '
        f'data-buttons="{escape(plotly_buttons(words))}">{_body(report, words)}</main>'
        f"<script>{_plotly()}</script><script>{_script('plots.js')}</script><script>{_script('report.js')}</script>"
        "</body></html>"
    )


def _body(report: Report, words: Words) -> str:
    link = ""
    if report.link:
        address = escape(report.link)
        link = f'<p class="recmas-hint">{escape(words("share.report.link"))} <a href="{address}">{address}</a></p>'
    figures = "".join(_figure(shown) for shown in report.figures)
    turns = "".join(_turn(told, words) for told in report.turns)
    code = f"<pre><code>{escape(report.code)}</code></pre>" if report.code else ""
    return (
        f"<h1>{escape(report.title)}</h1><p>{escape(report.lead)}</p>{link}"
        f'<section class="recmas-picture">{report.topology}</section><section>{report.meters}</section>'
        f"<h2>{escape(words('share.report.maps'))}</h2>{figures}"
        f"<h2>{escape(words('share.report.turns'))}</h2>{turns}"
        f"<h2>{escape(words('share.report.settings'))}</h2>{_rows(report.settings)}"
        f"<h2>{escape(words('share.report.columns'))}</h2>{_rows(report.columns)}"
        f"<h2>{escape(words('share.report.versions'))}</h2>{_rows(report.versions)}"
        + (f"<h2>{escape(words('share.report.code'))}</h2>{code}" if code else "")
    )


def _figure(shown: Shown) -> str:
    data = shown.figure.replace("<", "\\u003c")  # nothing in it can end the script
    return (
        f'<figure><h3>{escape(shown.title)}</h3><div class="recmas-figure"></div>'
        f'<script type="application/json">{data}</script><figcaption>{shown.caption}</figcaption></figure>'
    )


def _turn(told: Told, words: Words) -> str:
    return (
        f"<article><h3>{escape(told.title)}</h3>"
        f"<details><summary>{escape(words('share.report.reads'))}</summary>{told.reads}</details>{told.says}</article>"
    )


def _rows(rows: Sequence[tuple[str, str]]) -> str:
    cells = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in rows)
    return f'<table class="recmas-rows"><tbody>{cells}</tbody></table>'


def _styles() -> str:
    own = (_PAGE / "report.css").read_text(encoding="utf-8")
    # the colours are the page's own: its first rules, up to the one that lays it out
    colours = (_PAGE / "page.css").read_text(encoding="utf-8").split("body { background", 1)[0]
    return f"{colours}\n{stylesheet()}\n{own}"


def _dark() -> str:
    return 'if (matchMedia("(prefers-color-scheme: dark)").matches) document.body.classList.add("dark");'


def _plotly() -> str:
    return (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


def _script(name: str) -> str:
    return (_PAGE / name).read_text(encoding="utf-8")
