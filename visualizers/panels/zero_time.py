"""How long a run may need on a GPU that is lent by the second. No gradio here."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from recmas_core.records import MAX_CALLS, Trace

if TYPE_CHECKING:
    from recmas_core.agents import Agent
    from recmas_core.system import System

# Seconds that are asked for, at least and at most. A visitor who has fewer left of the day's quota (2 minutes without
# an account, 3.5 with a free one) is refused, however short the work would have been; so the most is not much more
# than a run takes, and a run that needs more goes on in a further call.
LEAST, MOST = 15, 120
START = 8.0  # forking, CUDA's own beginnings, reading the first kernels
LOADING = 2e9  # bytes a second from host memory to the GPU; pageable memory goes at a third of what the bus could
TURN = 1.0  # reading a prompt, and recording latent steps where that pays
STEP = 0.035  # one latent step or token of a model of about 30 layers, kernel by kernel; what Python takes for it
BANDWIDTH = 1e12  # bytes of weights a second that a step reads; half an H200 has about twice that
ANSWER = 768  # tokens a decode is reckoned with at most: most answers are shorter than they may be
CALL = 3.0  # seconds of a tool call


def gpu_seconds(system: System, trace: Trace, tries: int = 0) -> int:
    """The seconds to ask for: start + weights / loading + what each turn that is left takes, within the bounds.

    A thinking turn takes TURN + thoughts * (STEP + weights of its agent / BANDWIDTH); a decoding one the same with
    tokens in place of thoughts, at most `ANSWER` of them, and with all the tool calls it may make.

    Args:
        system: Who runs.
        trace: What it goes on from; only finished turns count.
        tries: How often the same work was begun and not given enough time: each doubles what is asked for.
    """
    weights = {id(agent.model): _bytes(agent) for agent in system.agents.values()}
    seconds = START + sum(weights.values()) / LOADING
    config = trace.config
    for turn in system.pattern.schedule(config.rounds)[len(trace.turns) :]:
        agent = system.agents[turn.role]
        speaks = turn.decodes or config.mode == "text"
        steps = min(config.max_new_tokens, ANSWER) if speaks else config.latent_steps
        seconds += TURN + steps * (STEP + weights[id(agent.model)] / BANDWIDTH)
        if turn.decodes and config.tools and system.tools_of(turn.role):
            seconds += MAX_CALLS * CALL
    return min(MOST, max(LEAST, math.ceil(seconds * 2**tries)))


def _bytes(agent: Agent) -> int:
    return sum(p.numel() * p.element_size() for p in agent.model.parameters())
