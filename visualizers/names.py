"""What the page calls patterns, roles, little worlds and tools: its own words, else what they call themselves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType

from recmas_core.patterns import Pattern, Role
from recmas_core.tasks import Task
from recmas_core.tasks.base import Reading
from recmas_core.tools.base import Factual, Tool
from visualizers.words import Words


@dataclass(frozen=True)
class TaskNames:
    """What the page says of a little world; see `Task`."""

    title: str
    about: str
    limit: str
    placeholder: str


def named_pattern(pattern: Pattern, words: Words) -> Pattern:
    """A pattern with the page's names for it and its roles. One that the page does not know keeps its own."""
    size = len(pattern.roles)
    family = pattern.name.removesuffix(str(size))
    if not words.has(f"names.patterns.{family}.title"):
        return pattern
    return replace(
        pattern,
        title=words(f"names.patterns.{family}.title", n=size),
        about=words(f"names.patterns.{family}.about", n=size),
        roles=tuple(_named_role(family, role, words) for role in pattern.roles),
    )


def _named_role(family: str, role: Role, words: Words) -> Role:
    name = role.name
    if not words.has(f"names.patterns.{family}.{name}.title"):
        return role
    title = words(f"names.patterns.{family}.{name}.title")
    return replace(role, title=title, about=words(f"names.patterns.{family}.{name}.about"))


def system_title(name: str, title: str, words: Words) -> str:
    """The name of a system to show.

    Args:
        name: Its key.
        title: What it calls itself.
        words: What the page says.
    """
    return words(f"names.systems.{name}") if words.has(f"names.systems.{name}") else title


def role_title(system: str, role: str, title: str, words: Words) -> str:
    """The name to show of a role of a shipped system, which bears the name of its pattern.

    Args:
        system: The system.
        role: The role's name.
        title: What it calls itself.
        words: What the page says.
    """
    known = words.has(f"names.patterns.{system}.{role}.title")
    return words(f"names.patterns.{system}.{role}.title") if known else title


def home_name(home: str, words: Words) -> str:
    """The word under which an agent was taught."""
    return words(f"names.homes.{home}") if words.has(f"names.homes.{home}") else home


def task_names(task: Task, words: Words) -> TaskNames:
    """What the page says of a little world."""
    name = task.name
    if not words.has(f"names.tasks.{name}.title"):
        return TaskNames(task.title, task.about, task.limit, task.placeholder)
    return TaskNames(
        words(f"names.tasks.{name}.title"), words(f"names.tasks.{name}.about"), words(f"names.tasks.{name}.limit"),
        words(f"names.tasks.{name}.placeholder"),
    )  # fmt: skip


def reading_text(reading: Reading, task: Task, words: Words) -> str:
    """What a little world makes of a question, in one sentence."""
    world, kind = task.name, reading.kind
    if not kind or not words.has(f"readings.{world}.{kind}"):
        return reading.note
    return words(f"readings.{world}.{kind}", **{name: _fact(name, fact, words) for name, fact in reading.facts.items()})


def _fact(name: str, fact: object, words: Words) -> str:
    if isinstance(fact, tuple):
        return words("readings.then").join(_part(str(part), words) for part in fact)
    if isinstance(fact, int) and words.has(f"readings.count.{name}.other"):
        return words.count(f"readings.count.{name}", fact)
    return str(fact)


def _part(part: str, words: Words) -> str:
    return words(f"readings.parts.{part}") if words.has(f"readings.parts.{part}") else part


def tool_names(tool: Tool, words: Words) -> tuple[str, str]:
    """What a tool is and what it works on. The page knows tools by their classes: several bear one name."""
    kind = type(tool).__name__.lower()
    if not words.has(f"names.tools.{kind}.about"):
        return tool.about, tool.source
    facts = tool.facts if isinstance(tool, Factual) else MappingProxyType({})
    return words(f"names.tools.{kind}.about"), words(f"names.tools.{kind}.source", **facts)
