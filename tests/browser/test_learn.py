"""The lessons in a real browser: each is walked to its end on the real page, wrongly answered and then rightly."""

from __future__ import annotations

import pytest

from tests.browser.explorer import PATIENCE, Explorer, VisitMaker
from visualizers.panels.lessons import LESSONS, LONG

RIGHT = {"thought": "critic", "link": "arrived", "round": "step6", "cut": "back"}


class Lesson:
    """A lesson as a test sees it."""

    def __init__(self, explorer: Explorer, name: str, tab: str = "Learn") -> None:
        self.explorer, self.page, self.name = explorer, explorer.page, name
        self.page.get_by_role("tab", name=tab, exact=True).click()
        self.page.click(f"[data-begin={name}]")
        self.page.wait_for_selector(f".recmas-coach[data-lesson={name}]")

    @property
    def step(self) -> int:
        return int(self.page.get_attribute(".recmas-coach", "data-step") or -1)

    @property
    def text(self) -> str:
        return self.page.locator(".recmas-coach-text").inner_text()

    @property
    def open(self) -> bool:
        return self.page.locator(".recmas-coach").count() == 1

    def do(self, patience: float = PATIENCE) -> None:
        """Let the lesson do what the step is about."""
        # a step that the page shows already is done by itself: then there is nothing left to press
        self.page.evaluate("document.querySelector('.recmas-coach-primary[data-coach=deed]')?.click()")
        self.page.wait_for_selector("[data-key=coach-next][data-coach=go]", timeout=1000 * patience)

    def next(self) -> None:
        at = self.step
        self.page.click("[data-key=coach-next][data-coach=go]")
        self.explorer.until(lambda: self.step == at + 1, "the next step")

    def walk(self, patience: float = PATIENCE) -> None:
        """From where it is to its question."""
        while self.step < len(LESSONS[self.name].steps):
            if self.page.locator(".recmas-coach-primary[data-coach=deed]").count():
                self.do(patience)
            assert "{" not in self.text
            self.next()

    def choose(self, choice: str) -> str:
        """Answer the question; returns the feedback."""
        self.page.click(f"[data-choice={choice}]")
        self.page.wait_for_selector(f"[data-choice={choice}][aria-pressed=true]")
        return self.page.locator(".recmas-coach-why").inner_text()

    def leave(self) -> None:
        self.page.click("[data-coach=leave]")
        self.page.wait_for_selector(".recmas-coach", state="detached")


@pytest.fixture(scope="module")
def pupil(lasting_visit: VisitMaker) -> Explorer:
    """A visitor who takes one lesson after the other."""
    return lasting_visit()


@pytest.mark.parametrize("name", ["thought", "link", "round", "text", "cut"])
def test_a_lesson_goes_to_its_end_with_real_runs(pupil: Explorer, name: str) -> None:
    lesson = Lesson(pupil, name)
    lesson.walk()
    wrong = next(choice for choice in ("nothing", "none", "step3", "first") if choice in LESSONS[name].quiz.choices)
    assert lesson.choose(wrong).startswith("Not quite.")
    assert lesson.page.locator("[data-coach=finish]").count() == 0
    fell = ("tokens", "time")  # which of them fell more, this computer's run says
    right = [RIGHT[name]] if name in RIGHT else [c for c in fell if lesson.choose(c).startswith("Right.")]
    assert len(right) == 1
    assert lesson.choose(right[0]).startswith("Right.")
    lesson.page.click("[data-coach=finish]")
    lesson.page.wait_for_selector(".recmas-coach", state="detached")
    lesson.page.wait_for_selector(f"[data-done={name}]:visible")


def test_what_was_done_stays_done(pupil: Explorer) -> None:
    tab = pupil.page.get_by_role("tab", name="Learn", exact=True)
    tab.click()
    done = pupil.page.locator("[data-done]:visible").count()
    assert done == 5
    pupil.page.reload()
    tab.click()
    pupil.until(lambda: pupil.page.locator("[data-done]:visible").count() == done, "the marks of what is done")


def test_the_lesson_on_training_trains(visit: VisitMaker, small_server: str) -> None:
    lesson = Lesson(visit(url=small_server), "signal")
    lesson.walk(300)
    assert lesson.page.locator("#recmas-t-credit .recmas-heat").count() > 0
    said = [lesson.choose(choice) for choice in LESSONS["signal"].quiz.choices]
    assert sum(text.startswith("Right.") for text in said) == 1


def test_what_was_typed_and_run_waits_and_the_lesson_goes_on_where_it_was_left(explorer: Explorer) -> None:
    explorer.fill("Question", "start 5 s1 + 3 s2 - 1")
    explorer.fill("Rounds", "1")
    explorer.choose("fast")
    answer = explorer.run()
    lesson = Lesson(explorer, "thought")
    lesson.next()
    lesson.do()
    lesson.next()
    lesson.page.keyboard.press("Escape")
    lesson.page.wait_for_selector(".recmas-coach", state="detached")
    lesson.page.get_by_role("tab", name="Explore", exact=True).click()
    assert explorer.page.get_by_label("Question", exact=True).input_value() == "start 5 s1 + 3 s2 - 1"
    assert explorer.page.get_by_label("Rounds", exact=True).input_value() == "1"
    explorer.until(lambda: explorer.answered, "the visitor's own run")
    assert explorer.meter("Answer") == answer
    again = Lesson(explorer, "thought")
    assert again.step == 2


def test_a_step_done_by_hand_counts_and_another_run_does_not(explorer: Explorer) -> None:
    lesson = Lesson(explorer, "round")
    lesson.next()
    explorer.fill("Rounds", "1")
    explorer.choose("fast")
    explorer.run()
    explorer.page.wait_for_timeout(1500)
    assert lesson.page.locator("[data-key=coach-next][data-coach=go]").count() == 0
    explorer.fill("Question", LONG.question)
    explorer.press("Run")
    lesson.page.wait_for_selector("[data-key=coach-next][data-coach=go]")
    assert "The answer is 1" in lesson.text


def test_a_german_lesson_on_a_phone_fits_the_screen(visit: VisitMaker, server: str) -> None:
    explorer = visit(width=390, height=844)
    page = explorer.page
    page.goto(f"{server}/de")
    page.wait_for_selector("#recmas-map .main-svg")
    lesson = Lesson(explorer, "thought", "Lernen")
    assert "Drei kleine Sprachmodelle" in lesson.text
    card = page.locator(".recmas-coach").bounding_box()
    assert card is not None
    assert card["x"] >= 0
    assert card["x"] + card["width"] <= 390
    assert card["height"] < 0.5 * 844
    wide = "(card) => [...card.querySelectorAll('*')].some((part) => part.getBoundingClientRect().right > 384)"
    assert not page.locator(".recmas-coach").evaluate(wide)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    lesson.leave()


def test_a_term_is_explained_where_it_stands_by_keyboard(explorer: Explorer) -> None:
    page = explorer.page
    button = page.locator(".recmas-term:visible").first
    button.focus()
    page.keyboard.press("Enter")
    box = page.locator(".recmas-explanation:popover-open")
    assert box.is_visible()
    assert box.get_attribute("id") == button.get_attribute("popovertarget")
    page.keyboard.press("Escape")
    assert page.locator(".recmas-explanation:popover-open").count() == 0
