"""Every pattern on the page: to its answer, from one to another, with other agents, with tools, and with a link cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

import recmas_core as rm
from recmas_core.records import Edit, Trace
from tests.browser.explorer import Explorer, VisitMaker

QUESTION = "How tall is Kesh, plus 48?"


@pytest.fixture
def tiny(visit: VisitMaker, small_server: str) -> Explorer:
    """A visitor of the page of random systems."""
    return visit(url=small_server, width=1280)


def _solved(system: rm.System, explorer: Explorer, rounds: int = 3) -> Trace:
    """The engine's own run of what the page asks."""
    question = explorer.page.get_by_label("Question", exact=True).input_value()
    steps = int(explorer.page.get_by_label("Thoughts per turn", exact=True).input_value())
    return system.solve(question, rounds=rounds, latent_steps=steps, seed=0)


@pytest.mark.parametrize("name", rm.embedded_systems())
def test_each_pattern_runs_to_the_engines_answer(explorer: Explorer, name: str) -> None:
    system = rm.load_system(name)
    pattern = system.pattern
    explorer.pick_pattern(pattern.title)
    trace = _solved(system, explorer)
    assert explorer.turns == len(pattern.schedule(3))
    explorer.choose("fast")
    explorer.run()
    assert explorer.meter("Answer") == " ".join((trace.answer or "").split())
    assert explorer.thoughts == len(trace.thoughts)
    assert explorer.meter("Tokens decoded") == str(trace.decoded_tokens)
    for role in pattern.roles:
        made = sum(thought.role == role.name for thought in trace.thoughts)
        assert explorer.show_map(role.name, role.title) == made
    last = pattern.schedule(3)[-1]
    explorer.page.locator(f"#recmas-strip .recmas-turn[data-turn='{last.turn}']").click()
    explorer.until(lambda: "Looking back" in explorer.page.locator("#recmas-when").inner_text(), "the decode's moment")
    slots = explorer.page.locator("#recmas-prompt .recmas-chip").all_inner_texts()
    titles = {role.name: role.title for role in pattern.roles}
    assert [slot.rsplit("from ", 1)[1] for slot in slots] == [
        titles[sender] for sender in pattern.senders_to(last.role, round_=3)
    ]


def test_specialists_think_at_once_in_one_step(tiny: Explorer) -> None:
    tiny.pick_pattern("Mixture")
    tiny.step()
    assert tiny.status.startswith("Round 1: Math, Code and Science made thought 1.")
    assert tiny.thoughts == 3
    assert "Math, Code, Science are thinking at once." in tiny.drawn
    assert tiny.page.locator("#recmas-strip .recmas-atonce").first.locator("[aria-pressed='true']").count() == 3
    assert tiny.page.locator("#recmas-table tbody tr").count() == 3
    assert tiny.page.locator("#recmas-prompt .recmas-reader").count() == 3
    tiny.page.locator("#recmas-strip .recmas-turn[data-turn='1']").click()
    tiny.until(lambda: tiny.page.locator("#recmas-prompt .recmas-reader").count() == 0, "the code specialist alone")


def test_another_pattern_in_the_middle_of_a_run_and_back(tiny: Explorer) -> None:
    tiny.fill("Rounds", "6")
    tiny.fill("Thoughts per turn", "12")  # long enough that a busy machine's browser is not overtaken by the run
    question = tiny.page.get_by_label("Question", exact=True).input_value()
    tiny.press("Run")
    tiny.until(lambda: tiny.thoughts >= 2, "the run to be under way")
    tiny.pick_pattern("Distillation")
    assert tiny.status.startswith("Ready")
    assert tiny.turns == 6
    tiny.choose("fast")
    tiny.run()
    tiny.pick_pattern("Sequential")
    tiny.until(lambda: tiny.status.endswith("Paused."), "the run that was left, paused")
    assert tiny.page.get_by_label("Question", exact=True).input_value() == question
    left = tiny.thoughts
    assert 2 <= left < 17 * 12
    tiny.run()
    assert tiny.thoughts == 17 * 12  # it went on: nothing was thought twice


def test_patterns_and_agents_can_be_chosen_with_the_keyboard(tiny: Explorer) -> None:
    keys = tiny.page.keyboard
    tiny.page.get_by_role("radio", name="Sequential", exact=True).focus()
    keys.press("ArrowDown")
    tiny.until(lambda: tiny.drawn.startswith("Mixture") and "loaded" not in tiny.status, "the arrow to choose")
    keys.press("s")
    tiny.until(lambda: tiny.thoughts == 3, "S to step")


def test_a_loop_of_four_is_put_together_and_run(tiny: Explorer) -> None:
    tiny.pick_pattern("Your own loop")
    tiny.choose("4")
    tiny.until(lambda: "Loop of 4" in tiny.drawn and "loaded" not in tiny.status, "the loop of four")
    tiny.cast("Fourth", "embedded:learner")
    note = tiny.page.locator("#recmas-cast")
    tiny.until(lambda: "Third → Fourth, Fourth → First" in note.inner_text(), "the note on its links")
    tiny.choose("fast")
    tiny.run()
    assert tiny.turns == 12
    assert tiny.thoughts == 11 * 3
    assert tiny.page.locator("#recmas-topology .recmas-wide").is_visible()


