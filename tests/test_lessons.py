"""The lessons: all they name exists, all they quote is measured, and a visitor's own runs wait meanwhile."""

from __future__ import annotations

import re
import string
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from english import ENGLISH
from tiny import tiny_system

import recmas_core as rm
from recmas_core.tasks.chain import parse_chain
from visualizers.panels.catalogue import read_catalogue
from visualizers.panels.choices import Choices
from visualizers.panels.coach import choices, coach_html, passed
from visualizers.panels.contrast import cut_config
from visualizers.panels.entry import Entry
from visualizers.panels.glossary import TERMS, explanations_html, glossary_html, term
from visualizers.panels.learn_handlers import lesson_of
from visualizers.panels.lesson_facts import FACTS, NOTHING, Seen, cut_facts, fits, run_facts, training_facts
from visualizers.panels.lessons import COURSE, LESSONS, LONG, SHORT, SYSTEM, Lesson, Run
from visualizers.panels.notes import Notes
from visualizers.panels.rooms import Learning
from visualizers.panels.session import Moment, Session
from visualizers.panels.train_choices import offered_courses
from visualizers.panels.train_moment import TrainMoment
from visualizers.panels.visitors import Visitor
from visualizers.words import LANGUAGES, read_words

NEED = ("text", "then", "do")


@pytest.fixture(scope="module")
def shipped() -> rm.System:
    return rm.load_system(SYSTEM)


def seen(system: rm.System, run: Run, *, finished: bool = True) -> Seen:
    """A visitor who has made that run, with its cut counterpart if it has one."""
    job = Choices(run.question, run.rounds, 3, 0, run.mode).job(system)
    config = job.config
    entry = Entry(system, Notes(system), None)  # type: ignore[arg-type]
    trace = entry.solve(config)
    cut = None if not run.cut else tuple(run.cut.split(">"))
    twins = {} if cut is None else {cut: entry.solve(cut_config(system.pattern, config, cut))}
    moment = Moment(job, trace if finished else trace.until(1), cut=cut, twins=twins)  # type: ignore[arg-type]
    return Seen(moment, TrainMoment(), entry, system.task, ENGLISH)


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def texts_before(lesson: Lesson, count: int) -> list[str]:
    """Keys of the texts shown up to a step, that step's first text included."""
    keys = []
    for step in lesson.steps[:count]:
        keys += [f"learn.{lesson.name}.{step.name}.{part}" for part in (NEED if step.until else NEED[:1])]
    return keys


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("lesson", LESSONS.values(), ids=LESSONS.keys())
def test_every_step_and_choice_has_its_words(lesson: Lesson, language: str) -> None:
    words = read_words(language)
    wanted = {f"learn.{lesson.name}.title", f"learn.{lesson.name}.about", f"learn.{lesson.name}.quiz.question"}
    wanted |= set(texts_before(lesson, len(lesson.steps)))
    wanted |= {f"learn.{lesson.name}.quiz.{name}.{part}" for name in lesson.quiz.choices for part in ("text", "why")}
    there = {key for key in words.texts if key.startswith(f"learn.{lesson.name}.")}
    assert wanted == there


@pytest.mark.parametrize("lesson", LESSONS.values(), ids=LESSONS.keys())
def test_a_text_quotes_only_what_was_measured_before_it(lesson: Lesson, system: rm.System) -> None:
    names = {
        "run": set(run_facts(seen(system, SHORT))),
        "cut": set(cut_facts(seen(system, replace(SHORT, cut="planner>critic")))),
        "training": set(training_facts(seen(system, SHORT))),
    }
    assert set(names) == set(FACTS)
    known: set[str] = set()
    for step in lesson.steps:
        assert places(ENGLISH.texts[f"learn.{lesson.name}.{step.name}.text"]) <= known
        if step.facts:
            known |= {f"{step.note}_{name}" for name in names[step.facts]}
        if step.until:
            assert places(ENGLISH.texts[f"learn.{lesson.name}.{step.name}.then"]) <= known
    for key, text in ENGLISH.texts.items():
        if key.startswith(f"learn.{lesson.name}.quiz."):
            assert places(text) <= known


