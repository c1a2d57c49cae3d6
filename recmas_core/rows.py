"""One row of a decode: what it has said, what was put between, and whether it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recmas_core.agents import Agent
from recmas_core.boxes import box_is_open, holds_answer
from recmas_core.calls import find_call, may_close_call, readable_result, result_text
from recmas_core.records import MAX_CALLS, ToolReport
from recmas_core.roleprompts import Retry
from recmas_core.steps import Errand

if TYPE_CHECKING:
    from recmas_core.tools.base import Tool


@dataclass
class Row:
    """One row of a decode.

    Attributes:
        number: Its number in the batch.
        retry: What is tried once where it ends without an answer; None for nothing.
        pieces: Decoded ids, a new piece after each insertion; an end token before one is not kept.
        inserted: What was put between two pieces: its text, and the ids that the agent reads of it.
        calls: How many of these are results of tools; a retry's words stand behind all of them.
        errand: The call that the row waits for.
        ended: Whether it has said its end token, closed the retry's box or reached a limit.
        stuck: Whether it has ended without an answer, and waits for the retry's words.
    """

    number: int
    retry: Retry | None = None
    pieces: list[list[int]] = field(default_factory=lambda: [[]])
    inserted: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    calls: int = 0
    errand: Errand | None = None
    ended: bool = False
    stuck: bool = False

    @property
    def open(self) -> bool:
        """Whether it decodes on."""
        return not self.ended and self.errand is None

    @property
    def over(self) -> bool:
        """Whether nothing is decoded any more."""
        return self.ended and not self.stuck

    @property
    def retried(self) -> bool:
        """Whether the retry's words are in it."""
        return len(self.inserted) > self.calls

    @property
    def said(self) -> int:
        """Number of decoded tokens."""
        return sum(map(len, self.pieces))

    @property
    def tail(self) -> list[int]:
        """Everything behind the prompt, decoded and read."""
        ids = list(self.pieces[0])
        for (_, words), piece in zip(self.inserted, self.pieces[1:], strict=True):
            ids += [*words, *piece]
        return ids

    def add(self, token: int, agent: Agent, most: int, tools: Mapping[str, Tool]) -> bool:
        """Take a decoded token in; returns whether it ends the row by itself."""
        self.pieces[-1].append(token)
        end = token in agent.end_ids
        if self.retried:
            self.ended = end or self._retry_is_over(agent)
            return end
        self.ended = end or self.said >= most
        self.stuck = self.ended and self.retry is not None and not holds_answer(self.texts(agent)[1])
        if tools and not self.ended and self.calls < MAX_CALLS and may_close_call(agent.shown((token,))):
            call = find_call(agent.decode(self.pieces[-1]), tools)
            self.errand = None if call is None else Errand(self.number, *call)
        return end

    def tell(self, agent: Agent, result: str, seconds: float, tools: Mapping[str, Tool]) -> ToolReport:
        """Take in what the tool answered: the row goes on behind it."""
        assert self.errand is not None
        read = readable_result(agent, result, tuple(tools))
        report = ToolReport(self.errand.tool, self.errand.request, read, seconds)
        self._insert(agent, result_text(report.result))
        self.calls += 1
        self.errand = None
        return report

    def try_again(self, agent: Agent) -> None:
        """Put the retry's words behind what was said: the row goes on behind them."""
        assert self.retry is not None
        assert self.stuck
        if self.pieces[-1][-1] in agent.end_ids:
            self.pieces[-1].pop()
        self._insert(agent, self.retry.text)
        self.ended = self.stuck = False

    def texts(self, agent: Agent) -> tuple[str, str]:
        """(all that was said and read, what stands behind the last result of a tool)."""
        text = answer = agent.decode(self.pieces[0])
        for number, (words, ids) in enumerate(self.inserted):
            said = _behind(agent, ids, self.pieces[number + 1])
            text += words + said
            answer = said if number < self.calls else answer + words + said
        return text, answer.strip() if self.calls else answer

    def _insert(self, agent: Agent, words: str) -> None:
        self.inserted.append((words, agent.encode(words)))
        self.pieces.append([])

    def _retry_is_over(self, agent: Agent) -> bool:
        assert self.retry is not None
        words, ids = self.inserted[-1]
        said = self.pieces[-1]
        return len(said) >= self.retry.tokens or not box_is_open(words + _behind(agent, ids, said))


def _behind(agent: Agent, ids: tuple[int, ...], piece: list[int]) -> str:
    """The text of a piece that stands behind these ids."""
    # decoded together with what stands before it, as a tokenizer may write a first token differently
    before, whole = agent.decode(ids), agent.decode([*ids, *piece])
    return whole[len(before) :] if whole.startswith(before) else f" {agent.decode(piece)}"
