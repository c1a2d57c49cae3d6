"""Looking: time travel, zoom, probes, keys, phones, dark mode."""

from __future__ import annotations

import recmas_core as rm
from recmas_core.tasks import TASKS
from tests.browser.explorer import Explorer, VisitMaker
from visualizers.panels.examples import examples_of


def _run_fast(explorer: Explorer) -> None:
    explorer.choose("fast")
    explorer.run()


def test_back_in_time_and_forward_again(explorer: Explorer) -> None:
    _run_fast(explorer)
    answer, made = explorer.meter("Answer"), explorer.thoughts
    explorer.page.locator("#recmas-strip [data-turn='1']").click()
    explorer.until(lambda: explorer.thoughts == 6, "the moment after the second turn")
    assert explorer.meter("Answer") == "–"
    assert "Planner" in explorer.page.locator("#recmas-prompt").inner_text()
    assert explorer.page.locator("#recmas-table tbody tr").count() == 3
    assert explorer.points == 3
    explorer.press("Back to now")
    explorer.until(lambda: explorer.thoughts == made, "now")
    assert explorer.meter("Answer") == answer


def test_a_thought_chosen_in_the_table_is_explained_and_ringed(explorer: Explorer, embedded: rm.System) -> None:
    question = explorer.page.get_by_label("Question", exact=True).input_value()
    thought = embedded.solve(question, rounds=3, latent_steps=3).thoughts[1]
    word = rm.lens(embedded.agents["planner"], thought.hidden[None], 1)[0][0].text.strip()
    explorer.choose("fast")
    explorer.press("Round")
    explorer.until(lambda: explorer.status.startswith("Round 1: Solver finished") and "Paused" in explorer.status)
    explorer.page.locator("#recmas-strip [data-turn='0']").click()
    explorer.until(lambda: explorer.thoughts == 3)
    explorer.page.locator("#recmas-table button[data-step='1']").click()
    explorer.until(lambda: explorer.thoughts == 2)
    detail = explorer.page.locator("#recmas-detail").inner_text()
    assert "Planner, round 1, thought 2" in detail
    assert explorer.page.locator("#recmas-detail dd").first.inner_text().split()[0] == word
    explorer.press("Speak")
    explorer.until(lambda: "says" in explorer.page.locator("#recmas-speech").inner_text())


def test_zoom_survives_an_update(explorer: Explorer) -> None:
    explorer.step()
    explorer.step()
    before = explorer.ranges
    plot = explorer.page.locator(".recmas-map .nsewdrag").first
    plot.hover()
    explorer.page.mouse.wheel(0, -240)
    explorer.until(lambda: explorer.ranges != before, "the zoom")
    zoomed = _settled(explorer)
    explorer.step()
    explorer.until(lambda: explorer.points == 3)
    assert explorer.ranges == zoomed


def _settled(explorer: Explorer) -> list[float]:
    """The ranges once the wheel's own animation is over."""
    last: list[list[float]] = [[]]

    def still() -> bool:
        now = explorer.ranges
        same, last[0] = now == last[0], now
        explorer.page.wait_for_timeout(200)
        return same

    explorer.until(still, "the zoom to settle")
    return last[0]


# Every mark of the map as it is drawn: its place, shape and colours, the lines and the words.
MARKS = """() => [...document.querySelectorAll(".recmas-map .scatterlayer .trace")].map((trace) => [
  trace.style.opacity,
  ...[...trace.querySelectorAll("path")].map((mark) => mark.outerHTML),
  ...[...trace.querySelectorAll("text")].map((word) => word.outerHTML),
])"""


def test_what_is_added_to_a_drawing_is_what_a_fresh_one_shows(explorer: Explorer) -> None:
    explorer.press("Round")  # the map that is followed changes, and each grows thought by thought
    explorer.until(lambda: explorer.status.startswith("Round 1: Solver finished") and "Paused" in explorer.status)
    explorer.step()
    explorer.step()  # on a map that has some already
    explorer.until(lambda: explorer.points == 5)
    added = explorer.page.evaluate(MARKS)
    explorer.page.evaluate("Plotly.redraw(document.querySelector('.recmas-map'))")
    assert explorer.page.evaluate(MARKS) == added
    assert sum("<path" in mark for trace in added for mark in trace) > 300


def test_a_thought_can_be_chosen_on_the_map(explorer: Explorer) -> None:
    _run_fast(explorer)
    explorer.show_map("planner")
    box = explorer.page.evaluate(
        """() => { const g = document.querySelector('.recmas-map'), t = g.data.find((t) => t.name === 'thoughts');
        const r = g.getBoundingClientRect(), l = g._fullLayout;
        return [r.x + l.xaxis._offset + l.xaxis.c2p(t.x[0]), r.y + l.yaxis._offset + l.yaxis.c2p(t.y[0])]; }"""
    )
    explorer.page.mouse.move(*box)
    explorer.page.mouse.click(*box)
    explorer.until(lambda: explorer.page.locator(".recmas-when").count() == 1, "the chosen moment")
    assert explorer.page.locator("#recmas-detail").inner_text().startswith("Planner")


