"""The three columns of the Compare tab: a lane of a race as a column's HTML. Pure: one lane gives one column."""

from __future__ import annotations

from collections.abc import Iterator

from recmas_core.patterns import Place
from recmas_core.records import TurnDone, TurnStart
from visualizers.figures.columns import ColumnTurn, column_html
from visualizers.figures.meters import Meter
from visualizers.names import named_pattern
from visualizers.panels.compare_race import Lane
from visualizers.panels.moments import Scene, scene
from visualizers.panels.numbers import is_right, short
from visualizers.panels.render import turn_says
from visualizers.theme import NEUTRAL, role_colour
from visualizers.words import Words


def empty_html(words: Words, way: str) -> str:
    """A column before the first run."""
    return column_html(words(f"compare.ways.{way}"), words(f"compare.about.{way}"), (), ())


def lane_html(words: Words, lane: Lane) -> str:
    """A column of a run, or of the beginning of one."""
    way, trace = lane.way, lane.trace
    view = scene(lane.pattern, trace, None, way.rounds, words)
    meters, turns = list(_meters(words, lane)), list(_turns(words, lane, view))
    return column_html(words(f"compare.ways.{way.name}"), _about(words, lane), meters, turns)


def _about(words: Words, lane: Lane) -> str:
    if not lane.single:
        return words(f"compare.about.{lane.way.name}")
    return words("compare.about.taught") if lane.taught else words("compare.about.decoder", agent=_decoder(words, lane))


def _meters(words: Words, lane: Lane) -> Iterator[Meter]:
    trace = lane.trace
    yield Meter(words("compare.meters.tokens"), str(trace.decoded_tokens), words("compare.meters.tokens_hint"))
    yield Meter(words("compare.meters.steps"), str(len(trace.thoughts)), words("compare.meters.steps_hint"))
    yield Meter(words("compare.meters.time"), f"{1000 * trace.seconds:.0f} ms", words("compare.meters.time_hint"))
    answer = trace.answer
    if answer is None:
        yield Meter(words("compare.meters.answer"), "–")
        return
    right = is_right(lane.task, lane.reading, answer)
    said = short(answer, 40) or words("compare.meters.empty")
    if right is None:
        yield Meter(words("compare.meters.answer"), said, words("compare.meters.unknown"))
    elif right:
        yield Meter(words("compare.meters.answer"), words("compare.meters.right", answer=said), tone="good")
    else:
        truth = "" if lane.reading is None else lane.reading.answer
        yield Meter(
            words("compare.meters.answer"), words("compare.meters.wrong", answer=said),
            words("compare.meters.truth", answer=truth), "bad",
        )  # fmt: skip


def _turns(words: Words, lane: Lane, view: Scene) -> Iterator[ColumnTurn]:
    trace, latent = lane.trace, lane.way.mode == "latent"
    done = {event.turn.index: event.turn for event in trace.events if isinstance(event, TurnDone)}
    begun = {event.turn for event in trace.events if isinstance(event, TurnStart)}
    for place in view.places:
        turn = done.get(place.turn)
        thinks = latent and not place.decodes
        yield ColumnTurn(
            heading=words("compare.columns.round", n=place.round),
            title=_who(words, lane, view, place),
            colour=_colour(lane, place),
            says=turn_says(view, lane.notes, place, turn, trace.answer) if place.turn in begun else "",
            hint=words("compare.columns.thinks" if thinks else "compare.columns.writes"),
            state="done" if turn is not None else "running" if place.turn in begun else "waiting",
            latent=thinks,
        )


def _who(words: Words, lane: Lane, view: Scene, place: Place) -> str:
    if not lane.single:
        return view.title(place.role)
    return words("compare.columns.alone") if lane.taught else _decoder(words, lane)


def _colour(lane: Lane, place: Place) -> str:
    if not lane.single:
        return role_colour(lane.pattern, place.role)
    return NEUTRAL if lane.taught else role_colour(lane.whole, lane.whole.decoder)


def _decoder(words: Words, lane: Lane) -> str:
    whole = named_pattern(lane.whole, words)
    return next(role.title for role in whole.roles if role.name == whole.decoder)
