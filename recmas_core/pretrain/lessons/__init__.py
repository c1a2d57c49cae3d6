"""What each kind of agent is taught: {name of a lesson: `Lesson`}, "world/part of the work"."""

from collections.abc import Mapping
from types import MappingProxyType

from recmas_core.pretrain.lessons import almanac, chain, fields, formula
from recmas_core.pretrain.lessons.packing import Batch, Lesson, Mix, Speller, draw_batch

LESSONS: Mapping[str, Lesson] = MappingProxyType(
    {
        "turns": chain.TURNS,
        "direct": chain.DIRECT,
        **{f"fields/{field}": lesson for field, lesson in fields.SPECIALISTS.items()},
        "fields/summarizer": fields.SUMMARIZER,
        "fields/direct": fields.DIRECT,
        "formula/expert": formula.EXPERT,
        "formula/learner": formula.LEARNER,
        "formula/direct": formula.DIRECT,
        "almanac/reflector": almanac.REFLECTOR,
        "almanac/toolcaller": almanac.TOOLCALLER,
        "almanac/alone": almanac.ALONE,
    }
)

__all__ = ["LESSONS", "Batch", "Lesson", "Mix", "Speller", "draw_batch"]
