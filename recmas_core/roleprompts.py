"""What a role is asked, as data: prompts, what is tried when an answer is missing, and families of prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from recmas_core.boxes import box_is_open
from recmas_core.errors import BadInput


@dataclass(frozen=True)
class Retry:
    r"""What is done once where a decode has ended and holds no answer in a closed \boxed{…}.

    Attributes:
        text: The words that are put behind what was said; they end within a box, which the agent then fills.
        tokens: Most tokens decoded behind them; the decode ends before that where the box closes.
    """

    text: str = "\nFinal Answer: \\boxed{"
    tokens: int = 16

    def __post_init__(self) -> None:
        """Refuse words after which nobody could say that the answer is there."""
        if not isinstance(self.text, str) or not box_is_open(self.text):
            raise BadInput("retry", f"has the text {self.text!r}", "End it within a box: \\boxed{")
        if not isinstance(self.tokens, int) or isinstance(self.tokens, bool) or self.tokens < 1:
            raise BadInput("retry", f"has {self.tokens!r} tokens", "Give a whole number from 1.")


@dataclass(frozen=True)
class RolePrompt:
    """What one role is asked.

    Attributes:
        think: User turn for a thinking turn; may hold {question}, {slots} and {role}.
        decode: User turn for the turn that ends with the answer; the same fields.
        slot: One filled slot, with {sender} and {slot}.
        system: System turn; "" for none. It is put before the user turn where a template has no system role.
        words: What the reading agent calls a role, in place of the role's own name.
        retry: What is tried where the answering turn ends without an answer; None for nothing.
    """

    think: str
    decode: str
    slot: str
    system: str = ""
    words: Mapping[str, str] = field(default_factory=dict, hash=False)
    retry: Retry | None = None

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
