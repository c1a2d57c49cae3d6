"""Collaboration patterns as data: who speaks, in what order, to whom."""

from __future__ import annotations

from dataclasses import dataclass

from recmas_core.errors import BadInput, SystemNotFound


@dataclass(frozen=True)
class Role:
    """A place in a pattern.

    Attributes:
        name: The role's name, unique in its pattern.
        title: The name to show.
        about: One sentence on what it does.
        tools: Names of the tools it may call while it decodes the answer.
    """

    name: str
    title: str
    about: str
    tools: tuple[str, ...] = ()


@dataclass(frozen=True)
class Edge:
    """A directed way from one role to another, along which latent thoughts are transferred.

    Attributes:
        sender: Role that made the thoughts.
        receiver: Role whose prompt has a slot for them.
        feedback: True when the receiver reads them in the next round, not in this one.
    """

    sender: str
    receiver: str
    feedback: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """(sender, receiver), as links are keyed."""
        return self.sender, self.receiver


@dataclass(frozen=True)
class Place:
    """One turn's place in a run.

    Attributes:
        turn: 0-based index of the turn in the run.
        round: 1-based round.
        stage: 0-based stage within the round; turns of one stage do not read each other.
        role: Who speaks.
        decodes: True for the turn that ends the run with text.
    """

    turn: int
    round: int
    stage: int
    role: str
    decodes: bool


@dataclass(frozen=True)
class Pattern:
    """A collaboration pattern.

    Attributes:
        name: Key in the registry.
        title: The name to show.
        about: One or two sentences for the reader.
        roles: All roles, in the order they speak.
        stages: Role names of each stage of a round; roles of one stage think side by side.
        edges: All ways of transfer.
        decoder: The role that decodes the answer in the last round.
        contrast: An edge that is worth cutting for comparison: the map shows the receiver with and without it.
    """

    name: str
    title: str
    about: str
    roles: tuple[Role, ...]
    stages: tuple[tuple[str, ...], ...]
    edges: tuple[Edge, ...]
    decoder: str
    contrast: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        """Refuse a pattern whose parts do not fit together."""
        names = [role.name for role in self.roles]
        where = f"pattern {self.name!r}"
        if sorted(name for stage in self.stages for name in stage) != sorted(names):
            raise BadInput(where, "has stages that do not name every role once", "List each role in one stage.")
        for edge in self.edges:
            if edge.sender not in names or edge.receiver not in names:
                raise BadInput(where, f"has an edge {edge.key} to an unknown role", f"Use the roles {names}.")
        if self.contrast is not None and self.contrast not in [edge.key for edge in self.edges]:
            raise BadInput(where, f"contrasts {self.contrast}, which is no edge", "Name one of its edges.")
        if self.decoder != self.stages[-1][-1]:
            raise BadInput(where, f"decodes with {self.decoder!r}", "The decoder must be the last role to speak.")
        for edge in self.edges:
            late = self._stage(edge.sender) >= self._stage(edge.receiver)
            if late and not edge.feedback:
                what = f"sends {edge.sender!r} to {edge.receiver!r}, who has already spoken or speaks at the same time"
                raise BadInput(where, what, "Let the receiver speak in a later stage, or make it feedback.")

    def _stage(self, role: str) -> int:
        return next(i for i, names in enumerate(self.stages) if role in names)

    def schedule(self, rounds: int) -> tuple[Place, ...]:
        """Every turn of a run of `rounds` rounds, in order. Ends with the decoder's decoding turn."""
        places: list[Place] = []
        for round_ in range(1, rounds + 1):
            for stage, names in enumerate(self.stages):
                for name in names:
                    decodes = round_ == rounds and name == self.decoder
                    places.append(Place(len(places), round_, stage, name, decodes))
        return tuple(places)

    def senders_to(self, role: str, *, round_: int) -> tuple[str, ...]:
        """The roles whose transfers fill `role`'s slots in a round: feedback counts from round 2 on."""
        return tuple(e.sender for e in self.edges if e.receiver == role and (round_ > 1 or not e.feedback))

    def receivers_of(self, role: str) -> tuple[str, ...]:
        """The roles to which `role` sends."""
        return tuple(e.receiver for e in self.edges if e.sender == role)


SEQUENTIAL = Pattern(
    name="sequential",
    title="Sequential",
    about="A planner, a critic and a solver pass the work on in a ring. The solver answers in the last round; "
    "before that its thoughts go back to the planner.",
    roles=(
        Role("planner", "Planner", "Opens each round: makes the first move on the question."),
        Role("critic", "Critic", "Reads the planner's thoughts and takes them further."),
        Role("solver", "Solver", "Reads the critic's thoughts; answers in the last round, else feeds back."),
    ),
    stages=(("planner",), ("critic",), ("solver",)),
    edges=(Edge("planner", "critic"), Edge("critic", "solver"), Edge("solver", "planner", feedback=True)),
    decoder="solver",
)

