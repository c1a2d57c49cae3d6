"""The Train tab's words: whatever can be chosen or can happen there is said in every language."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
from english import ENGLISH

from recmas_core.links import LINK_VARIANTS
from recmas_core.training import RECIPES, STAGES
from visualizers.panels.open_form import TASKS
from visualizers.panels.train_beginnings import BEGINNINGS
from visualizers.panels.train_choices import offered_courses, stage_texts
from visualizers.panels.train_manners import TRAINED, UNTRAINED
from visualizers.panels.train_moment import Phase, TrainMoment
from visualizers.panels.train_view import says
from visualizers.panels.train_ways import WAYS
from visualizers.words import LANGUAGES, Words, read_words


@pytest.fixture(params=LANGUAGES)
def words(request: pytest.FixtureRequest) -> Words:
    return read_words(request.param)


def test_every_course_has_a_name_and_says_what_it_does(words: Words) -> None:
    offered = offered_courses().values()
    assert len(offered) == len(RECIPES) + len(STAGES)
    assert [f"{o.texts}.{part}" for o in offered for part in ("title", "inline", "about")
            if not words.has(f"{o.texts}.{part}")] == []  # fmt: skip


def test_every_stage_way_and_beginning_has_a_name(words: Words) -> None:
    keys = [f"{stage_texts(name)}.title" for name in STAGES]
    keys += [f"{way.texts}.{part}" for way in WAYS.values() for part in ("title", "inline")]
    keys += [each.texts for each in BEGINNINGS.values()]
    keys += [f"train.variants.{name}" for name in LINK_VARIANTS]
    keys += [manner.about for manner in (TRAINED, UNTRAINED)]
    keys += [f"open.tasks.{task}" for task in TASKS]
    assert [key for key in keys if not words.has(key)] == []


@pytest.mark.parametrize("phase", get_args(Phase))
def test_every_phase_is_said(words: Words, phase: Phase) -> None:
    assert says(replace(TrainMoment(), phase=phase, error="x"), words).strip()


def test_in_english_the_page_says_of_courses_what_the_library_says() -> None:
    for offered in offered_courses().values():
        assert (ENGLISH(f"{offered.texts}.title"), ENGLISH(f"{offered.texts}.about")) == (offered.title, offered.about)
        assert ENGLISH(f"{offered.texts}.inline") == offered.title.lower()
