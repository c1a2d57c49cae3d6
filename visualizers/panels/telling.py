"""Events and whole runs as JSON, for programs: words and numbers, no arrays."""

from __future__ import annotations

from typing import Any

from recmas_core.records import (
    Answer,
    Event,
    Prompted,
    Thought,
    Token,
    ToolCall,
    ToolReport,
    Trace,
    Transfer,
    Turn,
    TurnDone,
    TurnStart,
)
from visualizers.panels.notes import Notes, Said

Json = dict[str, Any]


def words(said: Said) -> list[list[Any]]:
    """A reading as JSON: [[word, score], …]."""
    return [[word, round(score, 6)] for word, score in said]


def describe(event: Event, notes: Notes) -> Json:
    """An event as JSON: its type, its place, what it says."""
    match event:
        case TurnStart(turn=turn, round=round_, role=role, decodes=decodes):
            return {"type": "turn_start", "turn": turn, "round": round_, "role": role, "decodes": decodes}
        case Thought(turn=turn, round=round_, role=role, step=step):
            said = words(notes.says(event))
            return {"type": "thought", "turn": turn, "round": round_, "role": role, "step": step, "words": said}
        case Transfer(turn=turn, round=round_, sender=sender, receiver=receiver):
            near = [words(said) for said in notes.received(event)]
            return {
                "type": "transfer", "turn": turn, "round": round_, "role": sender, "receiver": receiver, "words": near,
            }  # fmt: skip
        case Token(turn=turn, round=round_, role=role, step=step, text=text, end=end):
            return {
                "type": "token", "turn": turn, "round": round_, "role": role, "step": step, "text": text, "end": end,
            }  # fmt: skip
        case TurnDone(turn=done):
            return {
                "type": "turn_done", "turn": done.index, "round": done.round, "role": done.role, "text": done.text,
            }  # fmt: skip
        case Answer(turn=turn, role=role, text=text):
            return {"type": "answer", "turn": turn, "role": role, "text": text}
        case Prompted(turn=turn, round=round_, role=role, text=text):
            return {"type": "prompted", "turn": turn, "round": round_, "role": role, "text": text}
        case ToolCall(turn=turn, round=round_, role=role, report=report):
            return {"type": "tool_call", "turn": turn, "round": round_, "role": role, **describe_call(report)}


def describe_call(report: ToolReport) -> Json:
    """A tool call as JSON."""
    return {"tool": report.tool, "call": report.call, "result": report.result, "seconds": report.seconds}


def describe_turns(trace: Trace, notes: Notes) -> list[Json]:
    """The finished turns as JSON: of each thought the likeliest word with its probability, of text the text."""
    return [_turn(turn, notes) for turn in trace.turns]


def _turn(turn: Turn, notes: Notes) -> Json:
    return {
        "turn": turn.index, "round": turn.round, "role": turn.role,
        "thoughts": [words(notes.says_of(turn.role, hidden)[:1])[0] for hidden in turn.thoughts],
        "sent_to": list(turn.sent), "text": turn.text,
    }  # fmt: skip
