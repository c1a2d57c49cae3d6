"""What the Train tab does with the result of a training: into Explore, before against after, files down and up."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from recmas_core.errors import BadInput
from visualizers.panels.cards import cards_html
from visualizers.panels.choose_handlers import SETTING, Choose
from visualizers.panels.stage import Controls, only_status, say_error
from visualizers.panels.train_choices import Plan
from visualizers.panels.train_form import EXPLORE, Filled, read_form
from visualizers.panels.train_handlers import Train
from visualizers.panels.train_results import compare, compared_html, file_name, name_of, pack, pack_released, result_of
from visualizers.panels.train_troubles import not_begun
from visualizers.panels.visitors import Visitor

if TYPE_CHECKING:
    from recmas_core.system import System

Outputs = tuple[Any, ...]


class Results:
    """The handlers of one page.

    Args:
        train: The handlers that train.
        choose: The handlers of the Explore tab's left side.
    """

    def __init__(self, train: Train, choose: Choose) -> None:
        self._train, self._choose, self.words = train, choose, train.words

    def use(self, request: gr.Request, *values: Any) -> Outputs:
        """Run the trained links in the Explore tab: (tabs, setting …, stage …)."""
        visitor = self._train.visitor(request)
        try:
            plan, system = self._result(visitor)
            name = name_of(plan, len(visitor.training.moment.steps), self.words)
            like = self._train.shelf(visitor).entry(plan.lineup)
            lineup = visitor.belongings.keep_links(plan.lineup, system, name, like)
            return gr.Tabs(selected="explore"), *self._choose.use(visitor, lineup, Controls(*values))
        except Exception as error:
            return gr.skip(), *(gr.skip() for _ in SETTING), *only_status(say_error(error, self.words), error=True)

    def to_train(self, request: gr.Request, sent: Any) -> Outputs:
        """Open the Train tab for what Explore looks at: (tabs, form, panels …, map, caption, map's choice)."""
        visitor = self._train.visitor(request)
        lineup, catalogue = visitor.lineup, visitor.belongings.catalogue
        try:
            filled = read_form(sent)
        except BadInput:
            filled = Filled()
        plain = lineup == catalogue.lineup(lineup.system)
        course = "repair" if plain and catalogue.is_own(lineup) else "from nothing"
        form = replace(filled.form, course=course, begin="damaged" if course == "repair" else "random", laps=())
        asked = Filled(lineup.system if plain else EXPLORE, form)
        return gr.Tabs(selected="train"), *self._train.drawn(visitor, asked)

    def compare(self, request: gr.Request) -> Iterator[str]:
        """Accuracy before and after, on fresh questions. The training may go on meanwhile."""
        visitor = self._train.visitor(request)
        yield f'<p class="recmas-hint">{self.words("train.results.measuring")}</p>'
        try:
            plan, after = self._result(visitor)
            with visitor.training.between_steps() as course:
                before = course.before  # nobody changes these
            yield compared_html(compare(before, after, plan), self.words)
        except Exception as error:
            yield f'<p class="recmas-hint recmas-outside">{escape(say_error(error, self.words))}</p>'

    def download(self, request: gr.Request) -> Any:
        """A zip of the system's folder."""
        return self._file(request, lambda system, folder, name, _: pack(system, folder, name, self.words))

    def released(self, request: gr.Request) -> Any:
        """A zip of the links in the public release's layout."""
        return self._file(
            request, lambda system, folder, name, task: pack_released(system, folder, name, task=task)
        )  # fmt: skip

    def upload(self, file: Any, request: gr.Request, sent: Any) -> Outputs:
        """Offer an uploaded system to this visitor: (said, cards, and what `Train.look` gives)."""
        visitor = self._train.visitor(request)
        mine = visitor.belongings
        try:
            name = mine.upload(Path(str(file)), self._train.everybodys, self.words)
            filled = replace(read_form(sent), system=name)
        except Exception as error:
            refused = f'<p class="recmas-hint recmas-outside">{escape(say_error(error, self.words))}</p>'
            return refused, *(gr.skip() for _ in range(1 + self._train.drawn_outputs))
        offer = mine.catalogue.offer(name)
        said = f'<p class="recmas-hint">{self.words("train.results.uploaded", title=escape(offer.title))}</p>'
        chosen = mine.catalogue.offer(visitor.lineup.system).name
        return said, cards_html(mine.catalogue, chosen, self.words), *self._train.drawn(visitor, filled)

    def _file(self, request: gr.Request, make: Callable[[System, Path, str, str], Path]) -> Any:
        visitor = self._train.visitor(request)
        try:
            plan, system = self._result(visitor)
            folder = Path(tempfile.mkdtemp(dir=visitor.belongings.folder()))
            wanted = visitor.belongings.catalogue.offer(plan.lineup.system).wanted
            task = "math" if wanted is None else wanted.task
            return gr.update(value=str(make(system, folder, file_name(system), task)))
        except Exception as error:
            say_error(error, self.words)
            return gr.update(value=None)

    def _result(self, visitor: Visitor) -> tuple[Plan, System]:
        """What was trained and the system as it is now; a training that goes on waits for a moment."""
        plan = visitor.training.moment.plan
        if plan is None:
            raise not_begun(self.words)
        with visitor.training.between_steps() as course:
            return plan, result_of(course, plan)
