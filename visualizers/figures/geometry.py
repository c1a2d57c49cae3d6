"""Where a pattern's boxes stand and how its edges run, for the topology drawing. Units are those of the viewBox."""

from __future__ import annotations

from dataclasses import dataclass

from recmas_core.patterns import Edge, Pattern

BOX_W, BOX_H = 128.0, 60.0
STACKED_H, GAP_Y = 44.0, 12.0  # boxes that share a column are lower, so that the drawing stays a wide one
TOP, SIDE, LANE = 42.0, 10.0, 20.0
FOLDED = 3  # boxes in a row of a folded ring
_GAP_X, _GAP_PAIR, _GAP_ROW = 42.0, 104.0, 40.0
_BEND = 12.0


@dataclass(frozen=True)
class Box:
    """A role's box: its left upper corner, stage (column), row, how many share its column, and its height."""

    x: float
    y: float
    stage: int
    row: int
    rows: int
    h: float = BOX_H

    @property
    def middle(self) -> tuple[float, float]:
        """Its centre."""
        return self.x + BOX_W / 2, self.y + self.h / 2


@dataclass(frozen=True)
class Route:
    """An edge's svg path, its arrow head as polygon points, and whether it runs back to an earlier stage."""

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
    heights = [_column_height(len(stage)) for stage in pattern.stages]
    gap = _GAP_PAIR if len(pattern.stages) <= 2 else _GAP_X
    back = [edge for edge in pattern.edges if _is_back(pattern, edge)]
    from_left = any(len(pattern.stages[_stage(pattern, edge.receiver)]) > 1 for edge in back)
    left = SIDE + (LANE + 6 if from_left else 0)
    bottom = TOP + max(heights)
    boxes: dict[str, Box] = {}
    for column, (stage, height) in enumerate(zip(pattern.stages, heights, strict=True)):
        h = _box_height(len(stage))
        y0 = TOP + (max(heights) - height) / 2
        for row, role in enumerate(stage):
            boxes[role] = Box(left + column * (BOX_W + gap), y0 + row * (h + GAP_Y), column, row, len(stage), h)
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
    width = left + len(pattern.stages) * BOX_W + (len(pattern.stages) - 1) * gap + SIDE
    return Drawing(boxes, routes, width, bottom + (LANE + 14 if any_back else 12))


def can_fold(pattern: Pattern) -> bool:
    """Whether the pattern is a ring of four to six that can be drawn in two rows, for narrow screens."""
    names = [role.name for role in pattern.roles]
    ring = {*zip(names, [*names[1:], names[0]], strict=True)}
    single = all(len(stage) == 1 for stage in pattern.stages)
    return single and FOLDED < len(names) <= 2 * FOLDED and {edge.key for edge in pattern.edges} == ring


def fold_pattern(pattern: Pattern) -> Drawing:
    """A ring in two rows: to the right above, down, to the left below, and back up to its beginning.

    The pattern must be one that `can_fold`.
    """
    names = [name for (name,) in pattern.stages]
    boxes: dict[str, Box] = {}
    for at, name in enumerate(names):
        row, column = divmod(at, FOLDED)
        column = column if row == 0 else FOLDED - 1 - column
        boxes[name] = Box(SIDE + column * (BOX_W + _GAP_X), TOP + row * (BOX_H + _GAP_ROW), at, 0, 1)
    routes: dict[tuple[str, str], Route] = {}
    for edge in pattern.edges:
        sender, receiver = boxes[edge.sender], boxes[edge.receiver]
        if receiver.stage < sender.stage:
            routes[edge.key] = _up_again(sender, receiver)
        elif receiver.y > sender.y:
            routes[edge.key] = _down(sender, receiver)
        elif receiver.x < sender.x:
            routes[edge.key] = _leftward(sender, receiver)
        else:
            routes[edge.key] = _forward(sender, receiver)
    width = 2 * SIDE + FOLDED * BOX_W + (FOLDED - 1) * _GAP_X
    return Drawing(boxes, routes, width, TOP + 2 * BOX_H + _GAP_ROW + 12)


def _box_height(rows: int) -> float:
    return BOX_H if rows == 1 else STACKED_H


def _column_height(rows: int) -> float:
    return rows * _box_height(rows) + (rows - 1) * GAP_Y


def _stage(pattern: Pattern, role: str) -> int:
    return next(i for i, stage in enumerate(pattern.stages) if role in stage)


