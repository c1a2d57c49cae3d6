"""Chat templates are programs: jinja's sandbox keeps them from everything else, this keeps them from going on for ever.

What a template may use of memory in one step is not bounded: a server that strangers use should name the models they
may have (`allowed.Allowance`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from recmas_core.configurations import NONSENSE
from recmas_core.errors import UnsafeCheckpoint

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_LONGEST = 100_000  # letters; those of the largest models' tools take about 20,000
_GREATEST = 10**6  # no template counts further, but widths of columns could be that large
_SECONDS = 10.0  # a rendering takes a thousandth of one
_ANOTHER = "Take another model, or put a plain chat template in its place."
_HELLO = ({"role": "user", "content": "Hello"},)


class _Generation(Extension):
    """The tag by which transformers knows an assistant's words."""

    tags = {"generation"}  # noqa: RUF012 (jinja's own form)

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


def check_template(tokenizer: PreTrainedTokenizerBase, where: str) -> None:
    """See that a tokenizer's chat template can be used: read it, and let it write one turn.

    Raises:
        UnsafeCheckpoint: If it is too long, is damaged, counts too far, goes on for ever, or cannot write that turn.
    """
    template: object = tokenizer.chat_template
    if template is None:
        return
    texts = list(template.values()) if isinstance(template, dict) else [template]
    for text in texts:
        if not isinstance(text, str):
            raise UnsafeCheckpoint(where, "has a chat template that is no text", _ANOTHER)
        _check_text(text, where)
    try:
        render(tokenizer, list(_HELLO), where)
    except TemplateError as error:
        what = f"has a chat template that does not take a user's turn ({str(error)[:200]})"
        raise UnsafeCheckpoint(where, what, _ANOTHER) from error


def render(tokenizer: PreTrainedTokenizerBase, messages: Sequence[dict[str, str]], where: str) -> str:
    """What a tokenizer's chat template makes of messages, ready for the model to speak.

    Thinking is switched off where the template has a switch.

    Raises:
        TemplateError: If the template refuses the messages, e.g. their roles.
        UnsafeCheckpoint: If it goes on for ever, or fails in another way.
    """
    try:
        with _within(_SECONDS, where):
            text: Any = tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=True, enable_thinking=False
            )
    except (TemplateError, UnsafeCheckpoint):
        raise
    except (*NONSENSE, MemoryError) as error:
        raise UnsafeCheckpoint(where, f"has a chat template that fails ({str(error)[:200]})", _ANOTHER) from error
    return str(text)


def _check_text(text: str, where: str) -> None:
    if len(text) > _LONGEST:
        what = f"has a chat template of {len(text):,} letters, more than {_LONGEST:,}"
        raise UnsafeCheckpoint(where, what, _ANOTHER)
    environment = ImmutableSandboxedEnvironment(extensions=[_Generation, loopcontrols])
    try:
        tree = environment.parse(text)
    except (TemplateSyntaxError, RecursionError) as error:
        raise UnsafeCheckpoint(where, f"has a damaged chat template ({str(error)[:200]})", _ANOTHER) from error
    for node in tree.find_all((nodes.Pow, nodes.Const)):
        far = isinstance(node, nodes.Const) and isinstance(node.value, int) and abs(node.value) > _GREATEST
        if far or isinstance(node, nodes.Pow):
            raise UnsafeCheckpoint(where, "has a chat template that counts further than a text is long", _ANOTHER)


@contextmanager
def _within(seconds: float, where: str) -> Iterator[None]:
    """Stop templates that this thread renders: they are Python code, whose every line is announced here."""
    end, before = time.monotonic() + seconds, sys.gettrace()

    def at_line(frame: FrameType, event: str, argument: object) -> Any:
        if time.monotonic() > end:
            raise UnsafeCheckpoint(where, f"has a chat template that takes longer than {seconds:g} s", _ANOTHER)
        return at_line

    def at_call(frame: FrameType, event: str, argument: object) -> Any:
        return at_line if frame.f_code.co_filename == "<template>" else None

    sys.settrace(at_call)
    try:
        yield
    finally:
        sys.settrace(before)
