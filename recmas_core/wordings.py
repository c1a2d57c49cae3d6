"""Prompts from a file: the wordings that are shipped, and a user's own laid over them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from string import Formatter
from types import MappingProxyType
from typing import Any, TypeAlias

from recmas_core.errors import BadInput, SystemNotFound, UnsafeCheckpoint
from recmas_core.roleprompts import Retry, RolePrompt, Wording

Table: TypeAlias = Mapping[str, Any]

SHIPPED = Path(__file__).with_name("wordings.toml")
# For each text that is a form: fields it may hold, and whether it has to, exactly once.
_FORMS: Mapping[str, Mapping[str, bool]] = MappingProxyType(
    {
        "think": MappingProxyType({"question": True, "slots": True, "role": False}),
        "decode": MappingProxyType({"question": True, "slots": True, "role": False}),
        "slot": MappingProxyType({"slot": True, "sender": False}),
    }
)
_PROMPT = frozenset((*_FORMS, "system", "retry"))
_WORDING = _PROMPT | {"roles", "words", "any_role", "base"}
_RETRY = frozenset({"text", "tokens"})


def read_wordings(path: Path) -> Mapping[str, Wording]:
    """The wordings of a file, laid over those that are shipped.

    Args:
        path: A TOML file; `wordings.toml` beside this module says how one is written.

    Returns:
        Read-only: the wording of each name, the shipped ones first.

    Raises:
        SystemNotFound: If there is no such file.
        UnsafeCheckpoint: If it is no TOML.
        BadInput: If it says something that is no part of a wording; the table and the key are named.
    """
    tables = _laid(_tables(SHIPPED), _tables(path))
    return MappingProxyType({name: _wording(name, tables) for name in tables})


def _tables(path: Path) -> Table:
    where = f"wordings {str(path)!r}"
    if not path.is_file():
        raise SystemNotFound(where, "does not exist", "Give the path of a TOML file.")
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise UnsafeCheckpoint(where, f"is no TOML ({error})", "Mend it; see recmas_core/wordings.toml.") from error
    for name, table in tables.items():
        _known(f"wording {name!r}", _table(f"wording {name!r}", table), _WORDING)
    return tables


def _laid(under: Table, over: Table) -> dict[str, Any]:
    """Two tables as one: what `over` says holds, table within table."""
    laid = dict(under)
    for key, value in over.items():
        below = laid.get(key)
        laid[key] = _laid(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return laid


def _wording(name: str, tables: Table) -> Wording:
    where = f"wording {name!r}"
    table = tables[name]
    if "base" in table:
        base = table["base"]
        if not isinstance(base, str) or base not in tables or "base" in tables[base]:
            raise BadInput(where, f"has the base {base!r}", "Name a wording that has no base itself.")
        table = _laid(tables[base], table)
    any_role = table.get("any_role", False)
    if not isinstance(any_role, bool):
        raise BadInput(where, f"has any_role = {any_role!r}", "Write true or false.")
    common = {key: table[key] for key in _PROMPT & set(table)}
    other = _prompt(where, common)  # first: what is wrong with all roles is said of the wording
    roles = {}
    for role, entry in _table(f"{where}, roles", table.get("roles", {})).items():
        place = f"{where}, role {role!r}"
        _known(place, _table(place, entry), _PROMPT)
        roles[role] = _prompt(place, _laid(common, entry))
    words = {
        role: _text(f"{where}, words", role, word)
        for role, word in _table(f"{where}, words", table.get("words", {})).items()
    }
    return Wording(name, other, MappingProxyType(roles), MappingProxyType(words), any_role)


def _prompt(where: str, entry: Table) -> RolePrompt:
    missing = [key for key in _FORMS if key not in entry]
    if missing:
        raise BadInput(where, f"has no {missing[0]!r}", f"A prompt is made of {list(_FORMS)}.")
    think, decode, slot = (_form(where, key, entry[key]) for key in ("think", "decode", "slot"))
    system = _text(where, "system", entry.get("system", ""))
    return RolePrompt(think, decode, slot, system, retry=_retry(where, entry.get("retry", False)))


def _retry(where: str, entry: object) -> Retry | None:
    if entry is False:
        return None
    table = _table(f"{where}, retry", entry)
    _known(f"{where}, retry", table, _RETRY)
    try:
        return Retry(**table)
    except BadInput as error:
        raise BadInput(f"{where}, retry", error.what, error.todo) from error


def _form(where: str, key: str, value: object) -> str:
    """A text with fields in braces, each of them known and there as often as it has to be."""
    text, fields = _text(where, key, value), _FORMS[key]
    todo = f"Its fields are {[f'{{{field}}}' for field in fields]}; a brace that is none is written twice."
    try:
        found = [(name, spec, way) for _, name, spec, way in Formatter().parse(text) if name is not None]
    except ValueError as error:
        raise BadInput(where, f"has braces in {key!r} that do not match ({error})", todo) from error
    for name, spec, way in found:
        if name not in fields or spec or way:
            raise BadInput(where, f"has the unknown field {{{name}}} in {key!r}", todo)
    for field, needed in fields.items():
        often = sum(name == field for name, _, _ in found)
        if needed and often != 1:
            raise BadInput(where, f"has {{{field}}} {often} times in {key!r}", "It has to be there exactly once.")
    return text


def _text(where: str, key: str, value: object) -> str:
    if not isinstance(value, str):
        raise BadInput(where, f"has {key} = {value!r}", "Write a text in quotes.")
    return value


def _table(where: str, value: object) -> Table:
    if not isinstance(value, dict):
        raise BadInput(where, f"is {value!r}", "Write a table there; see recmas_core/wordings.toml.")
    return value


def _known(where: str, table: Table, keys: frozenset[str]) -> None:
    unknown = sorted(set(table) - keys)
    if unknown:
        raise BadInput(where, f"has the unknown key {unknown[0]!r}", f"Known are {sorted(keys)}.")


WORDINGS = read_wordings(SHIPPED)
