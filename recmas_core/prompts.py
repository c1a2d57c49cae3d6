"""Role prompts as data, and how they become segments of token ids with slots between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recmas_core.errors import BadInput
from recmas_core.patterns import Pattern
from recmas_core.records import Segment

if TYPE_CHECKING:
    from recmas_core.agents import Agent

# Private-use characters stand for the question and the slots while a chat template is applied; a question that
# holds one is refused (`check_question_text`), so a visitor's text can never be taken for a slot.
_QUESTION, _SLOT, _END = "\ue000", "\ue001", "\ue002"


@dataclass(frozen=True)
class RolePrompt:
    """What one role is asked.

    Attributes:
        think: User turn for a thinking turn; may hold {question}, {slots} and {role}.
        decode: User turn for the turn that ends with the answer; the same fields.
        slot: One filled slot, with {sender} and {slot}.
        system: System turn; "" for none. It is put before the user turn where a template has no system role.
    """

    think: str
    decode: str
    slot: str
    system: str = ""


@dataclass(frozen=True)
class Wording:
    """A family of prompts that some agents understand.

    Attributes:
        name: Key in the registry.
        other: The prompt of every role that has none of its own.
        roles: Prompts of particular roles.
    """

    name: str
    other: RolePrompt
    roles: Mapping[str, RolePrompt] = field(default_factory=dict)

    def prompt(self, role: str) -> RolePrompt:
        """The prompt of a role."""
        return self.roles.get(role, self.other)


_GENERAL_SLOT = "Latent thoughts of the {sender}: {slot}\n"
_SOLVE = (
    "Question: {question}\n{slots}\nWork the solution out, using what the others thought. "
    "Put the final answer in \\boxed{{}}."
)
WORDINGS: dict[str, Wording] = {
    "chain": Wording(
        name="chain",
        other=RolePrompt(
            think="{question} ;{slots} {role} :", decode="{question} ;{slots} answer :", slot=" {sender} : {slot} ;"
        ),
    ),
    "general": Wording(
        name="general",
        other=RolePrompt(
            think="Question: {question}\n{slots}\nYou are the {role}. Think about the question.",
            decode=_SOLVE,
            slot=_GENERAL_SLOT,
        ),
        roles={
            "planner": RolePrompt(
                think="Question: {question}\n{slots}\nYou are the planner. Lay out the steps that lead to a solution. "
                "Do not carry them out.",
                decode=_SOLVE,
                slot=_GENERAL_SLOT,
            ),
            "critic": RolePrompt(
                think="Question: {question}\n{slots}\nYou are the critic. Check the plan, mend what is wrong, and "
                "state the improved plan.",
                decode=_SOLVE,
                slot=_GENERAL_SLOT,
            ),
            "solver": RolePrompt(think=_SOLVE, decode=_SOLVE, slot=_GENERAL_SLOT),
        },
    ),
}


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
    slots = "".join(prompt.slot.format(sender=sender, slot=mark) for mark, sender in marks.items())
    body = (prompt.decode if decodes else prompt.think).format(question=_QUESTION, slots=slots, role=role)
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