def test_what_is_touched_is_on_the_page() -> None:
    from app import build_page
    from visualizers.panels.shelf import Shelf
    from visualizers.panels.shell import build_shell

    demo = build_page(Shelf(read_catalogue()), build_shell())
    there = {part.elem_id for part in demo.blocks.values() if getattr(part, "elem_id", None)}
    named = set()
    for lesson in LESSONS.values():
        selectors = [lesson.quiz.show, *(step.show for step in lesson.steps), *(step.until for step in lesson.steps)]
        selectors += [act.at for step in lesson.steps for act in step.deed]
        selectors += [act.value for step in lesson.steps for act in step.deed if act.verb == "press"]
        named |= {name for selector in selectors for name in re.findall(r"#([\w-]+)", selector)}
    assert named - there == set()
    tabs = {part.id for part in demo.blocks.values() if type(part).__name__ == "Tab"}
    assert {tab for lesson in LESSONS.values() for tab in (lesson.quiz.tab, *(s.tab for s in lesson.steps))} <= tabs


def test_the_systems_courses_and_links_that_are_named_exist(shipped: rm.System) -> None:
    assert SYSTEM in read_catalogue().systems
    assert COURSE in offered_courses()
    edges = {">".join(edge.key) for edge in shipped.pattern.edges}
    assert {step.run.cut for lesson in LESSONS.values() for step in lesson.steps if step.run} <= edges | {""}


def test_there_are_six_lessons_and_each_question_has_at_least_three_choices() -> None:
    assert len(LESSONS) == 6
    assert all(len(set(lesson.quiz.choices)) >= 3 for lesson in LESSONS.values())


@pytest.mark.parametrize(("rounds", "answer", "reached"), [(1, "1", "step3"), (2, "9", "step6"), (3, "5", "step7")])
def test_the_shipped_agents_show_what_the_lesson_on_rounds_is_about(
    shipped: rm.System, rounds: int, answer: str, reached: str
) -> None:
    facts = run_facts(seen(shipped, replace(LONG, rounds=rounds)))
    assert (facts["answer"], facts["reached"]) == (answer, reached)
    assert facts["verdict"] == ("right" if rounds == 3 else "wrong")
    chain = parse_chain(LONG.question)
    assert chain is not None
    assert facts["truth"] == chain.answer


def test_facts_are_those_of_the_run(shipped: rm.System) -> None:
    looked = seen(shipped, SHORT)
    facts, trace = run_facts(looked), looked.moment.trace
    assert trace is not None
    assert (facts["says_planner"], facts["says_critic"], facts["answer"]) == ("s1 = 8", "s2 = 3", "1")
    assert facts["tokens"] == str(trace.decoded_tokens)
    assert facts["thoughts"] == str(len(trace.thoughts))
    assert facts["arrived"] == "s1 = 8"
    assert facts["width_solver"] == "128"


def test_a_run_that_is_another_one_is_not_quoted(system: rm.System) -> None:
    looked = seen(system, SHORT)
    assert fits(looked, SHORT)
    assert not fits(looked, replace(SHORT, rounds=2))
    assert not fits(looked, replace(SHORT, mode="text"))
    assert not fits(looked, LONG)
    assert not fits(looked, replace(SHORT, cut="planner>critic"))
    assert not fits(looked, Run(course=COURSE))


def test_before_anything_is_measured_nothing_is_claimed(system: rm.System) -> None:
    bare = replace(seen(system, SHORT), moment=Moment())
    facts = run_facts(bare)
    assert facts["answer"] == facts["word"] == facts["arrived"] == facts["truth"] == NOTHING
    assert training_facts(bare)["strongest"] == ""


def learned(name: str, **values: str) -> Learning:
    """A visitor at the question of a lesson."""
    room: Any = SimpleNamespace(close=lambda: None)
    return Learning(name, LESSONS[name].length - 1, values=dict(values), own=room)


def test_exactly_one_link_is_harmless_in_one_round(shipped: rm.System) -> None:
    values = {}
    for note, edge in (("first", "planner>critic"), ("second", "critic>solver"), ("back", "solver>planner")):
        facts = cut_facts(seen(shipped, replace(SHORT, cut=edge)))
        values |= {f"{note}_{name}": value for name, value in facts.items()}
    assert LESSONS["cut"].quiz.right(values) == "back"
    assert values["first_critic"] != "s2 = 3"
    assert LESSONS["cut"].quiz.right(values | {"first_same": "same"}) == ""


def test_what_fell_most_is_worked_out() -> None:
    quiz = LESSONS["text"].quiz
    run = {"text_tokens": "66", "latent_tokens": "2", "text_ms": "250", "latent_ms": "110"}
    assert quiz.right(run) == "tokens"
    assert quiz.right(run | {"latent_tokens": "60", "latent_ms": "20"}) == "time"
    assert quiz.right(run | {"latent_tokens": "70", "latent_ms": "300"}) == "nothing"
    assert quiz.right({}) == ""


