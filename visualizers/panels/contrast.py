"""The same run with one edge cut: what its receiver, and everybody after it, would have thought without it."""

from __future__ import annotations

from dataclasses import replace
from html import escape

from recmas_core.patterns import Pattern
from recmas_core.records import Edit, RunConfig, Trace
from recmas_core.tasks import Task
from recmas_core.tasks.base import Reading
from visualizers.panels.entry import Entry
from visualizers.panels.moments import Scene
from visualizers.panels.numbers import is_right, short
from visualizers.panels.session import Edge, Moment, Session
from visualizers.words import Words

NOTHING = ""


def cut_config(pattern: Pattern, config: RunConfig, edge: Edge) -> RunConfig:
    """A run's configuration with every transfer of an edge set to zero."""
    sender, receiver = edge
    cuts = tuple(
        Edit(place.turn, "zero", receiver=receiver)
        for place in pattern.schedule(config.rounds)
        if place.role == sender and not place.decodes
    )
    return replace(config, edits=(*config.edits, *cuts))


def can_compare(moment: Moment) -> bool:
    """Whether the run with the chosen edge cut is wanted, can be made, and is not there yet."""
    latent = moment.job is not None and moment.job.config.mode == "latent"
    return latent and moment.finished and moment.cut is not None and moment.twin is None


def compare(session: Session, entry: Entry) -> None:
    """Run the session's finished run once more with the chosen edge cut, and keep it with the session.

    Gives up when another command comes.
    """
    moment = session.moment
    if not can_compare(moment) or moment.job is None or moment.cut is None:
        return
    pattern = entry.system.pattern
    config = cut_config(pattern, moment.job.config, moment.cut)
    trace, live = Trace(config, pattern.name), entry.start(config)
    try:
        for event in live:
            trace = trace.append(event)
            if session.moment.epoch != moment.epoch:
                return
    finally:
        live.close()
    session.keep_twin(moment.job, moment.cut, trace)


def contrast_html(view: Scene, moment: Moment, task: Task | None, reading: Reading | None) -> str:
    """The choice of an edge to cut, and the answers with it and without it.

    The select carries `data-send`; its value is "sender>receiver", or "" for no comparison.
    """
    pattern, cut, words = view.pattern, moment.cut, view.words
    options = [_option(NOTHING, words("explore.contrast.nothing"), chosen=cut is None)] + [
        _option(">".join(e.key), f"{view.title(e.sender)} → {view.title(e.receiver)}", chosen=e.key == cut)
        for e in pattern.edges
    ]
    select = (
        f'<label class="recmas-compare"><span>{escape(words("explore.contrast.label"))}</span>'
        f'<select data-send="cut" data-key="cut">{"".join(options)}</select></label>'
    )
    return f'<div class="recmas-contrast">{select}{_outcome(view, moment, task, reading)}</div>'


def edge_of(value: str, pattern: Pattern) -> Edge | None:
    """The edge that the select's value names; None for no comparison, or for an edge the pattern does not have."""
    return next((edge.key for edge in pattern.edges if ">".join(edge.key) == value), None)


def _option(value: str, text: str, *, chosen: bool) -> str:
    return f'<option value="{escape(value)}"{" selected" if chosen else ""}>{escape(text)}</option>'


def _outcome(view: Scene, moment: Moment, task: Task | None, reading: Reading | None) -> str:
    if moment.cut is None or moment.job is None:
        return ""
    sender, receiver = (view.title(role) for role in moment.cut)
    words = view.words
    if moment.job.config.mode == "text":
        return _hint(words("explore.contrast.text"))
    if moment.twin is None:
        when = "computing" if moment.finished else "later"
        return _hint(words(f"explore.contrast.{when}", sender=sender, receiver=receiver))
    runs = (
        (words("explore.contrast.without", sender=sender), moment.twin),
        (words("explore.contrast.with", sender=sender), view.whole),
    )
    said = "".join(_answer(name, trace, task, reading, words) for name, trace in runs if trace is not None)
    how = words("explore.contrast.how", sender=sender, receiver=receiver)
    return f'<span class="recmas-outcome" title="{escape(how)}">{said}</span>'


def _answer(name: str, trace: Trace, task: Task | None, reading: Reading | None, words: Words) -> str:
    right = is_right(task, reading, trace.answer or "")
    grade = "right" if right else "wrong"
    graded = words(f"explore.contrast.{grade}")
    verdict = "" if right is None else f" {escape(graded)}"
    tone = "" if right is None else " recmas-good" if right else " recmas-bad"
    text = short(trace.answer or "", 24) or words("explore.contrast.empty")
    return f'<span class="recmas-with{tone}">{escape(name)}: <b>{escape(text)}</b>{verdict}</span> '


def _hint(text: str) -> str:
    return f'<span class="recmas-hint">{escape(text)}</span>'
