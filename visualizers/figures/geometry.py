"""Where a pattern's boxes stand and how its edges run, for the topology drawing. Units are those of the viewBox."""

from __future__ import annotations

from dataclasses import dataclass

from recmas_core.patterns import Edge, Pattern

BOX_W, BOX_H = 128.0, 60.0
GAP_X, GAP_Y = 42.0, 16.0
TOP, SIDE, LANE = 42.0, 10.0, 20.0
_BEND = 12.0


@dataclass(frozen=True)
class Box:
    """A role's box: its left upper corner, stage (column) and row."""

    x: float
    y: float
    stage: int
    row: int
    rows: int

    @property
    def middle(self) -> tuple[float, float]:
        """Its centre."""
        return self.x + BOX_W / 2, self.y + BOX_H / 2


@dataclass(frozen=True)
class Route:
    """An edge's svg path, its arrow head as polygon points, and whether it runs back (an arc below)."""

    path: str
    head: str
    back: bool


@dataclass(frozen=True)
class Drawing:
    """Boxes by role, routes by (sender, receiver), and the size of the viewBox."""

    boxes: dict[str, Box]
    routes: dict[tuple[str, str], Route]
    width: float
    height: float


def draw_pattern(pattern: Pattern) -> Drawing:
    """Place the stages as columns and the roles of a stage one below the other; route every edge."""
    tallest = max(len(stage) for stage in pattern.stages)
    stacked_return = any(_is_back(pattern, e) and _row(pattern, e.receiver) < tallest - 1 for e in pattern.edges)
    left = SIDE + (LANE + 6 if stacked_return else 0)
    bottom = TOP + tallest * BOX_H + (tallest - 1) * GAP_Y
    boxes: dict[str, Box] = {}
    for column, stage in enumerate(pattern.stages):
        height = len(stage) * BOX_H + (len(stage) - 1) * GAP_Y
        y0 = TOP + (bottom - TOP - height) / 2
        for row, role in enumerate(stage):
            x, y = left + column * (BOX_W + GAP_X), y0 + row * (BOX_H + GAP_Y)
            boxes[role] = Box(x, y, column, row, len(stage))
    routes: dict[tuple[str, str], Route] = {}
    for edge in pattern.edges:
        sender, receiver = boxes[edge.sender], boxes[edge.receiver]
        if _is_back(pattern, edge):
            routes[edge.key] = _back(sender, receiver, bottom + LANE + 4)
        elif receiver.stage - sender.stage > 1:
            routes[edge.key] = _over(sender, receiver)
        else:
            routes[edge.key] = _forward(sender, receiver)
    any_back = any(route.back for route in routes.values())
    width = left + len(pattern.stages) * BOX_W + (len(pattern.stages) - 1) * GAP_X + SIDE
    return Drawing(boxes, routes, width, bottom + (LANE + 14 if any_back else 12))


def _stage(pattern: Pattern, role: str) -> int:
    return next(i for i, stage in enumerate(pattern.stages) if role in stage)


def _row(pattern: Pattern, role: str) -> int:
    return pattern.stages[_stage(pattern, role)].index(role)


def _is_back(pattern: Pattern, edge: Edge) -> bool:
    return edge.feedback or _stage(pattern, edge.receiver) <= _stage(pattern, edge.sender)


def _forward(sender: Box, receiver: Box) -> Route:
    x0, y0 = sender.x + BOX_W, sender.middle[1]
    x1, y1 = receiver.x, receiver.middle[1]
    # Several senders of one stage enter side by side rather than in one point.
    if sender.rows > receiver.rows:
        y1 += (sender.row - (sender.rows - 1) / 2) * min(14.0, (BOX_H - 16) / sender.rows)
    half = (x1 - x0) / 2
    path = f"M{x0:.1f} {y0:.1f} C{x0 + half:.1f} {y0:.1f} {x1 - half:.1f} {y1:.1f} {x1 - 6:.1f} {y1:.1f}"
    return Route(path, _head(x1, y1, "right"), False)


def _over(sender: Box, receiver: Box) -> Route:
    x0, x1 = sender.middle[0], receiver.middle[0] - BOX_W / 4
    y0, y1 = sender.y, receiver.y
    lift = min(y0, y1) - 30
    path = f"M{x0:.1f} {y0:.1f} C{x0:.1f} {lift:.1f} {x1:.1f} {lift:.1f} {x1:.1f} {y1 - 6:.1f}"
    return Route(path, _head(x1, y1, "down"), False)


def _back(sender: Box, receiver: Box, lane: float) -> Route:
    b = _BEND
    x0, y0 = sender.middle[0], sender.y + BOX_H
    start = f"M{x0:.1f} {y0:.1f} V{lane - b:.1f} Q{x0:.1f} {lane:.1f} {x0 - b:.1f} {lane:.1f}"
    if receiver.row == receiver.rows - 1:
        x1, y1 = receiver.middle[0], receiver.y + BOX_H
        path = f"{start} H{x1 + b:.1f} Q{x1:.1f} {lane:.1f} {x1:.1f} {lane - b:.1f} V{y1 + 6:.1f}"
        return Route(path, _head(x1, y1, "up"), True)
    # A role with others below it in its column is reached from the left.
    x1, y1 = receiver.x, receiver.middle[1]
    side = x1 - LANE
    path = (
        f"{start} H{side + b:.1f} Q{side:.1f} {lane:.1f} {side:.1f} {lane - b:.1f} "
        f"V{y1 + b:.1f} Q{side:.1f} {y1:.1f} {side + b:.1f} {y1:.1f} H{x1 - 6:.1f}"
    )
    return Route(path, _head(x1, y1, "right"), True)


def _head(x: float, y: float, towards: str) -> str:
    along = {"right": (1, 0), "down": (0, 1), "up": (0, -1)}[towards]
    dx, dy = along
    base_x, base_y = x - 8 * dx, y - 8 * dy
    corners = ((x - dx, y - dy), (base_x - 4.5 * dy, base_y - 4.5 * dx), (base_x + 4.5 * dy, base_y + 4.5 * dx))
    return " ".join(f"{cx:.1f},{cy:.1f}" for cx, cy in corners)
