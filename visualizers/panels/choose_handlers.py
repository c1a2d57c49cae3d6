"""What the left side does: another pattern, other agents, another question, and the notes beside them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from html import escape
from typing import Any

import gradio as gr

from recmas_core.errors import BadInput, RecmasError
from recmas_core.tasks import Task
from visualizers.mishaps import in_words
from visualizers.panels.asides import about_html, placeholder, reading_note, tools_note, trained_note
from visualizers.panels.cards import cards_html, cast_html, links_html
from visualizers.panels.catalogue import Catalogue, Lineup
from visualizers.panels.examples import examples_of
from visualizers.panels.explore_handlers import Explore
from visualizers.panels.shelf import Shelf
from visualizers.panels.stage import Controls, draw_panels, only_status, say_error
from visualizers.panels.visitors import Asked, Visitor

ROUNDS = 3
_SAME = object()  # the cards show what was chosen on them


@dataclass(frozen=True)
class Setting:
    """The values of the left side, in the order in which the page expects them."""

    question: Any
    examples: Any
    rounds: Any
    thoughts: Any
    seed: Any
    note: Any
    trained: Any
    cast: Any
    links: Any
    cards: Any
    agents: Any
    tools: Any
    toolnote: Any
    about: Any
    follow: Any


SETTING = tuple(field.name for field in fields(Setting))


class Choose:
    """The handlers of the left side.

    Args:
        shelf: The systems that can be run.
        explore: The handlers of the stage; the page says what they say.
    """

    def __init__(self, shelf: Shelf, explore: Explore) -> None:
        self._shelf, self._explore, self.words = shelf, explore, explore.words

    def choose(self, event: gr.EventData, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        """Another pattern, or another number of agents. The run of the one before is paused and kept."""
        visitor, controls = self._explore.visitor(request), Controls(*values)
        leaving = Asked(controls.question, controls.rounds, controls.thoughts, controls.seed)
        try:
            visitor.choose(str(event.value), leaving=leaving)
            asked = visitor.asked() or self._asked(visitor.belongings.catalogue, visitor.lineup)
            return self._all(visitor, asked, controls)
        except Exception as error:
            return self._failed(error)

    def cast(self, event: gr.EventData, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        """Another agent in a role. The run with the one before is paused and kept for when that one comes back."""
        visitor, controls = self._explore.visitor(request), Controls(*values)
        try:
            visitor.cast(str(event.role), str(event.value))
            number = isinstance(controls.thoughts, int | float)
            wish = controls.thoughts if number else None  # what is no number is said to be none when it is run
            thoughts = visitor.belongings.catalogue.thoughts(visitor.lineup, wish=wish)
            return self.again(visitor, replace(controls, thoughts=thoughts))
        except Exception as error:
            return self._failed(error)

    def links(self, event: gr.EventData, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        """Other links for the same agents: some that were trained here, or their own."""
        visitor, controls = self._explore.visitor(request), Controls(*values)
        try:
            name = str(event.value)
            if name and name not in visitor.belongings.links_of(visitor.lineup):
                raise BadInput(f"links {name[:60]!r}", "are not kept", "Choose others.")
            visitor.choose_links(name)
            return self.again(visitor, controls)
        except Exception as error:
            return self._failed(error)

    def again(self, visitor: Visitor, controls: Controls) -> tuple[Any, ...]:
        """Everything for what the visitor looks at now, with what is typed."""
        asked = Asked(controls.question, controls.rounds, controls.thoughts, controls.seed)
        return self._all(visitor, asked, controls)

    def afresh(self, visitor: Visitor, controls: Controls) -> tuple[Any, ...]:
        """Everything for what the visitor looks at now, with what is typed, the cards too."""
        asked = Asked(controls.question, controls.rounds, controls.thoughts, controls.seed)
        return self._all(visitor, asked, controls, cards=self._cards(visitor))

    def _cards(self, visitor: Visitor) -> str:
        # never the same text twice: the page draws a piece again only if it has changed, and a person may have since
        catalogue, drawing = visitor.belongings.catalogue, random.SystemRandom().getrandbits(32)
        cards = cards_html(catalogue, catalogue.offer(visitor.lineup.system).name, self.words)
        return f"{cards}<!-- {drawing} -->"

    def use(
        self, visitor: Visitor, lineup: Lineup, controls: Controls, *, asked: Asked | None = None
    ) -> tuple[Any, ...]:
        """Look at a line-up; what was typed for it before is there again, or what `asked` says."""
        before = visitor.lineup
        leaving = Asked(controls.question, controls.rounds, controls.thoughts, controls.seed)
        visitor.use(lineup, leaving=leaving)
        typed = asked or (leaving if before.system == lineup.system else visitor.asked())
        catalogue = visitor.belongings.catalogue
        # never the same text twice: the page draws a piece again only if it has changed, and a person may have since
        cards = f"{cards_html(catalogue, catalogue.offer(lineup.system).name, self.words)}<!-- {abs(hash(lineup))} -->"
        return self._all(visitor, typed or self._asked(catalogue, lineup), controls, cards=cards)

    def settle(self, request: gr.Request, *values: Any) -> Iterator[tuple[Any, ...]]:
        """What needs the agents, once they are loaded: (trained note, cast, tools' note, stage …)."""
        visitor, controls = self._explore.visitor(request), Controls(*values)
        lineup, shelf = visitor.lineup, self._explore.shelf(visitor)
        try:
            system = shelf.entry(lineup).system
            while visitor.lineup != lineup:  # meanwhile another one was chosen
                lineup = visitor.lineup
                system = shelf.entry(lineup).system
        except Exception as error:
            said = say_error(error, self.words)
            note = f'<p class="recmas-hint recmas-outside">{escape(said)}</p>'
            yield (note, gr.skip(), gr.skip(), *only_status(said, error=True))
            return
        words = self.words
        cast = cast_html(shelf.catalogue, lineup, system, words)
        trained = trained_note(system, controls.thoughts, words)
        with visitor.pen:
            yield (trained, cast, tools_note(system, words), *self._explore.look(request, *values))
        nothing = tuple(gr.skip() for _ in range(3))
        for compared in self._explore.compared(request, *values):  # a run that came with its answer
            yield nothing + compared

    def note(self, text: str, request: gr.Request) -> str:
        """How a question is taken, and its true answer where there is one."""
        return reading_note(self._task(request), text, self.words)

    def trained(self, thoughts: Any, request: gr.Request) -> str:
        """Whether the agents ever saw that many thoughts in a slot."""
        visitor = self._explore.visitor(request)
        try:
            return trained_note(self._explore.shelf(visitor).entry(visitor.lineup).system, thoughts, self.words)
        except RecmasError as error:
            return f'<p class="recmas-hint recmas-outside">{escape(in_words(error, self.words))}</p>'

    def example(self, text: str | None) -> tuple[Any, ...]:
        """An example was chosen: (question, examples).

        gradio says so too whenever the field is left: it is emptied, or what was typed since would be lost then.
        """
        return (gr.skip(), gr.skip()) if text is None else (text, None)

    def draw(self, request: gr.Request) -> Any:
        """A fresh held-out question."""
        task = self._task(request)
        if task is None:
            gr.Info(self.words("explore.question.none"))
            return gr.skip()
        return task.sample(1, seed=random.SystemRandom().randrange(2**31), split="test")[0].question

    def _task(self, request: gr.Request) -> Task | None:
        visitor = self._explore.visitor(request)
        return visitor.belongings.catalogue.task(visitor.lineup)

    @staticmethod
    def _asked(catalogue: Catalogue, lineup: Lineup) -> Asked:
        return Asked(examples_of(catalogue.task(lineup))[0], ROUNDS, catalogue.thoughts(lineup), 0)

    def _all(self, visitor: Visitor, asked: Asked, before: Controls, *, cards: Any = _SAME) -> tuple[Any, ...]:
        """The left side and the stage for what the visitor looks at now; loading begins if it is not loaded."""
        shelf, lineup, session = self._explore.shelf(visitor), visitor.lineup, visitor.session
        words = self.words
        shelf.load(lineup)
        entry, task = shelf.ready(lineup), shelf.catalogue.task(lineup)
        system = None if entry is None else entry.system
        pattern, offer = shelf.pattern(lineup), shelf.catalogue.offer(lineup.system)
        tools = any(role.tools for role in pattern.roles)
        setting = Setting(
            question=gr.Textbox(asked.question, placeholder=placeholder(task, words)),
            examples=gr.Dropdown(list(examples_of(task)), value=None),
            rounds=asked.rounds,
            thoughts=asked.thoughts,
            seed=asked.seed,
            note=reading_note(task, asked.question, words),
            trained="" if system is None else trained_note(system, asked.thoughts, words),
            cast=cast_html(shelf.catalogue, lineup, system, words),
            links=links_html(visitor.belongings, lineup, words),
            cards=gr.skip() if cards is _SAME else cards,
            agents=gr.Accordion(open=True) if not offer.cast else gr.skip(),
            tools=gr.Checkbox(visible=tools),
            toolnote=gr.HTML("" if system is None else tools_note(system, words), visible=tools),
            about=about_html(task, words),
            follow=session.moment.map_of is None,
        )
        controls = Controls(
            asked.question, asked.rounds, asked.thoughts, asked.seed, before.mode, before.pace, True, before.tools
        )
        panels = draw_panels(shelf, lineup, session.moment, controls, entry, words)
        return tuple(getattr(setting, name) for name in SETTING) + panels.changes(None)

    def _failed(self, error: Exception) -> tuple[Any, ...]:
        return (*(gr.skip() for _ in SETTING), *only_status(say_error(error, self.words), error=True))
