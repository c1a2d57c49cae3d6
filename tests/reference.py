"""The recursion written a second time, as plainly as the paper states it: no cache, no reuse, no engine.

Every latent step puts the whole sequence through the decoder again. Prompts are spelled out word by word, links are
computed from their state dicts. Nothing here calls the engine, so that the two can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

import recmas_core as rm

ORDER = ("planner", "critic", "solver")
READS = {"planner": "solver", "critic": "planner", "solver": "critic"}
SENDS = {"planner": "critic", "critic": "solver", "solver": "planner"}


@dataclass
class Said:
    """One turn of the reference: thoughts (m, d), self_embeds (m, d), transfer (m, d_r), or decoded ids."""

    role: str
    thoughts: list[Tensor] = field(default_factory=list)
    self_embeds: Tensor | None = None
    transfer: Tensor | None = None
    ids: list[int] = field(default_factory=list)


def inner_formula(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """post_ln(x + proj2(GELU(proj1(pre_ln(x)))))."""
    d = x.shape[-1]
    y = F.layer_norm(x, (d,), state["pre_ln.weight"], state["pre_ln.bias"])
    y = F.gelu(y @ state["proj1.weight"].T + state["proj1.bias"])
    y = x + y @ state["proj2.weight"].T + state["proj2.bias"]
    return F.layer_norm(y, (d,), state["post_ln.weight"], state["post_ln.bias"])


def outer_formula(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """ln_target(residual_proj(x) + proj2(GELU(proj1(ln_source(x)))))."""
    y = F.layer_norm(x, (x.shape[-1],), state["ln_source.weight"], state["ln_source.bias"])
    y = F.gelu(y @ state["proj1.weight"].T + state["proj1.bias"])
    y = y @ state["proj2.weight"].T + state["proj2.bias"]
    y = y + x @ state["residual_proj.weight"].T + state["residual_proj.bias"]
    return F.layer_norm(y, (y.shape[-1],), state["ln_target.weight"], state["ln_target.bias"])


@torch.no_grad()
def reference_run(
    system: rm.System, question: str, *, rounds: int, m: int, mode: str = "latent", max_new_tokens: int = 6
) -> list[Said]:
    """Every turn of a greedy run."""
    said: list[Said] = []
    latest: dict[str, Said] = {}
    for round_ in range(1, rounds + 1):
        for role in ORDER:
            agent = system.agents[role]
            decodes = role == "solver" and round_ == rounds
            reads = latest.get(READS[role])
            sequence = _prompt(agent, question, role, READS[role], reads, decodes=decodes)
            turn = Said(role)
            if decodes or mode == "text":
                _decode(agent, sequence, turn, max_new_tokens)
            else:
                _think(system, role, sequence, turn, m)
            latest[role] = turn
            _hand_over(system, role, turn)
            said.append(turn)
    return said


def _prompt(
    agent: rm.Agent, question: str, role: str, sender: str, reads: Said | None, *, decodes: bool
) -> Tensor:
    before = f"<bos> {question} ;"
    last = "answer :" if decodes else f"{role} :"
    if reads is None:
        return _words(agent, f"{before} {last}")
    return torch.cat((_words(agent, f"{before} {sender} :"), reads.transfer, _words(agent, f"; {last}")))


def _words(agent: rm.Agent, text: str) -> Tensor:
    ids = torch.tensor(agent.tokenizer.convert_tokens_to_ids(text.split()), dtype=torch.long)
    return agent.model.get_input_embeddings()(ids)


def _think(system: rm.System, role: str, sequence: Tensor, turn: Said, m: int) -> None:
    agent = system.agents[role]
    state = agent.inner.state_dict()
    for _ in range(m):
        hidden = agent.model.get_decoder()(inputs_embeds=sequence[None], use_cache=False).last_hidden_state[0, -1]
        turn.thoughts.append(hidden)
        sequence = torch.cat((sequence, inner_formula(state, hidden)[None]))
    turn.self_embeds = inner_formula(state, torch.stack(turn.thoughts))


def _decode(agent: rm.Agent, sequence: Tensor, turn: Said, most: int) -> None:
    for _ in range(most):
        logits = agent.model(inputs_embeds=sequence[None], use_cache=False).logits[0, -1]
        turn.ids.append(int(logits.argmax()))
        if turn.ids[-1] == agent.tokenizer.eos_token_id:
            return
        word = agent.model.get_input_embeddings()(torch.tensor(turn.ids[-1:]))
        sequence = torch.cat((sequence, word))


def _hand_over(system: rm.System, role: str, turn: Said) -> None:
    """What the receiver will find in its slot: its own words for a text, R_out for thoughts."""
    receiver = SENDS[role]
    if turn.thoughts:
        turn.transfer = outer_formula(system.links[role, receiver].state_dict(), turn.self_embeds)
    else:
        turn.transfer = _words(system.agents[receiver], text_of(system.agents[role], turn.ids))


def text_of(agent: rm.Agent, ids: list[int]) -> str:
    """The words of ids, control tokens left out."""
    words = agent.tokenizer.convert_ids_to_tokens(ids)
    return " ".join(word for word in words if word not in {"<pad>", "<bos>", "<eos>", "<unk>"})
