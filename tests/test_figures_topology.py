"""The topology drawing, for patterns of different shapes."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from recmas_core.patterns import SEQUENTIAL, Edge, Pattern, Role
from visualizers.figures.geometry import BOX_H, BOX_W, draw_pattern
from visualizers.figures.topology import topology_svg
from visualizers.theme import role_colour

SPECIALISTS = ("math", "code", "science")
MIXTURE = Pattern(
    "mixture", "Mixture", "", tuple(Role(n, n.title(), "") for n in (*SPECIALISTS, "summarizer")),
    (SPECIALISTS, ("summarizer",)),
    (
        *(Edge(n, "summarizer") for n in SPECIALISTS),
        *(Edge("summarizer", n, feedback=True) for n in SPECIALISTS),
    ),
    "summarizer",
)  # fmt: skip
PAIR = Pattern(
    "pair", "Pair", "", (Role("expert", "Expert", ""), Role("learner", "Learner", "")), (("expert",), ("learner",)),
    (Edge("expert", "learner"), Edge("learner", "expert", feedback=True)), "learner",
)  # fmt: skip
SKIP = Pattern(
    "skip", "Skip", "", SEQUENTIAL.roles, SEQUENTIAL.stages, (*SEQUENTIAL.edges, Edge("planner", "solver")), "solver"
)
PATTERNS = [SEQUENTIAL, MIXTURE, PAIR, SKIP]
SVG = "{http://www.w3.org/2000/svg}"


def parse(svg: str) -> ET.Element:
    return ET.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def groups(root: ET.Element, name: str) -> list[ET.Element]:
    return [g for g in root.iter(f"{SVG}g") if name in g.get("class", "").split()]


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda p: p.name)
def test_every_role_and_edge_is_drawn_inside_the_picture(pattern: Pattern) -> None:
    root = parse(topology_svg(pattern, active=None, hop=None, rounds=3))
    assert len(groups(root, "recmas-node")) == len(pattern.roles)
    assert len(groups(root, "recmas-edge")) == len(pattern.edges)
    drawing = draw_pattern(pattern)
    for box in drawing.boxes.values():
        assert box.x >= 0
        assert box.x + BOX_W <= drawing.width
        assert box.y >= 0
        assert box.y + BOX_H <= drawing.height
    for route in drawing.routes.values():
        for pair in route.head.split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= drawing.width
            assert 0 <= y <= drawing.height


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda p: p.name)
def test_boxes_do_not_overlap_and_stages_are_columns(pattern: Pattern) -> None:
    boxes = list(draw_pattern(pattern).boxes.values())
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            assert abs(a.x - b.x) >= BOX_W or abs(a.y - b.y) >= BOX_H
    for stage in pattern.stages:
        assert len({draw_pattern(pattern).boxes[role].x for role in stage}) == 1


def test_feedback_returns_below_and_forward_does_not() -> None:
    routes = draw_pattern(SEQUENTIAL).routes
    assert [routes[e.key].back for e in SEQUENTIAL.edges] == [False, False, True]
    ends = [route.head for route in draw_pattern(MIXTURE).routes.values()]
    assert len(set(ends)) == len(ends)  # no two arrows end in one point


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda p: p.name)
def test_the_travelling_transfer_runs_along_its_own_edge(pattern: Pattern) -> None:
    for edge in pattern.edges:
        root = parse(topology_svg(pattern, active=edge.receiver, hop=edge.key, round_=1, rounds=2))
        (hop,) = groups(root, "recmas-hop")
        path = draw_pattern(pattern).routes[edge.key].path
        assert {m.get("path") for m in hop.iter(f"{SVG}animateMotion")} == {path}
        assert hop.find(f"{SVG}path").get("stroke") == role_colour(pattern, edge.sender)  # type: ignore[union-attr]
        assert len(groups(hop, "recmas-motion")) == 1  # what reduced motion hides


def test_only_the_active_role_is_lit() -> None:
    root = parse(topology_svg(SEQUENTIAL, active="critic", hop=None, spoken=("planner",), round_=1, rounds=3))
    (lit,) = groups(root, "recmas-active")
    assert "Critic" in "".join(lit.itertext())
    (done,) = groups(root, "recmas-spoken")
    assert "Planner" in "".join(done.itertext())
    assert not groups(parse(topology_svg(SEQUENTIAL, active=None, hop=None)), "recmas-active")


def test_words_say_what_the_picture_shows() -> None:
    root = parse(
        topology_svg(SEQUENTIAL, active="solver", hop=("critic", "solver"), spoken=("planner", "critic"),
                     decoding=True, round_=3, rounds=3)
    )  # fmt: skip
    assert root.get("role") == "img"
    said = root.findtext(f"{SVG}desc") or ""
    assert said in (root.get("aria-label") or "")
    for part in ("Round 3 of 3.", "travel from Critic to Solver", "Solver writes the answer",
                 "Finished in this round: Planner, Critic.", "Solver to Planner (feedback)"):  # fmt: skip
        assert part in said


def test_captions_are_escaped_and_replaced_while_decoding() -> None:
    captions = {"solver": "<b>Gemma & co"}
    calm = "".join(parse(topology_svg(SEQUENTIAL, active=None, hop=None, captions=captions)).itertext())
    assert "<b>Gemma & co" in calm
    busy = topology_svg(SEQUENTIAL, active="solver", hop=None, decoding=True, captions=captions)
    assert "Gemma" not in busy
    assert "writes the answer" in busy


def test_round_counter_has_a_dot_per_round() -> None:
    (counter,) = groups(parse(topology_svg(SEQUENTIAL, active=None, hop=None, round_=2, rounds=5)), "recmas-rounds")
    assert len(list(counter.iter(f"{SVG}circle"))) == 5
    assert "round 2 of 5" in "".join(counter.itertext())
