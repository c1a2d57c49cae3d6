"""Many visitors, bad input, and programs: runs of their own, clear messages, a page that lives on."""

from __future__ import annotations

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

import recmas_core as rm
from tests.browser.explorer import Explorer, VisitMaker, wait_for

QUESTION = "start 7 s1 + 3 s2 * 7 s3 - 4"
BAD_QUESTIONS = {
    "empty": "", "blank": "   ", "long": "1 + " * 25_000, "control": "7 + 3\x07 * 7", "template": "7 + 3 <eos> * 7",
    "slot": "7 + 3 \ue001 * 7",
}  # fmt: skip


@pytest.fixture(scope="module")
def client(server: str) -> Client:
    return Client(server, verbose=False)


def _alive(explorer: Explorer) -> None:
    """The page still works: a good question makes a thought."""
    explorer.fill("Question", QUESTION)
    explorer.fill("Rounds", "3")
    explorer.fill("Thoughts per turn", "3")
    explorer.fill("Seed", "0")
    explorer.press("Step")
    explorer.until(lambda: explorer.thoughts == 1 and not explorer.failed, "the page to live on")
    explorer.press("Reset")
    explorer.until(lambda: explorer.thoughts == 0, "the page as it was")


@pytest.fixture(scope="module")
def living(lasting_visit: VisitMaker) -> Explorer:
    """A visitor who stays, and gets one thing wrong after the other."""
    return lasting_visit()


@pytest.mark.parametrize("kind", BAD_QUESTIONS)
def test_a_bad_question_gets_a_message_and_the_page_lives_on(living: Explorer, kind: str) -> None:
    explorer = living
    explorer.fill("Question", BAD_QUESTIONS[kind])
    explorer.press("Step")
    explorer.until(lambda: explorer.failed, "a message")
    assert explorer.status.startswith("question ")
    assert len(explorer.status) < 200
    _alive(explorer)


@pytest.mark.parametrize(
    ("label", "value"),
    [("Rounds", "0"), ("Rounds", "7"), ("Rounds", "2.5"), ("Thoughts per turn", "81"), ("Thoughts per turn", "-1"),
     ("Seed", "-3"), ("Rounds", "")],
)  # fmt: skip
def test_a_bad_number_gets_a_message_and_the_page_lives_on(living: Explorer, label: str, value: str) -> None:
    explorer = living
    explorer.fill(label, value)
    explorer.press("Run")
    explorer.until(lambda: explorer.failed, "a message")
    assert explorer.status.startswith(label)
    _alive(explorer)


def test_a_second_visitor_does_not_wait_for_the_first(visit: VisitMaker) -> None:
    first, second = visit(), visit()
    first.fill("Rounds", "6")
    first.fill("Thoughts per turn", "16")
    first.press("Run")
    first.until(lambda: first.thoughts >= 2)
    second.choose("fast")
    second.run()
    assert not first.answered
    made = first.thoughts
    first.until(lambda: first.thoughts > made, "the first visitor's run to go on")


def test_closing_the_tab_ends_its_run(visit: VisitMaker, client: Client) -> None:
    wait_for(lambda: client.predict(api_name="/status")["runs"] == 0, what="earlier tests' runs to end")
    explorer = visit()
    explorer.fill("Rounds", "6")
    explorer.fill("Thoughts per turn", "16")
    explorer.press("Run")
    explorer.until(lambda: explorer.thoughts >= 2)
    assert client.predict(api_name="/status")["runs"] == 1
    explorer.close()
    wait_for(lambda: client.predict(api_name="/status")["runs"] == 0, what="the closed tab's run to end")


def test_closing_the_tab_of_a_paused_run_frees_it(visit: VisitMaker, client: Client) -> None:
    wait_for(lambda: client.predict(api_name="/status")["runs"] == 0, what="earlier tests' runs to end")
    explorer = visit()
    explorer.step()
    assert client.predict(api_name="/status")["runs"] == 1
    explorer.close()
    wait_for(lambda: client.predict(api_name="/status")["runs"] == 0, what="the closed tab's run to end")


def test_the_api_streams_every_event_of_the_engine(client: Client, embedded: rm.System) -> None:
    trace = embedded.solve(QUESTION, rounds=2, latent_steps=4)
    events = list(client.submit(QUESTION, 2, 4, 0, "latent", api_name="/run"))
    assert len(events) == len(trace.events)
    assert events[-1] == {"type": "answer", "turn": 5, "role": "solver", "text": trace.answer}
    thoughts = [event for event in events if event["type"] == "thought"]
    assert len(thoughts) == len(trace.thoughts) == 20
    first = rm.lens(embedded.agents["planner"], trace.thoughts[0].hidden[None], 1)[0][0]
    assert thoughts[0]["words"][0] == [first.text, pytest.approx(first.score, abs=1e-4)]


def test_the_api_solves_samples_and_probes(client: Client, embedded: rm.System) -> None:
    drawn = client.predict(3, api_name="/sample")
    assert rm.TASKS["chain"].read(drawn["question"]).answer == drawn["answer"]
    solved = client.predict(drawn["question"], 3, 3, 0, "latent", api_name="/solve")
    trace = embedded.solve(drawn["question"], rounds=3, latent_steps=3)
    assert solved["answer"] == trace.answer
    assert solved["right"] == (trace.answer.split()[:1] == [drawn["answer"]])
    probe = client.predict(drawn["question"], 1, 2, 3, 3, 0, api_name="/probe")
    assert probe["role"] == "critic"
    assert probe["speech"] == rm.speak(embedded, trace, 1, 2)


@pytest.mark.parametrize("kind", BAD_QUESTIONS)
def test_the_api_refuses_a_bad_question_with_its_message(client: Client, kind: str) -> None:
    with pytest.raises(AppError, match="question"):
        client.predict(BAD_QUESTIONS[kind], 3, 3, 0, "latent", api_name="/solve")
    assert client.predict(api_name="/status")["system"] == "sequential"


@pytest.mark.parametrize(
    ("rounds", "thoughts", "seed", "mode", "name"),
    [(0, 3, 0, "latent", "Rounds"), (3, 0, 0, "latent", "Thoughts"), (3, 81, 0, "latent", "Thoughts"),
     (3, 3, -1, "latent", "Seed"), (3, 3, 0, "aloud", "Pass"), ("many", 3, 0, "latent", "Rounds"),
     (None, 3, 0, "latent", "Rounds")],
)  # fmt: skip
def test_the_api_refuses_bad_numbers_with_their_message(
    client: Client, rounds: object, thoughts: object, seed: object, mode: str, name: str
) -> None:
    with pytest.raises(AppError, match=name):
        client.submit(QUESTION, rounds, thoughts, seed, mode, api_name="/run").result(timeout=60)
