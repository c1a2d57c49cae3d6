"""The named API endpoints: everything the page can do, for programs.

What stands in an endpoint's docstring is its description at /gradio_api/openapi.json, in gradio_client's `view_api()`
and for language models that call it as a tool: gradio reads one line for each argument there, and all of "Returns".
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import gradio as gr

from recmas_core.errors import BadInput, RecmasError
from recmas_core.records import Mode, Thought, Trace
from recmas_core.secrets import redacted
from visualizers.panels.catalogue import Lineup
from visualizers.panels.choices import Choices, whole
from visualizers.panels.entry import Entry
from visualizers.panels.numbers import is_right
from visualizers.panels.session import Job
from visualizers.panels.shelf import Shelf
from visualizers.panels.telling import describe, describe_call, describe_turns, words
from visualizers.panels.visitors import Visitors


@contextmanager
def as_gradio_errors() -> Iterator[None]:
    """Let errors a caller can cause reach them as a gr.Error with its message."""
    try:
        yield
    except RecmasError as error:
        raise gr.Error(redacted(str(error), os.environ), print_exception=False) from error


class Asked:
    """What an endpoint that runs something finds: the line-up a caller means, its system, and the run.

    Args:
        shelf: The systems that can be run.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def lineup(self, system: str, agents: dict | None) -> Lineup:
        """A system with other agents in some of its roles; "" for the one shown first.

        Raises:
            BadInput: If there is no such system or agent.
        """
        if not isinstance(system, str):
            raise BadInput("system", f"is {str(system)[:40]!r}", "Give the name of one, or nothing.")
        if agents is not None and not isinstance(agents, dict):
            raise BadInput("agents", f"is {str(agents)[:40]!r}", 'Give {"role": "an agent\'s key"}.')
        return self._shelf.catalogue.lineup(system or self._shelf.first.system, agents)

    def job(self, choices: Choices, system: str, agents: dict | None) -> tuple[Entry, Job]:
        """The system that a caller means, ready to run, and what it shall run.

        Raises:
            RecmasError: If there is no such system, or it cannot run this.
        """
        lineup = self.lineup(system, agents)
        entry = self._shelf.entry(lineup)
        if choices.thoughts is None:
            choices = replace(choices, thoughts=self._shelf.catalogue.thoughts(lineup))
        return entry, choices.job(entry.system)


