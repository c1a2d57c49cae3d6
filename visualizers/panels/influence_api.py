"""The named API endpoints that look into one run: which thoughts matter, and one thought at every layer."""

from __future__ import annotations

import gradio as gr

from recmas_core.errors import BadInput
from visualizers.panels.api import Asked, as_gradio_errors
from visualizers.panels.choices import Choices, whole
from visualizers.panels.entry import Entry
from visualizers.panels.session import Job
from visualizers.panels.shelf import Shelf


class InfluenceApi:
    """The endpoints of one page. Every error reaches the caller as a gr.Error with its message.

    Args:
        shelf: The systems that can be run.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._asked = Asked(shelf)

    def register(self) -> None:
        """Add the endpoints to the page that is being built."""
        for name, function in (("influence", self.influence), ("layers", self.layers)):
            gr.api(function, api_name=name, concurrency_limit=32)

    def influence(
        self,
        question: str,
        answer: str = "",
        rounds: int = 3,
        thoughts: int | None = None,
        seed: int = 0,
        system: str = "",
        agents: dict[str, str] | None = None,
    ) -> dict:
        """Run a question, and tell for each latent thought what the answer loses when that thought is removed.

        A thought is removed by setting its transfer to zero; everything after it is computed anew.

        Args:
            question: The question, e.g. "start 7 s1 + 3 s2 * 7 s3 - 4" for "sequential"; /sample gives more.
            answer: The answer whose log-probability counts; "" for the true one where it is known, else the run's own.
            rounds: Recursion rounds of the run, 1 to 6.
            thoughts: Latent thoughts per turn, 1 to 80; null for as many as these agents were taught.
            seed: Seed of what is sampled, 0 or more.
            system: "sequential", "mixture", "distillation", "deliberation", or what /open gave; "" for the first.
            agents: Other agents by role, e.g. {"critic": "embedded:solver"}; /status lists the keys.

        Returns:
            question, answer: as the agents read the first, and what was scored
            true_answer: the right answer, null if it is not known
            tokens, logprob: tokens of the answer, and its log-probability in the run in nats
            turns: [{"turn", "round", "role", "drops": [nats for each thought], "turn_drop": nats for all of them}, …]
        """
        from recmas_core.influence import influence

        with as_gradio_errors():
            entry, job = self._job(Choices(question, rounds, thoughts, seed), system, agents)
            run = entry.solve(job.config)
            truth = None if job.reading is None else job.reading.answer
            found = influence(entry.system, run, answer or truth)
            return {
                "question": job.config.question, "answer": found.answer, "true_answer": truth,
                "tokens": found.tokens, "logprob": found.logprob,
                "turns": [
                    {
                        "turn": turn, "round": run.turns[turn].round, "role": run.turns[turn].role,
                        "drops": [float(drop) for drop in drops], "turn_drop": float(whole_turn),
                    }
                    for turn, drops, whole_turn in zip(found.turns, found.drops, found.turn_drops, strict=True)
                ],
            }  # fmt: skip

    def layers(
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
        """Run a question, and read one of its latent thoughts after every layer of its agent's model.

        Args:
            question: The question, e.g. "start 7 s1 + 3 s2 * 7 s3 - 4" for "sequential"; /sample gives more.
            turn: The turn, from 0.
            step: The thought of that turn, from 0.
            rounds: Recursion rounds of the run, 1 to 6.
            thoughts: Latent thoughts per turn, 1 to 80; null for as many as these agents were taught.
            seed: Seed of what is sampled, 0 or more.
            system: "sequential", "mixture", "distillation", "deliberation", or what /open gave; "" for the first.
            agents: Other agents by role, e.g. {"critic": "embedded:solver"}; /status lists the keys.

        Returns:
            turn, round, role, step: the thought that was read
            layers: [[[word, probability], …], …], the likeliest words after each layer, the first layer first
        """
        from recmas_core.layers import layer_lens

        with as_gradio_errors():
            entry, job = self._job(Choices(question, rounds, thoughts, seed), system, agents)
            turn, step = whole("turn", turn, 0, 10_000), whole("step", step, 0, 10_000)
            run = entry.solve(job.config)
            rows = layer_lens(entry.system, run, turn, step)
            made = run.turns[turn]
            return {
                "turn": turn, "round": made.round, "role": made.role, "step": step,
                "layers": [[[word.text, round(float(word.score), 6)] for word in row] for row in rows],
            }  # fmt: skip

    def _job(self, choices: Choices, system: str, agents: dict[str, str] | None) -> tuple[Entry, Job]:
        entry, job = self._asked.job(choices, system, agents)
        if entry.borrowed is not None:
            todo = "Ask for an embedded system, or run the page where there is a GPU of its own."
            raise BadInput("this system", "borrows a GPU for each run and not for longer", todo)
        return entry, job
