"""What the Compare tab does when something is pressed: small handlers over a visitor's race and survey."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from visualizers.names import named_pattern
from visualizers.panels.belongings import VisitorShelf
from visualizers.panels.choices import Choices
from visualizers.panels.compare_columns import lane_html
from visualizers.panels.compare_race import Lane, lanes_of, race
from visualizers.panels.numbers import short
from visualizers.panels.shelf import Shelf
from visualizers.panels.stage import say_error, status_html
from visualizers.panels.survey_sample import Sample
from visualizers.panels.survey_view import SURVEY_OUTPUTS, survey_panels
from visualizers.panels.titles import offer_title
from visualizers.panels.visitors import Visitor, Visitors
from visualizers.panels.wanted import is_borrowed
from visualizers.words import Words

WAYS = ("single", "text", "latent")
_PACES = {"calm": 0.05}  # seconds between two beats of three columns
_DRAWN_EVERY = 0.1  # seconds between drawings of a race that goes on faster
_BEAT = 0.3  # seconds between two drawings of a survey that goes on
Outputs = tuple[Any, ...]


@dataclass(frozen=True)
class Chosen:
    """What Explore says, in the order in which the page sends it, as it came."""

    question: Any
    rounds: Any
    thoughts: Any
    seed: Any
    pace: Any
    tools: Any

    @property
    def choices(self) -> Choices:
        """What decides a run, but for the way."""
        return Choices(self.question, self.rounds, self.thoughts, self.seed, "latent", self.tools)


class Compare:
    """The handlers of one page.

    Args:
        shelf: The systems that can be run.
        visitors: Who looks at what.
        words: What the page says.
    """

    def __init__(self, shelf: Shelf, visitors: Visitors, words: Words) -> None:
        self._shelf, self._visitors, self._words = shelf, visitors, words

    @property
    def words(self) -> Words:
        """What the page says."""
        return self._words

    def look(self, request: gr.Request, *values: Any) -> Outputs:
        """What would be compared: (which, survey's panels …)."""
        visitor = self._visitor(request)
        return self._which(visitor, Chosen(*values)), *survey_panels(self._words, visitor.survey.moment).changes(None)

    def run(self, request: gr.Request, *values: Any) -> Iterator[Outputs]:
        """Answer the question in all three ways side by side: (which, said, single, text, latent)."""
        visitor, chosen = self._visitor(request), Chosen(*values)
        try:
            refused, wanted = self._refused(visitor), visitor.race.begin()
            if refused:
                yield gr.skip(), status_html(refused, error=True), *_skipped(3)
                yield _skipped(5)
                return
            yield self._which(visitor, chosen), self._said("running"), *_skipped(3)
            lanes = lanes_of(self._shelf_of(visitor).entry(visitor.lineup), chosen.choices)
            drawn, due = dict[str, str](), 0.0
            pace = _PACES.get(str(chosen.pace), 0.0)
            live = race(lanes)
            try:
                for lanes in live:
                    if not wanted():
                        break
                    if time.monotonic() >= due:
                        yield gr.skip(), gr.skip(), *self._columns(lanes, drawn)
                        due = time.monotonic() + _DRAWN_EVERY
                    visitor.race.wait(wanted, pace / len(WAYS))
            finally:
                live.close()
            if wanted():  # else it was stopped, or another run draws by now
                yield gr.skip(), self._said("done"), *self._columns(lanes, drawn)
        except GeneratorExit:
            self._visitors.close(str(request.session_hash))  # the tab went away
            raise
        except Exception as error:
            yield gr.skip(), status_html(say_error(error, self._words), error=True), *_skipped(3)
        yield _skipped(5)  # gradio sends the last values once more

    def halt(self, request: gr.Request) -> str:
        """Stop the three runs where they are."""
        self._visitor(request).race.stop()
        return self._said("stopped")

    def start(self, request: gr.Request, size: Any, timed: Any, rounds: Any, *values: Any) -> Iterator[Outputs]:
        """Begin a survey, and follow it: (which, survey's panels …)."""
        visitor, chosen = self._visitor(request), Chosen(*values)
        try:
            refused = self._refused(visitor, survey=True)
            if refused:
                yield gr.skip(), status_html(refused, error=True), *_skipped(len(SURVEY_OUTPUTS) - 1)
            else:
                sample = Sample.read(size, timed, rounds, chosen.thoughts, chosen.seed)
                shelf, lineup = self._shelf_of(visitor), visitor.lineup
                visitor.survey.begin(self._title(visitor), lambda: sample.records(shelf.entry(lineup)))
                yield self._which(visitor, chosen), *_skipped(len(SURVEY_OUTPUTS))
                for panels in self._followed(request, visitor):
                    yield gr.skip(), *panels
        except GeneratorExit:
            self._visitors.close(str(request.session_hash))  # the tab went away
            raise
        except Exception as error:
            yield gr.skip(), status_html(say_error(error, self._words), error=True), *_skipped(len(SURVEY_OUTPUTS) - 1)
        yield _skipped(1 + len(SURVEY_OUTPUTS))

    def stop(self, request: gr.Request) -> Outputs:
        """End the survey; what was measured stays."""
        visitor = self._visitor(request)
        visitor.survey.stop()
        return survey_panels(self._words, visitor.survey.moment).changes(None)

    def _followed(self, request: gr.Request, visitor: Visitor) -> Iterator[Outputs]:
        session, sent, seen = visitor.survey, None, -1
        newest = session.follow()
        while newest():
            panels = survey_panels(self._words, session.moment)
            yield panels.changes(sent)
            sent = panels
            if not session.moment.at_work:
                if survey_panels(self._words, session.moment) == sent:
                    return
                continue
            seen = session.wait(seen, 2.0)
            time.sleep(_BEAT)
            self._visitors.get(str(request.session_hash))  # whoever surveys is here

    def _columns(self, lanes: Mapping[str, Lane], drawn: dict[str, str]) -> Outputs:
        """The columns that differ from what was drawn before, which is noted in `drawn`."""
        new = {way: lane_html(self._words, lanes[way]) for way in WAYS}
        changed = tuple(gr.skip() if drawn.get(way) == new[way] else new[way] for way in WAYS)
        drawn.update(new)
        return changed

    def _which(self, visitor: Visitor, chosen: Chosen) -> str:
        """One line: which system is compared, and on what."""
        said = self._words(
            "compare.question.which", system=self._title(visitor), question=short(str(chosen.question), 90),
            rounds=chosen.rounds, thoughts=chosen.thoughts, seed=chosen.seed,
        )  # fmt: skip
        refused = self._refused(visitor) or self._refused(visitor, survey=True)
        more = f' <span class="recmas-outside">{escape(refused)}</span>' if refused else ""
        return f'<p class="recmas-hint">{escape(said)}{more}</p>'

    def _title(self, visitor: Visitor) -> str:
        """What is compared: the system looked at, with its agents and links."""
        words, catalogue, lineup = self._words, visitor.belongings.catalogue, visitor.lineup
        offer, pattern = catalogue.offer(lineup.system), catalogue.pattern(lineup.system)
        name = offer_title(offer, words) if offer.cast else named_pattern(pattern, words).title
        if lineup.links:
            return words("compare.question.links", system=name, links=lineup.links)
        if offer.cast and not catalogue.is_own(lineup):
            return words("compare.question.cast", system=name)
        return name

    def _refused(self, visitor: Visitor, *, survey: bool = False) -> str:
        """Why what the visitor looks at cannot be compared here, or not surveyed; "" if it can."""
        catalogue, lineup = visitor.belongings.catalogue, visitor.lineup
        wanted = catalogue.offer(lineup.system).wanted
        if wanted is not None and is_borrowed(wanted):
            return self._words("compare.refused.borrowed")
        if survey and catalogue.task(lineup) is None:
            return self._words("compare.refused.no_world")
        return ""

    def _said(self, what: str) -> str:
        return status_html(self._words(f"compare.question.{what}"))

    def _visitor(self, request: gr.Request) -> Visitor:
        return self._visitors.get(str(request.session_hash))

    def _shelf_of(self, visitor: Visitor) -> VisitorShelf:
        return VisitorShelf(self._shelf, visitor.belongings)


def _skipped(n: int) -> Outputs:
    return tuple(gr.skip() for _ in range(n))
