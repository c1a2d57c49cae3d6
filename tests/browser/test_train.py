"""The Train tab in a real browser: from Start to a result in Explore, on small random systems."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

import recmas_core as rm
from recmas_core.bundles import unpack_system
from tests.browser.explorer import Explorer, VisitMaker, wait_for
from visualizers.panels.numbers import short

LAP = {"lap.0.steps": "400", "lap.0.batch": "2", "rounds": "1"}


class Trainer:
    """The Train tab as a test sees it, opened on a page."""

    def __init__(self, explorer: Explorer) -> None:
        self.explorer, self.page = explorer, explorer.page
        self.page.get_by_role("tab", name="Train", exact=True).click()
        self.page.wait_for_selector("#recmas-t-form .recmas-form")

    @property
    def status(self) -> str:
        return self.page.locator("#recmas-t-status").inner_text().strip()

    def meter(self, label: str) -> str:
        row = self.page.locator("#recmas-t-meters .recmas-meter", has=self.page.locator(f'dt:text-is("{label}")'))
        return row.locator("dd").inner_text().strip()

    @property
    def steps(self) -> int:
        """Points of the loss curve, counted in the figure itself."""
        script = "() => (document.querySelector('.recmas-figure-curves').data || [{x: []}])[0].x.length"
        return self.page.evaluate(script)

    def fill(self, values: dict[str, str]) -> None:
        for name, value in values.items():
            self.page.fill(f"#recmas-t-form [name='{name}']", value)

    def press(self, name: str) -> None:
        self.explorer.press(name)

    def until(self, condition: Any, what: str) -> Any:
        return self.explorer.until(condition, f"{what}; the training says {self.status!r}")

    def train(self, steps: int) -> None:
        """Train to the end."""
        self.fill(LAP | {"lap.0.steps": str(steps)})
        self.press("Start")
        self.until(lambda: self.status.startswith("Finished"), "the training's end")


@pytest.fixture
def trainer(visit: VisitMaker, small_server: str) -> Trainer:
    return Trainer(visit(url=small_server))


def test_start_moves_the_loss_pause_holds_it_and_undo_goes_back(trainer: Trainer) -> None:
    trainer.fill(LAP)
    trainer.press("Start")
    trainer.until(lambda: trainer.steps >= 25, "steps")
    assert trainer.page.locator("#recmas-t-credit .recmas-heat").count() == 2  # one round: no feedback
    trainer.press("Pause")
    trainer.until(lambda: trainer.status.startswith("Paused"), "the pause")
    trainer.until(lambda: trainer.page.locator(".recmas-figure-before .main-svg").count(), "the map before and after")
    held = trainer.meter("Step")
    trainer.page.get_by_role("radio", name="Solver", exact=True).check()
    trainer.until(lambda: "Solver" in trainer.page.locator("#recmas-t-caption").inner_text(), "another map")
    assert trainer.meter("Step") == held
    trainer.press("Undo")
    trainer.until(lambda: "undone" in _annotations(trainer), "the mark of going back")
    trainer.press("Continue")
    trainer.until(lambda: trainer.steps > int(held.split()[0]), "the training to go on")
    trainer.press("Stop")
    trainer.until(lambda: trainer.status.startswith("Stopped"), "the stop")


def _annotations(trainer: Trainer) -> list[str]:
    script = "() => document.querySelector('.recmas-figure-curves').layout.annotations.map((note) => note.text)"
    return trainer.page.evaluate(script)


def test_the_result_runs_in_explore_and_downloads_as_a_system(trainer: Trainer, tmp_path: Path) -> None:
    trainer.train(3)
    with trainer.page.expect_download() as saving:
        trainer.press("Download the system")
    saving.value.save_as(tmp_path / "mine.zip")
    mine = rm.load_system(str(unpack_system(tmp_path / "mine.zip", tmp_path / "mine")))
    explorer = trainer.explorer
    trainer.press("Use in Explore")
    explorer.until(lambda: explorer.page.locator(".recmas-linkset").is_visible(), "the label of the trained links")
    assert "trained here: repair, 3 steps" in explorer.page.locator(".recmas-linkset").inner_text()
    explorer.fill("Rounds", "1")
    explorer.choose("fast")
    question = explorer.page.get_by_label("Question", exact=True).input_value()
    made = mine.solve(question, rounds=1, latent_steps=mine.latent_steps)
    assert explorer.run() == (short(made.answer or "", 40) or "(empty)")
    explorer.choose("as they came")
    explorer.until(lambda: explorer.status.startswith("Ready"), "the links as they came")


def test_keys_belong_to_the_tab_that_is_shown(trainer: Trainer) -> None:
    trainer.fill(LAP)
    trainer.page.keyboard.press("Escape")
    trainer.page.keyboard.press("s")
    trainer.until(lambda: trainer.steps >= 1, "S to start")
    trainer.page.keyboard.press("p")
    trainer.until(lambda: trainer.status.startswith("Paused"), "P to pause")
    trainer.page.get_by_role("tab", name="Explore", exact=True).click()
    assert trainer.explorer.thoughts == 0


def test_untrained_links_lead_to_the_train_tab(visit: VisitMaker, small_server: str) -> None:
    explorer = visit(url=small_server)
    explorer.cast("Planner", "embedded:solver")
    explorer.page.get_by_role("button", name="Train these links").click()
    chosen = explorer.page.locator("#recmas-t-form [name=system]")
    explorer.until(lambda: chosen.count() and chosen.input_value() == "explore", "the line-up in the form")


def test_closing_the_tab_ends_its_training(trainer: Trainer, small_server: str) -> None:
    client = Client(small_server, verbose=False)
    trainer.fill(LAP | {"lap.0.steps": "3000"})
    trainer.press("Start")
    trainer.until(lambda: trainer.steps >= 1, "a step")
    assert client.predict(api_name="/status")["trainings"] == 1
    trainer.explorer.close()
    wait_for(lambda: client.predict(api_name="/status")["trainings"] == 0, what="the closed tab's training to end")


def test_a_phone_shows_the_train_tab_without_scrolling_sideways(visit: VisitMaker, small_server: str) -> None:
    trainer = Trainer(visit(url=small_server, width=390, height=844))
    trainer.train(2)
    assert trainer.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_bad_numbers_are_named_and_the_page_lives_on(trainer: Trainer) -> None:
    trainer.fill({"lap.0.lr": "-1"})
    trainer.press("Start")
    trainer.until(lambda: trainer.status.startswith("Rate is -1"), "the message")
    trainer.fill({"lap.0.lr": "0.001"})
    trainer.train(1)


def test_the_api_streams_the_steps_of_a_training(small_server: str) -> None:
    client = Client(small_server, verbose=False)
    laps = [{"steps": 3, "batch": 2}]
    steps = list(client.submit("repair", rounds=1, laps=laps, api_name="/train"))
    made = [each for each in steps if each["type"] == "step"]
    assert [each["step"] for each in made] == [1, 2, 3]
    assert all(each["grad_norms"]["planner->critic"]["1"] > 0 for each in made)
    assert made[-1]["held_out"][0]["rounds"] == 1
    assert steps[-1] | {"type": "end", "phase": "done", "steps": 3, "held_out": made[-1]["held_out"]} == steps[-1]
    assert (steps[-1]["first_loss"], steps[-1]["last_loss"]) == (made[0]["loss"], made[-1]["loss"])
    with pytest.raises(AppError, match="Batch"):
        client.submit("repair", laps=[{"batch": 0}], api_name="/train").result(timeout=60)
