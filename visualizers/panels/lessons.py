"""The lessons as data: what each step does on the page, what it waits for, and what it asks at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

Values = Mapping[str, str]
Verb = Literal["press", "type", "choose", "clear", "select", "wait"]
SYSTEM = "sequential"
COURSE = "repair"
_TURNS = 3  # of a round in that system


@dataclass(frozen=True)
class Act:
    """One thing that a lesson does on the page as a person would.

    Attributes:
        verb: Press a button, type into a field, choose a radio, clear a box, choose an option, or wait for
            it to be there.
        at: CSS selector of what it is done to.
        value: What is typed, or the option; for a button what the page shows then, or it is pressed once more.
    """

    verb: Verb
    at: str
    value: str = ""


@dataclass(frozen=True)
class Run:
    """The run that a step is about: what its controls are set to, and what the server checks before it quotes it.

    Attributes:
        question: The question.
        rounds: Recursion rounds.
        mode: "latent" or "text".
        cut: The link that it is compared without, "sender>receiver"; "" for any.
        course: The course of the Train tab that is meant in place of a run; "" for none.
    """

    question: str = ""
    rounds: int = 1
    mode: str = "latent"
    cut: str = ""
    course: str = ""


@dataclass(frozen=True)
class Step:
    """One idea of a lesson. Its texts are `learn.<lesson>.<name>.text`, and after its deed `.then`.

    Attributes:
        name: Its name.
        deed: What is done when the reader asks for it; () for a step that is only read.
        until: CSS selector of what the page shows when it is done.
        run: What it is about, for the server to check.
        facts: Which facts are taken of it, a name in `lesson_facts.FACTS`; "" for none.
        note: What the names of these facts begin with.
        show: CSS selector of what is pointed at; "" for nothing.
        tab: The tab it takes place on.
        limit: Seconds until a deed that does not come about is said to be late.
    """

    name: str
    deed: tuple[Act, ...] = ()
    until: str = ""
    run: Run | None = None
    facts: str = ""
    note: str = ""
    show: str = ""
    tab: str = "explore"
    limit: int = 90

    @property
    def repeatable(self) -> bool:
        """Whether it can be done again: what it does is the same, whatever was done since."""
        return bool(self.deed) and self.deed[0].verb in ("choose", "select")


@dataclass(frozen=True)
class Quiz:
    """The question at a lesson's end. Its texts are `learn.<lesson>.quiz.<choice>.text` and, as feedback, `.why`.

    Attributes:
        choices: Names of the choices, in the order shown.
        right: The right one, from what the lesson's runs showed; "" if they showed nothing to ask about.
        show: What is pointed at.
        tab: Where it can be seen.
    """

    choices: tuple[str, ...]
    right: Callable[[Values], str]
    show: str
    tab: str = "explore"


@dataclass(frozen=True)
class Lesson:
    """A lesson of about five minutes.

    Attributes:
        name: Its name.
        steps: Its steps.
        quiz: The question at its end.
    """

    name: str
    steps: tuple[Step, ...]
    quiz: Quiz

    @property
    def length(self) -> int:
        """Its steps, the question counted."""
        return len(self.steps) + 1


SHORT = Run("start 2 s1 + 6 s2 - 5 s3 * 7", 1)
LONG = Run("start 2 s1 + 6 s2 - 5 s3 * 7 s4 + 3 s5 * 9 s6 + 3 s7 - 4", 1)
ANSWERED = "#recmas-meters :is(.recmas-good, .recmas-bad)"
_TRAINED = "#recmas-train:has(#recmas-t-use:enabled):has(#recmas-t-pause:disabled) #recmas-t-credit .recmas-heat"
_MAP, _TABLE, _TOPOLOGY, _STRIP = "#recmas-left", "#recmas-table", "#recmas-topology", "#recmas-strip"
_METERS, _READS, _CONTRAST = "#recmas-meters", "#recmas-reads", "#recmas-contrast"


def _blank(run: Run) -> str:
    """The strip of a run that has not begun, as long as this one's."""
    turns = _TURNS * run.rounds
    begun = f'.recmas-done, .recmas-running, [data-turn="{turns}"]'
    return f'#recmas-strip:not(:has({begun})) [data-turn="{turns - 1}"] .recmas-turn-name'


