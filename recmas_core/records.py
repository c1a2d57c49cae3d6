"""The immutable records of a run. The app, the command line, the tests and the exports all read these.

Arrays are numpy float32 and read-only; m is the number of thoughts in a turn, d an agent's hidden size.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeAlias

from recmas_core.errors import BadInput
from recmas_core.intervals import Share
from recmas_core.runconfig import (
    EDIT_KINDS,
    MAX_CALLS,
    MAX_LATENT_STEPS,
    MAX_NEW_TOKENS,
    MAX_QUESTION,
    MAX_RESULT_TOKENS,
    MAX_ROUNDS,
    MODES,
    Array,
    Edit,
    EditKind,
    Mode,
    RunConfig,
    check_question,
    frozen_array,
)

__all__ = [
    "EDIT_KINDS", "MAX_CALLS", "MAX_LATENT_STEPS", "MAX_NEW_TOKENS", "MAX_QUESTION", "MAX_RESULT_TOKENS", "MAX_ROUNDS",
    "MODES", "Answer", "Array", "Edit", "EditKind", "Event", "Mode", "Prompted", "RunConfig", "Segment", "Thought",
    "Token", "ToolCall", "ToolReport", "Trace", "TrainStep", "Transfer", "Turn", "TurnDone", "TurnStart",
    "check_question", "frozen_array", "turn_of",
]  # fmt: skip


@dataclass(frozen=True)
class Segment:
    """A stretch of a rendered prompt.

    Attributes:
        ids: Token ids, in the reading agent's vocabulary; empty for a slot filled with latents.
        sender: Role whose message fills this slot; None for the prompt's own words.
        text: The words as the agent's tokenizer knows them: an unknown one reads as its unknown token.
    """

    ids: tuple[int, ...]
    sender: str | None = None
    text: str = ""


@dataclass(frozen=True)
class ToolReport:
    """One call of a tool during a decode.

    Attributes:
        tool: Name of the tool.
        call: What was asked.
        result: What came back, as the agent read it: cut where it was too long, marks in it made harmless.
        seconds: How long the tool took.
    """

    tool: str
    call: str
    result: str
    seconds: float


@dataclass(frozen=True, eq=False)
class Turn:
    """One finished turn of one agent.

    Attributes:
        index: 0-based index in the run.
        round: 1-based round.
        role: Who spoke.
        prompt: The rendered prompt, segment by segment.
        thoughts: (m, d) last-layer hidden states h_1..h_m; (0, d) when the turn made text.
        self_embeds: (m, d) R_in(thoughts), the thoughts in the agent's own embedding space.
        sent: For each receiver the transferred thoughts, (m, d_receiver), as sent (after edits).
        text: What was decoded, with the results of tool calls and a retry's words where they were read; "" for a
            latent turn.
        tokens: Ids of the decoded tokens, end tokens included; what was put between them is not decoded.
        seconds: Time of the engine's own work for this turn, tools included.
        tool_calls: Tools called during the decode.
        prompted: Words that were put behind the decode since it held no answer: (how many of `tokens` stand before
            them, the words). An end token right before them was not read.
    """

    index: int
    round: int
    role: str
    prompt: tuple[Segment, ...]
    thoughts: Array
    self_embeds: Array
    sent: dict[str, Array]
    text: str = ""
    tokens: tuple[int, ...] = ()
    seconds: float = 0.0
    tool_calls: tuple[ToolReport, ...] = ()
    prompted: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class TurnStart:
    """A turn begins: its prompt is rendered, nothing is computed yet."""

    turn: int
    round: int
    role: str
    prompt: tuple[Segment, ...]
    decodes: bool


@dataclass(frozen=True, eq=False)
class Thought:
    """One latent step.

    Attributes:
        turn, round, role: Whose thought it is.
        step: 0-based position in the turn.
        hidden: (d,) last-layer hidden state h_{step+1}.
        embed: (d,) R_in(hidden).
        seconds: Time of this step.
    """

    turn: int
    round: int
    role: str
    step: int
    hidden: Array
    embed: Array
    seconds: float


@dataclass(frozen=True, eq=False)
class Transfer:
    """A turn's thoughts went over an outer link: (m, d_receiver) `vectors` wait for the receiver's slot."""

    turn: int
    round: int
    sender: str
    receiver: str
    vectors: Array
    edited: bool
    seconds: float


@dataclass(frozen=True)
class Token:
    """One decoded token.

    Attributes:
        turn, round, role: Whose token it is.
        step: 0-based position in the turn.
        id: Its id.
        text: Its text.
        end: Whether it is an end token.
        seconds: Time of this step.
        last: Whether nothing is decoded behind it in this turn; traces from before there was a retry do not say.
    """

    turn: int
    round: int
    role: str
    step: int
    id: int
    text: str
    end: bool
    seconds: float
    last: bool = False


@dataclass(frozen=True)
class ToolCall:
    """A tool was called during a decode and came back: it follows the token that closed the call."""

    turn: int
    round: int
    role: str
    report: ToolReport


@dataclass(frozen=True)
class Prompted:
    """Words were put behind a decode that had ended without an answer: the agent goes on behind them."""

    turn: int
    round: int
    role: str
    text: str


@dataclass(frozen=True, eq=False)
class TurnDone:
    """A turn is finished."""

    turn: Turn


@dataclass(frozen=True)
class Answer:
    """The run is finished with this text: what stands behind the last tool result, else all of the decode."""

    turn: int
    role: str
    text: str


Event: TypeAlias = TurnStart | Thought | Transfer | Token | ToolCall | Prompted | TurnDone | Answer


@dataclass(frozen=True, eq=False)
class Trace:
    """A run, or the beginning of one: its configuration and its events in order.

    Attributes:
        config: What was run.
        pattern: Name of the pattern.
        events: The events so far.
    """

    config: RunConfig
    pattern: str
    events: tuple[Event, ...] = ()

    def append(self, event: Event) -> Trace:
        """This trace with one more event."""
        return Trace(self.config, self.pattern, (*self.events, event))

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The finished turns."""
        return tuple(event.turn for event in self.events if isinstance(event, TurnDone))

    @property
    def answer(self) -> str | None:
        """The answer's text, or None while there is none."""
        return next((e.text for e in reversed(self.events) if isinstance(e, Answer)), None)

    @property
    def thoughts(self) -> tuple[Thought, ...]:
        """Every thought so far."""
        return tuple(event for event in self.events if isinstance(event, Thought))

    @property
    def decoded_tokens(self) -> int:
        """Tokens decoded so far, end tokens included."""
        return sum(isinstance(event, Token) for event in self.events)

    @property
    def seconds(self) -> float:
        """Time of the engine's own work so far, waiting for the reader excluded."""
        turns = self.turns
        done = sum(turn.seconds for turn in turns)
        finished = {turn.index for turn in turns}
        running = (e for e in self.events if turn_of(e) not in finished)
        return done + sum(
            e.report.seconds if isinstance(e, ToolCall) else e.seconds
            for e in running
            if isinstance(e, Thought | Transfer | Token | ToolCall)
        )

    def until(self, turn: int) -> Trace:
        """Turns 0..turn-1 and nothing else.

        That is the trace as it was when `turn` had not begun; in the middle of a stage, whose turns go side by side,
        it is that without what the unfinished ones had made so far.

        Raises:
            BadInput: If fewer than `turn` turns are finished.
        """
        if not 0 <= turn <= len(self.turns):
            todo = f"Choose a turn from 0 to {len(self.turns)}."
            raise BadInput("turn", f"is {turn}, but {len(self.turns)} turns are finished", todo)
        return replace(self, events=tuple(e for e in self.events if turn_of(e) < turn and not isinstance(e, Answer)))

    def fork(self, turn: int, *, edits: tuple[Edit, ...] = (), rounds: int | None = None) -> Trace:
        """`until(turn)` under a configuration with further edits, and another number of rounds if given."""
        config = replace(
            self.config,
            edits=(*self.config.edits, *edits),
            rounds=self.config.rounds if rounds is None else rounds,
        )
        return replace(self.until(turn), config=config)

    def save(self, path: str) -> None:
        """Write the trace as an npz file without pickle. Nothing half-written stays behind."""
        from recmas_core.storage import save_trace

        save_trace(self, path)

    @staticmethod
    def load(path: str) -> Trace:
        """Read a trace written by `save`.

        Raises:
            SystemNotFound: If there is no such file.
            UnsafeCheckpoint: If the file is not a trace, damaged, or holds pickled objects.
        """
        from recmas_core.storage import load_trace

        return load_trace(path)


