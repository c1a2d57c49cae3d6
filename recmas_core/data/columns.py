"""Which column of a row holds what, as data; and making an example of a row, with row and column named in errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from recmas_core.errors import BadInput
from recmas_core.patterns import Pattern
from recmas_core.runconfig import MAX_QUESTION, MAX_ROUNDS
from recmas_core.tasks import Example

MAX_TEXT = 100_000  # characters of an answer or of a turn
QUESTION, ANSWER, TARGETS = "question", "answer", "targets"
_GROUP = ("group", "task_family")

# The columns of the method's public training sets, beside a role's own name; the first that a row has is taken.
# Where no column is named for the role that decodes, its right turn is the answer.
ALIASES: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "sequential": {"planner": ("plan",), "critic": ("refined_plan", "refiner")},
        "mixture": {
            "math": ("hie_math_expert", "math_expert", "expert_math"),
            "code": ("hie_code_expert", "code_expert", "expert_code"),
            "science": ("hie_science_expert", "science_expert", "expert_science"),
            "summarizer": ("hie_summarizer", "summary"),
        },
        "distillation": {
            "expert": ("distill_expert", "refined_plan", "expert_plan"),
            "learner": ("distill_learner", "learner_answer"),
        },
        "deliberation": {"reflector": ("deliberation_reflector",), "toolcaller": ("deliberation_toolcaller",)},
    }
)


@dataclass(frozen=True)
class Repeated:
    """Stands for a JSON object that gives one key twice, until it is known in which row it lies."""

    key: str


@dataclass(frozen=True)
class Row:
    """One row as it was read.

    Attributes:
        place: Where it is, for errors: the file and the line, or the index counted from 0.
        cells: What it holds, by column.
    """

    place: str
    cells: Mapping[str, Any]

    def column(self, name: str) -> str:
        """The `where` of an error in one column."""
        return f"{self.place}, column {name!r}"


def row_of(place: str, item: object) -> Row:
    """The row of a parsed JSON value.

    Raises:
        BadInput: If it is no object, or gives a key twice.
    """
    if isinstance(item, Repeated):
        raise BadInput(f"{place}, column {item.key!r}", "is there twice", "Keep one of them.")
    if not isinstance(item, dict):
        todo = 'Write an object such as {"question": "…", "answer": "…"}. A list in one JSON text is a .json file.'
        raise BadInput(place, f"holds {_kind(item)}, not an object", todo)
    return Row(place, item)


@dataclass(frozen=True)
class Layout:
    """Where the parts of an example are found.

    Attributes:
        question: Column of the question.
        answer: Column of the answer.
        roles: For each role the columns that may hold its right turn, the best one first.
        chosen: The roles whose column was chosen by hand: then every row must have it.
    """

    question: str
    answer: str
    roles: Mapping[str, tuple[str, ...]]
    chosen: frozenset[str] = field(default_factory=frozenset)

    @staticmethod
    def of(pattern: Pattern, columns: Mapping[str, str] | None = None) -> Layout:
        """The layout of a pattern's rows.

        Args:
            pattern: Whose roles are looked for.
            columns: Names to use in place of the known ones, for "question", "answer" or a role.

        Raises:
            BadInput: If `columns` names something else.
        """
        columns = dict(columns or {})
        names = [role.name for role in pattern.roles]
        for part in columns:
            if part not in (QUESTION, ANSWER, *names):
                todo = f"Choose from {[QUESTION, ANSWER, *names]}."
                raise BadInput("columns", f"name {part!r}, which an example of {pattern.name!r} does not have", todo)
        answer = columns.get(ANSWER, ANSWER)
        roles = {}
        for name in names:
            known = (name, *ALIASES.get(pattern.name, {}).get(name, ()))
            last = (answer,) if name == pattern.decoder else ()
            roles[name] = (columns[name],) if name in columns else (*known, *last)
        return Layout(columns.get(QUESTION, QUESTION), answer, roles, frozenset(columns) & frozenset(names))

    def example(self, row: Row) -> Example:
        """The example of a row.

        Raises:
            BadInput: Naming the row and the column, if something is missing, empty, of another type, or too long.
        """
        question = _text(_cell(row, self.question, QUESTION), row.column(self.question), MAX_QUESTION)
        answer = _text(_said(_cell(row, self.answer, ANSWER)), row.column(self.answer), MAX_TEXT)
        return Example(question, answer, self._targets(row), _group(row.cells))

    def _targets(self, row: Row) -> dict[str, tuple[str, ...]]:
        own = row.cells.get(TARGETS)
        if own is not None and not isinstance(own, Mapping):
            what = f"gives {own.key!r} twice" if isinstance(own, Repeated) else f"holds {_kind(own)}"
            raise BadInput(row.column(TARGETS), what, f"Write an object with the roles {list(self.roles)}, each once.")
        for role in own or {}:
            if role not in self.roles:
                todo = f"The roles are {list(self.roles)}."
                raise BadInput(row.column(TARGETS), f"has {role!r}, which is no role of this pattern", todo)
        targets = {}
        for role, names in self.roles.items():
            if role in self.chosen:
                _cell(row, names[0], role)
            cells = [((own or {}).get(role), f"{TARGETS}.{role}"), *((row.cells.get(name), name) for name in names)]
            found = next(((cell, name) for cell, name in cells if not _blank(cell)), None)
            if found is not None:
                targets[role] = _turns(found[0], row.column(found[1]))
        return targets


def _cell(row: Row, column: str, part: str) -> object:
    if column not in row.cells:
        there = ", ".join(repr(name) for name in list(row.cells)[:12]) or "none"
        todo = f"The columns are: {there}. Call the right one {part!r}, or name it with columns={{{part!r}: '…'}}."
        raise BadInput(row.column(column), "is missing", todo)
    return row.cells[column]


def _blank(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _said(cell: object) -> object:
    """A whole number as the text it is said with: an answer such as 42 is often kept as a number."""
    return str(cell) if isinstance(cell, int) and not isinstance(cell, bool) else cell


def _text(cell: object, where: str, longest: int) -> str:
    if _blank(cell):
        raise BadInput(where, "is empty", "Fill it in, or leave the row out.")
    if not isinstance(cell, str):
        raise BadInput(where, f"holds {_kind(cell)}", "Write a text.")
    if len(cell) > longest:
        raise BadInput(where, f"has {len(cell):,} characters", f"At most {longest:,} are taken.")
    try:
        cell.encode()
    except UnicodeEncodeError as error:
        what = f"holds half a character at position {error.start}"
        raise BadInput(where, what, "Write whole Unicode characters; a lone \\ud800 to \\udfff is none.") from error
    return cell


def _turns(cell: object, where: str) -> tuple[str, ...]:
    """The right turn of every round a run can have: a single text, or the last of a list, holds for all later ones."""
    turns = [_text(_said(turn), where, MAX_TEXT) for turn in (cell if isinstance(cell, list | tuple) else [cell])]
    if not 1 <= len(turns) <= MAX_ROUNDS:
        raise BadInput(where, f"has {len(turns)} turns", f"Give one for each round: 1 to {MAX_ROUNDS}.")
    return (*turns, *turns[-1:] * (MAX_ROUNDS - len(turns)))


def _group(cells: Mapping[str, object]) -> str:
    texts: Iterable[object] = (cells.get(name) for name in _GROUP)
    return next((text for text in texts if isinstance(text, str)), "")


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "nothing"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else f"a {type(value).__name__}")