def test_a_wrong_choice_is_told_why_and_a_right_one_ends_the_lesson(shipped: rm.System) -> None:
    values = {f"rest_{name}": value for name, value in run_facts(seen(shipped, SHORT)).items()}
    learning = learned("thought", **values)
    lesson = LESSONS["thought"]
    assert choices(ENGLISH, lesson, values)["critic"] == "3"
    learning.picked = "planner"
    card = coach_html(ENGLISH, learning)
    assert "Not quite." in card
    assert "8 is what the planner" in card
    assert 'data-coach="finish"' not in card
    learning.picked = "critic"
    assert passed(lesson, learning)
    card = coach_html(ENGLISH, learning)
    assert "Right." in card
    assert 'data-coach="finish"' in card


def test_a_question_without_an_answer_is_not_asked() -> None:
    card = coach_html(ENGLISH, learned("round", two_reached=""))
    assert "data-choice" not in card
    assert 'data-coach="finish"' in card


def test_a_choice_that_reads_like_the_right_one_is_left_out() -> None:
    values = {"rest_number_planner": "3", "rest_number_critic": "3", "rest_answer": "1"}
    assert list(choices(ENGLISH, LESSONS["thought"], values)) == ["critic", "solver", "none"]


def test_a_step_is_passed_only_when_it_is_done() -> None:
    learning = Learning("thought", 1, own=SimpleNamespace())  # type: ignore[arg-type]
    assert 'data-coach="go" data-to="2"' not in coach_html(ENGLISH, learning)
    learning.done.add("set")
    assert 'data-coach="go" data-to="2"' in coach_html(ENGLISH, learning)


def test_no_card_without_a_lesson() -> None:
    assert coach_html(ENGLISH, Learning()) == ""
    assert coach_html(ENGLISH, Learning("thought")) == ""


def test_an_unknown_lesson_is_refused() -> None:
    with pytest.raises(rm.BadInput, match="lesson"):
        lesson_of("nonsense")


def _visitor() -> Visitor:
    return Visitor(SimpleNamespace(catalogue=read_catalogue()))  # type: ignore[arg-type]


def test_a_lesson_has_a_room_of_its_own_and_the_visitors_run_waits(system: rm.System) -> None:
    visitor = _visitor()
    visitor.choose("mixture")
    session, training = visitor.session, visitor.training
    job = Choices(SHORT.question, 1, 2).job(system)
    session.begin(job, system.pattern, system.start(job.config))
    own = visitor.move(None, SYSTEM)
    assert visitor.lineup.system == SYSTEM
    assert visitor.session.moment.trace is None
    assert visitor.training is not training
    lesson = visitor.move(own)
    assert visitor.lineup.system == "mixture"
    assert visitor.session is session
    assert visitor.session.moment.job is job
    assert visitor.training is training
    assert visitor.move(lesson).system == "mixture"


def test_the_form_of_a_training_waits_too() -> None:
    visitor = _visitor()
    learning = visitor.learning
    assert learning.form_for("mine") == "mine"
    learning.own = visitor.move(None, SYSTEM)
    assert learning.form_for("mine") == ""  # the lesson's own form, not yet filled in
    assert learning.form_for("the lesson's") == "the lesson's"
    visitor.move(learning.own)
    learning.own = None
    assert learning.form_for("the lesson's") == "mine"
    assert learning.form_for("mine, changed") == "mine, changed"


def test_a_visitor_who_goes_leaves_no_run_in_another_room(system: rm.System) -> None:
    visitor = _visitor()
    session = visitor.session
    visitor.learning.own = visitor.move(None, SYSTEM)
    job = Choices(SHORT.question, 1, 2).job(system)
    session.begin(job, system.pattern, system.start(job.config))
    visitor.close()
    assert session.closed
    assert not session.running


def test_the_glossary_has_ten_terms_each_explained_once_where_it_can_be_opened() -> None:
    assert len(TERMS) == 10
    opened = explanations_html(ENGLISH)
    for name in TERMS:
        target = f"recmas-term-{name}"
        assert opened.count(f'id="{target}"') == 1
        assert f'popovertarget="{target}"' in term(ENGLISH, name)
        assert ENGLISH(f"glossary.{name}.name") in glossary_html(ENGLISH)
    assert ">transfers<" in term(ENGLISH, "transfer", "transfers")
    with pytest.raises(ValueError, match="nonsense"):
        term(ENGLISH, "nonsense")


def test_tiny_agents_can_be_taught_with_too() -> None:
    facts = run_facts(seen(tiny_system(seed=3), SHORT))
    assert facts["width_planner"] == "32"
    assert isinstance(Session().moment, Moment)
