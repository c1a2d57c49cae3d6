"""Tokens and keys stay out of what is shown and logged."""

from __future__ import annotations

import io
import logging
import sys

import pytest

from recmas_core.secrets import MASK, SecretFilter, guard_handlers, redacted

TOKEN, KEY = "hf_" + "aB3" * 11, "tvly-dev-" + "x7" * 12
ENVIRONMENT = {"HF_TOKEN": "a plain/secret", "TAVILY_API_KEY": "a plain/secret-longer", "OTHER": "kept as it is"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("of a plain/secret.", f"of {MASK}."),
        ("of a plain/secret-longer.", f"of {MASK}."),
        ("?key=a%20plain%2Fsecret&x", f"?key={MASK}&x"),
        (f"token={TOKEN}", f"token={MASK}"),
        (f"'{KEY}'", f"'{MASK}'"),
        ("Authorization: Bearer abc.def-123456", f"Authorization: Bearer {MASK}"),
        ("hf_jwt_abcdefgh.ijk", MASK),
    ],
)
def test_secrets_are_taken_out(text: str, shown: str) -> None:
    assert redacted(text, ENVIRONMENT) == shown


@pytest.mark.parametrize("text", ["hf_hub_download", "kept as it is", "", "hf_", "tvly-", "Bearer of news"])
def test_all_else_stays(text: str) -> None:
    assert redacted(text, ENVIRONMENT) == text


@pytest.mark.parametrize("value", ["", "  ", "a"])
def test_values_that_are_no_keys_are_not_looked_for(value: str) -> None:
    assert redacted("a b a", {"HF_TOKEN": value}) == "a b a"


def logged(write: object) -> str:
    """What a guarded handler writes."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    guard_handlers([handler], ENVIRONMENT)
    logger = logging.Logger("test")
    logger.addHandler(handler)
    write(logger)  # type: ignore[operator]
    return stream.getvalue()


def raising(logger: logging.Logger) -> None:
    try:
        raise ValueError(f"refused {TOKEN}")
    except ValueError:
        logger.exception("it failed")


@pytest.mark.parametrize(
    "write",
    [
        lambda logger: logger.warning(f"with {TOKEN}"),
        lambda logger: logger.warning("with %s", TOKEN),
        lambda logger: logger.warning("with %(a)s", {"a": TOKEN}),
        lambda logger: logger.warning("with", stack_info=True, extra={"stack": TOKEN}),
        lambda logger: logger.warning("%d %d", TOKEN),
        raising,
    ],
)
def test_records_are_cleaned(write: object) -> None:
    text = logged(write)
    assert TOKEN not in text
    assert text.strip()


def test_an_exception_is_still_told() -> None:
    text = logged(raising)
    assert "Traceback" in text
    assert f"ValueError: refused {MASK}" in text


def test_a_later_handler_cannot_write_the_exception_again() -> None:
    try:
        raise ValueError(TOKEN)
    except ValueError:
        record = logging.LogRecord("a", 30, "f.py", 1, "m", (), sys.exc_info())
    SecretFilter(ENVIRONMENT).filter(record)
    assert record.exc_info is None


def test_a_token_that_is_set_later_is_known() -> None:
    environment: dict[str, str] = {}
    guard = SecretFilter(environment)
    environment["HF_TOKEN"] = "only then"
    record = logging.LogRecord("a", 30, "f.py", 1, "it is only then", (), None)
    guard.filter(record)
    assert record.getMessage() == f"it is {MASK}"


def test_a_handler_is_guarded_once() -> None:
    handler = logging.NullHandler()
    guard_handlers([handler, handler], ENVIRONMENT)
    assert len(handler.filters) == 1
