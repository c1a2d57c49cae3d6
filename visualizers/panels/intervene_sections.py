"""The four experiments of the Intervene tab as sections: what one learns, what to press, what was found."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from recmas_core.patterns import Pattern
from visualizers.figures.probe_table import shown_word
from visualizers.panels.intervene_change import MAX_TEXT
from visualizers.panels.intervene_found import (
    INFLUENCE,
    LAYERS,
    PATCH,
    SETTLE,
    FoundInfluence,
    FoundLayers,
    FoundPatch,
    FoundSettling,
    influence_found,
    layers_found,
    options,
    patch_found,
    settling_figure,
    settling_found,
)
from visualizers.panels.intervene_session import InterveneMoment, Origin
from visualizers.words import Words

if TYPE_CHECKING:
    from visualizers.panels.entry import Entry

MANY = 20  # donors of the patch with an interval


@dataclass(frozen=True)
class Sections:
    """The sections' HTML, and the figure of settling in JSON ("" for none)."""

    influence: Any
    patch: Any
    layers: Any
    settle: Any
    curves: Any


def sections(
    moment: InterveneMoment, origin: Origin, entry: Entry, pattern: Pattern, words: Words
) -> Sections:
    """All sections at a moment; `pattern` is the system's, with the page's names."""
    run, task = origin.trace, entry.system.task
    weighed, patched = moment.found.get(INFLUENCE), moment.found.get(PATCH)
    read, settled = moment.found.get(LAYERS), moment.found.get(SETTLE)
    idle, settling = moment.work is None, moment.work is not None and moment.work.name == SETTLE
    patching = moment.work is not None and moment.work.name == PATCH
    table = influence_found(weighed, pattern, run, moment.thought, words) if isinstance(weighed, FoundInfluence) else ""
    return Sections(
        influence=_section(
            "influence", words, _buttons(_button("weigh", words("intervene.influence.go"), on=idle)), table
        ),
        patch=_section(
            "patch", words, _patch_form(moment, words, idle=idle, patching=patching),
            patch_found(patched, pattern, origin, words) if isinstance(patched, FoundPatch) else "",
        ),
        layers=_section(
            "layers", words, _layers_form(moment, origin, entry, pattern, words, idle=idle),
            layers_found(read, pattern, run, words) if isinstance(read, FoundLayers) else "",
        ),
        settle=_section(
            "settle", words,
            _buttons(
                _button("longer", words("intervene.settle.go"), on=idle),
                _button("halt", words("intervene.buttons.stop"), on=settling),
            ),
            settling_found(settled, origin, task, words) if isinstance(settled, FoundSettling) else "",
        ),
        curves=settling_figure(settled, pattern, words) if isinstance(settled, FoundSettling) else "",
    )  # fmt: skip


def _section(name: str, words: Words, controls: str, found: str) -> str:
    title, about = words(f"intervene.{name}.title"), words(f"intervene.{name}.about")
    return (
        f'<h2 class="recmas-heading">{escape(title)}</h2><p class="recmas-hint">{escape(about)}</p>{controls}'
        f'<div class="recmas-i-found">{found}</div>'
    )


def _buttons(*buttons: str) -> str:
    return f'<div class="recmas-i-row">{"".join(buttons)}</div>'


def _button(event: str, title: str, *, on: bool) -> str:
    return (
        f'<button type="button" class="recmas-button" data-send="{event}" data-value="1" data-key="i-{event}"'
        f"{'' if on else ' disabled'}>{escape(title)}</button>"
    )


def _patch_form(moment: InterveneMoment, words: Words, *, idle: bool, patching: bool) -> str:
    return (
        '<div class="recmas-form" data-form="patch"><label class="recmas-field"><span class="recmas-label">'
        f"{escape(words('intervene.form.question'))}</span><input type=\"text\" name=\"donor\" "
        f'value="{escape(moment.filled.donor)}" maxlength="{MAX_TEXT}" data-key="i-donor" autocomplete="off"></label>'
        "</div>"
    ) + _buttons(
        _button("draw", words("intervene.patch.draw"), on=idle),
        _button("once", words("intervene.patch.go"), on=idle),
        _button("many", words("intervene.patch.many", n=MANY), on=idle),
        _button("halt", words("intervene.buttons.stop"), on=patching),
    )


def _layers_form(
    moment: InterveneMoment, origin: Origin, entry: Entry, pattern: Pattern, words: Words, *, idle: bool
) -> str:
    turn = origin.trace.turns[moment.turn]
    chosen = moment.thought[1] if moment.thought is not None and moment.thought[0] == moment.turn else None
    step = str(chosen) if chosen is not None else moment.filled.lens
    thoughts = [
        (str(at), f"{at + 1} · {shown_word(entry.notes.says_of(turn.role, hidden)[0][0])}")
        for at, hidden in enumerate(turn.thoughts)
    ]
    title = next(role.title for role in pattern.roles if role.name == turn.role)
    label = words("intervene.layers.thought", turn=turn.index + 1, round=turn.round, who=title)
    return (
        '<div class="recmas-form" data-form="layers"><label class="recmas-field"><span class="recmas-label">'
        f'{escape(label)}</span><select name="lens" data-key="i-lens">{options(thoughts, step)}</select></label></div>'
    ) + _buttons(_button("read", words("intervene.layers.go"), on=idle))
