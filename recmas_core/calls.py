"""Tool calls inside a decode: finding one in the text, and making its result fit to be read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from recmas_core.agents import Agent
from recmas_core.records import MAX_RESULT_TOKENS

_LONGEST = 20_000  # characters of a result that are looked at; no tokenizer gets 400 tokens out of more


def find_call(text: str, tools: Iterable[str]) -> tuple[str, str] | None:
    """The call that a text ends with: (tool, request), or None.

    A call is `<name>` request `</name>`; white space behind it and around the request is left out.

    Args:
        text: What was decoded since the last result.
        tools: Names of the tools that may be called.
    """
    text = text.rstrip()
    for name in tools:
        opening, closing = f"<{name}>", f"</{name}>"
        if text.endswith(closing):
            at = text.rfind(opening, 0, -len(closing))
            if at >= 0:
                return name, text[at + len(opening) : -len(closing)].strip()
    return None


def may_close_call(piece: str) -> bool:
    """Whether a call can end with this token: asked of every token, before the whole text is looked at."""
    return ">" in piece


def result_text(result: str) -> str:
    """A result as it stands in the decode."""
    return f" <result> {result} </result>"


def readable_result(agent: Agent, result: str, tools: Sequence[str]) -> str:
    """A tool's result as the agent may read it: without marks that mean something, and not too long.

    A result is somebody else's text. A mark in it that would end the result, look like a call or be taken for a
    control token of the agent (`</result>`, `<python>`, `<|im_end|>`, …) gets a space behind its first character. A
    result of more than `MAX_RESULT_TOKENS` tokens is cut, and says so at its end.

    Args:
        agent: Who reads it.
        result: What the tool answered.
        tools: Names of the tools whose marks mean something.
    """
    length, head = len(result), result[:_LONGEST]
    marks = [f"<{slash}{name}>" for name in ("result", *tools) for slash in ("", "/")]
    head = _broken(head, (*marks, *agent.special_tokens)).strip()
    if length <= _LONGEST and _tokens(agent, head) <= MAX_RESULT_TOKENS:
        return head
    note = f" … (cut, {length} characters in all)"
    keep = len(head)
    while (tokens := _tokens(agent, head[:keep] + note)) > MAX_RESULT_TOKENS and keep > 0:
        keep = min(keep - 1, int(keep * 0.98 * MAX_RESULT_TOKENS / tokens))
    return head[:keep].rstrip() + note


def _tokens(agent: Agent, result: str) -> int:
    return len(agent.encode(result_text(result)))


def _broken(text: str, marks: Iterable[str]) -> str:
    """The text with a space in each of the marks; marks of one character are replaced by it."""
    known = sorted({mark for mark in marks if mark.strip()}, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, known)))
    while pattern.search(text):  # two marks may overlap: the second is found when the first is broken
        text = pattern.sub(lambda found: f"{found[0][0]} {found[0][1:]}" if len(found[0]) > 1 else " ", text)
    return text
