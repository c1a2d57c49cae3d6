"""The Compare tab in a real browser: three columns with the numbers of real runs, a survey, and stopping both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import recmas_core as rm
from tests.browser.explorer import Explorer

WAYS = ("single", "text", "latent")
QUESTION = "start 7 s1 + 3 s2 * 7 s3 - 4"


class Comparer:
    """The Compare tab as a test sees it, opened on a page."""

    def __init__(self, explorer: Explorer) -> None:
        self.explorer, self.page = explorer, explorer.page
        explorer.fill("Question", QUESTION)
        self.page.get_by_role("tab", name="Compare", exact=True).click()
        self.until(lambda: QUESTION in self.text("which"), "the question to be taken over")

    def text(self, name: str) -> str:
        return self.page.locator(f"#recmas-c-{name}").inner_text().strip()

    def meter(self, way: str, label: str) -> str:
        """A number of a column."""
        meters = self.page.locator(f"#recmas-c-{way} .recmas-meter", has=self.page.locator(f'dt:text-is("{label}")'))
        return meters.locator("dd").inner_text().strip() if meters.count() else "–"

    def turns(self, way: str) -> list[str]:
        """What the turns of a column say."""
        return [text.strip() for text in self.page.locator(f"#recmas-c-{way} samp").all_inner_texts()]

    def press(self, name: str) -> None:
        self.page.locator(f"#recmas-c-{name}").click()

    def until(self, condition: Any, what: str) -> Any:
        return self.explorer.until(condition, what)

    @property
    def drawn(self) -> dict[str, list[float]]:
        """The accuracies of the figure, read out of the figure itself."""
        script = (
            "() => Object.fromEntries(((document.querySelector('.recmas-figure-rounds') || {}).data || [])"
            ".map((trace) => [trace.name, trace.y]))"
        )
        return self.page.evaluate(script)


@pytest.fixture
def comparer(explorer: Explorer) -> Comparer:
    return Comparer(explorer)


def test_three_columns_reach_their_answers_with_the_numbers_of_real_runs(
    comparer: Comparer, embedded: rm.System
) -> None:
    comparer.press("run")
    comparer.until(lambda: all(comparer.meter(way, "Answer") != "–" for way in WAYS), "three answers")
    for way in ("text", "latent"):
        trace = embedded.solve(QUESTION, rounds=3, mode=way)
        assert comparer.meter(way, "Answer").split(" · ")[0] == trace.answer
        assert comparer.meter(way, "Tokens decoded") == str(trace.decoded_tokens)
        assert comparer.meter(way, "Latent steps") == str(len(trace.thoughts))
    texts = [turn.text for turn in embedded.solve(QUESTION, rounds=3, mode="text").turns]
    assert comparer.turns("text") == texts
    said = [rm.lens(embedded.agents[t.role], t.hidden[None], k=1)[0][0].text.strip() for t in
            embedded.solve(QUESTION, rounds=3).thoughts[:3]]  # fmt: skip
    assert comparer.turns("latent")[0] == " ".join(said)
    assert embedded.alone is not None
    alone = embedded.single(embedded.alone, role="solver").solve(QUESTION, rounds=1, mode="text")
    assert comparer.turns("single") == [alone.answer]


def test_a_survey_of_fifty_draws_its_figure_and_its_ratios(
    comparer: Comparer, embedded: rm.System, tmp_path: Path
) -> None:
    assert not comparer.page.locator("#recmas-c-figure-save").is_visible()  # nothing is drawn yet
    comparer.page.get_by_label("Timed one by one", exact=True).fill("2")
    comparer.press("start")
    comparer.until(lambda: comparer.text("status").startswith("Finished"), "the survey's end")
    comparer.until(lambda: len(comparer.drawn.get("latent", ())) == 3, "the figure")
    assert embedded.task is not None
    from recmas_core.evaluation import evaluate

    examples = embedded.task.sample(50, seed=0, split="test")
    report = evaluate(embedded, examples, rounds=(1, 2, 3), modes=("text", "latent"))
    for way in ("text", "latent"):
        assert comparer.drawn[way] == [report.score(way, rounds).accuracy for rounds in (1, 2, 3)]
    table = comparer.text("table")
    assert f"{report.score('latent', 3).tokens / report.score('text', 3).tokens:.2f}" in table
    assert "n = 50" in table
    assert "n = 2" in table
    assert "0.42–0.83" in table
    assert "8.3 %" in comparer.text("paper")
    with comparer.page.expect_download() as saved:
        comparer.explorer.press("Save the accuracy by rounds as SVG")
    saved.value.save_as(tmp_path / "rounds.svg")
    assert "Latent" in (tmp_path / "rounds.svg").read_text()


def test_stop_ends_both(comparer: Comparer) -> None:
    comparer.press("run")
    comparer.until(lambda: comparer.meter("text", "Tokens decoded") not in ("–", "0"), "some tokens")
    comparer.press("halt")
    comparer.until(lambda: comparer.text("said") == "Stopped.", "the stop")
    comparer.page.wait_for_timeout(500)
    held = comparer.meter("text", "Tokens decoded")
    comparer.page.wait_for_timeout(1000)
    assert (comparer.meter("text", "Tokens decoded"), comparer.meter("text", "Answer")) == (held, "–")
    comparer.page.get_by_role("radio", name="500", exact=True).check()
    comparer.press("start")
    comparer.until(lambda: comparer.text("status").startswith("Asking"), "the survey to begin")
    comparer.press("stop")
    comparer.until(lambda: comparer.text("status").startswith("Stopped after"), "the survey to stop")
    said = comparer.text("status")
    comparer.page.wait_for_timeout(1000)
    assert comparer.text("status") == said
