"""Running: Step to the answer, Round, Pause, Reset, text instead of latents, other agents."""

from __future__ import annotations

import pytest

import recmas_core as rm
from recmas_core.records import Thought, Token, Transfer
from tests.browser.explorer import Explorer

QUESTION = "start 4 s1 + 9 s2 * 3 s3 - 5 s4 + 2"


def test_step_by_step_to_the_answer_of_the_engine(explorer: Explorer, embedded: rm.System) -> None:
    trace = embedded.solve(QUESTION, rounds=2, latent_steps=3, seed=0)
    steps = sum(isinstance(event, Thought | Transfer | Token) for event in trace.events)
    explorer.fill("Question", QUESTION)
    explorer.fill("Rounds", "2")
    pressed = 0
    while not explorer.answered:
        explorer.step()
        pressed += 1
        assert pressed <= steps, f"{pressed} steps and no answer; the engine needs {steps}"
    assert explorer.meter("Answer") == trace.answer
    assert pressed == steps
    assert explorer.thoughts == len(trace.thoughts)
    assert explorer.meter("Tokens decoded") == str(trace.decoded_tokens)


def test_round_stops_at_the_end_of_the_round(explorer: Explorer) -> None:
    explorer.choose("fast")
    explorer.press("Round")
    explorer.until(lambda: explorer.status.startswith("Round 1: Solver finished") and "Paused" in explorer.status)
    assert explorer.thoughts == 9
    assert explorer.page.locator("#recmas-strip .recmas-done").count() == 3


def test_the_maps_hold_as_many_points_as_thoughts_were_made(explorer: Explorer) -> None:
    explorer.fill("Thoughts per turn", "4")
    explorer.choose("fast")
    explorer.run()
    points = {role: explorer.show_map(role) for role in ("planner", "critic", "solver")}
    assert points == {"planner": 12, "critic": 12, "solver": 8}
    assert sum(points.values()) == explorer.thoughts


def test_the_received_view_shows_what_arrived(explorer: Explorer) -> None:
    explorer.choose("fast")
    explorer.press("Round")
    explorer.until(lambda: explorer.status.startswith("Round 1: Solver finished") and "Paused" in explorer.status)
    explorer.choose("received")
    explorer.until(lambda: explorer.map_key == "planner.received")
    assert explorer.points == 3  # the solver's feedback, three thoughts
    explorer.choose("Critic")
    explorer.until(lambda: explorer.map_key == "critic.received")
    assert explorer.points == 3


def test_pause_stops_the_run_and_run_goes_on_with_it(explorer: Explorer) -> None:
    explorer.fill("Rounds", "6")
    explorer.fill("Thoughts per turn", "16")  # long enough that a busy machine's browser cannot be overtaken by the run
    explorer.press("Run")
    explorer.until(lambda: explorer.thoughts >= 2)
    explorer.press("Pause")
    explorer.until(lambda: explorer.status.endswith("Paused."))
    stopped = explorer.thoughts
    for role in ("critic", "solver", "planner"):  # three journeys to the server and back: time for a thought to slip in
        explorer.show_map(role)
        assert explorer.thoughts == stopped
    explorer.choose("fast")
    explorer.run()
    assert stopped < explorer.thoughts == (6 * 3 - 1) * 16  # the same run went on: nothing was thought twice


def test_reset_forgets_the_run(explorer: Explorer) -> None:
    explorer.step()
    explorer.step()
    assert explorer.points == 2
    explorer.press("Reset")
    explorer.until(lambda: explorer.status.startswith("Ready"))
    assert explorer.thoughts == 0
    explorer.until(lambda: explorer.points == 0)
    assert explorer.page.locator("#recmas-strip button:not([disabled])").count() == 0


def test_changed_settings_begin_a_new_run(explorer: Explorer) -> None:
    explorer.step()
    explorer.step()
    explorer.fill("Seed", "7")
    assert "Planner made thought 1" in explorer.step() or explorer.thoughts == 1


def test_text_mode_decodes_every_turn(explorer: Explorer, embedded: rm.System) -> None:
    question = explorer.page.get_by_label("Question", exact=True).input_value()
    trace = embedded.solve(question, rounds=3, latent_steps=3, mode="text")
    explorer.choose("text")
    explorer.choose("fast")
    assert explorer.run() == trace.answer
    assert explorer.thoughts == 0
    assert explorer.meter("Tokens decoded") == str(trace.decoded_tokens)


def test_other_agents_in_a_role_say_that_their_links_are_untrained(explorer: Explorer) -> None:
    explorer.cast("Planner", "embedded:solver")
    note = explorer.page.locator("#recmas-cast")
    explorer.until(lambda: "never trained" in note.inner_text())
    assert "Planner → Critic, Solver → Planner" in note.inner_text()
    assert "Train these links" in note.inner_text()
    assert "Links never trained: Planner to Critic, Solver to Planner." in explorer.drawn
    explorer.choose("fast")
    explorer.run()
    explorer.cast("Planner", "embedded:planner")
    explorer.until(lambda: explorer.status.startswith("Ready"), "the own agents' desk, where nothing was run yet")
    explorer.cast("Planner", "embedded:solver")
    explorer.until(lambda: explorer.answered, "the run that was kept")


def test_a_question_outside_the_little_world_is_run_and_said_to_be_outside(explorer: Explorer) -> None:
    explorer.fill("Question", "What is the capital of France?")
    note = explorer.page.locator("#recmas-note")
    explorer.until(lambda: "Outside the little world" in note.inner_text())
    explorer.choose("fast")
    explorer.run()
    assert explorer.meter("True answer") == "not known"


def test_a_sampled_question_comes_with_its_true_answer(explorer: Explorer) -> None:
    before = explorer.page.get_by_label("Question", exact=True).input_value()
    explorer.press("Sample a question")
    field = explorer.page.get_by_label("Question", exact=True)
    question = explorer.until(lambda: (value := field.input_value()) != before and value)
    truth = rm.TASKS["chain"].read(question).answer
    note = explorer.page.locator("#recmas-note")
    explorer.until(lambda: f"True answer: {truth}" in note.inner_text())


@pytest.mark.parametrize("thoughts", ["1", "16"])
def test_thoughts_per_turn_from_the_fewest_to_the_most(explorer: Explorer, thoughts: str) -> None:
    explorer.fill("Rounds", "1")
    explorer.fill("Thoughts per turn", thoughts)
    explorer.choose("fast")
    explorer.run()
    assert explorer.thoughts == 2 * int(thoughts)


def test_steps_share_one_stream_of_messages(explorer: Explorer) -> None:
    explorer.step()
    explorer.until(lambda: explorer.ready_map, "the page to have nothing else to ask for")
    before = sum("/queue/data" in url for url in explorer.requests)
    for _ in range(3):
        explorer.step()
    assert before >= 1
    assert sum("/queue/data" in url for url in explorer.requests) == before
