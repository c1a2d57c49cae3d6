"""What happens at a moment, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from recmas_core.records import Answer, Event, Prompted, Thought, Token, ToolCall, Transfer, TurnDone, TurnStart
from visualizers.panels.moments import Scene
from visualizers.panels.numbers import short
from visualizers.panels.session import Cursor
from visualizers.words import Words


def status(view: Scene, *, running: bool) -> str:
    """One sentence on what happens, for the status line."""
    last = view.last
    if last is None:
        return view.words("explore.status.ready")
    sentence = _happened(view, last)
    if isinstance(last, Answer):
        return sentence
    return sentence if running else view.words("explore.status.paused", what=sentence)


def when(view: Scene) -> str:
    """Which moment is shown, when it is not now."""
    cursor, words = view.cursor, view.words
    if cursor is None:
        return ""
    back = words("explore.when.back", where=_where(view, cursor))
    return (
        f'<div class="recmas-when">{escape(back)} <button type="button" class="recmas-now" data-now="1" '
        f'data-key="now">{escape(words("explore.when.now"))}</button></div>'
    )


def _where(view: Scene, cursor: Cursor) -> str:
    start, words = view.start, view.words
    if start is None:
        return words("explore.when.before")
    round_, who = start.round, view.title(start.role)
    if cursor.call is not None:
        return words("explore.when.call", round=round_, who=who, call=cursor.call + 1)
    if cursor.step is not None:
        return words("explore.when.step", round=round_, who=who, step=cursor.step + 1)
    return words("explore.when.turn", round=round_, who=who)


def listed(names: Sequence[str], words: Words) -> str:
    """Names in a sentence, each once: "Math, Code and Science"."""
    *most, last = dict.fromkeys(names)
    return words("explore.status.and", most=", ".join(most), last=last) if most else last


def _happened(view: Scene, last: Event) -> str:
    words = view.words
    match last:
        case Answer(role=role, text=text):
            said = short(text) or words("explore.status.nothing")
            return words("explore.status.answer", who=view.title(role), text=said)
        case Thought(round=round_, step=step):
            thinking = [view.title(e.role) for e in view.beat if isinstance(e, Thought)]
            who = listed(thinking, words)
            return words.count("explore.status.thought", len(thinking), round=round_, who=who, thought=step + 1)
        case Transfer(round=round_):
            hops = [e for e in view.beat if isinstance(e, Transfer)]
            whose = listed([words("explore.status.whose", who=view.title(e.sender)) for e in hops], words)
            whom = listed([view.title(e.receiver) for e in hops], words)
            return words.count("explore.status.transfer", len(hops), round=round_, whose=whose, whom=whom)
        case Token(role=role, text=text, end=end):
            who = view.title(role)
            ended = words("explore.status.ended", who=who)
            return ended if end else words("explore.status.token", who=who, text=text.strip())
        case ToolCall(role=role, report=report):
            return words(
                "explore.status.call", who=view.title(role), tool=report.tool, asked=short(report.call, 40),
                result=short(report.result, 40),
            )  # fmt: skip
        case Prompted(role=role, text=text):
            return words("explore.status.put", who=view.title(role), text=text.strip())
        case TurnDone(turn=turn):
            return _finished(view, turn.round)
        case TurnStart(round=round_):
            roles = [view.title(start.role) for start in view.stage]
            return words.count("explore.status.reads", len(roles), round=round_, who=listed(roles, words))


def _finished(view: Scene, round_: int) -> str:
    words = view.words
    done = [e.turn for e in view.beat if isinstance(e, TurnDone)]
    who = listed([view.title(turn.role) for turn in done], words)
    to = [view.title(receiver) for turn in done for receiver in turn.sent]
    if not to:
        return words.count("explore.status.finished", len(done), round=round_, who=who)
    return words.count("explore.status.sent", len(done), round=round_, who=who, whom=listed(to, words))
