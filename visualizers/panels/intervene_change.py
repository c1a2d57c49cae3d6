"""A change to what a turn of a run sends: read from a form or a program, and made into edits. No gradio here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from recmas_core.edits import cut_edits, text_edits
from recmas_core.errors import BadInput
from recmas_core.patterns import Pattern
from recmas_core.records import Edit, RunConfig, Trace, check_question
from visualizers.panels.choices import number

if TYPE_CHECKING:
    from recmas_core.system import System

MAX_TEXT = 2000  # characters that may be put in place of thoughts


@dataclass(frozen=True)
class Kind:
    """What a kind of change asks for.

    Attributes:
        amount: The form's field of its number, "" for none; with the least and the most that is taken.
        text: The form's field of its text, "" for none.
        whole: Whether it always takes all thoughts.
    """

    amount: str = ""
    low: float = 0.0
    high: float = 0.0
    text: str = ""
    whole: bool = False


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "zero": Kind(),
        "noise": Kind(amount="strength", low=0.0, high=10.0),
        "scale": Kind(amount="factor", low=-10.0, high=10.0),
        "swap": Kind(text="question"),
        "set": Kind(text="text"),
        "cut": Kind(whole=True),
    }
)


@dataclass(frozen=True)
class Change:
    """A change of one turn's transfers, or with "cut" of all that go over a link from that turn on.

    Attributes:
        turn: 0-based turn.
        kind: One of `KINDS`.
        positions: Which of the turn's thoughts, 0-based; None for all.
        receiver: Only the transfer to this role; None for all receivers.
        amount: The strength of noise, or the factor of scaling.
        text: The question to swap with, or the text to put in.
    """

    turn: int
    kind: str
    positions: tuple[int, ...] | None = None
    receiver: str | None = None
    amount: float | None = None
    text: str = ""


@dataclass(frozen=True)
class Filled:
    """The form's values as they came, unchecked: a person may type anything.

    Attributes:
        kind, which, receiver, strength, factor, question, text: The fields of these names.
        donor: The other question of the counterfactual patch.
        lens: The 0-based thought to read at every layer.
        ticked: The 0-based thoughts that are ticked; None before anybody could tick.
    """

    kind: str = "zero"
    which: str = "all"
    receiver: str = ""
    strength: str = "1"
    factor: str = "0.5"
    question: str = ""
    text: str = ""
    donor: str = ""
    lens: str = "0"
    ticked: frozenset[int] | None = None


_FIELDS = ("kind", "which", "receiver", "strength", "factor", "question", "text", "donor", "lens")


def read_filled(sent: Any) -> Filled:
    """The form's values from what the page sends: JSON, or nothing before there is a form.

    Raises:
        BadInput: If it is no such JSON.
    """
    if not sent:
        return Filled()
    try:
        values = json.loads(str(sent))
        known = {name: str(values[name]) for name in _FIELDS if name in values}
        ticked = frozenset(int(name[8:]) for name, on in values.items() if name.startswith("thought-") and on is True)
    except (ValueError, TypeError, AttributeError) as error:
        raise BadInput("form", "cannot be read", "Reload the page.") from error
    return replace(Filled(), **known, ticked=ticked)


def change_of(filled: Filled, turn: int | None, pattern: Pattern, config: RunConfig) -> Change:
    """The change that a form asks for.

    Args:
        filled: The form.
        turn: The turn that is chosen.
        pattern: That of the run.
        config: The run's.

    Raises:
        BadInput: If a value is missing or out of range.
    """
    known = KINDS.get(filled.kind)
    if known is None:
        raise BadInput("change", f"is {filled.kind[:40]!r}", f"Choose one of {', '.join(KINDS)}.")
    positions: tuple[int, ...] | None = None
    if not known.whole and filled.which == "some":
        positions = tuple(sorted(filled.ticked or ()))
    amount = number(known.amount, getattr(filled, known.amount), known.low, known.high) if known.amount else None
    text = getattr(filled, known.text).strip() if known.text else ""
    change = Change(-1 if turn is None else turn, filled.kind, positions, filled.receiver or None, amount, text)
    check_change(change, pattern, config)
    return change


def filled_as(change: Change, before: Filled) -> Filled:
    """The form that asks for a change."""
    known, some = KINDS[change.kind], change.positions is not None
    values = {"kind": change.kind, "which": "some" if some else "all", "receiver": change.receiver or ""}
    if known.amount:
        values[known.amount] = repr(change.amount).removesuffix(".0")  # as exact as the change itself
    if known.text:
        values[known.text] = change.text
    ticked = frozenset(change.positions or ()) if some else None
    return replace(before, **values, ticked=ticked)


def check_change(change: Change, pattern: Pattern, config: RunConfig) -> None:
    """Refuse a change that does not fit a run.

    Raises:
        BadInput: Saying why.
    """
    kind = KINDS[change.kind]
    thinking = {place.turn: place.role for place in pattern.schedule(config.rounds) if not place.decodes}
    if change.turn not in thinking:
        todo = f"Choose one of the turns 1 to {max(thinking, default=0) + 1}: they send thoughts, the last one answers."
        raise BadInput("turn", f"{change.turn + 1} sends nothing", todo)
    receivers = pattern.receivers_of(thinking[change.turn])
    if change.receiver is not None and change.receiver not in receivers:
        raise BadInput("receiver", f"{change.receiver!r} gets nothing from this turn", f"Choose from {receivers}.")
    if change.positions is not None:
        if not change.positions:
            raise BadInput("change", "names no thought", "Tick at least one, or choose all thoughts.")
        if not all(0 <= p < config.latent_steps for p in change.positions):
            todo = f"The turn has {config.latent_steps}."
            raise BadInput("change", f"names thoughts {[p + 1 for p in change.positions]}", todo)
    if kind.text and not change.text:
        raise BadInput(kind.text, "is empty", "Type one.")
    if len(change.text) > MAX_TEXT:
        raise BadInput(kind.text, f"has {len(change.text):,} characters", f"At most {MAX_TEXT:,} are taken.")


def donor_config(change: Change, system: System, config: RunConfig) -> RunConfig | None:
    """The run to take a swapped transfer from: the same with another question. None where none is needed.

    Raises:
        BadInput: If the question cannot be asked, or is the run's own.
    """
    if change.kind != "swap":
        return None
    check_question(change.text)
    question = change.text if system.task is None else system.task.read(change.text).question
    if question == config.question:
        raise BadInput("question", "is the run's own", "Swap with another one.")
    system.check(question)
    return replace(config, question=question, edits=())


def edits_of(change: Change, system: System, config: RunConfig, donor: Trace | None = None) -> tuple[Edit, ...]:
    """A change as edits for `System.resume`.

    Args:
        change: The change, checked.
        system: The system that runs.
        config: The configuration of the run that is changed.
        donor: The finished run of the other question, for a swap.

    Raises:
        BadInput: If a text cannot be put in.
    """
    return _EDITS.get(change.kind, _one)(change, system, config, donor)


def _one(change: Change, system: System, config: RunConfig, donor: Trace | None) -> tuple[Edit, ...]:
    kind: Any = change.kind
    return (Edit(change.turn, kind, change.positions, change.amount, donor, change.receiver),)


def _cut(change: Change, system: System, config: RunConfig, donor: Trace | None) -> tuple[Edit, ...]:
    sender = system.pattern.schedule(config.rounds)[change.turn].role
    return tuple(
        edit
        for receiver in system.pattern.receivers_of(sender)
        if change.receiver in (None, receiver)
        for edit in cut_edits(system.pattern, config.rounds, (sender, receiver), first_turn=change.turn)
    )


def _set(change: Change, system: System, config: RunConfig, donor: Trace | None) -> tuple[Edit, ...]:
    return text_edits(
        system, change.turn, change.text, config.latent_steps, rounds=config.rounds, positions=change.positions,
        receiver=change.receiver,
    )  # fmt: skip


_Maker = Callable[[Change, "System", RunConfig, "Trace | None"], tuple[Edit, ...]]
_EDITS: Mapping[str, _Maker] = MappingProxyType({"cut": _cut, "set": _set})
