"""Surveys: the same answers as `evaluate`, ways in turn, intervals that are right on known numbers, and stopping."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from tiny import MIXED, tiny_agent, tiny_system

import recmas_core as rm
from recmas_core import comparing, evaluation, timing
from recmas_core.__main__ import main
from recmas_core.comparing import COSTS, LATENT, SINGLE, TEXT, WAYS, Survey, survey, ways_of
from recmas_core.evaluation import Outcome, cost, evaluate
from recmas_core.intervals import bootstrap, median_ratio, paired_difference, ratio_of_sums, wilson
from recmas_core.reported import PAPER
from recmas_core.runconfig import Decoding
from recmas_core.timing import Ran, Timed, Way, timed_runs

SHORT = Decoding(max_new_tokens=6)
EXAMPLES = rm.TASKS["chain"].sample(7, seed=3)


@pytest.fixture(scope="module")
def taught() -> rm.System:
    """A system with an agent that was taught the whole job."""
    return tiny_system(MIXED[0], alone=tiny_agent("llama", seed=9, name="direct"), decoding=SHORT)


@pytest.fixture(autouse=True)
def short_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random agents rarely end what they say."""
    monkeypatch.setattr(comparing, "ANSWER_TOKENS", SHORT.max_new_tokens)
    monkeypatch.setattr(evaluation, "ANSWER_TOKENS", SHORT.max_new_tokens)


@pytest.fixture
def records(taught: rm.System, short_answers: None) -> list[Survey]:
    return list(survey(taught, EXAMPLES, rounds=(2, 1), timed=1))


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "STEP", 3)


def made(
    rights: dict[str, Sequence[int]], tokens: dict[str, Sequence[int]], seconds: dict[str, Sequence[float]]
) -> Survey:
    """A survey of one round with these numbers."""
    outcomes = {
        (way, 1): tuple(Outcome(bool(r), t) for r, t in zip(rights[way], tokens[way], strict=True)) for way in rights
    }
    timed = tuple(
        Timed("?", {way: Ran(times[i], 1, 0) for way, times in seconds.items()})
        for i in range(len(next(iter(seconds.values()), ())))
    )
    steps = {(way, 1): 4 if way == LATENT else 0 for way in WAYS}
    return Survey("made", tuple(EXAMPLES), (1,), len(timed), True, steps, 0, outcomes, timed)


# ------------------------------------------------------------------------------------------------------- the intervals


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [((1, 1, 7, 12), -0.507, -0.026), ((14, 5, 0, 22), 0.011, 0.226)],
)
def test_the_difference_of_paired_shares_against_published_intervals(
    table: tuple[int, int, int, int], low: float, high: float
) -> None:
    """Both right, only one, only the other, neither: Bentur et al. (2009), and Altman et al. (2000), table 6.2."""
    both, only, other, neither = table
    first = [True] * (both + only) + [False] * (other + neither)
    second = [True] * both + [False] * only + [True] * other + [False] * neither
    found = paired_difference(first, second)
    assert found.value == pytest.approx((only - other) / sum(table))
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-4)


def test_ways_that_are_always_right_may_still_differ_a_little() -> None:
    found = paired_difference([True] * 54, [True] * 54)
    assert found.value == 0
    assert found.low == pytest.approx(-found.high)
    assert found.high == pytest.approx(1 - wilson(54, 54)[0], abs=1e-9)


def test_a_constant_ratio_has_no_spread_and_a_varying_one_covers_its_value() -> None:
    same = bootstrap(ratio_of_sums, [1, 2, 3], [2, 4, 6])
    assert (same.value, same.low, same.high, same.n) == (0.5, 0.5, 0.5, 3)
    draw = np.random.default_rng(1)
    pairs = draw.lognormal(0, 0.2, size=(2, 400))
    found = bootstrap(ratio_of_sums, list(pairs[0]), list(pairs[1]))
    # the delta method's interval, which the bootstrap must come near to for so many pairs
    spread = 1.96 * (pairs[0] - found.value * pairs[1]).std() / pairs[1].mean() / 20
    assert (found.low, found.high) == pytest.approx((found.value - spread, found.value + spread), abs=0.2 * spread)
    assert found == bootstrap(ratio_of_sums, list(pairs[0]), list(pairs[1]))
    assert found != bootstrap(ratio_of_sums, list(pairs[0]), list(pairs[1]), seed=1)


