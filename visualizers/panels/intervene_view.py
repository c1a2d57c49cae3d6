"""The Intervene tab at a moment as its pieces: HTML, texts and figures. Pure: one moment gives one screen."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from html import escape
from typing import Any

import gradio as gr

from recmas_core.patterns import Pattern
from recmas_core.records import Trace
from recmas_core.tasks import Task
from visualizers.figures.branches import turn_pairs_html
from visualizers.names import named_pattern
from visualizers.own_maps import OwnMaps
from visualizers.panels.entry import Entry
from visualizers.panels.intervene_form import form_html, say_change, where
from visualizers.panels.intervene_map import branch_map, branch_role
from visualizers.panels.intervene_pairs import changed_turns, turn_pairs
from visualizers.panels.intervene_sections import sections
from visualizers.panels.intervene_session import Branch, InterveneMoment, Origin
from visualizers.panels.mapview import radios
from visualizers.panels.moments import scene
from visualizers.panels.numbers import is_right, short
from visualizers.panels.render import strip
from visualizers.panels.session import Cursor
from visualizers.panels.stage import status_html
from visualizers.theme import role_colour
from visualizers.words import Words


@dataclass(frozen=True)
class IntervenePanels:
    """The values of the tab's outputs, in the order in which the page expects them."""

    status: Any
    empty: Any
    strip: Any
    form: Any
    outcome: Any
    turns: Any
    map_of: Any
    map: Any
    caption: Any
    kept: Any
    go: Any
    stop: Any
    forget: Any
    influence: Any = ""
    patch: Any = ""
    layers: Any = ""
    settle: Any = ""
    curves: Any = ""

    def changes(self, before: IntervenePanels | None) -> tuple[Any, ...]:
        """The values that differ from what was sent before; all others are left alone."""
        mine = astuple(self)
        old = (None,) * len(mine) if before is None else astuple(before)
        return tuple(
            gr.skip() if before is not None and new == was else gr.update(interactive=new) if name in SWITCHES else new
            for name, new, was in zip(OUTPUTS, mine, old, strict=True)
        )


OUTPUTS = tuple(field.name for field in fields(IntervenePanels))
SWITCHES = frozenset({"go", "stop", "forget"})  # buttons: what changes is whether they can be pressed


def empty_panels(moment: InterveneMoment, words: Words, *, running: str = "") -> IntervenePanels:
    """The tab without a run to work upon; `running` says how far one has come that is being made."""
    said = running or moment.said or words(f"intervene.empty.{moment.lacks or 'none'}")
    hint = f'<p class="recmas-i-empty">{escape(words("intervene.empty.about"))}</p>'
    return IntervenePanels(
        status=status_html(said, error=moment.bad and not running), empty=hint, strip="", form="", outcome="",
        turns="", map_of="", map="", caption="", kept="", go=False, stop=False, forget=False,
    )  # fmt: skip


def intervene_panels(
    moment: InterveneMoment, origin: Origin, entry: Entry, own: OwnMaps, words: Words
) -> IntervenePanels:
    """All pieces of the tab.

    Args:
        moment: The session.
        origin: Its run.
        entry: The system that made it.
        own: The run's own maps, for agents without a shipped one.
        words: What the page says.
    """
    pattern = named_pattern(entry.system.pattern, words)
    run, branch = origin.trace, moment.branch
    role = branch_role(pattern, run, branch, moment.map_of)
    more = sections(moment, origin, entry, pattern, words)
    panel = branch_map(entry, pattern, run, branch, role, own, words)
    view = scene(pattern, run, Cursor(moment.turn), run.config.rounds, words)
    return IntervenePanels(
        status=status_html(says(moment, pattern, words), error=moment.bad),
        empty="",
        strip=strip(view, entry.notes),
        form=form_html(pattern, entry.notes, run, moment.turn, moment.filled, words),
        outcome=outcome_html(moment, origin, pattern, entry.system.task, words),
        turns="" if branch is None else turn_pairs_html(turn_pairs(pattern, entry.notes, run, branch), words),
        map_of=map_choice(pattern, role, words),
        map=panel.figure,
        caption=panel.caption,
        kept=kept_html(moment, origin, pattern, entry.system.task, words),
        go=moment.work is None,
        stop=moment.work is not None,
        forget=any(each.done for each in moment.branches),
        influence=more.influence, patch=more.patch, layers=more.layers, settle=more.settle, curves=more.curves,
    )  # fmt: skip


