"""Which prompt a role gets, and how prompts become segments of token ids with slots between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from recmas_core.errors import BadInput
from recmas_core.patterns import Pattern
from recmas_core.records import Segment
from recmas_core.roleprompts import Retry, RolePrompt, Wording
from recmas_core.wordings import WORDINGS

if TYPE_CHECKING:
    from recmas_core.agents import Agent

__all__ = [
    "WORDINGS", "PromptForm", "Retry", "RolePrompt", "Wording", "check_question_text", "compile_prompt", "prompt_for",
]  # fmt: skip

# Private-use characters stand for the question and the slots while a chat template is applied; a question that
# holds one is refused (`check_question_text`), so a visitor's text can never be taken for a slot.
_QUESTION, _SLOT, _END = "\ue000", "\ue001", "\ue002"


def prompt_for(
    role: str, agents: Mapping[str, Agent], pattern: Pattern, wordings: Mapping[str, Wording] = WORDINGS
) -> RolePrompt:
    """The prompt of the agent that was put in a role, in the words that this agent knows.

    An agent of a small vocabulary is addressed as in the role it was taught. Each sender is called what the sender
    was called when it was taught, if the reader knows that word, else what one of the reader's own senders was called.

    Args:
        role: Whose prompt.
        agents: The agent of each role.
        pattern: The pattern they work in.
        wordings: The prompts to choose from, by name; the shipped ones unless others are given.

    Raises:
        BadInput: If the agent's wording is unknown.
    """
    reader = agents[role]
    if reader.wording not in wordings:
        todo = f"Known wordings are {sorted(wordings)}."
        raise BadInput(f"agent {reader.name!r}", f"has the unknown wording {reader.wording!r}", todo)
    wording = wordings[reader.wording]
    if wording.any_role:
        return wording.prompt(role)
    prompt = wording.prompt(reader.home or role)
    senders = pattern.senders_to(role, round_=2)
    called = {sender: agents[sender].home or sender for sender in senders}
    free = [word for word in reader.hears if word not in called.values()] or list(reader.hears)
    strange = [sender for sender in senders if not reader.knows(called[sender])]
    for i, sender in enumerate(strange):
        called[sender] = free[i % len(free)] if free else called[sender]
    called[role] = reader.home or role
    return replace(prompt, words={name: word for name, word in called.items() if word != name})


@dataclass(frozen=True)
class PromptForm:
    """A prompt of one agent in which only the question and the slots' contents are still open.

    Attributes:
        pieces: Alternating text and slots: a piece is (text, None) or ("", sender).
    """

    pieces: tuple[tuple[str, str | None], ...]

    def fill(self, agent: Agent, question: str, messages: Mapping[str, tuple[int, ...]]) -> tuple[Segment, ...]:
        """The prompt's segments for one question.

        Args:
            agent: Whose tokenizer reads it.
            question: The question.
            messages: For each sender the ids of its text message, () where latents fill the slot.
        """
        segments = []
        for text, sender in self.pieces:
            if sender is None:
                ids = agent.encode(text.replace(_QUESTION, question))
                segments.append(Segment(ids, None, agent.shown(ids)))
            else:
                ids = messages[sender]
                segments.append(Segment(ids, sender, agent.decode(ids)))
        return tuple(segments)


def compile_prompt(
    agent: Agent, prompt: RolePrompt, pattern: Pattern, role: str, senders: Sequence[str], *, decodes: bool
) -> PromptForm:
    """Apply the agent's chat template and cut the prompt at its slots."""
    marks = {f"{_SLOT}{i}{_END}": sender for i, sender in enumerate(senders)}
    slots = "".join(prompt.slot.format(sender=prompt.word(sender), slot=mark) for mark, sender in marks.items())
    body = (prompt.decode if decodes else prompt.think).format(question=_QUESTION, slots=slots, role=prompt.word(role))
    rest = agent.chat(body, system=prompt.system)
    if rest.count(_QUESTION) != 1 or any(rest.count(mark) != 1 for mark in marks):
        todo = "Each prompt names {question} once, and {slots} once if the role has senders."
        raise BadInput(f"prompt of {role!r} in {pattern.name!r}", "loses the question or a slot", todo)
    pieces: list[tuple[str, str | None]] = []
    for mark, sender in marks.items():
        before, rest = rest.split(mark)
        pieces += [(before, None), ("", sender)]
    return PromptForm((*pieces, (rest, None)))


def check_question_text(question: str, special: Sequence[str]) -> None:
    """Refuse a question that imitates a chat template's control tokens or this module's slot marks.

    Raises:
        BadInput: Naming what was found.
    """
    found = next((mark for mark in (_QUESTION, _SLOT, _END) if mark in question), None)
    if found is not None:
        raise BadInput("question", f"holds the reserved character U+{ord(found):04X}", "Remove it and try again.")
    token = next((token for token in special if token in question), None)
    if token is not None:
        raise BadInput("question", f"holds {token!r}, a control token of an agent", "Remove it and try again.")