def test_pairs_stay_together() -> None:
    """Partners of very different size, each pair of the same ratio: drawn apart, the ratio would spread."""
    found = bootstrap(ratio_of_sums, [1, 100, 10_000], [3, 300, 30_000])
    assert found.low == pytest.approx(found.high)


def test_a_run_that_went_astray_does_not_move_the_median() -> None:
    found = bootstrap(median_ratio, [1.0] * 20 + [500.0], [2.0] * 21)
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(("first", "second"), [([], []), ([1.0], [1.0, 2.0])])
def test_what_is_not_paired_is_refused(first: list[float], second: list[float]) -> None:
    with pytest.raises(rm.BadInput, match="pairs"):
        bootstrap(ratio_of_sums, first, second)
    with pytest.raises(rm.BadInput, match="pairs"):
        paired_difference([bool(f) for f in first], [bool(s) for s in second])


def test_ratios_and_gains_are_those_of_the_numbers() -> None:
    found = made(
        {TEXT: (1, 1, 0, 0), LATENT: (1, 1, 1, 0), SINGLE: (0, 0, 0, 1)},
        {TEXT: (10, 20, 30, 40), LATENT: (1, 1, 1, 1), SINGLE: (2, 2, 2, 2)},
        {TEXT: (2.0, 4.0, 8.0), LATENT: (1.0, 1.0, 4.0), SINGLE: (0.5, 0.5, 0.5)},
    )
    ratios = {each: found.ratio(each, LATENT, TEXT) for each in COSTS}
    assert {each: ratio.value for each, ratio in ratios.items() if ratio} == {
        "tokens": 4 / 100, "steps": 20 / 100, "seconds": 0.5,
    }  # fmt: skip
    assert [ratio.n for ratio in ratios.values() if ratio] == [4, 4, 3]
    gain = found.gain(LATENT, TEXT)
    assert gain is not None
    assert gain.value == 0.25
    assert found.seconds(TEXT) == 4.0


def test_the_papers_figures_as_ratios() -> None:
    assert PAPER.time_ratio == pytest.approx((0.417, 0.833), abs=5e-4)
    assert PAPER.token_ratio == pytest.approx((0.244, 0.654), abs=5e-4)


# ---------------------------------------------------------------------------------------------------------- the survey


def test_a_survey_finds_what_evaluate_finds(taught: rm.System, records: list[Survey]) -> None:
    last = records[-1]
    report = evaluate(taught, EXAMPLES, rounds=(1, 2), modes=("single", "text", "latent"))
    assert last.over
    for way in (TEXT, LATENT):
        for rounds in (1, 2):
            assert last.score(way, rounds) == report.score(way, rounds)
    alone, asked = report.score("single: direct", 1), last.score(SINGLE, 2)
    assert asked is not None
    assert (asked.right, asked.n, asked.tokens, asked.groups) == (alone.right, alone.n, alone.tokens, alone.groups)


def test_partial_records_are_results_over_the_questions_asked_so_far(taught: rm.System, small_steps: None) -> None:
    seen = list(survey(taught, EXAMPLES, rounds=(1,), timed=2))
    assert [later.done > earlier.done for earlier, later in pairwise(seen)] == [True] * (len(seen) - 1)
    assert (seen[0].done, seen[0].scores, seen[-1].done) == (0, (), 3 * 7 + 3 * 2)
    partial = next(each for each in seen if (score := each.score(LATENT, 1)) and score.n < 7)
    asked = partial.score(LATENT, 1)
    assert asked is not None
    assert asked == evaluate(taught, EXAMPLES[: asked.n], rounds=(1,), modes=("latent",)).score("latent", 1)
    assert [len(each.timed) for each in seen][-3:] == [0, 1, 2]


