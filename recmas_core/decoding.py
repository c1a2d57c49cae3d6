"""Decoding text, with tool calls and a retry in between, and scoring given answers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

from recmas_core.agents import Agent
from recmas_core.patterns import Place
from recmas_core.reading import Reader
from recmas_core.roleprompts import Retry
from recmas_core.rows import Row
from recmas_core.sampling import Chooser
from recmas_core.steps import Called, Calling, Chosen, End, Retried, Scored, Settings, Step, check_finite

if TYPE_CHECKING:
    from recmas_core.tools.base import Tool

Script: TypeAlias = Sequence[tuple[str, bool]]
ReadRows: TypeAlias = Callable[[Sequence[int], Sequence[Sequence[int]]], tuple[Reader, Tensor]]


def speak(
    agent: Agent,
    place: Place,
    reader: Reader,
    hidden: Tensor,
    settings: Settings,
    tools: Mapping[str, Tool],
    read_rows: ReadRows,
    retry: Retry | None = None,
) -> Generator[Step, None, End]:
    """Decode every row to its end token, calling tools on the way.

    A row that has called waits until every row has ended or called, and so does one that has ended without an answer
    and gets the retry's words. Then the tools run and these rows are read anew, from the prompt to what was put behind
    them, and go on together. A single row just reads on.

    Args:
        agent: Who speaks.
        place: The turn.
        reader: It has read the B prompts.
        hidden: (B, d) last hidden states.
        settings: How.
        tools: What may be called, by name.
        read_rows: Reads the prompts of some rows and a tail of ids behind each.
        retry: What is tried once with a row that ends without an answer; None for nothing.
    """
    choose = Chooser(settings.temperature, settings.top_p, seed=settings.seed, turn=place.turn, rows=len(hidden))
    rows = [Row(number, retry) for number in range(len(hidden))]
    reading, step = rows, 0
    while True:
        check_finite(hidden, f"decode of {place.role} in round {place.round}")
        live = [at for at, row in enumerate(reading) if row.open]
        numbers = [reading[at].number for at in live]
        ids = torch.zeros(len(reading), dtype=torch.long, device=hidden.device)
        ids[live] = choose(agent.logits(hidden)[live], numbers)
        picked, ends, lasts = [-1] * len(rows), [False] * len(rows), [False] * len(rows)
        for number, token in zip(numbers, ids[live].tolist(), strict=True):
            picked[number] = token
            ends[number] = rows[number].add(token, agent, settings.max_new_tokens, tools)
            lasts[number] = rows[number].over
        yield Chosen(place, step, picked, ends, lasts)
        step += 1
        if any(row.open for row in reading):
            hidden = reader.feed(agent.embed(ids)[:, None])[:, -1]
            continue
        onward = [row for row in reading if not row.over]
        if not onward:
            texts, answers = zip(*(row.texts(agent) for row in rows), strict=True)
            return End(place, texts, answers)
        called = [row for row in onward if row.errand is not None]
        if called:
            calling = Calling(place, tuple(row.errand for row in called if row.errand is not None), tools)
            yield calling
            reports = {
                row.number: row.tell(agent, *answer, tools) for row, answer in zip(called, calling.results, strict=True)
            }
            yield Called(place, reports)
        stuck = [row for row in onward if row.stuck]
        for row in stuck:
            row.try_again(agent)
        if retry is not None and stuck:
            yield Retried(place, retry.text, frozenset(row.number for row in stuck))
        if len(reading) == 1:
            # its last token is not read yet; an end token never is: the row goes on from what was said before it
            last = [token for token in ids.tolist() if token not in agent.end_ids]
            words = torch.tensor([[*last, *onward[0].inserted[-1][1]]])
            hidden = reader.feed(agent.embed(words))[:, -1]
        else:
            reader, hidden = read_rows([row.number for row in onward], [row.tail for row in onward])
        reading = onward


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
