"""The lens at every layer: what a thought would say if the layers above the one it has reached were left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from recmas_core.engine import Prompts
from recmas_core.errors import BadInput
from recmas_core.probes import Word, lens
from recmas_core.records import Trace
from recmas_core.stream import messages_of

if TYPE_CHECKING:
    from recmas_core.system import System


def layer_lens(system: System, trace: Trace, turn: int, step: int, k: int = 5) -> list[tuple[Word, ...]]:
    """One thought's likeliest words after each decoder layer, the first layer first.

    Args:
        system: The system the trace was made with.
        trace: A trace in which `turn` has made at least `step` + 1 thoughts.
        turn: 0-based turn.
        step: 0-based thought.
        k: Words per layer.

    Returns:
        For each layer its k likeliest words with their probabilities; the last layer's are those of `probes.lens`.

    Raises:
        BadInput: If there is no such thought, or the agent's family keeps its final norm where nobody knows.
    """
    rows = layer_lenses(system, trace, turn, k)
    if not 0 <= step < len(rows):
        raise BadInput("thought", f"{step} of turn {turn} does not exist", f"The turn has {len(rows)} so far.")
    return rows[step]


@torch.no_grad()
def layer_lenses(system: System, trace: Trace, turn: int, k: int = 5) -> list[list[tuple[Word, ...]]]:
    """Every thought of a turn, at every layer: [step][layer] the k likeliest words; see `layer_lens`.

    The turn's prompt and the thoughts as they were made are read once more, all at once. The state after each decoder
    layer then goes through the model's final norm and its head, as only the last layer's does in the run.
    """
    made = [thought for thought in trace.thoughts if thought.turn == turn]
    if not made:
        raise BadInput("turn", f"is {turn}, which has made no thought in this trace", "Choose a thinking turn.")
    place = system.pattern.schedule(trace.config.rounds)[turn]
    agent, messages = system.agents[place.role], messages_of(trace.turns[:turn])
    with system.lock:
        prompts = Prompts(system, [trace.config.question], [place])
        (prompt,) = prompts.fill(place, messages)
        words = prompts.embeds(place, prompt, messages)
        past = torch.tensor(np.stack([thought.embed for thought in made])[:-1])
        states = agent.layer_states(torch.cat((words, past.to(words)))[None], last=len(made))
        layers = [lens(agent, each[0].float().cpu().numpy(), k) for each in states]
    return [list(rows) for rows in zip(*layers, strict=True)]