def turn_of(event: Event) -> int:
    """The turn an event belongs to."""
    return event.turn.index if isinstance(event, TurnDone) else event.turn


@dataclass(frozen=True)
class HeldOut(Share):
    """Accuracy on held-out questions.

    Attributes:
        rounds: Recursion rounds.
        right: How many were answered rightly.
        n: Of how many.
    """

    rounds: int
    right: int
    n: int


@dataclass(frozen=True)
class TrainStep:
    """One optimizer step of a training stage.

    Attributes:
        stage: Name of the stage, e.g. "inner".
        step: Optimizer steps done, 1-based.
        steps: Optimizer steps in all.
        loss: The stage's loss.
        lr: Learning rate of this step.
        grad_norms: {(round, (sender, receiver)): gradient norm}; an inner link is keyed (role, role), a stage
            without rounds uses round 0.
        accuracy: The stage's own measure of success in 0..1, or None on steps at which it is not measured.
        seconds: Time of this step.
        window: How many stages before the answer run free (the paper's loss); None in other stages.
        lap, laps: Which stage of a course this is, 0-based, and how many there are.
        held_out: What was measured on held-out questions after this step; () on most steps.
        distance: How far each link's weights lie from where they started, as a share of their norm there; {} on most
            steps.
        note: A sentence for the reader where there is something to say, e.g. that the run has stalled.
    """

    stage: str
    step: int
    steps: int
    loss: float
    lr: float
    grad_norms: dict[tuple[int, tuple[str, str]], float] = field(default_factory=dict)
    accuracy: float | None = None
    seconds: float = 0.0
    window: int | None = None
    lap: int = 0
    laps: int = 1
    held_out: tuple[HeldOut, ...] = ()
    distance: dict[tuple[str, str], float] = field(default_factory=dict)
    note: str = ""
