"""A visitor's run as a report: what the page shows of it, piece by piece, for `visualizers.report`. No gradio here."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version

from recmas_core.records import TurnStart
from recmas_core.thought_table import COLUMNS
from visualizers.figures.probe_table import ProbeRow, probe_table_html
from visualizers.panels import render
from visualizers.panels.mapview import map_panel
from visualizers.panels.moments import Scene, scene
from visualizers.panels.numbers import meters, short
from visualizers.panels.session import Cursor
from visualizers.panels.shared_run import SharedRun
from visualizers.panels.spread import RECEIVED, THOUGHTS
from visualizers.panels.spread import Shown as Map
from visualizers.report import Report, Shown, Told
from visualizers.theme import role_colour

_PACKAGES = ("torch", "transformers", "numpy", "plotly", "umap-learn")


def make_report(run: SharedRun, address: str) -> Report:
    """What a report of a run says.

    Args:
        run: The run.
        address: The page's own, for the run's link.
    """
    words, config = run.words, run.trace.config
    view = scene(run.pattern, run.trace, None, config.rounds, words)
    answer = run.trace.answer
    lead = words("share.report.unfinished") if answer is None else words("share.report.lead", answer=short(answer, 200))
    return Report(
        title=words("share.report.title", pattern=view.pattern.title, question=short(config.question, 120)),
        lead=lead,
        link=f"{address}?{run.query}" if run.query else "",
        topology=render.topology(view, run.entry.notes),
        meters=meters(view, run.system.task, run.job.reading),
        figures=tuple(_maps(run, view)),
        turns=tuple(_turns(run, view)),
        settings=tuple(_settings(run, view)),
        columns=tuple((name, words(f"share.columns.{name}")) for name in COLUMNS),
        versions=tuple((name, version(name)) for name in _PACKAGES),
        code=run.code(address) if run.query else "",
    )


def _maps(run: SharedRun, view: Scene) -> Iterator[Shown]:
    for role in view.pattern.roles:
        for space in (THOUGHTS, RECEIVED):
            panel = map_panel(view, run.entry.notes, run.entry.atlas, Map(role.name, space), None, run.moment.own)
            yield Shown(run.words(f"share.report.map.{space}", who=role.title), panel.figure, panel.caption)


def _turns(run: SharedRun, view: Scene) -> Iterator[Told]:
    begun = {event.turn: event for event in run.trace.events if isinstance(event, TurnStart)}
    for index, start in sorted(begun.items()):
        now = scene(run.pattern, run.trace, Cursor(index), view.rounds, run.words)
        thoughts = [thought for thought in run.trace.thoughts if thought.turn == index]
        colour, who = role_colour(view.pattern, start.role), view.title(start.role)
        rows = [
            ProbeRow(t.turn, t.step, t.round, who, colour, run.entry.notes.says(t), selected=False) for t in thoughts
        ]
        says = probe_table_html(rows, run.words) if rows else render.written(now, start)
        yield Told(run.words("share.report.turn", round=start.round, who=who), render.prompt(now), says)


def _settings(run: SharedRun, view: Scene) -> Iterator[tuple[str, str]]:
    words, config = run.words, run.trace.config
    yield words("share.report.setting.system"), f"{view.pattern.title} ({run.system.name})"
    for role in view.pattern.roles:
        agent = run.system.agents[role.name]
        key = dict(run.lineup.agents).get(role.name, "")
        yield role.title, f"{render.model_name(agent.family)}, d {agent.hidden_size}" + (
            f", {key}" if key.startswith("embedded:") else ""
        )
    yield words("share.report.setting.question"), config.question
    for name in ("rounds", "latent_steps", "seed", "mode", "temperature", "top_p", "max_new_tokens"):
        yield words(f"share.report.setting.{name}"), str(getattr(config, name))
    for edit in config.edits:
        yield words("share.report.setting.edit"), _edit(edit.turn, edit.kind, edit.receiver)


def _edit(turn: int, kind: str, receiver: str | None) -> str:
    return f"{turn}: {kind}" + (f" → {receiver}" if receiver else "")
