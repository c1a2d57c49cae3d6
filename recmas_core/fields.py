"""Whether values that came from a file are of the types that a record's fields say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np


def check_fields(record: type, values: Mapping[str, Any]) -> None:
    """See that values can be a record's fields: its code and whoever draws it rely on their types.

    Args:
        record: A dataclass of `recmas_core.records`.
        values: Values by the fields' names; fields may be left out.

    Raises:
        TypeError: If a value is of another type than its field, or there is no such field.
        ValueError: If a number is not finite.
    """
    hints = _hints(record)
    for name, value in values.items():
        if name not in hints:
            raise TypeError(f"{record.__name__} has no {name[:40]!r}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{record.__name__}.{name} is {value}")
        if not _is(value, hints[name]):
            raise TypeError(f"{record.__name__}.{name} is of another type: {str(value)[:40]!r}")


@lru_cache(64)
def _hints(record: type) -> dict[str, Any]:
    from recmas_core import records

    return get_type_hints(record, localns={"Trace": records.Trace})


def _is(value: Any, hint: Any) -> bool:
    kind, parts = get_origin(hint), get_args(hint)
    if kind in (Union, UnionType):
        return any(_is(value, part) for part in parts)
    if kind is Literal:
        return isinstance(value, str) and value in parts
    if kind is tuple:
        if not isinstance(value, tuple):
            return False
        if len(parts) == 2 and parts[1] is Ellipsis:
            return all(_is(each, parts[0]) for each in value)
        return len(value) == len(parts) and all(_is(each, part) for each, part in zip(value, parts, strict=True))
    if kind is dict:
        return isinstance(value, dict) and all(_is(k, parts[0]) and _is(v, parts[1]) for k, v in value.items())
    if kind is np.ndarray:
        return isinstance(value, np.ndarray) and value.dtype == np.float32
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, hint) and (hint is not int or not isinstance(value, bool))
