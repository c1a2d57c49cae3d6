"""Tokens and keys stay out of what is shown and logged."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "TAVILY_API_KEY")
MASK = "[secret]"
# The letters after hf_ in a row tell a token from a name such as hf_hub_download.
_FORMS = re.compile(
    r"hf_(?:jwt|oauth)_[\w.-]{8,}|hf_[A-Za-z0-9]{16,}|tvly-[\w-]{8,}|(?<=[Bb]earer )[\w.~+/=-]{8,}", re.ASCII
)
_SHORTEST = 4  # a shorter value is no key, and would be found in every other word


def redacted(text: str, environment: Mapping[str, str]) -> str:
    """A text without tokens and keys.

    Args:
        text: What is to be shown or logged.
        environment: Where the values of `VARIABLES` are looked up.
    """
    values = {environment.get(name, "").strip() for name in VARIABLES}
    written = {form for value in values if len(value) >= _SHORTEST for form in (value, quote(value, safe=""))}
    for value in sorted(written, key=len, reverse=True):  # one may begin another
        text = text.replace(value, MASK)
    return _FORMS.sub(MASK, text)


class SecretFilter(logging.Filter):
    """Takes tokens and keys out of records: message, exception and stack.

    It belongs to handlers: a logger's own filter does not see what comes from the loggers below it.

    Args:
        environment: Where the values of `VARIABLES` are looked up, anew for each record.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__()
        self._environment = environment
        self._formatter = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record; it is always logged."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError, LookupError):  # arguments that do not fit: all of it is logged as it is
            message = f"{record.msg} {record.args!r}"
        record.msg, record.args = redacted(message, self._environment), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = self._formatter.formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redacted(record.exc_text, self._environment)
            record.exc_info = None  # else a handler could write it out once more
        if record.stack_info:
            record.stack_info = redacted(record.stack_info, self._environment)
        return True


def guard_handlers(handlers: Iterable[logging.Handler], environment: Mapping[str, str]) -> None:
    """Put a `SecretFilter` on each handler that has none, e.g. on those of the root logger."""
    for handler in handlers:
        if not any(isinstance(each, SecretFilter) for each in handler.filters):
            handler.addFilter(SecretFilter(environment))


def every_handler() -> list[logging.Handler]:
    """The handlers of all loggers that there are so far, and the one that is used where there is none."""
    loggers = [logging.getLogger(), *(each for each in logging.root.manager.loggerDict.values())]
    handlers = [handler for each in loggers if isinstance(each, logging.Logger) for handler in each.handlers]
    return handlers if logging.lastResort is None else [*handlers, logging.lastResort]
