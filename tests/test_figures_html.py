"""The HTML figures: what they promise to the page's script, to a screen reader, and to a hostile text."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pytest
from english import ENGLISH

from recmas_core.patterns import SEQUENTIAL
from recmas_core.records import Segment, Turn, frozen_array
from visualizers.figures import stylesheet
from visualizers.figures.calls import Called, PutThere, Written, took, writing_html
from visualizers.figures.meters import Meter, meters_html
from visualizers.figures.probe_table import ProbeRow, probe_table_html
from visualizers.figures.prompt import prompt_html
from visualizers.figures.similarity import round_similarity
from visualizers.figures.strip import StripTurn, turn_strip_html
from visualizers.theme import role_colour

EVIL = "\"><script>alert('x')</script><img src=x onerror=y>&"


class Reader(HTMLParser):
    """Collects (tag, attributes), the text, and tags that do not nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self._open, self.broken = "", [], []
        self.feed(html)
        self.broken += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.broken.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def row(**changes: object) -> ProbeRow:
    values: dict[str, object] = {
        "turn": 2, "step": 1, "round": 1, "role": "Solver", "colour": "#00936c", "words": (("8", 0.97), ("6", 0.01)),
    }  # fmt: skip
    return ProbeRow(**(values | changes))  # type: ignore[arg-type]


def turn(**changes: object) -> StripTurn:
    values: dict[str, object] = {
        "index": 0, "round": 1, "role": "planner", "title": "Planner", "colour": "#2b83c4", "state": "done",
        "saying": "s1 = 0", "decodes": False,
    }  # fmt: skip
    return StripTurn(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "html",
    [
        probe_table_html([row(role=EVIL, words=((EVIL, 0.5),))], ENGLISH, measure=EVIL),
        turn_strip_html([turn(title=EVIL, saying=EVIL)], ENGLISH),
        meters_html([Meter(EVIL, EVIL, EVIL)]),
        prompt_html([Segment((1,), None, EVIL), Segment((), "solver", EVIL)], SEQUENTIAL, ENGLISH, filled={}),
        writing_html(1, EVIL, [Written(0, EVIL, False), Called(0, EVIL, EVIL, EVIL, 0.1), PutThere(EVIL)], ENGLISH),
        turn_strip_html([turn(calls=(EVIL,))], ENGLISH),
    ],
    ids=["probe", "strip", "meters", "prompt", "writing", "calls"],
)
def test_no_text_becomes_markup(html: str) -> None:
    reader = Reader(html)
    assert reader.broken == []
    assert {"script", "img"}.isdisjoint(tag for tag, _ in reader.tags)
    assert not any(name.startswith("on") for _, attributes in reader.tags for name in attributes)
    assert "<script>alert('x')</script>" in reader.text


def test_probe_row_is_a_button_that_names_its_thought() -> None:
    reader = Reader(probe_table_html([row(), row(step=2, selected=True)], ENGLISH))
    buttons = reader.all("button")
    assert [(b["data-turn"], b["data-step"], b["aria-pressed"]) for b in buttons] == [
        ("2", "1", "false"),
        ("2", "2", "true"),
    ]
    assert buttons[0]["aria-label"] == "Round 1, Solver, thought 2: 8"
    assert len(reader.all("caption")) == 1
    assert {th["scope"] for th in reader.all("th")} == {"col", "row"}


def test_bars_are_in_proportion_and_never_wider_than_their_cell() -> None:
    html = probe_table_html([row(words=(("a", 1.0), ("b", 0.25), ("c", -0.4), ("d", 1.2)))], ENGLISH, measure="cosine")
    assert [part.split("%")[0] for part in html.split("width:")[1:]] == ["100.0", "25.0", "0.0", "100.0"]


def test_rows_of_different_length_fill_the_table() -> None:
    reader = Reader(probe_table_html([row(words=()), row(words=(("a", 0.1),) * 3)], ENGLISH))
    assert len(reader.all("td")) == 6


def test_white_space_is_made_visible() -> None:
    text = Reader(probe_table_html([row(words=(("\n", 0.5), ("  ", 0.3), ("", 0.1)))], ENGLISH)).text
    assert "⏎" in text
    assert "␣" in text
    assert "∅" in text


def test_no_thoughts_say_what_to_do() -> None:
    assert "Press Step" in probe_table_html([], ENGLISH)


def test_strip_groups_by_round_and_disables_what_is_to_come() -> None:
    turns = [turn(), turn(index=1, state="running", selected=True), turn(index=2, round=2, state="waiting", saying="")]
    reader = Reader(turn_strip_html(turns, ENGLISH))
    rounds = [d["aria-label"] for d in reader.all("div") if str(d.get("aria-label", "")).startswith("Round")]
    assert rounds == ["Round 1", "Round 2"]
    buttons = reader.all("button")
    assert [b["data-turn"] for b in buttons] == ["0", "1", "2"]
    assert ["disabled" in b for b in buttons] == [False, False, True]
    assert [b["aria-pressed"] for b in buttons] == ["false", "true", "false"]
    assert buttons[0]["aria-label"] == "Turn 1, round 1: Planner says s1 = 0 (finished)"


