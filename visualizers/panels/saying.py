"""What happens at a moment, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from recmas_core.records import Answer, Event, Prompted, Thought, Token, ToolCall, Transfer, TurnDone, TurnStart
from visualizers.panels.moments import Scene
from visualizers.panels.numbers import short

READY = "Ready. Press Step for one thought, Run for the whole way to the answer."


def status(view: Scene, *, running: bool) -> str:
    """One sentence on what happens, for the status line."""
    last = view.last
    if last is None:
        return READY
    sentence = _happened(view, last)
    if isinstance(last, Answer):
        return sentence
    return sentence if running else f"{sentence} Paused."


def when(view: Scene) -> str:
    """Which moment is shown, when it is not now."""
    cursor, start = view.cursor, view.start
    if cursor is None:
        return ""
    step = "" if cursor.step is None else f", step {cursor.step + 1}"
    call = "" if cursor.call is None else f", tool call {cursor.call + 1}"
    where = "before the run" if start is None else f"round {start.round}, {view.title(start.role)}{step}{call}"
    return (
        f'<div class="recmas-when">Looking back: {escape(where)}. '
        '<button type="button" class="recmas-now" data-now="1" data-key="now">Back to now</button></div>'
    )


def listed(names: Sequence[str]) -> str:
    """Names in a sentence, each once: "Math, Code and Science"."""
    *most, last = dict.fromkeys(names)
    return f"{', '.join(most)} and {last}" if most else last


def _happened(view: Scene, last: Event) -> str:
    match last:
        case Answer(role=role, text=text):
            return f"{view.title(role)} answers: {short(text) or '(nothing)'}."
        case Thought(round=round_, step=step):
            who = listed([view.title(e.role) for e in view.beat if isinstance(e, Thought)])
            return f"Round {round_}: {who} made thought {step + 1}."
        case Transfer(round=round_):
            hops = [e for e in view.beat if isinstance(e, Transfer)]
            who = listed([f"{view.title(e.sender)}'s" for e in hops])
            whom = listed([view.title(e.receiver) for e in hops])
            return f"Round {round_}: {who} thoughts went over the link{'s' if len(hops) > 1 else ''} to {whom}."
        case Token(role=role, text=text, end=end):
            return f"{view.title(role)} ended its text." if end else f"{view.title(role)} writes “{text.strip()}”."
        case ToolCall(role=role, report=report):
            asked, result = short(report.call, 40), short(report.result, 40)
            return f"{view.title(role)} called {report.tool} with “{asked}”; it gave “{result}”."
        case Prompted(role=role, text=text):
            return f"{view.title(role)} gave no answer in a box; “{text.strip()}” was put behind its text."
        case TurnDone(turn=turn):
            done = [e.turn for e in view.beat if isinstance(e, TurnDone)]
            who = listed([view.title(t.role) for t in done])
            to = [view.title(receiver) for t in done for receiver in t.sent]
            tail = f" and sent {'their' if len(done) > 1 else 'its'} thoughts to {listed(to)}" if to else ""
            return f"Round {turn.round}: {who} finished{tail}."
        case TurnStart(round=round_):
            roles = listed([view.title(start.role) for start in view.stage])
            return f"Round {round_}: {roles} read{'' if len(view.stage) > 1 else 's'} the prompt."
