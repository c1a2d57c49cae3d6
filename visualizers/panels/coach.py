"""The card that leads through a lesson, as HTML. What its step does on the page stands in it for lessons.js."""

from __future__ import annotations

import json
from dataclasses import asdict
from html import escape

from visualizers.panels.lessons import LESSONS, Lesson, Quiz, Step, Values
from visualizers.panels.rooms import Learning
from visualizers.words import Words


def coach_html(words: Words, learning: Learning, *, trouble: str = "") -> str:
    """The card for where a visitor is; "" where they are in no lesson.

    Args:
        words: The page's language.
        learning: Their lesson.
        trouble: What stands in the way, "" for nothing.
    """
    lesson = LESSONS.get(learning.lesson)
    if lesson is None or not learning.under_way:
        return ""
    at, last = learning.step, learning.step == lesson.length - 1
    body = _quiz(words, lesson, learning) if last else _step(words, lesson, lesson.steps[at], learning)
    buttons = _buttons(words, lesson, learning)
    said = f'<p class="recmas-coach-trouble">{escape(trouble)}</p>' if trouble else ""
    step = words("learn.coach.step", n=at + 1, m=lesson.length)
    return (
        f'<section class="recmas-coach" role="region" aria-label="{escape(words("learn.coach.region"))}" '
        f'data-lesson="{lesson.name}" data-step="{at}" data-steps="{lesson.length}" '
        f'data-plan="{escape(json.dumps(_plan(lesson, learning, words)))}">'
        f'<header><h2>{escape(words(f"learn.{lesson.name}.title"))}</h2><span class="recmas-coach-step">{escape(step)}'
        f'</span><progress max="{lesson.length}" value="{at + 1}" aria-hidden="true"></progress>'
        f'<button type="button" class="recmas-coach-leave" data-coach="leave" data-key="coach-leave">'
        f"{escape(words('learn.coach.leave'))}<kbd>Esc</kbd></button></header>"
        f'<div class="recmas-coach-text">{body}{said}<p class="recmas-coach-trouble" data-late hidden></p></div>'
        f'<footer class="recmas-coach-buttons">{buttons}</footer></section>'
    )


def done(lesson: Lesson, step: Step, learning: Learning) -> bool:
    """Whether a step has nothing left to do."""
    return not step.until or step.name in learning.done


def passed(lesson: Lesson, learning: Learning) -> bool:
    """Whether the lesson's question has been answered rightly."""
    return bool(learning.picked) and learning.picked == lesson.quiz.right(learning.values)


def choices(words: Words, lesson: Lesson, values: Values) -> dict[str, str]:
    """The question's choices as they read; a wrong one that reads like the right one is left out."""
    texts = {name: words(f"learn.{lesson.name}.quiz.{name}.text", **values) for name in lesson.quiz.choices}
    right = lesson.quiz.right(values)
    return {name: text for name, text in texts.items() if name == right or text != texts.get(right)}


def _plan(lesson: Lesson, learning: Learning, words: Words) -> dict[str, object]:
    """What lessons.js does and watches for at this step."""
    if learning.step == lesson.length - 1:
        return {"show": lesson.quiz.show, "passed": passed(lesson, learning)}
    step = lesson.steps[learning.step]
    return {
        "deed": [asdict(act) for act in step.deed],
        "until": "" if done(lesson, step, learning) else step.until,
        "show": step.show,
        "limit": step.limit,
        "late": words("learn.coach.late"),
        "working": words("learn.coach.working"),
    }


def _step(words: Words, lesson: Lesson, step: Step, learning: Learning) -> str:
    texts = [words(f"learn.{lesson.name}.{step.name}.text", **learning.values)]
    if step.until and step.name in learning.done:
        texts = [words(f"learn.{lesson.name}.{step.name}.then", **learning.values)]
    return "".join(f"<p>{escape(line)}</p>" for text in texts for line in text.strip().split("\n"))


def _quiz(words: Words, lesson: Lesson, learning: Learning) -> str:
    values, quiz = learning.values, lesson.quiz
    if not quiz.right(values):
        return f"<p>{escape(words('learn.coach.nothing'))}</p>"
    options = "".join(
        f'<button type="button" data-coach="check" data-choice="{name}" data-key="coach-{name}" '
        f'class="recmas-coach-choice{_tone(quiz, name, learning)}" '
        f'aria-pressed="{str(name == learning.picked).lower()}">'
        f"{escape(text)}</button>"
        for name, text in choices(words, lesson, values).items()
    )
    question = words(f"learn.{lesson.name}.quiz.question", **values)
    return (
        f'<p id="recmas-coach-question"><b>{escape(question)}</b></p>'
        f'<div class="recmas-coach-choices" role="group" aria-labelledby="recmas-coach-question">{options}</div>'
        f"{_feedback(words, lesson, learning)}"
    )


def _tone(quiz: Quiz, name: str, learning: Learning) -> str:
    if name != learning.picked:
        return ""
    return " recmas-good" if name == quiz.right(learning.values) else " recmas-bad"


def _feedback(words: Words, lesson: Lesson, learning: Learning) -> str:
    if not learning.picked:
        return ""
    why = words(f"learn.{lesson.name}.quiz.{learning.picked}.why", **learning.values)
    right = passed(lesson, learning)
    verdict = words("learn.coach.right") if right else words("learn.coach.wrong")
    tone = "recmas-good" if right else "recmas-bad"
    return f'<p class="recmas-coach-why {tone}"><b>{escape(verdict)}</b> {escape(why)}</p>'


def _buttons(words: Words, lesson: Lesson, learning: Learning) -> str:
    at = learning.step
    parts = [] if at == 0 else [_button(words("learn.coach.back"), "go", at - 1, "back")]
    if at == lesson.length - 1:
        if passed(lesson, learning) or not lesson.quiz.right(learning.values):
            parts.append(_button(words("learn.coach.finish"), "finish", at, "next", primary=True))
        return "".join(parts)
    step = lesson.steps[at]
    if step.until:
        deed = words(f"learn.{lesson.name}.{step.name}.do")
        if not done(lesson, step, learning):
            return "".join((*parts, _button(deed, "deed", at, "next", primary=True)))
        if step.repeatable:
            parts.append(_button(words("learn.coach.again"), "deed", at, "again"))
    parts.append(_button(words("learn.coach.next"), "go", at + 1, "next", primary=True))
    return "".join(parts)


def _button(text: str, what: str, step: int, key: str, *, primary: bool = False) -> str:
    kind = " recmas-coach-primary" if primary else ""
    return (
        f'<button type="button" class="recmas-button{kind}" data-coach="{what}" data-to="{step}" '
        f'data-key="coach-{key}">{escape(text)}</button>'
    )
