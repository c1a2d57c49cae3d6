"""The named API endpoints for comparing: everything the Compare tab can do, for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import gradio as gr

from recmas_core.errors import BadInput
from recmas_core.intervals import Estimate
from visualizers.panels.api import as_gradio_errors, describe
from visualizers.panels.catalogue import Lineup
from visualizers.panels.choices import Choices
from visualizers.panels.compare_race import Lane, lanes_of, race
from visualizers.panels.entry import Entry
from visualizers.panels.numbers import is_right
from visualizers.panels.shelf import Shelf
from visualizers.panels.survey_sample import Sample
from visualizers.panels.survey_session import SurveySession
from visualizers.panels.visitors import Visitors

if TYPE_CHECKING:
    from recmas_core.comparing import Survey

Json = dict[str, Any]


class CompareApi:
    """The endpoints of one page. Every error reaches the caller as a gr.Error with its message.

    Args:
        shelf: The systems that can be run.
        visitors: Whose gate lets a few surveys work at once.
    """

    def __init__(self, shelf: Shelf, visitors: Visitors) -> None:
        self._shelf, self._visitors = shelf, visitors

    def register(self) -> None:
        """Add the endpoints to the page that is being built."""
        gr.api(self.compare, api_name="compare", concurrency_limit=32)
        gr.api(self.survey, api_name="survey", concurrency_limit=32)

    def compare(
        self,
        question: str,
        rounds: int = 3,
        thoughts: int | None = None,
        seed: int = 0,
        system: str = "",
        agents: dict | None = None,
        tools: bool = True,
    ) -> Iterator[dict]:
        """Answer one question in three ways side by side, and stream what happens.

        The ways are "single" (one agent by itself), "text" (the agents pass text) and "latent" (they pass hidden
        states). Streamed are the events of /run, each with its "way"; then for every way {"type": "result", "way": …,
        "answer": …, "right": …, "decoded_tokens": …, "latent_steps": …, "seconds": …}; "right" is null where that
        cannot be known, "seconds" the engine's own. `system` is a name from /status ("" for the first), `agents` the
        keys of other agents by role; without `thoughts` a turn has as many as the agents were taught.
        """
        with as_gradio_errors():
            lineup = self._lineup(system, agents)
            entry = self._entry(lineup)
            asked = self._shelf.catalogue.thoughts(lineup) if thoughts is None else thoughts
            lanes = lanes_of(entry, Choices(question, rounds, asked, seed, "latent", tools))
            seen = dict.fromkeys(lanes, 0)
            live = race(lanes)
            try:
                for lanes in live:
                    for way, lane in lanes.items():
                        for event in lane.trace.events[seen[way] :]:
                            yield {"way": way} | describe(event, lane.notes)
                        seen[way] = len(lane.trace.events)
            finally:
                live.close()
            yield from (_result(lane) for lane in lanes.values())

    def survey(
        self,
        n: int = 50,
        timed: int = 10,
        rounds: int = 3,
        thoughts: int | None = None,
        seed: int = 0,
        system: str = "",
        agents: dict | None = None,
    ) -> Iterator[dict]:
        """Ask a sample of held-out questions in three ways, time some of them one by one, and stream what is measured.

        Every record holds the results so far, each with its 95 % interval: "scores" (accuracy by way and rounds),
        "ratios" of latent by text at the most rounds ("tokens" decoded, "steps": tokens and latent steps, "seconds")
        and "gains" in accuracy of latent over text and over the single agent. While others survey, {"type": "waiting",
        "place": 2} comes; the last record is {"type": "end", …}. `n` is 500 at most, `timed` 100; `rounds` measures
        every number from 1 up to it. Closing the stream (`job.cancel()`) ends the survey. `system`, `agents` and
        `thoughts` are as in /compare; the system needs questions of its own.
        """
        with as_gradio_errors():
            lineup = self._lineup(system, agents)
            asked = self._shelf.catalogue.thoughts(lineup) if thoughts is None else thoughts
            sample = Sample.read(n, timed, rounds, asked, seed)
            if self._shelf.catalogue.task(lineup) is None:
                raise BadInput("system", "has no questions of its own to be measured on", "Choose an embedded one.")
            session = SurveySession(self._visitors.surveys)
            session.begin(lineup.system, lambda: sample.records(self._entry(lineup)))
            try:
                yield from _streamed(session)
            finally:
                session.close()

    def _lineup(self, system: str, agents: dict | None) -> Lineup:
        return self._shelf.catalogue.lineup(system or self._shelf.first.system, agents)

    def _entry(self, lineup: Lineup) -> Entry:
        entry = self._shelf.entry(lineup)
        if entry.borrowed is not None:
            what = "runs on a GPU that is lent for one run at a time, and three run at once here"
            raise BadInput("system", what, "Choose an embedded one.")
        return entry


def describe_survey(found: Survey) -> Json:
    """What a survey has measured so far as JSON."""
    costs = ("tokens", "steps", "seconds")
    return {
        "type": "survey", "done": found.done, "of": found.of, "system": found.system, "rounds": list(found.rounds),
        "timed": len(found.timed), "single_at_once": found.at_once,
        "scores": [
            {
                "way": score.name, "rounds": score.rounds, "right": score.right, "n": score.n,
                "accuracy": score.accuracy, "interval": list(score.interval), "tokens": score.tokens,
                "latent_steps": score.latent_steps,
            }
            for score in found.scores
        ],
        "ratios": {cost: _estimate(found.ratio(cost, "latent", "text")) for cost in costs},  # type: ignore[arg-type]
        "gains": {over: _estimate(found.gain("latent", over)) for over in ("text", "single")},
        "seconds": {way: found.seconds(way) for way in ("single", "text", "latent")},
    }  # fmt: skip


def _estimate(found: Estimate | None) -> Json | None:
    return None if found is None else asdict(found)


def _result(lane: Lane) -> Json:
    trace = lane.trace
    answer = trace.answer or ""
    return {
        "type": "result", "way": lane.way.name, "answer": answer, "right": is_right(lane.task, lane.reading, answer),
        "decoded_tokens": trace.decoded_tokens, "latent_steps": len(trace.thoughts), "seconds": trace.seconds,
    }  # fmt: skip


def _streamed(session: SurveySession) -> Iterator[Json]:
    """Every newest record, and the place in the queue whenever it changes."""
    seen, told, sent = -1, 0, -1
    while True:
        moment = session.moment
        if moment.phase == "waiting" and moment.place != told:
            told = moment.place
            yield {"type": "waiting", "place": told}
        if moment.survey is not None and moment.survey.done > sent:
            sent = moment.survey.done
            yield describe_survey(moment.survey)
        if not moment.at_work:
            break
        seen = session.wait(seen, 1.0)
    if moment.phase == "failed":
        what = moment.error or "Something went wrong that should not have. The page goes on."
        raise gr.Error(what, print_exception=False)
    last = {} if moment.survey is None else describe_survey(moment.survey)
    yield last | {"type": "end", "phase": moment.phase}
