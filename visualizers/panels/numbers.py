"""The numbers of a run at a moment, and whether its answer is right."""

from __future__ import annotations

from recmas_core.records import ToolCall
from recmas_core.tasks import Example, Task
from recmas_core.tasks.base import Reading
from visualizers.figures.meters import Meter, meters_html
from visualizers.figures.similarity import round_similarity
from visualizers.panels.moments import Scene


def meters(view: Scene, task: Task | None, reading: Reading | None) -> str:
    """The run's numbers at this moment."""
    start, trace = view.start, view.trace
    answer = None if trace is None else trace.answer
    tokens = 0 if trace is None else trace.decoded_tokens
    steps = 0 if trace is None else len(trace.thoughts)
    seconds = 0.0 if trace is None else trace.seconds
    alike = round_similarity(() if trace is None else trace.turns)
    last = max(alike, default=None)
    calls = sum(isinstance(event, ToolCall) for event in view.events)
    called = [Meter("Tool calls", str(calls), "Programs run and texts searched while the answer was written.")]
    return meters_html(
        [
            Meter("Round", f"{0 if start is None else start.round} of {view.rounds}"),
            Meter("Latent steps", str(steps), "Thoughts made: no token is decoded for them."),
            Meter("Tokens decoded", str(tokens), "The end token counts too; what tools give back does not."),
            *(called if any(role.tools for role in view.pattern.roles) else ()),
            Meter("Time", f"{1000 * seconds:.0f} ms", "The engine's own work, waiting for you left out."),
            Meter(
                "Like last round",
                "–" if last is None else f"{alike[last]:.2f}",
                "Mean cosine of the newest turn's thoughts with the same role's thoughts one round before.",
            ),
            Meter("Answer", "–" if answer is None else short(answer, 40) or "(empty)"),
            verdict(answer, task, reading),
        ]
    )


def verdict(answer: str | None, task: Task | None, reading: Reading | None) -> Meter:
    """Right or wrong against the true answer, where there is one."""
    truth = None if reading is None else reading.answer
    right = None if answer is None else is_right(task, reading, answer)
    if truth is None:
        return Meter("True answer", "not known", "The question is outside of what can be checked.")
    if right is None:
        return Meter("True answer", truth, "Worked out by the task itself; the agents never see it.")
    return Meter("True answer", f"{truth} · {'right' if right else 'wrong'}", tone="good" if right else "bad")


def is_right(task: Task | None, reading: Reading | None, answer: str) -> bool | None:
    """Whether an answer is right, as the task grades it; None where that cannot be known."""
    if task is None or reading is None or reading.answer is None:
        return None
    return task.grade(Example(reading.question, reading.answer, {}), answer)


def short(text: str, limit: int = 60) -> str:
    """A text cut to a length that fits in one line."""
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[:limit].rstrip()} …"