MIXTURE = Pattern(
    name="mixture",
    title="Mixture",
    about="Three specialists think about the question side by side; a summarizer reads all of them through three "
    "slots. It answers in the last round; before that its thoughts go back to each specialist.",
    roles=(
        Role("math", "Math", "A specialist: works out the arithmetic in the question."),
        Role("code", "Code", "A specialist: carries out the list and comparison functions in the question."),
        Role("science", "Science", "A specialist: knows the facts of nature that the question asks for."),
        Role("summarizer", "Summarizer", "Reads all three; answers in the last round, else feeds back to each."),
    ),
    stages=(("math", "code", "science"), ("summarizer",)),
    edges=(
        Edge("math", "summarizer"),
        Edge("code", "summarizer"),
        Edge("science", "summarizer"),
        Edge("summarizer", "math", feedback=True),
        Edge("summarizer", "code", feedback=True),
        Edge("summarizer", "science", feedback=True),
    ),
    decoder="summarizer",
)

DISTILLATION = Pattern(
    name="distillation",
    title="Distillation",
    about="A large expert passes what it knows to a small learner. The learner answers in the last round; before "
    "that its thoughts go back to the expert.",
    roles=(
        Role("expert", "Expert", "The larger agent: holds the knowledge and hands it on."),
        Role("learner", "Learner", "The smaller agent: works with what the expert sends; answers in the last round."),
    ),
    stages=(("expert",), ("learner",)),
    edges=(Edge("expert", "learner"), Edge("learner", "expert", feedback=True)),
    decoder="learner",
    contrast=("expert", "learner"),
)

DELIBERATION = Pattern(
    name="deliberation",
    title="Deliberation",
    about="A reflector plans, a tool-caller acts. In the last round the tool-caller may run Python and search while "
    "it answers; before that its thoughts go back to the reflector.",
    roles=(
        Role("reflector", "Reflector", "Plans: says what has to be looked up and worked out."),
        Role(
            "toolcaller",
            "Tool-caller",
            "Turns the plan into tool calls and reads their results; answers in the last round.",
            tools=("python", "search"),
        ),
    ),
    stages=(("reflector",), ("toolcaller",)),
    edges=(Edge("reflector", "toolcaller"), Edge("toolcaller", "reflector", feedback=True)),
    decoder="toolcaller",
)

_LOOP_TITLES = ("First", "Second", "Third", "Fourth", "Fifth")


def loop_pattern(size: int) -> Pattern:
    """A ring of `size` agents of the reader's choice; the last one answers.

    Raises:
        BadInput: For fewer than two agents or more than five.
    """
    if not 2 <= size <= len(_LOOP_TITLES):
        raise BadInput("loop", f"has {size} agents", f"Choose 2 to {len(_LOOP_TITLES)}.")
    names = [f"agent{i}" for i in range(1, size + 1)]
    roles = [Role(n, t, "Reads the agent before it in the ring.") for n, t in zip(names, _LOOP_TITLES, strict=False)]
    ring = zip(names, [*names[1:], names[0]], strict=True)
    return Pattern(
        name=f"loop{size}",
        title=f"Loop of {size}",
        about=f"{size} agents of your choice in a ring. The last one answers in the last round; before that its "
        "thoughts go back to the first.",
        roles=tuple(roles),
        stages=tuple((name,) for name in names),
        edges=tuple(Edge(sender, receiver, feedback=receiver == names[0]) for sender, receiver in ring),
        decoder=names[-1],
    )


ALONE = Pattern(
    name="alone",
    title="Alone",
    about="One agent by itself: in every round but the last it makes a turn that it reads in the next.",
    roles=(Role("alone", "Alone", "Reads its own earlier turn; answers in the last round."),),
    stages=(("alone",),),
    edges=(Edge("alone", "alone", feedback=True),),
    decoder="alone",
)

# A new pattern is added here and nowhere else. ALONE is the single-agent baseline, not one to choose from.
PATTERNS: dict[str, Pattern] = {
    pattern.name: pattern
    for pattern in (SEQUENTIAL, MIXTURE, DISTILLATION, DELIBERATION, *(loop_pattern(n) for n in range(2, 6)))
}


def get_pattern(name: str) -> Pattern:
    """The pattern of that name.

    Raises:
        SystemNotFound: If there is none.
    """
    if name not in PATTERNS:
        raise SystemNotFound(f"pattern {name!r}", "does not exist", f"Choose one of {sorted(PATTERNS)}.")
    return PATTERNS[name]