def test_tool_calls_are_shown_with_what_was_asked_and_came_back(tiny: Explorer, small: Path) -> None:
    system = rm.load_system("deliberation", assets=small)
    tiny.pick_pattern("Deliberation")
    tiny.fill("Question", QUESTION)
    trace = _solved(system, tiny)
    calls = trace.turns[-1].tool_calls
    assert calls, "the random tool-caller should call"
    tiny.choose("fast")
    tiny.run()
    cards = tiny.page.locator("#recmas-table .recmas-call")
    assert cards.count() == len(calls) == int(tiny.meter("Tool calls"))
    for card, call in zip(cards.all(), calls, strict=True):
        assert call.tool in card.inner_text()
        assert " ".join(call.result.split()) in " ".join(card.inner_text().split())
    marks = tiny.page.locator("#recmas-strip .recmas-call-mark")
    assert marks.all_inner_texts() == [call.tool for call in calls]
    marks.first.click()
    tiny.until(lambda: cards.count() == 1, "the moment of the first call")
    assert "tool call 1" in tiny.page.locator("#recmas-when").inner_text()
    assert tiny.meter("Answer") == "–"
    assert "120 texts" in tiny.page.locator("#recmas-toolnote").inner_text()


def test_tools_can_be_switched_off(tiny: Explorer, small: Path) -> None:
    system = rm.load_system("deliberation", assets=small)
    assert not tiny.page.get_by_label("Tools may be called").is_visible()
    tiny.pick_pattern("Deliberation")
    tiny.fill("Question", QUESTION)
    tiny.page.get_by_label("Tools may be called").uncheck()
    tiny.choose("fast")
    tiny.run()
    plain = system.solve(QUESTION, rounds=3, latent_steps=3, tools=False)
    assert tiny.meter("Tool calls") == "0"
    assert tiny.meter("Tokens decoded") == str(plain.decoded_tokens)


def test_the_learner_is_shown_with_and_without_the_expert(tiny: Explorer, small: Path) -> None:
    system = rm.load_system("distillation", assets=small)
    tiny.pick_pattern("Distillation")
    question = tiny.page.get_by_label("Question", exact=True).input_value()
    cuts = [Edit(turn, "zero", receiver="learner") for turn in (0, 2, 4)]
    without = system.solve(question, rounds=3, latent_steps=3, edits=cuts)
    tiny.choose("fast")
    tiny.run()
    tiny.show_map("learner")
    script = "() => (document.querySelector('.recmas-map').data.find((t) => t.name === 'shadows') || {x: []}).x.length"
    tiny.until(lambda: tiny.page.evaluate(script) == tiny.points == 6, "the learner's thoughts of both runs")
    said = " ".join(tiny.page.locator("#recmas-contrast").inner_text().split())
    assert f"without Expert: {' '.join((without.answer or '(empty)').split())[:20]}" in said
    tiny.page.get_by_label("Compare with a cut link").select_option("nothing")
    tiny.until(lambda: tiny.page.evaluate(script) == 0, "no comparison")


def test_a_phone_shows_every_pattern_without_scrolling_sideways(visit: VisitMaker, small_server: str) -> None:
    explorer = visit(url=small_server, width=390, height=844)
    for title in ("Mixture", "Deliberation", "Your own loop"):
        explorer.pick_pattern(title)
        explorer.step()
        assert explorer.page.evaluate("document.documentElement.scrollWidth") <= 390, title
    assert explorer.page.locator("#recmas-topology .recmas-narrow").is_visible()


def test_programs_name_a_system_and_its_agents(small_server: str, small: Path) -> None:
    client = Client(small_server, verbose=False)
    system = rm.load_system("mixture", assets=small)
    drawn = client.predict(3, system="mixture", api_name="/sample")
    solved = client.predict(drawn["question"], 2, 3, system="mixture", api_name="/solve")
    assert solved["answer"] == system.solve(drawn["question"], rounds=2, latent_steps=3).answer
    assert solved["true_answer"] == drawn["answer"]
    foreign = client.predict(
        drawn["question"], 2, 3, system="mixture", agents={"math": "embedded:expert"}, api_name="/solve"
    )
    assert foreign["untrained"] == [["math", "summarizer"], ["summarizer", "math"]]
    events = list(client.submit(QUESTION, 1, 2, system="deliberation", api_name="/run"))
    assert {"tool_call", "answer"} <= {event["type"] for event in events}
    status = client.predict(system="loop4", api_name="/status")
    assert len(status["agents"]) == 4
    for bad in ({"system": "nothing"}, {"system": "mixture", "agents": {"math": "/etc"}}):
        with pytest.raises(AppError, match="is not offered"):
            client.predict(QUESTION, 1, 2, api_name="/solve", **bad)
