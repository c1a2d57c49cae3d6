"""What is said beside the fields of the left side: how a question is taken, what agents were taught, their tools."""

from __future__ import annotations

from html import escape
from typing import Any

from recmas_core.errors import RecmasError
from recmas_core.records import check_question
from recmas_core.system import System
from recmas_core.tasks import Task
from visualizers.mishaps import in_words
from visualizers.names import reading_text, task_names, tool_names
from visualizers.panels.choices import MAX_THOUGHTS
from visualizers.words import Words


def placeholder(task: Task | None, words: Words) -> str:
    """What stands in the empty field of the question."""
    return words("explore.question.placeholder") if task is None else task_names(task, words).placeholder


def reading_note(task: Task | None, text: Any, words: Words) -> str:
    """How a question is taken, and its true answer where there is one."""
    try:
        check_question(text)
    except RecmasError as error:
        return f'<p class="recmas-hint recmas-outside">{escape(in_words(error, words))}</p>'
    if task is None:
        return ""
    reading = task.read(text)
    note = escape(reading_text(reading, task, words))
    if reading.answer is None:
        return f'<p class="recmas-hint recmas-outside">{note}</p>'
    read_as, answer = escape(words("explore.question.read_as")), escape(words("explore.question.answer"))
    taken = "" if reading.question == text else f"{read_as} <b>{escape(reading.question)}</b>. "
    return f'<p class="recmas-hint">{taken}{note} {answer} <b>{escape(reading.answer)}</b>.</p>'


def trained_note(system: System, thoughts: Any, words: Words) -> str:
    """Whether the agents ever saw that many thoughts in a slot, and how they speak where that is not the usual way."""
    whole = isinstance(thoughts, int | float) and float(thoughts).is_integer() and 1 <= thoughts <= MAX_THOUGHTS
    if not whole:
        note = escape(words("explore.fields.whole", most=MAX_THOUGHTS))
        return f'<p class="recmas-hint recmas-outside">{note}</p>'
    if system.trained_steps is None:
        return _spoken_note(system, words)
    low, high = system.trained_steps
    span = "one" if low == high else "other"
    if low <= thoughts <= high:
        return f'<p class="recmas-hint">{escape(words(f"explore.fields.trained.{span}", low=low, n=high))}</p>'
    note = words(f"explore.fields.untrained.{span}", low=low, n=high, asked=int(thoughts))
    return f'<p class="recmas-hint recmas-outside">{escape(note)}</p>'


def _spoken_note(system: System, words: Words) -> str:
    speaking = system.decoding
    if not speaking.temperature:
        return ""
    note = words(
        "explore.fields.sampled", temperature=f"{speaking.temperature:g}", top_p=f"{speaking.top_p:g}",
        tokens=f"{speaking.max_new_tokens:,}",
    )  # fmt: skip
    return f'<p class="recmas-hint">{escape(note)}</p>'


def tools_note(system: System, words: Words) -> str:
    """What each tool is and what it works on."""
    told = {tool.name: tool_names(tool, words) for tool in system.tools.values()}
    rows = "".join(
        f"<li><code>{escape(name)}</code> {escape(about)} <b>{escape(source)}</b></li>"
        for name, (about, source) in told.items()
    )
    return f'<ul class="recmas-tools">{rows}</ul>' if rows else ""


def about_html(task: Task | None, words: Words) -> str:
    """What the little world is, and the honest limit of what one turn can carry."""
    if task is None:
        return f'<p class="recmas-hint">{escape(words("explore.agents.none"))}</p>'
    names = task_names(task, words)
    return f'<p class="recmas-hint">{escape(names.about)}</p><p class="recmas-hint">{escape(names.limit)}</p>'
