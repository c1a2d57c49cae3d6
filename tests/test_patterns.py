"""Patterns: what does not fit together is refused, and schedules follow from the data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from recmas_core.errors import BadInput
from recmas_core.patterns import MIXTURE, PATTERNS, Edge, loop_pattern


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"stages": (("math", "code"), ("summarizer",))}, "stages"),
        ({"edges": (Edge("math", "poet"),)}, "poet"),
        ({"decoder": "math"}, "decodes"),
        ({"stages": (("math", "code"), ("summarizer", "science"))}, "decodes"),
        ({"edges": (Edge("math", "code"),)}, "same time"),
        ({"edges": (Edge("summarizer", "math"),)}, "already spoken"),
        ({"contrast": ("math", "code")}, "no edge"),
    ],
)
def test_a_pattern_that_does_not_fit_together_is_refused(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(BadInput, match=word):
        replace(MIXTURE, **changes)


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=lambda pattern: pattern.name)
def test_a_schedule_ends_with_the_answer(pattern: Any) -> None:
    places = pattern.schedule(3)
    assert [place.turn for place in places] == list(range(3 * len(pattern.roles)))
    assert [place.decodes for place in places] == [False] * (len(places) - 1) + [True]
    assert places[-1].role == pattern.decoder


def test_specialists_read_feedback_from_the_second_round_on() -> None:
    assert MIXTURE.senders_to("math", round_=1) == ()
    assert MIXTURE.senders_to("math", round_=2) == ("summarizer",)
    assert MIXTURE.senders_to("summarizer", round_=1) == ("math", "code", "science")


def test_loops_have_two_to_five_agents() -> None:
    for size in range(2, 6):
        pattern = loop_pattern(size)
        assert len(pattern.roles) == len(pattern.edges) == size
        assert sum(edge.feedback for edge in pattern.edges) == 1
    for size in (0, 1, 6):
        with pytest.raises(BadInput, match="agents"):
            loop_pattern(size)