def _set(run: Run) -> tuple[Act, ...]:
    """Set every control to what a run needs, and forget the run before."""
    return (
        Act("choose", f'#recmas-cards input[value="{SYSTEM}"]'),
        Act("wait", '#recmas-map-of [data-key="map-planner"]'),
        Act("type", "#recmas-question textarea", run.question),
        Act("type", "#recmas-rounds input", str(run.rounds)),
        Act("type", "#recmas-thoughts input", "3"),
        Act("type", "#recmas-seed input", "0"),
        Act("choose", f'#recmas-how input[value="{run.mode}"]'),
        Act("press", "#recmas-reset", _blank(run)),  # a drawing with the controls of before may come in between
    )


def _runs(name: str, run: Run, *, note: str, show: str = _STRIP) -> Step:
    """A step that sets a run up and lets it go to its answer."""
    deed = (*_set(run), Act("press", "#recmas-run"))
    return Step(name, deed, ANSWERED, run, "run", note, show)


def _thought(step: int, turn: int = 0) -> str:
    """A thought in the table."""
    return f'#recmas-table tr[data-turn="{turn}"][data-step="{step}"]'


def _map(role: str, space: str) -> tuple[Act, ...]:
    """Show one map, and stay with it."""
    return (
        Act("choose", f'#recmas-map-of [data-key="map-{role}"]'),
        Act("choose", f'#recmas-map-of [data-key="space-{space}"]'),
    )


def _cuts(name: str, edge: str, *, note: str) -> Step:
    """A step that compares the finished run with the same one without an edge."""
    run = replace(SHORT, cut=edge)
    done = f'#recmas-contrast:has(option[value="{edge}"][selected]) .recmas-with ~ .recmas-with'
    return Step(
        name, (Act("select", "#recmas-contrast select", edge),), done, run, "cut", note, _CONTRAST,
    )  # fmt: skip


def _always(choice: str) -> Callable[[Values], str]:
    return lambda values: choice


def _from(name: str) -> Callable[[Values], str]:
    """The choice that the runs showed under a name."""
    return lambda values: values.get(name, "")


def _harmless(values: Values) -> str:
    """The one link whose cutting left the answer as it was; "" if it was none or several."""
    same = [note for note in ("first", "second", "back") if values.get(f"{note}_same") == "same"]
    return same[0] if len(same) == 1 else ""


def _saved_most(values: Values) -> str:
    """What fell by the larger factor from the text run to the latent one; "" if either of them is not known."""
    try:
        before = {name: float(values[f"text_{key}"]) for name, key in (("tokens", "tokens"), ("time", "ms"))}
        after = {name: float(values[f"latent_{key}"]) for name, key in (("tokens", "tokens"), ("time", "ms"))}
    except (KeyError, ValueError):
        return ""
    factor = {name: before[name] / max(after[name], 1.0) for name in before}
    best = max(factor, key=lambda name: factor[name])
    return best if factor[best] > 1 else "nothing"


