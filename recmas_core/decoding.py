"""Decoding text, with tool calls in between, and scoring given answers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

from recmas_core.agents import Agent
from recmas_core.calls import find_call, may_close_call, readable_result, result_text
from recmas_core.patterns import Place
from recmas_core.reading import Reader
from recmas_core.records import MAX_CALLS, ToolReport
from recmas_core.sampling import Chooser
from recmas_core.steps import Called, Calling, Chosen, End, Errand, Scored, Settings, Step, check_finite

if TYPE_CHECKING:
    from recmas_core.tools.base import Tool

Script: TypeAlias = Sequence[tuple[str, bool]]
ReadRows: TypeAlias = Callable[[Sequence[int], Sequence[Sequence[int]]], tuple[Reader, Tensor]]


@dataclass
class _Row:
    """One row of a decode.

    Attributes:
        number: Its number in the batch.
        pieces: Decoded ids, a new piece after each result.
        results: Calls that came back, each with the ids of its result.
        errand: The call that the row waits for.
        ended: Whether it has said its end token or reached the limit.
    """

    number: int
    pieces: list[list[int]] = field(default_factory=lambda: [[]])
    results: list[tuple[ToolReport, tuple[int, ...]]] = field(default_factory=list)
    errand: Errand | None = None
    ended: bool = False

    @property
    def open(self) -> bool:
        return not self.ended and self.errand is None

    @property
    def said(self) -> int:
        return sum(map(len, self.pieces))

    @property
    def tail(self) -> list[int]:
        """Everything behind the prompt, decoded and read."""
        ids = list(self.pieces[0])
        for (_, result), piece in zip(self.results, self.pieces[1:], strict=True):
            ids += [*result, *piece]
        return ids

    def add(self, token: int, agent: Agent, most: int, tools: Mapping[str, Tool]) -> bool:
        """Take a decoded token in; returns whether it ends the row by itself."""
        self.pieces[-1].append(token)
        end = token in agent.end_ids
        self.ended = end or self.said >= most
        if tools and not self.ended and len(self.results) < MAX_CALLS and may_close_call(agent.shown((token,))):
            call = find_call(agent.decode(self.pieces[-1]), tools)
            self.errand = None if call is None else Errand(self.number, *call)
        return end

    def tell(self, agent: Agent, result: str, seconds: float, tools: Mapping[str, Tool]) -> ToolReport:
        """Take in what the tool answered: the row goes on behind it."""
        assert self.errand is not None
        read = readable_result(agent, result, tuple(tools))
        report = ToolReport(self.errand.tool, self.errand.request, read, seconds)
        self.results.append((report, agent.encode(result_text(report.result))))
        self.pieces.append([])
        self.errand = None
        return report

    def texts(self, agent: Agent) -> tuple[str, str]:
        """(all that was said and read, what stands behind the last result)."""
        text = answer = agent.decode(self.pieces[0])
        for (report, ids), piece in zip(self.results, self.pieces[1:], strict=True):
            # decoded together with what stands before it, as a tokenizer may write a first token differently
            before, whole = agent.decode(ids), agent.decode([*ids, *piece])
            answer = whole[len(before) :] if whole.startswith(before) else f" {agent.decode(piece)}"
            text += result_text(report.result) + answer
        return text, answer.strip() if self.results else answer


def speak(
    agent: Agent,
    place: Place,
    reader: Reader,
    hidden: Tensor,
    settings: Settings,
    tools: Mapping[str, Tool],
    read_rows: ReadRows,
) -> Generator[Step, None, End]:
    """Decode every row to its end token, calling tools on the way.

    A row that has called waits until every row has ended or called. Then the tools run and the rows that called are
    read anew, from the prompt to the result, and go on together. A single row just reads on.

    Args:
        agent: Who speaks.
        place: The turn.
        reader: It has read the B prompts.
        hidden: (B, d) last hidden states.
        settings: How.
        tools: What may be called, by name.
        read_rows: Reads the prompts of some rows and a tail of ids behind each.
    """
    choose = Chooser(settings.temperature, settings.top_p, seed=settings.seed, turn=place.turn, rows=len(hidden))
    rows = [_Row(number) for number in range(len(hidden))]
    reading, step = rows, 0
    while True:
        check_finite(hidden, f"decode of {place.role} in round {place.round}")
        live = [at for at, row in enumerate(reading) if row.open]
        numbers = [reading[at].number for at in live]
        ids = torch.zeros(len(reading), dtype=torch.long, device=hidden.device)
        ids[live] = choose(agent.logits(hidden)[live], numbers)
        picked, ends = [-1] * len(rows), [False] * len(rows)
        for number, token in zip(numbers, ids[live].tolist(), strict=True):
            picked[number] = token
            ends[number] = rows[number].add(token, agent, settings.max_new_tokens, tools)
        yield Chosen(place, step, picked, ends)
        step += 1
        if any(row.open for row in reading):
            hidden = reader.feed(agent.embed(ids)[:, None])[:, -1]
            continue
        called = [row for row in reading if row.errand is not None]
        if not called:
            texts, answers = zip(*(row.texts(agent) for row in rows), strict=True)
            return End(place, texts, answers)
        calling = Calling(place, tuple(row.errand for row in called if row.errand is not None), tools)
        yield calling
        reports = {
            row.number: row.tell(agent, *answer, tools) for row, answer in zip(called, calling.results, strict=True)
        }
        yield Called(place, reports)
        if len(reading) == 1:
            onward = torch.tensor([[int(ids[0]), *called[0].results[-1][1]]])
            hidden = reader.feed(agent.embed(onward))[:, -1]
        else:
            reader, hidden = read_rows([row.number for row in called], [row.tail for row in called])
        reading = called


def score(
    agent: Agent, place: Place, reader: Reader, hidden: Tensor, answers: Sequence[str | Script], *, ended: bool = True
) -> Scored:
    """Logits of each answer's tokens after the prompt.

    Args:
        agent: Who answers.
        place: The turn.
        reader: It has read the B prompts.
        hidden: (B, d) last hidden states.
        answers: A text each, or pieces (text, whether the agent says it itself): results of tools are read, not scored.
        ended: Whether an end token stands behind each.
    """
    end = min(agent.end_ids)
    scripts = [((answer, True),) if isinstance(answer, str) else tuple(answer) for answer in answers]
    pieces = [[(agent.encode(f" {text}" if i else text), own) for i, (text, own) in enumerate(s)] for s in scripts]
    tail = [end] if ended else []
    ids = [[*(token for piece, _ in row for token in piece), *tail] for row in pieces]
    said = [[*(own for piece, own in row for _ in piece), *(True for _ in tail)] for row in pieces]
    longest = max(map(len, ids))
    padded = torch.tensor([row + [end] * (longest - len(row)) for row in ids], device=agent.device)
    states = hidden[:, None]
    if longest > 1:
        states = torch.cat((states, reader.feed(agent.embed(padded[:, :-1]))), dim=1)
    real = torch.tensor([row + [False] * (longest - len(row)) for row in said], device=agent.device)
    return Scored(place, agent.logits(states[real]), padded[real], real.nonzero()[:, 0])
