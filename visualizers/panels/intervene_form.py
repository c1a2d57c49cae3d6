"""The form of a change as HTML; its fields are read all at once, when something is pressed."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from recmas_core.patterns import Pattern
from recmas_core.records import Trace, Turn
from visualizers.figures.probe_table import shown_word
from visualizers.panels.intervene_change import KINDS, MAX_TEXT, Change, Filled
from visualizers.panels.notes import Notes
from visualizers.words import Words


def form_html(pattern: Pattern, notes: Notes, run: Trace, turn: int, filled: Filled, words: Words) -> str:
    """The form of a change to one turn of a run.

    What belongs to one kind of change alone is shown with that kind by the page's styles: nothing is drawn again.

    Args:
        pattern: That of the run.
        notes: What its thoughts say.
        run: The run.
        turn: The turn that is chosen; one that thinks.
        filled: What was typed so far.
        words: What the page says.
    """
    made = run.turns[turn]
    kinds = [(kind, words(f"intervene.kinds.{kind}")) for kind in KINDS]
    receivers = [(role.name, role.title) for role in pattern.roles if role.name in pattern.receivers_of(made.role)]
    if len(receivers) > 1:
        receivers.insert(0, ("", words("intervene.form.everybody")))
    else:
        receivers = [("", title) for _, title in receivers]  # to the only one is to all
    hints = "".join(
        f'<p class="recmas-hint recmas-for recmas-for-{kind}">{escape(words(f"intervene.hints.{kind}"))}</p>'
        for kind in KINDS
    )
    which = [(which, words(f"intervene.form.{which}")) for which in ("all", "some")]
    question = _text("question", "swap", words("intervene.form.question"), filled.question)
    sample = words("intervene.form.sample")
    return (
        f'<div class="recmas-form recmas-i-form" data-form="intervene" data-turn-chosen="{turn}">'
        f'<p class="recmas-i-at">{escape(where(pattern, made, words))}</p>'
        f"{_select('kind', words('intervene.form.kind'), kinds, filled.kind)}{hints}"
        f'<div class="recmas-i-which">{_select("which", words("intervene.form.which"), which, filled.which)}'
        f"{_thoughts(made, notes, filled, words)}</div>"
        f"{_select('receiver', words('intervene.form.receiver'), receivers, filled.receiver)}"
        f"{_number('strength', 'noise', words('intervene.form.strength'), filled.strength)}"
        f"{_number('factor', 'scale', words('intervene.form.factor'), filled.factor)}"
        f'{question}<button type="button" class="recmas-button recmas-for recmas-for-swap" data-send="sample" '
        f'data-value="1">{escape(sample)}</button>'
        f"{_text('text', 'set', words('intervene.form.text'), filled.text)}</div>"
    )


def where(pattern: Pattern, turn: Turn, words: Words) -> str:
    """A turn by its number, round and role."""
    title = next(role.title for role in pattern.roles if role.name == turn.role)
    return words("intervene.where", turn=turn.index + 1, round=turn.round, who=title)


def say_change(change: Change, pattern: Pattern, rounds: int, words: Words) -> str:
    """A change in one line."""
    place = pattern.schedule(rounds)[change.turn]
    titles = {role.name: role.title for role in pattern.roles}
    receiver = change.receiver or ""
    if change.positions is None:
        which = words("intervene.say.all")
    else:
        which = words.count(
            "intervene.say.some", len(change.positions), which=", ".join(str(p + 1) for p in change.positions)
        )
    amount = "" if change.amount is None else f"{change.amount:g}".replace("-", "−")
    said = words(
        f"intervene.say.{change.kind}", which=which, who=titles[place.role], round=place.round, amount=amount,
        text=change.text,
    )  # fmt: skip
    return said if not receiver else words("intervene.say.only", said=said, receiver=titles[receiver])


def _select(name: str, label: str, options: Sequence[tuple[str, str]], chosen: str) -> str:
    items = "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(title)}</option>'
        for value, title in options
    )
    return (
        f'<label class="recmas-field"><span class="recmas-label">{escape(label)}</span>'
        f'<select name="{name}" data-key="i-{name}">{items}</select></label>'
    )


def _thoughts(turn: Turn, notes: Notes, filled: Filled, words: Words) -> str:
    boxes = "".join(
        f'<label class="recmas-i-thought"><input type="checkbox" name="thought-{step}" data-key="i-thought-{step}"'
        f"{' checked' if filled.ticked is None or step in filled.ticked else ''}>"
        f"<span>{step + 1} <b>{escape(shown_word(notes.says_of(turn.role, hidden)[0][0]))}</b></span></label>"
        for step, hidden in enumerate(turn.thoughts)
    )
    legend = escape(words("intervene.form.thoughts"))
    return f'<fieldset class="recmas-i-thoughts"><legend>{legend}</legend>{boxes}</fieldset>'


def _number(name: str, kind: str, label: str, value: str) -> str:
    low, high = KINDS[kind].low, KINDS[kind].high
    return (
        f'<label class="recmas-field recmas-for recmas-for-{kind}"><span class="recmas-label">{escape(label)}</span>'
        f'<input type="number" step="any" min="{low:g}" max="{high:g}" name="{name}" value="{escape(value)}" '
        f'data-key="i-{name}"></label>'
    )


def _text(name: str, kind: str, label: str, value: str) -> str:
    return (
        f'<label class="recmas-field recmas-for recmas-for-{kind}"><span class="recmas-label">{escape(label)}</span>'
        f'<input type="text" name="{name}" value="{escape(value)}" maxlength="{MAX_TEXT}" data-key="i-{name}" '
        'autocomplete="off"></label>'
    )
