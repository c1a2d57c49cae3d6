"""The named API endpoints: everything the page can do, for programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from recmas_core.errors import BadInput, RecmasError
from recmas_core.records import Answer, Event, Thought, Token, Trace, Transfer, TurnDone, TurnStart
from visualizers.panels.choices import Choices, whole
from visualizers.panels.notes import Notes, Said
from visualizers.panels.session import Job, Sessions
from visualizers.panels.shelf import Entry, Shelf

Json = dict[str, Any]


@contextmanager
def _as_gradio_errors() -> Iterator[None]:
    """Let errors a caller can cause reach them as a gr.Error with its message."""
    try:
        yield
    except RecmasError as error:
        raise gr.Error(str(error), print_exception=False) from error


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
    return {"type": "tool_call", "turn": event.turn, "round": event.round, "role": event.role}


class Api:
    """The endpoints of one page. Every error reaches the caller as a gr.Error with its message.

    Args:
        shelf: The systems that can be run.
        sessions: The visitors' sessions, for the numbers in `status`.
    """

    def __init__(self, shelf: Shelf, sessions: Sessions) -> None:
        self._shelf, self._sessions = shelf, sessions

    def register(self) -> None:
        """Add the endpoints to the page that is being built."""
        for name, function in (
            ("run", self.run), ("solve", self.solve), ("sample", self.sample), ("probe", self.probe),
            ("status", self.status),
        ):  # fmt: skip
            gr.api(function, api_name=name, concurrency_limit=32)

    def run(
        self, question: str, rounds: int = 3, thoughts: int = 3, seed: int = 0, mode: str = "latent"
    ) -> Iterator[dict]:
        """Run a question and stream every event; the last one is the answer."""
        with _as_gradio_errors():
            entry, job = self._job(question, rounds, thoughts, seed, mode)
            live = entry.system.start(job.config)
            try:
                for event in live:
                    yield describe(event, entry.notes)
            finally:
                live.close()

    def solve(self, question: str, rounds: int = 3, thoughts: int = 3, seed: int = 0, mode: str = "latent") -> dict:
        """Run a question to its answer."""
        with _as_gradio_errors():
            entry, job = self._job(question, rounds, thoughts, seed, mode)
            trace = entry.system.drain(Trace(job.config, entry.system.pattern.name))
            truth = None if job.reading is None else job.reading.answer
            answer = trace.answer or ""
            right = None if truth is None else answer.split()[:1] == truth.split()[:1]
            return {
                "question": job.config.question, "answer": answer, "true_answer": truth, "right": right,
                "note": "" if job.reading is None else job.reading.note, "latent_steps": len(trace.thoughts),
                "decoded_tokens": trace.decoded_tokens, "seconds": trace.seconds,
            }  # fmt: skip

    def sample(self, seed: int = 0) -> dict:
        """A held-out question with its true answer."""
        with _as_gradio_errors():
            task = self._shelf.entry().system.task
            if task is None:
                raise BadInput("system", "has no questions of its own", "Type a question.")
            example = task.sample(1, seed=whole("Seed", seed, 0, 2**31 - 1), split="test")[0]
            return {"question": example.question, "answer": example.answer}

    def probe(
        self, question: str, turn: int = 0, step: int = 0, rounds: int = 3, thoughts: int = 3, seed: int = 0
    ) -> dict:
        """What one thought of a run would say: by its agent's head, by nearest words, and in a short decode."""
        import recmas_core as rm

        with _as_gradio_errors():
            entry, job = self._job(question, rounds, thoughts, seed, "latent")
            trace, thought = Trace(job.config, entry.system.pattern.name), None
            turn, step = whole("turn", turn, 0, 10_000), whole("step", step, 0, 10_000)
            live = entry.system.start(job.config)
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

    def status(self) -> dict:
        """The system's name, what places the points on the maps, visitors, and runs under way."""
        visitors, running = self._sessions.counts()
        return {
            "system": self._shelf.name, "projection": self._shelf.projector_status, "visitors": visitors,
            "runs": running,
        }  # fmt: skip

    def _job(self, question: str, rounds: int, thoughts: int, seed: int, mode: str) -> tuple[Entry, Job]:
        entry = self._shelf.entry()
        return entry, Choices(question, rounds, thoughts, seed, mode).job(entry.system)