_STEP = Act("press", "#recmas-step")
_THOUGHT = Lesson(
    "thought",
    (
        Step("intro", show=_TOPOLOGY),
        Step("set", _set(SHORT), _blank(SHORT), SHORT, "run", "set", "#recmas-question"),
        Step("first", (_STEP,), _thought(0), SHORT, "run", "first", _MAP),
        Step("lens", show=_TABLE),
        Step("more", (_STEP, Act("wait", _thought(1)), _STEP), _thought(2), SHORT, "run", "more", _TABLE),
        Step("rest", (Act("press", "#recmas-run"),), ANSWERED, SHORT, "run", "rest", _STRIP),
    ),
    Quiz(("planner", "critic", "solver", "none"), _always("critic"), _STRIP),
)
_LINK = Lesson(
    "link",
    (
        Step("intro", show=_TOPOLOGY),
        Step(
            "send",
            (
                *_set(SHORT), *(act for i in range(3) for act in (_STEP, Act("wait", _thought(i)))), _STEP,
            ),
            '#recmas-strip [data-turn="0"].recmas-done', SHORT, "run", "send", _TOPOLOGY,
        ),
        Step("arrive", _map("critic", "received"), '.recmas-map[data-key="critic.received"]', SHORT, "run", "arrive",
             _MAP),
        Step("slot", (_STEP,), _thought(0, 1), SHORT, "run", "slot", _READS),
        Step("inner", show="#recmas-saying"),
        Step("rest", (Act("press", "#recmas-run"),), ANSWERED, SHORT, "run", "rest", _STRIP),
    ),
    Quiz(("critic", "arrived", "word", "nothing"), _always("arrived"), _MAP),
)  # fmt: skip
_ROUND = Lesson(
    "round",
    (
        Step("intro", show=_TOPOLOGY),
        _runs("one", LONG, note="one"),
        Step("why", show=_STRIP),
        _runs("two", replace(LONG, rounds=2), note="two"),
        _runs("three", replace(LONG, rounds=3), note="three"),
    ),
    Quiz(("step3", "step6", "step7"), _from("two_reached"), _STRIP),
)
_TEXT = Lesson(
    "text",
    (
        Step("intro", show="#recmas-how"),
        _runs("text", replace(LONG, rounds=3, mode="text"), note="text", show=_METERS),
        Step("read", show=_READS),
        _runs("latent", replace(LONG, rounds=3), note="latent", show=_METERS),
        Step("fair", show=_METERS),
    ),
    Quiz(("time", "tokens", "nothing"), _saved_most, _METERS),
)
_CUT = Lesson(
    "cut",
    (
        Step("intro", show=_TOPOLOGY),
        _runs("whole", SHORT, note="whole"),
        _cuts("first", "planner>critic", note="first"),
        Step("shadow", _map("critic", "thoughts"), '.recmas-map[data-key="critic.thoughts"]', show=_MAP),
        _cuts("second", "critic>solver", note="second"),
        _cuts("back", "solver>planner", note="back"),
    ),
    Quiz(("first", "second", "back"), _harmless, _CONTRAST),
)
_DRAWN = f'#recmas-t-form [name="drawn_for"][value="{COURSE}"]'
_SIGNAL = Lesson(
    "signal",
    (
        Step("intro", show="#recmas-t-form", tab="train"),
        Step(
            "start",
            (
                Act("wait", "#recmas-t-form [name='course']"),
                Act("select", "#recmas-t-form [name='system']", SYSTEM),
                Act("select", "#recmas-t-form [name='course']", COURSE),
                Act("wait", _DRAWN),
                Act("type", "#recmas-t-form [name='lap.0.steps']", "40"),
                Act("clear", "#recmas-t-form [name='windows']"),  # else the loss begins low, with the last transfers
                Act("clear", "#recmas-t-form [name='grow']"),
                Act("press", "#recmas-t-start"),
                Act("wait", "#recmas-t-pause:enabled, #recmas-t-use:enabled"),
            ),
            "#recmas-t-credit .recmas-heat", Run(course=COURSE), "training", "start", "#recmas-t-left", "train", 240,
        ),
        Step("loss", show="#recmas-t-left", tab="train"),
        Step("gradient", show="#recmas-t-credit", tab="train"),
        Step(
            "end", (Act("wait", "#recmas-train:has(#recmas-t-pause:disabled)"),),
            _TRAINED, Run(course=COURSE), "training", "end", "#recmas-t-meters", "train", 600,
        ),
    ),
    Quiz(("planner_critic", "critic_solver", "solver_planner"), _from("end_strongest"), "#recmas-t-credit", "train"),
)  # fmt: skip

LESSONS: Mapping[str, Lesson] = MappingProxyType(
    {lesson.name: lesson for lesson in (_THOUGHT, _LINK, _ROUND, _TEXT, _CUT, _SIGNAL)}
)