def _is_back(pattern: Pattern, edge: Edge) -> bool:
    return edge.feedback or _stage(pattern, edge.receiver) <= _stage(pattern, edge.sender)


def _forward(sender: Box, receiver: Box) -> Route:
    x0, y0 = sender.x + BOX_W, sender.middle[1]
    x1, y1 = receiver.x, receiver.middle[1]
    # Several senders of one stage enter side by side rather than in one point.
    if sender.rows > receiver.rows:
        y1 += (sender.row - (sender.rows - 1) / 2) * min(14.0, (receiver.h - 16) / sender.rows)
    half = (x1 - x0) / 2
    path = f"M{x0:.1f} {y0:.1f} C{x0 + half:.1f} {y0:.1f} {x1 - half:.1f} {y1:.1f} {x1 - 6:.1f} {y1:.1f}"
    return Route(path, _head(x1, y1, "right"), False)


def _leftward(sender: Box, receiver: Box) -> Route:
    y, x1 = sender.middle[1], receiver.x + BOX_W
    return Route(f"M{sender.x:.1f} {y:.1f} H{x1 + 6:.1f}", _head(x1, y, "left"), False)


def _down(sender: Box, receiver: Box) -> Route:
    x, y1 = sender.middle[0], receiver.y
    return Route(f"M{x:.1f} {sender.y + sender.h:.1f} V{y1 - 6:.1f}", _head(x, y1, "down"), False)


def _up_again(sender: Box, receiver: Box) -> Route:
    """From the lower row back to the ring's first box, round the corner if that is not right above."""
    x1, y1 = receiver.middle[0], receiver.y + receiver.h
    if abs(x1 - sender.middle[0]) < 1:
        return Route(f"M{x1:.1f} {sender.y:.1f} V{y1 + 6:.1f}", _head(x1, y1, "up"), True)
    y0 = sender.middle[1]
    path = f"M{sender.x:.1f} {y0:.1f} H{x1 + _BEND:.1f} Q{x1:.1f} {y0:.1f} {x1:.1f} {y0 - _BEND:.1f} V{y1 + 6:.1f}"
    return Route(path, _head(x1, y1, "up"), True)


def _over(sender: Box, receiver: Box) -> Route:
    x0, x1 = sender.middle[0], receiver.middle[0] - BOX_W / 4
    y0, y1 = sender.y, receiver.y
    lift = min(y0, y1) - 30
    path = f"M{x0:.1f} {y0:.1f} C{x0:.1f} {lift:.1f} {x1:.1f} {lift:.1f} {x1:.1f} {y1 - 6:.1f}"
    return Route(path, _head(x1, y1, "down"), False)


def _back(sender: Box, receiver: Box, lane: float) -> Route:
    b = _BEND
    x0, y0 = sender.middle[0], sender.y + sender.h
    start = f"M{x0:.1f} {y0:.1f} V{lane - b:.1f} Q{x0:.1f} {lane:.1f} {x0 - b:.1f} {lane:.1f}"
    if receiver.rows == 1:
        x1, y1 = receiver.middle[0], receiver.y + receiver.h
        path = f"{start} H{x1 + b:.1f} Q{x1:.1f} {lane:.1f} {x1:.1f} {lane - b:.1f} V{y1 + 6:.1f}"
        return Route(path, _head(x1, y1, "up"), True)
    # Roles that share a column are all reached from the left.
    x1, y1 = receiver.x, receiver.middle[1]
    side = x1 - LANE
    path = (
        f"{start} H{side + b:.1f} Q{side:.1f} {lane:.1f} {side:.1f} {lane - b:.1f} "
        f"V{y1 + b:.1f} Q{side:.1f} {y1:.1f} {side + b:.1f} {y1:.1f} H{x1 - 6:.1f}"
    )
    return Route(path, _head(x1, y1, "right"), True)


def _head(x: float, y: float, towards: str) -> str:
    dx, dy = {"right": (1, 0), "left": (-1, 0), "down": (0, 1), "up": (0, -1)}[towards]
    base_x, base_y = x - 8 * dx, y - 8 * dy
    corners = ((x - dx, y - dy), (base_x - 4.5 * dy, base_y - 4.5 * dx), (base_x + 4.5 * dy, base_y + 4.5 * dx))
    return " ".join(f"{cx:.1f},{cy:.1f}" for cx, cy in corners)
