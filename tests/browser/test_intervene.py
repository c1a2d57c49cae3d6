"""The Intervene tab in a real browser: every change, and every experiment, beside what the engine itself makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import recmas_core as rm
from recmas_core.edits import cut_edits, text_edits
from recmas_core.influence import influence
from recmas_core.layers import layer_lens
from recmas_core.patching import donor_run, implied_answer
from recmas_core.settling import answers_by_round, longer, longer_fork
from tests.browser.explorer import Explorer, VisitMaker
from visualizers.figures.influence import nats

ANSWERED_LATE = """() => {  // as on a busy machine: what was pressed brings messages before its own answer
  const ask = window.fetch;
  window.fetch = async (what, how) => {
    const answer = await ask(what, how);
    if (String(what.url || what).includes("/queue/join")) await new Promise((done) => setTimeout(done, 1000));
    return answer;
  };
}"""
QUESTION = "start 4 s1 + 9 s2 * 3 s3 - 5 s4 + 2 s5 * 7"
OTHER = "start 2 s1 - 2 s2 * 3 s3 - 7 s4 * 3"


class Intervener:
    """The Intervene tab as a test sees it, opened on a page."""

    def __init__(self, explorer: Explorer) -> None:
        self.explorer, self.page = explorer, explorer.page
        explorer.fill("Question", QUESTION)
        self.page.get_by_role("tab", name="Intervene", exact=True).click()

    @property
    def status(self) -> str:
        return self.page.locator("#recmas-i-status").inner_text().strip()

    @property
    def idle(self) -> bool:
        return self.page.locator("#recmas-i-go").is_enabled()

    @property
    def branches(self) -> int:
        return self.page.locator("#recmas-i-kept .recmas-i-branch").count()

    def answer(self, card: str) -> str:
        return self.page.locator(f"#recmas-i-outcome [data-card={card}] .recmas-i-answer").inner_text().strip()

    def until(self, condition: Any, what: str) -> Any:
        return self.explorer.until(condition, f"{what}; the tab says {self.status!r}")

    def here(self) -> None:
        self.explorer.press("Run the question here")
        self.until(lambda: self.idle, "the run")

    def pick(self, turn: int) -> None:
        self.page.locator(f"#recmas-i-strip [data-turn='{turn}']").click()
        self.until(lambda: self.page.locator(f"[data-turn-chosen='{turn}']").count(), "the turn")

    def run_on(self, kind: str, **fields: str) -> str:
        """Make a change, and wait for its branch; the branch's answer as the page shows it."""
        before = self.branches
        form = self.page.locator("#recmas-i-form")
        form.locator("[name=kind]").select_option(kind)
        for name, value in fields.items():
            form.locator(f"[name={name}]").fill(value)
        self.explorer.press("Run on from here")
        self.until(lambda: self.branches > before and self.idle, f"the branch of {kind}")
        return self.answer("branch")

    def press(self, event: str, found: str, count: int = 1) -> None:
        """Press a button of an experiment, and wait until all of what it finds is there and its work is done."""
        self.page.locator(f"#recmas-intervene [data-send='{event}']").first.click()
        self.until(lambda: self.page.locator(found).count() == count and self.idle, event)


@pytest.fixture
def tab(explorer: Explorer) -> Intervener:
    tab = Intervener(explorer)
    tab.here()
    return tab


@pytest.fixture(scope="module")
def run(embedded: rm.System) -> rm.Trace:
    return embedded.solve(QUESTION, rounds=3, latent_steps=3)


def test_without_a_run_one_button_makes_it_and_explore_shows_it_too(explorer: Explorer) -> None:
    tab = Intervener(explorer)
    tab.until(lambda: "no run yet" in tab.status, "the empty state")
    assert not explorer.page.locator("#recmas-i-with").is_visible()
    assert explorer.page.locator("#recmas-i-here").is_visible()
    explorer.page.get_by_role("tab", name="Explore", exact=True).click()
    explorer.choose("text")
    explorer.page.get_by_role("tab", name="Intervene", exact=True).click()
    tab.here()
    assert not explorer.page.locator("#recmas-i-without").is_visible()
    explorer.page.get_by_role("tab", name="Explore", exact=True).click()
    explorer.until(lambda: explorer.answered, "the run on the Explore tab")
    assert explorer.page.get_by_role("radio", name="latent thoughts", exact=True).is_checked()
    assert tab.page.locator("#recmas-i-outcome").count() == 1


