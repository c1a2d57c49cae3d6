"""RecMAS Explorer's engine: recursive multi-agent systems that pass latent thoughts between real language models."""

from recmas_core.agents import Agent
from recmas_core.building import build_system
from recmas_core.errors import (
    BadInput,
    DimensionMismatch,
    LinkMissing,
    NonFiniteLatent,
    RecmasError,
    SystemNotFound,
    UnsafeCheckpoint,
)
from recmas_core.links import LINK_VARIANTS, InnerLink, LinkVariant, OuterLink
from recmas_core.loading import EmbeddedAgent, embedded_agents, embedded_systems, load_system
from recmas_core.patterns import PATTERNS, Pattern, Place
from recmas_core.probes import Word, lens, nearest, speak
from recmas_core.records import (
    Answer,
    Edit,
    Event,
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

__all__ = [
    "LINK_VARIANTS", "PATTERNS", "TASKS", "Agent", "Answer", "BadInput", "DimensionMismatch", "Edit", "Event",
    "EmbeddedAgent", "Example", "InnerLink", "LinkMissing", "LinkVariant", "NonFiniteLatent", "OuterLink", "Pattern",
    "Place", "RecmasError", "RunConfig", "Segment", "System", "SystemNotFound", "Thought", "Token", "ToolCall",
    "Trace", "TrainStep", "Transfer", "Turn", "TurnDone", "TurnStart", "UnsafeCheckpoint", "Word", "build_system",
    "embedded_agents", "embedded_systems", "lens", "load_system", "nearest", "speak",
]  # fmt: skip