def says(moment: InterveneMoment, pattern: Pattern, words: Words) -> str:
    """What goes on, in one sentence."""
    work, origin, branch = moment.work, moment.origin, moment.branch
    if work is not None:
        return words(f"intervene.doing.{work.name}", done=work.done, of=work.of)
    if moment.said:
        return moment.said
    if origin is None or branch is None or not branch.done:
        made = None if origin is None else origin.trace.turns[moment.turn]
        return "" if made is None else words("intervene.says.ready", where=where(pattern, made, words))
    changed = len(changed_turns(origin.trace, branch.trace))
    same = (branch.trace.answer or "") == (origin.trace.answer or "")
    key = "same" if same else "other"
    return words.count(f"intervene.says.{key}", changed, number=branch.number, answer=short(branch.trace.answer or ""))


def outcome_html(
    moment: InterveneMoment, origin: Origin, pattern: Pattern, task: Task | None, words: Words
) -> str:
    """The answers of the run and of the branch, side by side."""
    branch, run = moment.branch, origin.trace
    reading = origin.job.reading
    truth = None if reading is None else reading.answer
    asked = words("intervene.outcome.question", question=run.config.question)
    known = words("intervene.outcome.truth", truth=truth) if truth is not None else words("intervene.outcome.unknown")
    mine = _card("run", words("intervene.outcome.run"), "", run, origin, task, words)
    if branch is None:
        coming = escape(words("intervene.outcome.none"))
        theirs = f'<div class="recmas-i-card recmas-i-none"><p class="recmas-empty">{coming}</p></div>'
    else:
        title = words("intervene.outcome.branch", number=branch.number)
        said = say_change(branch.change, pattern, run.config.rounds, words)
        theirs = _card("branch", title, said, branch.trace, origin, task, words)
    return (
        f'<p class="recmas-hint">{escape(asked)} {escape(known)}</p><div class="recmas-i-cards">{mine}{theirs}</div>'
    )


def _card(
    kind: str, title: str, said: str, trace: Trace, origin: Origin, task: Task | None, words: Words
) -> str:
    tone, verdict = _verdict(trace, origin, task, words)
    answer = "…" if trace.answer is None else short(trace.answer, 80) or words("intervene.outcome.nothing")
    tokens = words.count("intervene.outcome.tokens", trace.decoded_tokens)
    thoughts = words.count("intervene.outcome.thoughts", len(trace.thoughts))
    about = f'<p class="recmas-i-change">{escape(said)}</p>' if said else ""
    return (
        f'<div class="recmas-i-card{tone}" data-card="{kind}"><h3>{escape(title)}</h3>'
        f'<p class="recmas-i-answer">{escape(answer)}</p><p class="recmas-i-verdict">{escape(verdict)}</p>'
        f'<p class="recmas-hint">{escape(tokens)} · {escape(thoughts)}</p>{about}</div>'
    )


def _verdict(trace: Trace, origin: Origin, task: Task | None, words: Words) -> tuple[str, str]:
    """A class for the tone, and the words."""
    if trace.answer is None:
        return "", words("intervene.outcome.going")
    right = is_right(task, origin.job.reading, trace.answer)
    if right is None:
        return "", words("intervene.outcome.unchecked")
    return (" recmas-good", words("intervene.outcome.right")) if right else (
        " recmas-bad", words("intervene.outcome.wrong")
    )  # fmt: skip


def map_choice(pattern: Pattern, role: str, words: Words) -> str:
    """The choice of a map: radios that carry `data-send`."""
    whose = [(each.name, each.title, role_colour(pattern, each.name)) for each in pattern.roles]
    return radios(words("intervene.map.of"), "imap", whose, role)


def kept_html(moment: InterveneMoment, origin: Origin, pattern: Pattern, task: Task | None, words: Words) -> str:
    """The branches to look at again, the newest first: buttons that carry `data-send`."""
    done = [branch for branch in moment.branches if branch.done]
    if not done:
        return f'<p class="recmas-empty">{escape(words("intervene.kept.none"))}</p>'
    items = "".join(_item(branch, moment, origin, pattern, task, words) for branch in reversed(done))
    return f'<ol class="recmas-i-list" reversed>{items}</ol>'


def _item(
    branch: Branch, moment: InterveneMoment, origin: Origin, pattern: Pattern, task: Task | None, words: Words
) -> str:
    tone, verdict = _verdict(branch.trace, origin, task, words)
    shown = moment.branch is branch
    said = say_change(branch.change, pattern, origin.trace.config.rounds, words)
    answer = short(branch.trace.answer or "", 24) or words("intervene.outcome.nothing")
    return (
        f'<li value="{branch.number}"><button type="button" class="recmas-i-branch{tone}" data-send="branch" '
        f'data-value="{branch.number}" data-key="branch-{branch.number}" aria-pressed="{str(shown).lower()}">'
        f"<span>{branch.number}. {escape(said)}</span> <b>{escape(answer)}</b> <i>{escape(verdict)}</i></button></li>"
    )