def test_each_kind_of_change_makes_the_engines_own_branch(
    tab: Intervener, embedded: rm.System, run: rm.Trace
) -> None:
    assert tab.answer("run") == run.answer
    turn = 1
    tab.pick(turn)
    edits = {
        "zero": (rm.Edit(turn, "zero"),),
        "noise": (rm.Edit(turn, "noise", value=2.0),),
        "scale": (rm.Edit(turn, "scale", value=-1.5),),
        "swap": (rm.Edit(turn, "swap", trace=donor_run(embedded, run, OTHER)),),
        "set": text_edits(embedded, turn, "s2 = 4", 3, rounds=3),
        "cut": cut_edits(embedded.pattern, 3, ("critic", "solver"), first_turn=turn),
    }
    fields = {"noise": {"strength": "2"}, "scale": {"factor": "-1.5"}, "swap": {"question": OTHER},
              "set": {"text": "s2 = 4"}}  # fmt: skip
    for number, (kind, made) in enumerate(edits.items(), 1):
        branch = embedded.drain(run.fork(turn, edits=made))
        assert tab.run_on(kind, **fields.get(kind, {})) == branch.answer, kind
        words = [word.text for (word,) in rm.lens(embedded.agents["solver"], branch.turns[2].thoughts, 1)]
        shown = tab.page.locator("#recmas-i-turns [data-pair='2'] td").nth(1).inner_text()
        assert shown.split() == [word.strip() for word in words], kind
        assert tab.branches == number
    tab.page.locator("#recmas-i-kept [data-value='1']").click()
    zero = embedded.drain(run.fork(turn, edits=edits["zero"])).answer
    tab.until(lambda: "set to zero" in tab.page.locator("#recmas-i-outcome").inner_text(), "the first branch again")
    assert tab.answer("branch") == zero
    explorer = tab.explorer
    explorer.press("Forget the branches")
    tab.until(lambda: tab.branches == 0, "the branches to be forgotten")


def test_the_link_of_a_branch_opens_it_beside_its_run(
    tab: Intervener, visit: VisitMaker, embedded: rm.System, run: rm.Trace
) -> None:
    tab.pick(1)
    assert tab.run_on("scale", factor="-3")
    tab.page.click("#recmas-i-link")
    field = tab.page.locator("#recmas-i-said input")
    tab.until(lambda: field.count() and "?" in field.input_value(), "the link")
    link = field.input_value()
    assert link.startswith(tab.page.url.split("?")[0])
    other = visit()
    other.page.add_init_script(f"({ANSWERED_LATE})()")
    other.page.goto(link)
    other.page.wait_for_selector("#recmas-i-kept")
    other.until(lambda: other.page.locator("#recmas-i-kept .recmas-i-branch").count() == 1, "the branch")
    branch = embedded.drain(run.fork(1, edits=(rm.Edit(1, "scale", value=-3.0),)))
    for card, trace in (("run", run), ("branch", branch)):
        shown = other.page.locator(f"#recmas-i-outcome [data-card={card}] .recmas-i-answer")
        assert shown.inner_text().strip() == trace.answer
    assert other.page.locator("#recmas-i-form [name=factor]").input_value() == "-3"


def test_the_table_of_influence_is_the_engines_and_its_cells_choose_a_thought(
    tab: Intervener, embedded: rm.System, run: rm.Trace
) -> None:
    tab.press("weigh", ".recmas-influence .recmas-heat", 32)
    truth = embedded.task.read(QUESTION).answer  # type: ignore[union-attr]
    made = influence(embedded, run, truth)
    cells = tab.page.locator("#recmas-i-influence .recmas-heat")
    rows = np.concatenate([made.drops, made.turn_drops[:, None]], axis=1)
    shown = [float(text.replace("−", "-")) for text in cells.all_inner_texts()]
    assert np.allclose(shown, rows.reshape(-1), atol=0.02)
    assert "-0.00" not in tab.page.locator("#recmas-i-influence").inner_text()
    assert nats(-0.001) == "0.00"
    tab.page.locator("#recmas-i-influence [data-turn='4'][data-step='2']").click()
    tab.until(lambda: tab.page.locator("[data-turn-chosen='4']").count(), "the thought to be chosen")
    form = tab.page.locator("#recmas-i-form")
    assert form.locator("[name=which]").input_value() == "some"
    assert [form.locator(f"[name=thought-{i}]").is_checked() for i in range(3)] == [False, False, True]


