"""The training stages, as data: what each is, its default settings, and how it is begun."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from recmas_core.records import TrainStep
from recmas_core.system import System
from recmas_core.tasks import Example
from recmas_core.training.config import TrainConfig
from recmas_core.training.fitting import alignment, inner_loop
from recmas_core.training.outer import OuterLoop
from recmas_core.training.teach import Teaching

if TYPE_CHECKING:
    from accelerate import Accelerator


class Running(Protocol):
    """A stage under way."""

    def __next__(self) -> TrainStep:
        """Make one step."""
        ...

    def __iter__(self) -> Iterator[TrainStep]:
        """Itself."""
        ...

    def close(self) -> None:
        """End it."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on exactly where `state_dict` was taken."""
        ...


Begin = Callable[[System, Sequence[Example], TrainConfig, "Accelerator | None"], Running]


@dataclass(frozen=True)
class StageInfo:
    """A training stage.

    Attributes:
        name: Key in the registry.
        title: The name to show.
        about: What it does, for the reader.
        config: Its default settings.
        begin: Begins it: (system, examples, config, accelerator).
        needs_turns: Whether it learns from the right turns of every role, or from answers alone.
        beyond_paper: Whether it is this project's own.
        by_link: Whether it trains one link after the other: what the whole loop answers is then asked at its end only.
    """

    name: str
    title: str
    about: str
    config: TrainConfig
    begin: Begin
    needs_turns: bool = True
    beyond_paper: bool = False
    by_link: bool = False


_STAGES = (
    StageInfo(
        "inner",
        "Inner loop",
        "Each agent by itself: its inner link learns to turn a thought into the input that the next word would have "
        "been, while the agent reads and speaks right turns.",
        TrainConfig(steps=500, lr=8e-3, rounds=5, questions=1600, turns=1),
        inner_loop,
        by_link=True,
    ),
    StageInfo(
        "align",
        "Fast start by alignment",
        "Each outer link by itself learns to carry a thought to the receiver's own embedding of the same word. It "
        "takes seconds and needs words that both agents have. Not in the paper.",
        TrainConfig(steps=500, lr=8e-3, rounds=5, questions=1600, turns=1),
        alignment,
        beyond_paper=True,
        by_link=True,
    ),
    StageInfo(
        "teach",
        "Teacher-forced outer links",
        "All outer links at once, hop by hop: the sender reads gold text and thinks, its thoughts pass the link, and "
        "the receiver must say its own right turn. Not in the paper: a warm start for its loss.",
        TrainConfig(steps=140, lr=4e-3, batch=48, target=0.8, warmup=5, floor=1.0),
        Teaching,
        beyond_paper=True,
    ),
    StageInfo(
        "outer",
        "Outer loop, the paper's loss",
        "The whole loop runs free, and only the final answer is judged: its cross-entropy goes back through every "
        "round and every frozen agent into all outer links, one shared credit signal.",
        TrainConfig(steps=300, lr=1e-3, batch=64, windows=False, grow=True),
        OuterLoop,
        needs_turns=False,
    ),
)

STAGES: Mapping[str, StageInfo] = MappingProxyType({stage.name: stage for stage in _STAGES})