class Api:
    """The endpoints of one page. Every error reaches the caller as a gr.Error with its message.

    Args:
        shelf: The systems that can be run.
        visitors: Who looks at what, for the numbers in `status`.
    """

    def __init__(self, shelf: Shelf, visitors: Visitors) -> None:
        self._shelf, self._visitors, self._asked = shelf, visitors, Asked(shelf)

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
        mode: Mode = "latent",
        system: str = "",
        agents: dict[str, str] | None = None,
        tools: bool = True,
    ) -> Iterator[dict]:
        """Run a question through a system of agents and stream every event; the last one is the answer.

        Closing the stream (`job.cancel()` in Python) ends the run. /solve runs the same and gives the result at once.

        Args:
            question: The question, e.g. "start 7 s1 + 3 s2 * 7 s3 - 4" for "sequential"; /sample gives more.
            rounds: Recursion rounds, 1 to 6: how often the loop of agents is gone through.
            thoughts: Latent thoughts per turn, 1 to 80; null for as many as these agents were taught.
            seed: Seed of what is sampled, 0 or more. With a temperature of 0, the default, nothing is.
            mode: "latent" passes hidden states from agent to agent; "text" passes text, the baseline.
            system: "sequential", "mixture", "distillation", "deliberation", or what /open gave; "" for the first.
            agents: Other agents by role, e.g. {"critic": "embedded:solver"}; /status lists the keys.
            tools: Whether agents that have tools may call them.

        Returns:
            {"type": "turn_start", "turn", "round", "role", "decodes"}: a turn begins; turns count from 0
            {"type": "thought", "turn", "round", "role", "step", "words"}: [[word, probability], …], likeliest first
            {"type": "transfer", "turn", "round", "role", "receiver", "words"}: nearest words there, of each vector
            {"type": "token", "turn", "round", "role", "step", "text", "end"}: one token of a decode
            {"type": "tool_call", "turn", "round", "role", "tool", "call", "result", "seconds"}: a tool was called
            {"type": "prompted", "turn", "round", "role", "text"}: words put behind a decode that held no answer
            {"type": "turn_done", "turn", "round", "role", "text"}: a turn is over
            {"type": "answer", "turn", "role", "text"}: the end
        """
        with as_gradio_errors():
            entry, job = self._asked.job(Choices(question, rounds, thoughts, seed, mode, tools), system, agents)
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
        mode: Mode = "latent",
        system: str = "",
        agents: dict[str, str] | None = None,
        tools: bool = True,
    ) -> dict:
        """Run a question through a system of agents to its answer.

        The agents of a recursive multi-agent system pass latent thoughts (hidden states) instead of text, round after
        round; the last agent of the last round writes the answer. The result has the answer and, turn by turn, the
        word that each thought comes nearest to saying, by the agent's own head. Each embedded system knows one little
        world and nothing else. "sequential": "start 7 s1 + 3 s2 * 7 s3 - 4"; "mixture": "s1 7 + 8 + 9 s2 max with 5";
        "distillation": "p1 2 chlorine p2 9 copper"; "deliberation": "What is 88, and 27?".

        Args:
            question: The question, e.g. "start 7 s1 + 3 s2 * 7 s3 - 4" for "sequential"; /sample gives more.
            rounds: Recursion rounds, 1 to 6: how often the loop of agents is gone through.
            thoughts: Latent thoughts per turn, 1 to 80; null for as many as these agents were taught.
            seed: Seed of what is sampled, 0 or more. With a temperature of 0, the default, nothing is.
            mode: "latent" passes hidden states from agent to agent; "text" passes text, the baseline.
            system: "sequential", "mixture", "distillation", "deliberation", or what /open gave; "" for the first.
            agents: Other agents by role, e.g. {"critic": "embedded:solver"}; /status lists the keys.
            tools: Whether agents that have tools may call them.

        Returns:
            question: as the agents read it
            answer: what the last agent wrote
            true_answer: the right one, null if it is not known
            right: whether the answer is right, null if that is not known
            note: what is known of the question's difficulty
            turns: [{"turn", "round", "role", "thoughts": [[word, probability], …], "sent_to", "text"}, …]
            latent_steps: thoughts made in all
            decoded_tokens: tokens written in all
            seconds: time of the engine's own work
            tool_calls: [{"tool", "call", "result", "seconds"}, …]
            untrained: [[sender, receiver], …], links that were never trained for these agents
        """
        with as_gradio_errors():
            entry, job = self._asked.job(Choices(question, rounds, thoughts, seed, mode, tools), system, agents)
            trace = entry.solve(job.config)
            answer = trace.answer or ""
            return {
                "question": job.config.question, "answer": answer,
                "true_answer": None if job.reading is None else job.reading.answer,
                "right": is_right(entry.system.task, job.reading, answer),
                "note": "" if job.reading is None else job.reading.note,
                "turns": describe_turns(trace, entry.notes), "latent_steps": len(trace.thoughts),
                "decoded_tokens": trace.decoded_tokens, "seconds": trace.seconds,
                "tool_calls": [describe_call(call) for turn in trace.turns for call in turn.tool_calls],
                "untrained": [list(edge) for edge in sorted(entry.system.untrained)],
            }  # fmt: skip

    def sample(self, seed: int = 0, system: str = "") -> dict:
        """A held-out question of an embedded system's little world, with its true answer.

        Args:
            seed: Which question, 0 or more: the same seed gives the same one.
            system: "sequential", "mixture", "distillation", "deliberation", or what /open gave; "" for the first.

        Returns:
            question: the question
            answer: its true answer
        """
        with as_gradio_errors():
            task = self._shelf.catalogue.task(self._asked.lineup(system, None))
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
        agents: dict[str, str] | None = None,
    ) -> dict:
        """Run a question up to one latent thought, and read what that thought would say, in three ways.

        By its agent's own head (the logit lens), by the words whose embeddings lie nearest, and by letting the agent
        speak from there.

        Args:
            question: The question, e.g. "start 7 s1 + 3 s2 * 7 s3 - 4" for "sequential"; /sample gives more.
            turn: Which turn of the run, from 0. With three agents turn 4 is the second agent's in round 2.
            step: Which thought of the turn, from 0.
            rounds: Recursion rounds of the run, 1 to 6.
            thoughts: Latent thoughts per turn, 1 to 80; null for as many as these agents were taught.
            seed: Seed of what is sampled, 0 or more. With a temperature of 0, the default, nothing is.
            system: "sequential", "mixture", "distillation", "deliberation", or what /open gave; "" for the first.
            agents: Other agents by role, e.g. {"critic": "embedded:solver"}; /status lists the keys.

        Returns:
            turn: as asked
            step: as asked
            role: whose thought it is
            round: in which round, from 1
            words: [[word, probability], …], the likeliest next words by the agent's own head
            nearest: [[word, cosine], …], the words whose embeddings lie nearest to the thought's own
            speech: what the agent says if it speaks now, up to 8 tokens
        """
        import recmas_core as rm

        with as_gradio_errors():
            entry, job = self._asked.job(Choices(question, rounds, thoughts, seed, "latent"), system, agents)
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

    def status(self, system: str = "") -> dict[str, Any]:
        """What the page offers and what it is doing.

        Args:
            system: The system whose maps and agents are meant, one of "systems"; "" for the one shown first.

        Returns:
            system: its name
            projection: what places the points on its maps
            visitors: how many look at the page
            runs: how many runs are under way
            trainings: how many trainings are under way
            systems: names of all systems that can be run
            loaded: those that are loaded
            agents: {role: key}, its agents
            choices: keys of all agents that a role can be given
        """
        with as_gradio_errors():
            lineup = self._asked.lineup(system, None)
            visitors, running = self._visitors.counts()
            return {
                "system": lineup.system, "projection": self._shelf.projector_status(lineup), "visitors": visitors,
                "runs": running, "trainings": self._visitors.trainings(),
                "systems": list(self._shelf.catalogue.systems), "loaded": list(self._shelf.loaded()),
                "agents": dict(lineup.agents), "choices": [agent.key for agent in self._shelf.catalogue.agents],
            }  # fmt: skip
