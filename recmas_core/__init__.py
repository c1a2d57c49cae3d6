"""RecMAS Explorer's engine: recursive multi-agent systems that pass latent thoughts between real language models."""

from recmas_core.agents import Agent
from recmas_core.building import build_system
from recmas_core.edits import cut_edits, text_edits, text_vectors, text_words
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
from recmas_core.influence import Influence, influence, influences, told
from recmas_core.layers import layer_lens, layer_lenses
from recmas_core.links import LINK_VARIANTS, InnerLink, LinkVariant, OuterLink
from recmas_core.loading import EmbeddedAgent, embedded_agents, embedded_systems, load_system
from recmas_core.patching import Patched, PatchedCase, Patches, donor_run, implied_answer, patch, patchable, patches
from recmas_core.patterns import PATTERNS, Pattern, Place
from recmas_core.probes import Word, lens, nearest, speak
from recmas_core.records import (
    Answer,
    Edit,
    Event,
    HeldOut,
    Prompted,
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
from recmas_core.settling import (
    Likeness,
    RoundAnswer,
    Settled,
    answers_by_round,
    longer,
    longer_fork,
    resting_round,
    settling,
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
    "DimensionMismatch", "Diverged", "Edit", "EmbeddedAgent", "Event", "Example", "HeldOut", "Influence",
    "InnerLink", "Lap", "Likeness", "LinkMissing", "LinkVariant", "NonFiniteLatent", "NotAllowed", "OuterLink",
    "Patched", "PatchedCase", "Patches", "Pattern", "Place", "Prompted", "RecmasError", "RoundAnswer", "RunConfig",
    "Segment", "Settled", "System", "SystemNotFound", "Thought", "Token", "ToolCall", "Trace", "TrainConfig",
    "TrainStep", "Transfer", "Turn", "TurnDone", "TurnStart", "UnsafeCheckpoint", "Word", "WriteFailed",
    "align_outer", "answers_by_round", "build_system", "cut_edits", "damaged", "donor_run", "embedded_agents",
    "embedded_systems", "fresh_links", "implied_answer", "influence", "influences", "layer_lens", "layer_lenses",
    "lens", "load_system", "longer", "longer_fork", "nearest", "patch", "patchable", "patches", "private_copy",
    "resting_round", "settling", "speak", "teach_outer", "text_edits", "text_vectors", "text_words", "told",
    "train_inner", "train_outer",
]  # fmt: skip
