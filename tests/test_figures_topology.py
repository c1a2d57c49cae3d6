"""The topology drawing, for patterns of different shapes."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from english import ENGLISH

from recmas_core.patterns import DISTILLATION, MIXTURE, SEQUENTIAL, Edge, Pattern, loop_pattern
from visualizers.figures.geometry import BOX_W, Drawing, can_fold, draw_pattern, fold_pattern
from visualizers.figures.icon import HEIGHT, WIDTH, pattern_icon
from visualizers.figures.topology import Activity, topology_svg
from visualizers.theme import role_colour

SKIP = Pattern(
    "skip", "Skip", "", SEQUENTIAL.roles, SEQUENTIAL.stages, (*SEQUENTIAL.edges, Edge("planner", "solver")), "solver"
)
LOOPS = [loop_pattern(size) for size in range(2, 6)]
PATTERNS = [SEQUENTIAL, MIXTURE, DISTILLATION, SKIP, *LOOPS]
FOLDED = [pattern for pattern in PATTERNS if can_fold(pattern)]
SVG = "{http://www.w3.org/2000/svg}"


def parse(svg: str) -> ET.Element:
    """The first drawing; a long ring has a second one for narrow screens."""
    first = svg.split("</svg>")[0] + "</svg>"
    return ET.fromstring(first.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def drawings() -> list[tuple[Pattern, Drawing]]:
    return [(p, draw_pattern(p)) for p in PATTERNS] + [(p, fold_pattern(p)) for p in FOLDED]


def groups(root: ET.Element, name: str) -> list[ET.Element]:
    return [g for g in root.iter(f"{SVG}g") if name in g.get("class", "").split()]


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda p: p.name)
def test_every_role_and_edge_is_drawn(pattern: Pattern) -> None:
    root = parse(topology_svg(pattern, Activity(rounds=3), ENGLISH))
    assert len(groups(root, "recmas-node")) == len(pattern.roles)
    assert len(groups(root, "recmas-edge")) == len(pattern.edges)


@pytest.mark.parametrize(("pattern", "drawing"), drawings(), ids=lambda value: getattr(value, "name", ""))
def test_everything_lies_inside_the_picture(pattern: Pattern, drawing: Drawing) -> None:
    assert set(drawing.boxes) == {role.name for role in pattern.roles}
    assert set(drawing.routes) == {edge.key for edge in pattern.edges}
    for box in drawing.boxes.values():
        assert box.x >= 0
        assert box.x + BOX_W <= drawing.width
        assert box.y >= 0
        assert box.y + box.h <= drawing.height
    for route in drawing.routes.values():
        for pair in route.head.split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= drawing.width
            assert 0 <= y <= drawing.height


@pytest.mark.parametrize(("pattern", "drawing"), drawings(), ids=lambda value: getattr(value, "name", ""))
def test_boxes_do_not_overlap_and_no_two_arrows_end_in_one_point(pattern: Pattern, drawing: Drawing) -> None:
    boxes = list(drawing.boxes.values())
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            assert abs(a.x - b.x) >= BOX_W or abs(a.y - b.y) >= min(a.h, b.h)
    ends = [route.head for route in drawing.routes.values()]
    assert len(set(ends)) == len(ends)


def test_the_roles_of_a_stage_share_a_column() -> None:
    boxes = draw_pattern(MIXTURE).boxes
    assert len({boxes[role].x for role in MIXTURE.stages[0]}) == 1
    assert len({boxes[role].y for role in MIXTURE.stages[0]}) == 3


def test_only_long_rings_are_folded_and_drawn_twice() -> None:
    assert [pattern.name for pattern in FOLDED] == ["loop4", "loop5"]
    for pattern in PATTERNS:
        svg = topology_svg(pattern, Activity(rounds=3), ENGLISH)
        assert svg.count("<svg") == (2 if pattern in FOLDED else 1)
        assert ("recmas-narrow" in svg) == (pattern in FOLDED)
    for pattern in FOLDED:
        assert fold_pattern(pattern).width < draw_pattern(pattern).width


def test_feedback_returns_below_and_forward_does_not() -> None:
    routes = draw_pattern(SEQUENTIAL).routes
    assert [routes[e.key].back for e in SEQUENTIAL.edges] == [False, False, True]
    assert [draw_pattern(MIXTURE).routes[e.key].back for e in MIXTURE.edges] == [False] * 3 + [True] * 3


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda p: p.name)
def test_the_travelling_transfer_runs_along_its_own_edge(pattern: Pattern) -> None:
    for edge in pattern.edges:
        activity = Activity(active=[edge.receiver], hops=[edge.key], round=1, rounds=2)
        root = parse(topology_svg(pattern, activity, ENGLISH))
        (hop,) = groups(root, "recmas-hop")
        path = draw_pattern(pattern).routes[edge.key].path
        assert {m.get("path") for m in hop.iter(f"{SVG}animateMotion")} == {path}
        assert hop.find(f"{SVG}path").get("stroke") == role_colour(pattern, edge.sender)  # type: ignore[union-attr]
        assert len(groups(hop, "recmas-motion")) == 1  # what reduced motion hides


def test_specialists_are_lit_and_their_transfers_travel_at_the_same_time() -> None:
    specialists = MIXTURE.stages[0]
    hops = [(name, "summarizer") for name in specialists]
    root = parse(topology_svg(MIXTURE, Activity(active=specialists, hops=hops, round=1, rounds=3), ENGLISH))
    lit = ["".join(node.itertext()) for node in groups(root, "recmas-active")]
    assert lit == ["Math", "Code", "Science"]
    assert len(groups(root, "recmas-hop")) == 3
    said = root.findtext(f"{SVG}desc") or ""
    assert "Math, Code, Science are thinking at once." in said
    assert "travel from Math to Summarizer, Code to Summarizer, Science to Summarizer." in said


def test_only_the_active_role_is_lit() -> None:
    root = parse(topology_svg(SEQUENTIAL, Activity(active=["critic"], spoken=("planner",), round=1, rounds=3), ENGLISH))
    (lit,) = groups(root, "recmas-active")
    assert "Critic" in "".join(lit.itertext())
    (done,) = groups(root, "recmas-spoken")
    assert "Planner" in "".join(done.itertext())
    assert not groups(parse(topology_svg(SEQUENTIAL, Activity(), ENGLISH)), "recmas-active")


def test_words_say_what_the_picture_shows() -> None:
    activity = Activity(["solver"], [("critic", "solver")], ("planner", "critic"), ["solver"], 3, 3)
    root = parse(topology_svg(SEQUENTIAL, activity, ENGLISH))
    assert root.get("role") == "img"
    said = root.findtext(f"{SVG}desc") or ""
    assert said in (root.get("aria-label") or "")
    for part in ("Round 3 of 3.", "travel from Critic to Solver", "Solver writes the answer",
                 "Finished in this round: Planner, Critic.", "Solver to Planner (feedback)"):  # fmt: skip
        assert part in said


def test_untrained_links_look_different_and_are_named() -> None:
    svg = topology_svg(SEQUENTIAL, Activity(), ENGLISH, untrained={("planner", "critic")})
    root = parse(svg)
    marked = [g for g in groups(root, "recmas-edge") if g.findtext(f"{SVG}title")]
    assert len(marked) == 1
    assert "Links never trained: Planner to Critic." in (root.findtext(f"{SVG}desc") or "")
    assert "never trained" not in topology_svg(SEQUENTIAL, Activity(), ENGLISH)


def test_captions_are_escaped_and_replaced_while_decoding() -> None:
    captions = {"solver": "<b>Gemma & co"}
    calm = "".join(parse(topology_svg(SEQUENTIAL, Activity(), ENGLISH, captions=captions)).itertext())
    assert "<b>Gemma & co" in calm
    busy = topology_svg(SEQUENTIAL, Activity(active=["solver"], decoding=["solver"]), ENGLISH, captions=captions)
    assert "Gemma" not in busy
    assert "writes the answer" in busy


def test_round_counter_has_a_dot_per_round() -> None:
    (counter,) = groups(parse(topology_svg(SEQUENTIAL, Activity(round=2, rounds=5), ENGLISH)), "recmas-rounds")
    assert len(list(counter.iter(f"{SVG}circle"))) == 5
    assert "round 2 of 5" in "".join(counter.itertext())


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda p: p.name)
def test_an_icon_has_a_dot_per_role_and_ways_between_them(pattern: Pattern) -> None:
    root = parse(pattern_icon(pattern))
    dots = [(float(c.get("cx", 0)), float(c.get("cy", 0))) for c in root.iter(f"{SVG}circle")]
    assert len(set(dots)) == len(pattern.roles)
    assert all(0 < x < WIDTH and 0 < y < HEIGHT for x, y in dots)
    forward = sum(not edge.feedback for edge in pattern.edges)
    assert len(list(root.iter(f"{SVG}path"))) == forward + 1  # feedback of one sender to one stage is one way
    assert root.get("aria-hidden") == "true"
