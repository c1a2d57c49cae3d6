"""What the Train tab's form says, checked and turned into a plan: a line-up, where it begins, and the stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from recmas_core.errors import BadInput
from visualizers.panels.catalogue import Lineup
from visualizers.panels.choices import number, whole
from visualizers.panels.questions import check_askable
from visualizers.panels.train_beginnings import BEGINNINGS, Beginning
from visualizers.panels.train_manners import WORLD, Manner

if TYPE_CHECKING:
    from recmas_core.system import System
    from recmas_core.tasks import Example, Task
    from recmas_core.tasks.given import GivenQuestions
    from recmas_core.training import Lap

EXAMPLES = 4000  # questions to learn from, at most
MOST_STEPS, MOST_BATCH, MOST_ROUNDS = 3000, 2048, 5
_EVERY = 20  # steps between two measurements, at least
_SEED = 20  # of the questions that are measured on the way


@dataclass(frozen=True)
class Offered:
    """A course one can choose.

    Attributes:
        key: What the form sends.
        texts: Key of the words that name it and say what it does.
        title: Its English name, for programs.
        about: One English sentence, for programs.
        start: The key of the beginning it is made for; "" for any.
        laps: Its stages.
    """

    key: str
    texts: str
    title: str
    about: str
    start: str
    laps: tuple[Lap, ...]


def recipe_texts(name: str) -> str:
    """Key of the words about a recipe: `.title`, `.inline` within a sentence, `.about`."""
    return f"train.recipes.{name.replace(' ', '_')}"


def stage_texts(name: str) -> str:
    """Key of the words about a stage, as of a recipe."""
    return f"train.stages.{name}"


def offered_courses(manner: Manner = WORLD) -> dict[str, Offered]:
    """Every recipe, and every stage by itself, with the settings of a manner of training."""
    from recmas_core.training import RECIPES, STAGES, Lap

    recipes = [
        Offered(
            r.name, recipe_texts(r.name), r.name.capitalize(), r.about, r.start, tuple(map(manner.lap, r.laps))
        )
        for r in RECIPES.values()
    ]
    stages = [
        Offered(
            f"stage:{info.name}", stage_texts(info.name), info.title, info.about, "",
            (manner.lap(Lap(info.name, info.config)),),
        )
        for info in STAGES.values()
    ]  # fmt: skip
    return {each.key: each for each in (*recipes, *stages)}


@dataclass(frozen=True)
class TrainForm:
    """The form's values as they came, unchecked: a person or a program may send anything.

    Attributes:
        begin: A key of `BEGINNINGS`.
        sigma: Size of the noise.
        variant: A key of `recmas_core.LINK_VARIANTS`.
        course: A key of `offered_courses()`.
        rounds, seed: Whole numbers; rounds "" for each stage's own.
        inner: Whether the outer loop trains the inner links too.
        supervise: "last" or "every".
        windows: Whether the outer loop's windows lengthen; None for the course's own choice.
        grow: Whether the outer loop begins with questions that one round answers; None for the course's own choice.
        laps: For each stage of the course what was changed: {"steps": …, "lr": …, "batch": …}.
    """

    begin: Any = "damaged"
    sigma: Any = 1.0
    variant: Any = "released"
    course: Any = "repair"
    rounds: Any = ""
    seed: Any = 0
    inner: Any = False
    supervise: Any = "last"
    windows: Any = None
    grow: Any = None
    laps: Sequence[Mapping[str, Any]] = ()

    @property
    def whole_seed(self) -> int:
        """The seed.

        Raises:
            BadInput: If it is none.
        """
        return whole("Seed", self.seed, 0, 2**31 - 1)

    @property
    def beginning(self) -> Beginning:
        """Where the links start from.

        Raises:
            BadInput: If there is no such beginning.
        """
        if self.begin not in BEGINNINGS:
            raise BadInput("Start from", f"is {str(self.begin)[:40]!r}", f"Choose from {list(BEGINNINGS)}.")
        return BEGINNINGS[self.begin]

    def offered(self, manner: Manner = WORLD) -> Offered:
        """The course that is chosen.

        Raises:
            BadInput: If there is no such course.
        """
        known = offered_courses(manner)
        if self.course not in known:
            raise BadInput("Course", f"is {str(self.course)[:40]!r}", f"Choose from {list(known)}.")
        return known[self.course]

    def plan(self, lineup: Lineup, manner: Manner = WORLD, given: GivenQuestions | None = None) -> Plan:
        """The plan these values ask for.

        Args:
            lineup: What is trained.
            manner: How it is unless these values say otherwise.
            given: The questions to learn from, for a system that knows no little world.

        Raises:
            BadInput: If a value is out of range.
        """
        offered, beginning, seed = self.offered(manner), self.beginning, self.whole_seed
        changes: dict[str, Any] = {"seed": seed, "inner": bool(self.inner), "supervise": self.supervise}
        rounds = None if self.rounds in ("", None) else whole("Rounds", self.rounds, 1, MOST_ROUNDS)
        for name, value in (("windows", self.windows), ("grow", self.grow)):
            if value is not None:
                changes[name] = bool(value)
        if beginning.sigma:
            number("Noise", self.sigma, 0.0, 10.0)
        laps = []
        for i, lap in enumerate(offered.laps):
            own = _lap_changes(self.laps[i] if i < len(self.laps) else {})
            if rounds is not None:  # right turns are learned of as many rounds as will be run, or more
                own["rounds"] = rounds if _unrolls(lap) else max(rounds, lap.config.rounds)
            laps.append(replace(lap, config=replace(lap.config, **changes, **own)))
        return Plan(lineup, self, offered, tuple(laps), manner, given)


@dataclass(frozen=True, eq=False)
class Plan:
    """What is trained.

    Attributes:
        lineup: The system and its agents.
        form: What was asked for.
        offered: The course, as offered.
        laps: Its stages, with the settings asked for.
        manner: How such a system is trained and measured.
        given: The questions to learn from, for a system that knows no little world.
    """

    lineup: Lineup
    form: TrainForm
    offered: Offered
    laps: tuple[Lap, ...] = field(repr=False)
    manner: Manner = WORLD
    given: GivenQuestions | None = field(default=None, repr=False)

    @property
    def rounds(self) -> int:
        """Most rounds that any stage unrolls and that questions are measured with."""
        outer = [lap.config.rounds for lap in self.laps if _unrolls(lap)]
        return max(outer, default=3)

    def course(self, system: System) -> Any:
        """The course of these stages over a system's links, not yet begun.

        Raises:
            BadInput: If there are no questions to learn from, or a stage cannot be made.
        """
        from recmas_core.evaluation import ANSWER_TOKENS
        from recmas_core.training import Course
        from recmas_core.training.course import KEPT

        task, manner = self.task(system), self.manner
        if self.given is not None:
            check_askable(self.given, system)
        start = self.form.beginning.make(system, self.form)
        learn = task.sample(EXAMPLES, seed=self.form.whole_seed + 1, split="train")
        return Course(
            start, self.laps, learn, held_out=self.measured(task), every=self.every,
            rounds=tuple(range(1 if manner.every_round else self.rounds, self.rounds + 1)), grade=task.grade,
            answer_tokens=manner.answer_tokens or ANSWER_TOKENS, kept=manner.kept or KEPT,
        )  # fmt: skip

    def task(self, system: System) -> Task:
        """Where the questions come from: those that were given, or the system's little world.

        Raises:
            BadInput: If there are none.
        """
        task = system.task if self.given is None else self.given
        if task is None:
            todo = (
                'Press "Questions" and choose a .json, .jsonl, .csv or .parquet file with the columns "question" and '
                '"answer", or choose a system that knows a little world. (Programs give questions=[…].)'
            )
            raise BadInput("This system", "knows no little world: it has no questions to learn from", todo)
        return task

    def measured(self, task: Task) -> list[Example]:
        """The held-out questions that are measured on the way, always the same ones."""
        return task.sample(self.manner.held_out, seed=_SEED, split="test")

    @property
    def every(self) -> int:
        """Steps between two measurements on held-out questions."""
        return max(_EVERY, sum(lap.config.steps for lap in self.laps) // self.manner.measurements)


def _unrolls(lap: Lap) -> bool:
    from recmas_core.training import STAGES

    return not STAGES[lap.stage].needs_turns


def _lap_changes(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of one stage that were typed; what was left empty stays as it is."""
    if not isinstance(given, Mapping):
        raise BadInput("stage", f"is {str(given)[:40]!r}", 'Give {"steps": …, "lr": …, "batch": …}.')
    typed = {name: value for name, value in given.items() if value not in ("", None)}
    changes: dict[str, Any] = {}
    if "steps" in typed:
        changes["steps"] = whole("Steps", typed["steps"], 1, MOST_STEPS)
    if "lr" in typed:
        changes["lr"] = number("Rate", typed["lr"], 1e-7, 1.0)
    if "batch" in typed:
        changes["batch"] = whole("Batch", typed["batch"], 1, MOST_BATCH)
    return changes
