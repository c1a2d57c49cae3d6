"""Role prompts as data, and how they become segments of token ids with slots between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
        words: What the reading agent calls a role, in place of the role's own name.
    """

    think: str
    decode: str
    slot: str
    system: str = ""
    words: Mapping[str, str] = field(default_factory=dict, hash=False)

    def word(self, role: str) -> str:
        """What a role is called in this prompt."""
        return self.words.get(role, role)


@dataclass(frozen=True)
class Wording:
    """A family of prompts that some agents understand.

    Attributes:
        name: Key in the registry.
        other: The prompt of every role that has none of its own.
        roles: Prompts of particular roles.
        words: What roles are called in these prompts, where their names would not read well.
        any_role: Whether its agents understand any role they are told of. If not, an agent is always addressed as in
            the role it was taught, wherever it is put.
    """

    name: str
    other: RolePrompt
    roles: Mapping[str, RolePrompt] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    any_role: bool = False

    def prompt(self, role: str) -> RolePrompt:
        """The prompt of a role."""
        prompt = self.roles.get(role, self.other)
        return replace(prompt, words=dict(self.words)) if self.words else prompt


_SLOT_TEXT = "Latent thoughts of the {sender}: {slot}\n"
_SOLVE = (
    "Question: {question}\n{slots}\nWork the solution out, using what the others thought. "
    "Put the final answer in \\boxed{{}}."
)
_TOOLS = (
    "Question: {question}\n{slots}\nSolve it by acting on the reflector's plan. You may run a Python program: "
    "<python>print(6 * 7)</python>. You may look something up: <search>a few words</search>. What a call prints or "
    "finds is put behind it as <result> … </result>; then go on writing. Put the final answer in \\boxed{{}}."
)


def _asked(task: str, *, decode: str = _SOLVE) -> RolePrompt:
    """A prompt in which a role thinks about its own task and answers with `decode`."""
    return RolePrompt(think=f"Question: {{question}}\n{{slots}}\n{task}", decode=decode, slot=_SLOT_TEXT)


_SPECIALIST = "You are the {role}. Work out the part of the question that is of your field; leave the rest to others."
WORDINGS: dict[str, Wording] = {
    "chain": Wording(
        name="chain",
        other=RolePrompt(
            think="{question} ;{slots} {role} :", decode="{question} ;{slots} answer :", slot=" {sender} : {slot} ;"
        ),
    ),
    # As "chain", but the slot stands right behind the colon: to a tokenizer that cuts at every digit or letter, a
    # space before the slot would be a token of its own.
    "little": Wording(
        name="little",
        other=RolePrompt(
            think="{question} ;{slots} {role} :", decode="{question} ;{slots} answer :", slot=" {sender} :{slot} ;"
        ),
    ),
    "general": Wording(
        name="general",
        other=_asked("You are the {role} in a ring of agents. Take the thoughts so far one step further."),
        roles={
            "planner": _asked(
                "You are the planner. Lay out the steps that lead to a solution. Do not carry them out."
            ),
            "critic": _asked(
                "You are the critic. Check the plan, mend what is wrong, and state the improved plan."
            ),
            "solver": RolePrompt(think=_SOLVE, decode=_SOLVE, slot=_SLOT_TEXT),
            "math": _asked(_SPECIALIST),
            "code": _asked(_SPECIALIST),
            "science": _asked(_SPECIALIST),
            "summarizer": _asked(
                "You are the summarizer. Bring together what the specialists found, settle where they differ, and say "
                "what is still missing."
            ),
            "expert": _asked("You are the expert. Think out all that a smaller agent needs to answer the question."),
            "learner": _asked("You are the learner. Follow the expert's thoughts, and mark what stays unclear."),
            "reflector": _asked(
                "You are the reflector. Say what has to be looked up and what has to be computed, in which order, and "
                "what could go wrong."
            ),
            "toolcaller": _asked(
                "You are the tool-caller. Prepare the calls that the plan needs: which programs to run, what to "
                "search for.",
                decode=_TOOLS,
            ),
        },
        words={
            "math": "math specialist", "code": "code specialist", "science": "science specialist",
            "toolcaller": "tool-caller", "agent1": "first agent", "agent2": "second agent",
            "agent3": "third agent", "agent4": "fourth agent", "agent5": "fifth agent",
        },
        any_role=True,
    ),
}  # fmt: skip


def prompt_for(role: str, agents: Mapping[str, Agent], pattern: Pattern) -> RolePrompt:
    """The prompt of the agent that was put in a role, in the words that this agent knows.

    An agent of a small vocabulary is addressed as in the role it was taught. Each sender is called what the sender
    was called when it was taught, if the reader knows that word, else what one of the reader's own senders was called.

    Args:
        role: Whose prompt.
        agents: The agent of each role.
        pattern: The pattern they work in.

    Raises:
        BadInput: If the agent's wording is unknown.
    """
    reader = agents[role]
    if reader.wording not in WORDINGS:
        todo = f"Known wordings are {sorted(WORDINGS)}."
        raise BadInput(f"agent {reader.name!r}", f"has the unknown wording {reader.wording!r}", todo)
    wording = WORDINGS[reader.wording]
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