def test_the_patch_says_what_should_follow_and_what_does(
    tab: Intervener, embedded: rm.System, run: rm.Trace
) -> None:
    tab.pick(2)
    tab.page.locator("#recmas-i-patch [data-send=draw]").click()
    field = tab.page.locator("#recmas-i-patch [name=donor]")
    tab.until(lambda: field.input_value(), "a question")
    implied = implied_answer(embedded, run, field.input_value(), 2)
    assert f"should become {implied}" in tab.page.locator("#recmas-i-patch").inner_text()
    tab.press("once", "#recmas-i-patch .recmas-i-found p:has-text('It became')")
    donor = donor_run(embedded, run, field.input_value())
    branch = embedded.drain(run.fork(2, edits=(rm.Edit(2, "swap", trace=donor),)))
    assert f"It became {branch.answer}." in tab.page.locator("#recmas-i-patch").inner_text()
    tab.press("many", "#recmas-i-patch tbody tr", 20)
    assert tab.page.locator("#recmas-i-patch tbody tr").count() == 20
    assert "95 % interval" in tab.page.locator("#recmas-i-patch .recmas-i-share").inner_text()


def test_a_thought_is_read_at_every_layer(tab: Intervener, embedded: rm.System, run: rm.Trace) -> None:
    tab.pick(1)
    tab.page.locator("#recmas-i-layers [name=lens]").select_option("2")
    made = layer_lens(embedded, run, 1, 2)
    tab.press("read", "#recmas-i-layers [data-layer]", len(made))
    for number, words in enumerate(made, 1):
        shown = tab.page.locator(f"#recmas-i-layers [data-layer='{number}'] .recmas-w").all_inner_texts()
        assert shown == [word.text.strip() for word in words]


def test_more_rounds_show_whether_it_settles(tab: Intervener, embedded: rm.System, run: rm.Trace) -> None:
    tab.press("longer", "#recmas-i-settle .recmas-i-round", 6)
    trace = longer_fork(embedded, run)
    for event in longer(embedded, run):
        trace = trace.append(event)
    answers = [each.answer for each in answers_by_round(embedded, trace)]
    assert tab.page.locator("#recmas-i-settle .recmas-i-round b").all_inner_texts() == answers
    script = "() => (document.querySelector('.recmas-figure-settle').data || []).map((line) => line.x.length)"
    tab.until(lambda: tab.page.evaluate(script), "the lines")
    assert tab.page.evaluate(script) == [5, 5, 4]


def test_errors_stand_in_the_status_line_and_the_tab_lives_on(tab: Intervener) -> None:
    form = tab.page.locator("#recmas-i-form")
    form.locator("[name=kind]").select_option("set")
    form.locator("[name=text]").fill("elephants")
    tab.explorer.press("Run on from here")
    tab.until(lambda: "elephants" in tab.status, "the message")
    assert form.locator("[name=text]").input_value() == "elephants"
    assert tab.run_on("zero")


def test_another_run_in_explore_makes_the_branches_forgotten(tab: Intervener) -> None:
    tab.run_on("zero")
    explorer = tab.explorer
    explorer.page.get_by_role("tab", name="Explore", exact=True).click()
    explorer.until(lambda: explorer.answered, "the run on the Explore tab")
    explorer.fill("Seed", "1")
    explorer.press("Run")
    explorer.until(lambda: not explorer.answered, "the new run to begin")
    explorer.page.get_by_role("tab", name="Intervene", exact=True).click()
    tab.until(lambda: tab.branches == 0 and tab.idle, "the tab to take the new run up when it is over")


def test_a_phone_shows_the_tab_without_scrolling_sideways(visit: VisitMaker) -> None:
    tab = Intervener(visit(width=390, height=844))
    tab.here()
    tab.run_on("zero")
    tab.press("weigh", ".recmas-influence .recmas-heat", 32)
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_german_page_has_the_tab_too(visit: VisitMaker, server: str) -> None:
    page = visit().page
    page.goto(f"{server}/de")
    page.get_by_role("tab", name="Eingriff", exact=True).click()
    page.get_by_role("button", name="Die Frage hier laufen lassen", exact=True).click()
    page.get_by_role("button", name="Von hier weiterlaufen", exact=True).click()
    page.wait_for_selector("#recmas-i-kept .recmas-i-branch")
    assert "auf null" in page.locator("#recmas-i-kept").inner_text()