def test_the_decoding_turn_shows_its_answer() -> None:
    html = turn_strip_html([turn(decodes=True, saying="8")], ENGLISH)
    assert "→ 8" in html
    assert "answers 8" in html


def test_meters_are_a_description_list_in_order() -> None:
    reader = Reader(meters_html([Meter("tokens", "1"), Meter("verdict", "right", tone="good")]))
    assert (len(reader.all("dl")), len(reader.all("dt")), len(reader.all("dd"))) == (1, 2, 2)
    assert [d["class"] for d in reader.all("div")] == ["recmas-meter", "recmas-meter recmas-good"]


@pytest.mark.parametrize(
    ("filled", "text", "shown"),
    [
        ({"solver": 3}, "", "3 latent thoughts from Solver"),
        ({"solver": 1}, "", "1 latent thought from Solver"),
        ({}, "s3 = 1", "Solver wrote: s3 = 1"),
        ({}, "", "nothing from Solver yet"),
    ],
)
def test_a_slot_is_a_chip_in_its_senders_colour(filled: dict[str, int], text: str, shown: str) -> None:
    prompt = [Segment((5,), None, "start 7 ; "), Segment((), "solver", text)]
    html = prompt_html(prompt, SEQUENTIAL, ENGLISH, filled=filled)
    assert Reader(html).text == f"start 7 ; {shown}"
    assert role_colour(SEQUENTIAL, "solver") in html


def test_turns_made_at_once_stand_in_one_group_and_others_do_not() -> None:
    turns = [turn(index=i, role=name, title=name, stage=0) for i, name in enumerate(("math", "code", "science"))]
    reader = Reader(turn_strip_html([*turns, turn(index=3, stage=1), turn(index=4, stage=0, round=2)], ENGLISH))
    groups = [d for d in reader.all("div") if d.get("class") == "recmas-atonce"]
    assert len(groups) == 1
    assert groups[0]["aria-label"] == "At once"
    assert [b["data-turn"] for b in reader.all("button")] == ["0", "1", "2", "3", "4"]
    assert reader.broken == []


def test_a_tool_call_is_a_button_of_its_own_behind_its_turn() -> None:
    buttons = Reader(turn_strip_html([turn(index=7, calls=("search", "python"))], ENGLISH)).all("button")
    assert [(b["data-turn"], b.get("data-call")) for b in buttons] == [("7", None), ("7", "0"), ("7", "1")]
    assert buttons[2]["aria-label"] == "Planner, tool call 2: python"


def test_writing_shows_calls_where_they_were_made() -> None:
    parts = [
        Written(0, "<python>", False), Called(0, "python", "print(3)", "3", 0.012), Written(1, "3", False),
        Called(1, "search", "Kesh", "error: nothing found", 1.4, selected=True), Written(2, "", True),
    ]  # fmt: skip
    html = writing_html(4, "The Tool-caller writes.", parts, ENGLISH)
    reader = Reader(html)
    keys = [b["data-key"] for b in reader.all("button")]
    assert keys == ["token-4-0", "called-4-0", "token-4-1", "called-4-1", "token-4-2"]
    for text in ("print(3)", "12 ms", "1.4 s", "Kesh", "error: nothing found"):
        assert text in reader.text
    assert html.count("recmas-bad") == 1  # a failed call is told from one that worked
    assert html.count("recmas-selected") == 1
    assert "recmas-live" in writing_html(4, "", parts, ENGLISH, live=True)
    assert "recmas-live" not in html


@pytest.mark.parametrize(("seconds", "words"), [(0.0004, "0 ms"), (0.25, "250 ms"), (5.0, "5.0 s")])
def test_durations_are_told_in_a_fitting_unit(seconds: float, words: str) -> None:
    assert took(seconds) == words


def latent(index: int, round_: int, role: str, thoughts: object) -> Turn:
    array = frozen_array(thoughts)
    return Turn(index, round_, role, (), array, array, {})


def test_similarity_is_the_mean_cosine_with_the_round_before() -> None:
    turns = [
        latent(0, 1, "planner", [[1, 0], [0, 2]]),
        latent(1, 1, "solver", [[1, 1]]),
        latent(2, 2, "planner", [[3, 0], [5, 0]]),
        latent(3, 2, "solver", [[1, 1], [1, 1]]),  # another number of thoughts: not comparable
        latent(4, 3, "planner", [[0, 0], [5, 0]]),  # a zero vector has no direction
    ]
    assert round_similarity(turns) == pytest.approx({2: 0.5, 4: 0.5})


def test_similarity_leaves_out_text_turns() -> None:
    empty = np.zeros((0, 4))
    assert round_similarity([latent(0, 1, "planner", empty), latent(1, 2, "planner", empty)]) == {}


def test_stylesheet_covers_what_is_drawn_and_loads_nothing() -> None:
    css = stylesheet()
    for name in ("recmas-probe", "recmas-strip", "recmas-meters", "recmas-prompt", "recmas-chip", "recmas-motion"):
        assert f".{name}" in css
    assert "url(" not in css
    assert "@import" not in css
