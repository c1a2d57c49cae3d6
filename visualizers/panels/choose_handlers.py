"""What the left side does: another pattern, other agents, another question, and the notes beside them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from html import escape
from typing import Any

import gradio as gr

from recmas_core.errors import BadInput, RecmasError
from recmas_core.records import check_question
from recmas_core.system import System
from recmas_core.tasks import Task
from visualizers.panels.cards import cards_html, cast_html, links_html
from visualizers.panels.catalogue import Catalogue, Lineup
from visualizers.panels.choices import MAX_THOUGHTS
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
        explore: The handlers of the stage.
    """

    def __init__(self, shelf: Shelf, explore: Explore) -> None:
        self._shelf, self._explore = shelf, explore

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
        cards = f"{cards_html(catalogue, catalogue.offer(lineup.system).name)}<!-- {abs(hash(lineup))} -->"
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
            note = f'<p class="recmas-hint recmas-outside">{escape(say_error(error))}</p>'
            yield (note, gr.skip(), gr.skip(), *only_status(str(error), error=True))
            return
        cast = cast_html(shelf.catalogue, lineup, system)
        trained = trained_note(system, controls.thoughts)
        with visitor.pen:
            yield (trained, cast, tools_note(system), *self._explore.look(request, *values))
        nothing = tuple(gr.skip() for _ in range(3))
        for compared in self._explore.compared(request, *values):  # a run that came with its answer
            yield nothing + compared

    def note(self, text: str, request: gr.Request) -> str:
        """How a question is taken, and its true answer where there is one."""
        return reading_note(self._task(request), text)

    def trained(self, thoughts: Any, request: gr.Request) -> str:
        """Whether the agents ever saw that many thoughts in a slot."""
        visitor = self._explore.visitor(request)
        try:
            return trained_note(self._explore.shelf(visitor).entry(visitor.lineup).system, thoughts)
        except RecmasError as error:
            return f'<p class="recmas-hint recmas-outside">{escape(str(error))}</p>'

    def draw(self, request: gr.Request) -> Any:
        """A fresh held-out question."""
        task = self._task(request)
        if task is None:
            gr.Info("These agents have no little world of their own: type a question.")
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
        shelf.load(lineup)
        entry, task = shelf.ready(lineup), shelf.catalogue.task(lineup)
        system = None if entry is None else entry.system
        pattern, offer = shelf.pattern(lineup), shelf.catalogue.offer(lineup.system)
        tools = any(role.tools for role in pattern.roles)
        setting = Setting(
            question=gr.Textbox(asked.question, placeholder="Type a question" if task is None else task.placeholder),
            examples=gr.Dropdown(list(examples_of(task)), value=None),
            rounds=asked.rounds,
            thoughts=asked.thoughts,
            seed=asked.seed,
            note=reading_note(task, asked.question),
            trained="" if system is None else trained_note(system, asked.thoughts),
            cast=cast_html(shelf.catalogue, lineup, system),
            links=links_html(visitor.belongings, lineup),
            cards=gr.skip() if cards is _SAME else cards,
            agents=gr.Accordion(open=True) if not offer.cast else gr.skip(),
            tools=gr.Checkbox(visible=tools),
            toolnote=gr.HTML("" if system is None else tools_note(system), visible=tools),
            about=about_html(task),
            follow=session.moment.map_of is None,
        )
        controls = Controls(
            asked.question, asked.rounds, asked.thoughts, asked.seed, before.mode, before.pace, True, before.tools
        )
        panels = draw_panels(shelf, lineup, session.moment, controls, entry)
        return tuple(getattr(setting, name) for name in SETTING) + panels.changes(None)

    def _failed(self, error: Exception) -> tuple[Any, ...]:
        return (*(gr.skip() for _ in SETTING), *only_status(say_error(error), error=True))


def reading_note(task: Task | None, text: Any) -> str:
    """How a question is taken, and its true answer where there is one."""
    try:
        check_question(text)
    except RecmasError as error:
        return f'<p class="recmas-hint recmas-outside">{escape(str(error))}</p>'
    if task is None:
        return ""
    reading = task.read(text)
    if reading.answer is None:
        return f'<p class="recmas-hint recmas-outside">{escape(reading.note)}</p>'
    taken = "" if reading.question == text else f"Read as <b>{escape(reading.question)}</b>. "
    return f'<p class="recmas-hint">{taken}{escape(reading.note)} True answer: <b>{escape(reading.answer)}</b>.</p>'


def trained_note(system: System, thoughts: Any) -> str:
    """Whether the agents ever saw that many thoughts in a slot, and how they speak where that is not the usual way."""
    whole = isinstance(thoughts, int | float) and float(thoughts).is_integer() and 1 <= thoughts <= MAX_THOUGHTS
    if not whole:
        return f'<p class="recmas-hint recmas-outside">Thoughts per turn: a whole number from 1 to {MAX_THOUGHTS}.</p>'
    if system.trained_steps is None:
        return _spoken_note(system)
    low, high = system.trained_steps
    taught = f"The agents were trained with {low if low == high else f'{low} to {high}'} thoughts a turn"
    if low <= thoughts <= high:
        return f'<p class="recmas-hint">{taught}.</p>'
    return f'<p class="recmas-hint recmas-outside">{taught}, never with {int(thoughts)}: expect wrong answers.</p>'


def _spoken_note(system: System) -> str:
    speaking = system.decoding
    if not speaking.temperature:
        return ""
    return (
        f'<p class="recmas-hint">The answer is sampled at temperature {speaking.temperature:g} (top-p '
        f"{speaking.top_p:g}), by the seed: another seed, another answer. It ends after {speaking.max_new_tokens:,} "
        "tokens at the latest.</p>"
    )


def tools_note(system: System) -> str:
    """What each tool is and what it works on."""
    rows = "".join(
        f"<li><code>{escape(tool.name)}</code> {escape(tool.about)} <b>{escape(tool.source)}</b></li>"
        for tool in system.tools.values()
    )
    return f'<ul class="recmas-tools">{rows}</ul>' if rows else ""


def about_html(task: Task | None) -> str:
    """What the little world is, and the honest limit of what one turn can carry."""
    if task is None:
        return '<p class="recmas-hint">These agents know no little world together.</p>'
    return f'<p class="recmas-hint">{escape(task.about)}</p><p class="recmas-hint">{escape(task.limit)}</p>'

