"""What the form for opening a system says, as HTML: what it will take, how far it has come, why it failed."""

from __future__ import annotations

from html import escape

from recmas_core.errors import RecmasError
from recmas_core.memory import Plan, gigabytes, make_plan
from recmas_core.progress import Loading
from recmas_core.released.styles import ReleasedStyle
from visualizers.mishaps import in_words
from visualizers.panels.open_form import OpenForm, free_room
from visualizers.words import Words


def outlook(form: OpenForm, words: Words) -> str:
    """What opening it will take, as far as can be told without asking anyone."""
    try:
        style, placement = form.style, form.placement
        room = free_room(placement.device)
        if style is None:
            where = "machine" if room.shared else "gpu"
            free = words(f"open.outlook.free_{where}", free=gigabytes(room.device))
            return _hints(words("open.outlook.asked", free=free), words("open.outlook.new_links"))
        parameters = {role: int(billions * 1e9) for role, billions in style.billions.items()}
        plan = make_plan(parameters, placement, room)
    except RecmasError as error:
        return f'<p class="recmas-hint recmas-outside">{escape(in_words(error, words))}</p>'
    return _hints(_needed(plan, words), _fetched(style, words), words("open.outlook.prompts"))


def _needed(plan: Plan, words: Words) -> str:
    need, free = gigabytes(plan.total), gigabytes(plan.room.device)
    how, where = "turns" if plan.in_turn else "need", "machine" if plan.room.shared else "gpu"
    return words(f"open.outlook.{how}_{where}", need=need, free=free)


def _fetched(style: ReleasedStyle, words: Words) -> str:
    return words("open.outlook.fetched", size=gigabytes(style.gigabytes * 1e9), agents=len(style.agents))


def _hints(*lines: str) -> str:
    return "".join(f'<p class="recmas-hint">{line}</p>' for line in lines)


def progress_html(loading: Loading | None, words: Words) -> str:
    """How far the opening has come; screen readers hear when another agent is begun."""
    if loading is None:
        return _bar(words("open.progress.looking"), None, "", words)
    if not loading.what:
        return _bar(words("open.progress.together"), 1.0, "", words)
    text = words("open.progress.agent", n=loading.done + 1, all=loading.of, what=loading.what)
    part, detail = 0.0, words("open.progress.loading")
    if loading.bytes_of:
        part = loading.bytes_done / loading.bytes_of
        detail = words(
            "open.progress.bytes", done=gigabytes(loading.bytes_done), all=gigabytes(loading.bytes_of)
        )
    return _bar(text, (loading.done + min(part, 1.0)) / loading.of, detail, words)


def _bar(text: str, share: float | None, detail: str, words: Words) -> str:
    value = "" if share is None else f' value="{share:.3f}"'
    more = f" <span>{escape(detail)}</span>" if detail else ""
    return (
        f'<div class="recmas-opening"><p class="recmas-hint" role="status" aria-live="polite">{escape(text)}{more}</p>'
        f'<progress max="1"{value} aria-label="{escape(words("open.progress.label"))}"></progress></div>'
    )


def failed_html(error: str, words: Words) -> str:
    """Why nothing was opened, and what is there all the same."""
    return (
        f'<p class="recmas-hint recmas-outside" role="alert">{escape(error)}</p>'
        f'<p class="recmas-hint">{words("open.said.embedded")}</p>'
    )