def test_a_run_with_the_keyboard_alone(explorer: Explorer, embedded: rm.System) -> None:
    question = "start 5 s1 * 3 s2 + 8"
    keys = explorer.page.keyboard
    for _ in range(30):
        keys.press("Tab")
        if explorer.page.evaluate("document.activeElement.matches('#recmas-question textarea')"):
            break
    keys.press("Control+A")
    keys.type(question)
    keys.press("Escape")
    keys.press("s")
    explorer.until(lambda: explorer.thoughts == 1, "S to step")
    keys.press("g")
    explorer.until(lambda: explorer.answered, "G to run")
    assert explorer.meter("Answer") == embedded.solve(question, rounds=3, latent_steps=3).answer
    made = explorer.thoughts
    keys.press("Home")
    explorer.until(lambda: explorer.thoughts == 1, "Home to go to the first thought")
    keys.press("ArrowRight")
    explorer.until(lambda: explorer.thoughts == 2, "the right arrow to go on")
    keys.press("ArrowLeft")
    explorer.until(lambda: explorer.thoughts == 1, "the left arrow to go back")
    keys.press("End")
    explorer.until(lambda: explorer.thoughts == made, "End to come back to now")
    keys.press("x")
    explorer.until(lambda: explorer.thoughts == 0, "X to reset")


def test_keys_typed_into_the_question_are_text(explorer: Explorer) -> None:
    field = explorer.page.get_by_label("Question", exact=True)
    field.fill("")
    field.press_sequentially("srgpx")
    assert field.input_value() == "srgpx"
    assert explorer.thoughts == 0


def test_a_map_chosen_while_the_run_streams_is_kept(explorer: Explorer) -> None:
    explorer.press("Run")
    explorer.until(lambda: explorer.thoughts >= 1)
    # A click and no more: the run may draw its own map once before the choice arrives.
    explorer.page.get_by_role("radio", name="Solver", exact=True).click()
    explorer.until(lambda: explorer.answered, "the answer")
    explorer.until(lambda: explorer.map_key == "solver.thoughts", "the solver's map")
    assert explorer.points == 6
    assert not explorer.page.get_by_label("follow", exact=True).is_checked()


def test_pressing_the_map_that_is_followed_keeps_to_it(explorer: Explorer) -> None:
    explorer.step()
    follow = explorer.page.get_by_label("follow", exact=True)
    assert follow.is_checked()
    shown = explorer.page.get_by_role("radio", name="Planner", exact=True)
    assert shown.is_checked()
    shown.click()
    explorer.until(lambda: not follow.is_checked(), "the map to be kept")
    explorer.run()
    assert explorer.map_key == "planner.thoughts"
    assert explorer.points == 9


def test_focus_in_the_strip_survives_an_update(explorer: Explorer) -> None:
    explorer.step()
    turn = explorer.page.locator("#recmas-strip [data-turn='0']")
    turn.focus()
    explorer.page.keyboard.press("s")
    explorer.until(lambda: explorer.thoughts == 2)
    assert explorer.page.evaluate("document.activeElement.dataset.key") == "turn-0"


def test_a_phone_shows_everything_without_scrolling_sideways(visit: VisitMaker) -> None:
    explorer = visit(width=390, height=844)
    _run_fast(explorer)
    assert explorer.page.evaluate("document.documentElement.scrollWidth") <= 390
    shown = explorer.page.locator("#recmas-step").bounding_box()
    assert shown is not None
    assert shown["y"] + shown["height"] <= 844, "the buttons stay at hand"


def test_dark_mode_is_dark_and_legible(visit: VisitMaker) -> None:
    explorer = visit(theme="dark")
    _run_fast(explorer)
    script = """(selector) => { const e = document.querySelector(selector); let b = e, bg;
        do { bg = getComputedStyle(b).backgroundColor; b = b.parentElement; }
        while (b && /, 0\\)|transparent/.test(bg));
        return [getComputedStyle(e).color, bg]; }"""
    for selector in (".recmas-status", ".recmas-meter dd", ".recmas-meter dt", "#recmas-prompt span", "#recmas-step"):
        ink, ground = (_luminance(colour) for colour in explorer.page.evaluate(script, selector))
        contrast = (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05)
        assert contrast >= 4.5, f"{selector}: contrast {contrast:.1f}"
    body = explorer.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert _luminance(body) < 0.05


def _luminance(colour: str) -> float:
    channels = [int(part.split(".")[0]) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_only_this_server_is_asked(explorer: Explorer) -> None:
    _run_fast(explorer)
    for role in ("planner", "critic", "solver"):
        explorer.show_map(role)
    assert any("plotly" in url for url in explorer.requests)
    assert [url for url in explorer.requests if not explorer.is_own(url)] == []


def test_an_example_is_taken_once_and_leaving_the_field_changes_nothing(explorer: Explorer) -> None:
    typed = explorer.page.locator("#recmas-question textarea")
    field = explorer.page.locator("#recmas-examples input")
    example = examples_of(TASKS["chain"])[1]

    def leave_it() -> None:
        typed.focus()
        explorer.page.keyboard.press("Tab")
        explorer.page.keyboard.press("Tab")
        explorer.page.wait_for_timeout(1000)  # for a change that must not come

    typed.fill("start 1 s1 + 1")
    leave_it()
    assert typed.input_value() == "start 1 s1 + 1"
    for choose in (
        lambda: explorer.page.get_by_role("option", name=example, exact=True).click(),
        lambda: (explorer.page.keyboard.type(example), explorer.page.keyboard.press("Enter")),
    ):
        field.click()
        choose()
        explorer.until(lambda: typed.input_value() == example and not field.input_value(), "the example")
        typed.fill("start 2 s1 + 2")
        leave_it()
        assert typed.input_value() == "start 2 s1 + 2"