def test_closing_it_stops_it(taught: rm.System, small_steps: None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    ask = comparing.ask_all

    def watched(system: rm.System, examples: Sequence[rm.Example], *rest: object, **more: object) -> object:
        asked.append(len(examples))
        return ask(system, examples, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(comparing, "ask_all", watched)
    live = survey(taught, EXAMPLES, rounds=(1,), timed=2)
    next(live)
    next(live)
    live.close()  # type: ignore[attr-defined]
    assert len(asked) == 1
    with pytest.raises(StopIteration):
        next(live)


def test_one_who_was_taught_the_job_answers_at_once_else_the_decoder_reads_its_own_turns(taught: rm.System) -> None:
    single, text, latent = ways_of(taught, 3)
    assert (single.system.agents["alone"], single.rounds) == (taught.alone, 1)
    assert [(way.rounds, way.mode, way.latent_steps) for way in (text, latent)] == [(3, "text", 3), (3, "latent", 3)]
    plain = tiny_system(MIXED[0], decoding=SHORT)
    single, *_ = ways_of(plain, 3, 5)
    assert (single.system.agents["alone"], single.rounds, single.latent_steps) == (plain.agents["solver"], 3, 5)
    last = list(survey(plain, EXAMPLES[:2], rounds=(1, 2), timed=0))[-1]
    assert [score.name for score in last.scores].count(SINGLE) == 2
    assert (last.ratio("seconds", LATENT, TEXT), last.seconds(TEXT)) == (None, None)


@pytest.mark.parametrize(
    ("options", "word"),
    [({"rounds": ()}, "rounds"), ({"rounds": (0, 1)}, "rounds"), ({"rounds": (7,)}, "rounds"), ({"timed": 8}, "timed")],
)
def test_what_cannot_be_surveyed_is_refused_at_once(taught: rm.System, options: dict[str, object], word: str) -> None:
    with pytest.raises(rm.BadInput, match=word):
        survey(taught, EXAMPLES, **options)  # type: ignore[arg-type]
    with pytest.raises(rm.BadInput, match="no questions of its own"):
        survey(tiny_system(task=None), EXAMPLES)
    with pytest.raises(rm.BadInput, match="sample"):
        survey(taught, [])


# ------------------------------------------------------------------------------------------------------------- timing


def test_ways_take_turns_question_by_question(taught: rm.System, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    solve = Way.solve

    def watched(way: Way, question: str) -> rm.Trace:
        asked.append((way.name, question))
        return solve(way, question)

    monkeypatch.setattr(timing.Way, "solve", watched)
    questions = [example.question for example in EXAMPLES[:3]]
    found = list(timed_runs(ways_of(taught, 1), questions))
    assert [name for name, _ in asked] == [*WAYS, *WAYS, TEXT, LATENT, SINGLE, LATENT, SINGLE, TEXT]
    assert [question for _, question in asked[3:]] == [q for q in questions for _ in WAYS]
    assert [tuple(one.runs) for one in found] == [WAYS] * 3


def test_what_a_run_cost_is_what_its_trace_says(taught: rm.System) -> None:
    question = EXAMPLES[0].question
    (one,) = timed_runs(ways_of(taught, 2), [question])
    for way, mode in ((TEXT, "text"), (LATENT, "latent")):
        trace = taught.solve(question, rounds=2, mode=mode)
        assert (one.runs[way].tokens, one.runs[way].latent_steps) == (trace.decoded_tokens, len(trace.thoughts))
        assert one.runs[way].seconds > 0


def test_cost_is_of_the_same_runs(taught: rm.System, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = {
        "latent": [Ran(1.0, 2, 15), Ran(3.0, 2, 15), Ran(2.0, 2, 15)],
        "text": [Ran(2.0, 40, 0), Ran(4.0, 50, 0), Ran(8.0, 30, 0)],
    }
    timed = [Timed("?", {name: each[i] for name, each in runs.items()}) for i in range(3)]
    monkeypatch.setattr("recmas_core.evaluation.timed_runs", lambda ways, questions: iter(timed))
    found = cost(taught, EXAMPLES[:3], rounds=2)
    assert (found.latent_seconds, found.text_seconds, found.time_ratio) == (2.0, 4.0, 0.5)
    assert (found.latent_tokens, found.text_tokens, found.latent_steps) == (2, 40, 15)


# --------------------------------------------------------------------------------------------------------- the command


def test_the_command_prints_the_table_the_ratios_and_the_papers_figures(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # these agents do end
    assert main(["compare", "distillation", "--n", "6", "--timed", "2", "--rounds", "1", "2"]) == 0
    printed = capsys.readouterr().out
    system = rm.load_system("distillation")
    report = evaluate(system, system.task.sample(6, seed=2026, split="test"), rounds=(1, 2), modes=("text", "latent"))
    for score in report.scores:
        assert f"| {score.name} | {score.rounds} | {score.accuracy:.3f} |" in printed
    for word in ("| single | 1 |", "| tokens decoded | 0.", "| time | ", "accuracy, latent less text", "2604.25917"):
        assert word in printed
    assert main(["compare", "distillation", "--n", "0"]) == 2
    assert "at least one" in capsys.readouterr().err.lower()
