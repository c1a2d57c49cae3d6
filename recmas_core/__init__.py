"""RecMAS Explorer's engine: recursive multi-agent systems that pass latent thoughts between real language models."""

from recmas_core.agents import Agent
from recmas_core.building import build_system
from recmas_core.errors import (
    BadInput,
    DimensionMismatch,
    Diverged,
    LinkMissing,
    NonFiniteLatent,
    NotAllowed,
    RecmasError,
    SystemNotFound,
    UnsafeCheckpoint,
    WriteFailed,
)
from recmas_core.links import LINK_VARIANTS, InnerLink, LinkVariant, OuterLink
from recmas_core.loading import EmbeddedAgent, embedded_agents, embedded_systems, load_system
from recmas_core.patterns import PATTERNS, Pattern, Place
from recmas_core.probes import Word, lens, nearest, speak
from recmas_core.records import (
    Answer,
    Edit,
    Event,
    HeldOut,
    RunConfig,
    Segment,
    Thought,
    Token,
    ToolCall,
    Trace,
    TrainStep,
    Transfer,
    Turn,
    TurnDone,
    TurnStart,
)
from recmas_core.system import System
from recmas_core.tasks import TASKS, Example
from recmas_core.training import (
    RECIPES,
    STAGES,
    Course,
    Lap,
    TrainConfig,
    align_outer,
    damaged,
    fresh_links,
    private_copy,
    teach_outer,
    train_inner,
    train_outer,
)

__all__ = [
    "LINK_VARIANTS", "PATTERNS", "RECIPES", "STAGES", "TASKS", "Agent", "Answer", "BadInput", "Course",
    "DimensionMismatch", "Diverged", "Edit", "EmbeddedAgent", "Event", "Example", "HeldOut", "InnerLink", "Lap",
    "LinkMissing", "LinkVariant", "NonFiniteLatent", "NotAllowed", "OuterLink", "Pattern", "Place", "RecmasError",
    "RunConfig", "Segment", "System", "SystemNotFound", "Thought", "Token", "ToolCall", "Trace", "TrainConfig",
    "TrainStep", "Transfer", "Turn", "TurnDone", "TurnStart", "UnsafeCheckpoint", "Word", "WriteFailed", "align_outer",
    "build_system", "damaged", "embedded_agents", "embedded_systems", "fresh_links", "lens", "load_system", "nearest",
    "private_copy", "speak", "teach_outer", "train_inner", "train_outer",
]  # fmt: skip
