"""The named API endpoints: everything the page can do, for programs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import gradio as gr

from recmas_core.errors import BadInput, RecmasError
from recmas_core.records import Answer, Event, Prompted, Thought, Token, ToolCall, Trace, Transfer, TurnDone, TurnStart
from recmas_core.secrets import redacted
from visualizers.panels.catalogue import Lineup
from visualizers.panels.choices import Choices, whole
from visualizers.panels.entry import Entry
from visualizers.panels.notes import Notes, Said
from visualizers.panels.numbers import is_right
from visualizers.panels.session import Job
from visualizers.panels.shelf import Shelf
from visualizers.panels.visitors import Visitors

Json = dict[str, Any]


@contextmanager
def as_gradio_errors() -> Iterator[None]:
    """Let errors a caller can cause reach them as a gr.Error with its message."""
    try:
        yield
    except RecmasError as error:
        raise gr.Error(redacted(str(error), os.environ), print_exception=False) from error


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
            return {
                "type": "tool_call", "turn": turn, "round": round_, "role": role, "tool": report.tool,
                "call": report.call, "result": report.result, "seconds": report.seconds,
            }  # fmt: skip


class Api:
    """The endpoints of one page. Every error reaches the caller as a gr.Error with its message.

    Each takes `system`, the name of one that the page offers ("" for the one shown first), and where it runs one also
    `agents`, the keys of other agents by role, and `tools`, whether tools may be called. Without `thoughts` a turn has
    as many as the chosen agents were taught.

    Args:
        shelf: The systems that can be run.
        visitors: Who looks at what, for the numbers in `status`.
    """

    def __init__(self, shelf: Shelf, visitors: Visitors) -> None:
        self._shelf, self._visitors = shelf, visitors

    def register(self) -> None:
        """Add the endpoints to the page that is being built."""
        for name, function in (
            ("run", self.run), ("solve", self.solve), ("sample", self.sample), ("probe", self.probe),
            ("status", self.status),
        ):  # fmt: skip
            gr.api(function, api_name=name, concurrency_limit=32)

    def run(
        self,
        question: str,
        rounds: int = 3,
        thoughts: int | None = None,
        seed: int = 0,
        mode: str = "latent",
        system: str = "",
        agents: dict | None = None,
        tools: bool = True,
    ) -> Iterator[dict]:
        """Run a question and stream every event; the last one is the answer."""
        with as_gradio_errors():
            entry, job = self._job(Choices(question, rounds, thoughts, seed, mode, tools), system, agents)
            live = entry.start(job.config)
            try:
                for event in live:
                    yield describe(event, entry.notes)
            finally:
                live.close()

    def solve(
        self,
        question: str,
        rounds: int = 3,
        thoughts: int | None = None,
        seed: int = 0,
        mode: str = "latent",
        system: str = "",
        agents: dict | None = None,
        tools: bool = True,
    ) -> dict:
        """Run a question to its answer."""
        with as_gradio_errors():
            entry, job = self._job(Choices(question, rounds, thoughts, seed, mode, tools), system, agents)
            trace = entry.solve(job.config)
            answer = trace.answer or ""
            return {
                "question": job.config.question, "answer": answer,
                "true_answer": None if job.reading is None else job.reading.answer,
                "right": is_right(entry.system.task, job.reading, answer),
                "note": "" if job.reading is None else job.reading.note, "latent_steps": len(trace.thoughts),
                "decoded_tokens": trace.decoded_tokens, "seconds": trace.seconds,
                "tool_calls": [
                    {"tool": call.tool, "call": call.call, "result": call.result, "seconds": call.seconds}
                    for turn in trace.turns
                    for call in turn.tool_calls
                ],
                "untrained": [list(edge) for edge in sorted(entry.system.untrained)],
            }  # fmt: skip

    def sample(self, seed: int = 0, system: str = "") -> dict:
        """A held-out question with its true answer."""
        with as_gradio_errors():
            task = self._shelf.catalogue.task(self._lineup(system, None))
            if task is None:
                raise BadInput("system", "has no questions of its own", "Type a question.")
            example = task.sample(1, seed=whole("Seed", seed, 0, 2**31 - 1), split="test")[0]
            return {"question": example.question, "answer": example.answer}

    def probe(
        self,
        question: str,
        turn: int = 0,
        step: int = 0,
        rounds: int = 3,
        thoughts: int | None = None,
        seed: int = 0,
        system: str = "",
        agents: dict | None = None,
    ) -> dict:
        """What one thought of a run would say: by its agent's head, by nearest words, and in a short decode."""
        import recmas_core as rm

        with as_gradio_errors():
            entry, job = self._job(Choices(question, rounds, thoughts, seed, "latent"), system, agents)
            trace, thought = Trace(job.config, entry.system.pattern.name), None
            turn, step = whole("turn", turn, 0, 10_000), whole("step", step, 0, 10_000)
            live = entry.start(job.config)
            for event in live:
                trace = trace.append(event)
                if isinstance(event, Thought) and (event.turn, event.step) == (turn, step):
                    thought = event
                    break
            live.close()
            if thought is None:
                raise BadInput("thought", f"{step} of turn {turn} does not exist", "Choose one that the run makes.")
            return {
                "turn": turn, "step": step, "role": thought.role, "round": thought.round,
                "words": words(entry.notes.says(thought)),
                "nearest": words(entry.notes.nearest(thought.role, thought.embed)),
                "speech": rm.speak(entry.system, trace, turn, step),
            }  # fmt: skip

    def status(self, system: str = "") -> dict:
        """What is offered and loaded, what places the points on the system's maps, visitors, runs and trainings."""
        with as_gradio_errors():
            lineup = self._lineup(system, None)
            visitors, running = self._visitors.counts()
            return {
                "system": lineup.system, "projection": self._shelf.projector_status(lineup), "visitors": visitors,
                "runs": running, "trainings": self._visitors.trainings(),
                "systems": list(self._shelf.catalogue.systems), "loaded": list(self._shelf.loaded()),
                "agents": dict(lineup.agents), "choices": [agent.key for agent in self._shelf.catalogue.agents],
            }  # fmt: skip

    def _lineup(self, system: str, agents: dict | None) -> Lineup:
        if not isinstance(system, str):
            raise BadInput("system", f"is {str(system)[:40]!r}", "Give the name of one, or nothing.")
        if agents is not None and not isinstance(agents, dict):
            raise BadInput("agents", f"is {str(agents)[:40]!r}", 'Give {"role": "an agent\'s key"}.')
        return self._shelf.catalogue.lineup(system or self._shelf.first.system, agents)

    def _job(self, choices: Choices, system: str, agents: dict | None) -> tuple[Entry, Job]:
        lineup = self._lineup(system, agents)
        entry = self._shelf.entry(lineup)
        if choices.thoughts is None:
            choices = replace(choices, thoughts=self._shelf.catalogue.thoughts(lineup))
        return entry, choices.job(entry.system)
