"""The numbers of a run at a moment, and whether its answer is right."""

from __future__ import annotations

from recmas_core.records import ToolCall
from recmas_core.tasks import Example, Task
from recmas_core.tasks.base import Reading
from visualizers.figures.meters import Meter, meters_html
from visualizers.figures.similarity import round_similarity
from visualizers.panels.moments import Scene
from visualizers.words import Words


def meters(view: Scene, task: Task | None, reading: Reading | None) -> str:
    """The run's numbers at this moment."""
    start, trace, words = view.start, view.trace, view.words
    answer = None if trace is None else trace.answer
    tokens = 0 if trace is None else trace.decoded_tokens
    steps = 0 if trace is None else len(trace.thoughts)
    seconds = 0.0 if trace is None else trace.seconds
    alike = round_similarity(() if trace is None else trace.turns)
    last = max(alike, default=None)
    now = words("explore.meters.round_of", round=0 if start is None else start.round, rounds=view.rounds)
    calls = sum(isinstance(event, ToolCall) for event in view.events)
    called = [Meter(words("explore.meters.calls"), str(calls), words("explore.meters.calls_hint"))]
    return meters_html(
        [
            Meter(words("explore.meters.round"), now),
            Meter(words("explore.meters.steps"), str(steps), words("explore.meters.steps_hint")),
            Meter(words("explore.meters.tokens"), str(tokens), words("explore.meters.tokens_hint")),
            *(called if any(role.tools for role in view.pattern.roles) else ()),
            Meter(words("explore.meters.time"), f"{1000 * seconds:.0f} ms", words("explore.meters.time_hint")),
            Meter(
                words("explore.meters.alike"),
                "–" if last is None else words.written(f"{alike[last]:.2f}"),
                words("explore.meters.alike_hint"),
            ),
            Meter(
                words("explore.meters.answer"),
                "–" if answer is None else short(answer, 40) or words("explore.meters.empty"),
            ),
            verdict(answer, task, reading, words),
        ]
    )


def verdict(answer: str | None, task: Task | None, reading: Reading | None, words: Words) -> Meter:
    """Right or wrong against the true answer, where there is one."""
    truth = None if reading is None else reading.answer
    right = None if answer is None else is_right(task, reading, answer)
    label = words("explore.meters.truth")
    if truth is None:
        return Meter(label, words("explore.meters.unknown"), words("explore.meters.unknown_hint"))
    if right is None:
        return Meter(label, truth, words("explore.meters.truth_hint"))
    said = "right" if right else "wrong"
    return Meter(label, words(f"explore.meters.{said}", answer=truth), tone="good" if right else "bad")


def is_right(task: Task | None, reading: Reading | None, answer: str) -> bool | None:
    """Whether an answer is right, as the task grades it; None where that cannot be known."""
    if task is None or reading is None or reading.answer is None:
        return None
    return task.grade(Example(reading.question, reading.answer, {}), answer)


def short(text: str, limit: int = 60) -> str:
    """A text cut to a length that fits in one line."""
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[:limit].rstrip()} …"
