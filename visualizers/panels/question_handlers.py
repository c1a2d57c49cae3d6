"""What the Train tab does with a file of questions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from visualizers.panels.stage import say_error
from visualizers.panels.train_form import Filled, read_form
from visualizers.panels.train_handlers import Train


class Questions:
    """The handlers of one page.

    Args:
        train: The handlers that train.
    """

    def __init__(self, train: Train) -> None:
        self._train = train

    def upload(self, file: Any, request: gr.Request, sent: Any) -> tuple[Any, ...]:
        """Keep a file of questions for this visitor: what `Train.look` gives."""
        visitor, filled, trouble = self._train.visitor(request), Filled(), ""
        try:
            filled = read_form(sent)
            pattern = visitor.belongings.catalogue.pattern(self._train.lineup(visitor, filled.system).system)
            visitor.belongings.give(Path(str(file)), pattern)
        except Exception as error:
            trouble = say_error(error, self._train.words)
        return self._train.drawn(visitor, filled, trouble=trouble)
