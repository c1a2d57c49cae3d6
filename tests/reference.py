"""The recursion written a second time, as plainly as the paper states it: no cache, no reuse, no engine.

Every latent step puts the whole sequence through the decoder again. Prompts are spelled out word by word, links are
computed from their state dicts. Nothing here calls the engine, so that the two can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

import recmas_core as rm

# Who speaks in a round, and whom each one reads, in the order of its slots: what the issue and the paper say, by hand.
FLOWS: dict[str, dict[str, tuple[str, ...]]] = {
    "sequential": {"planner": ("solver",), "critic": ("planner",), "solver": ("critic",)},
    "mixture": {
        "math": ("summarizer",),
        "code": ("summarizer",),
        "science": ("summarizer",),
        "summarizer": ("math", "code", "science"),
    },
    "distillation": {"expert": ("learner",), "learner": ("expert",)},
    "deliberation": {"reflector": ("toolcaller",), "toolcaller": ("reflector",)},
    "loop2": {"agent1": ("agent2",), "agent2": ("agent1",)},
    "loop5": {
        "agent1": ("agent5",), "agent2": ("agent1",), "agent3": ("agent2",), "agent4": ("agent3",),
        "agent5": ("agent4",),
    },
}  # fmt: skip
CONTROL = {"<pad>", "<bos>", "<eos>", "<unk>"}
Call = tuple[str, str, str]


@dataclass
class Said:
    """One turn of the reference: thoughts (m, d), self_embeds (m, d), what each receiver gets, or decoded ids."""

    role: str
    thoughts: list[Tensor] = field(default_factory=list)
    self_embeds: Tensor | None = None
    sent: dict[str, Tensor] = field(default_factory=dict)
    ids: list[int] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    answer: str = ""


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
    system: rm.System,
    question: str,
    *,
    rounds: int,
    m: int,
    mode: str = "latent",
    max_new_tokens: int = 6,
    tools: Mapping[str, Callable[[str], str]] | None = None,
) -> list[Said]:
    """Every turn of a greedy run. `tools` may be called in the last turn; each is a plain function."""
    said: list[Said] = []
    latest: dict[str, Said] = {}
    flow = FLOWS[system.pattern.name]
    last = list(flow)[-1]
    for round_ in range(1, rounds + 1):
        for role, senders in flow.items():
            agent = system.agents[role]
            decodes = role == last and round_ == rounds
            reads = {sender: latest[sender] for sender in senders if sender in latest}
            sequence = _prompt(agent, question, role, reads, decodes=decodes)
            turn = Said(role)
            if decodes or mode == "text":
                _decode(agent, sequence, turn, max_new_tokens, (tools or {}) if decodes else {})
            else:
                _think(system, role, sequence, turn, m)
            latest[role] = turn
            for receiver in (other for other, read in flow.items() if role in read):
                _hand_over(system, role, receiver, turn)
            said.append(turn)
    return said


def _prompt(agent: rm.Agent, question: str, role: str, reads: dict[str, Said], *, decodes: bool) -> Tensor:
    pieces = [_words(agent, f"<bos> {question} ;")]
    for sender, turn in reads.items():
        pieces += [_words(agent, f"{sender} :"), turn.sent[role], _words(agent, ";")]
    return torch.cat((*pieces, _words(agent, "answer :" if decodes else f"{role} :")))


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


def _decode(
    agent: rm.Agent, sequence: Tensor, turn: Said, most: int, tools: Mapping[str, Callable[[str], str]]
) -> None:
    """Greedy; after each closing mark the tool's result is written behind it. Five calls at most."""
    since: list[str] = []
    for _ in range(most):
        logits = agent.model(inputs_embeds=sequence[None], use_cache=False).logits[0, -1]
        turn.ids.append(int(logits.argmax()))
        if turn.ids[-1] == agent.tokenizer.eos_token_id:
            break
        word = agent.tokenizer.convert_ids_to_tokens(turn.ids[-1])
        since += [] if word in CONTROL else [word]
        turn.words += [] if word in CONTROL else [word]
        sequence = torch.cat((sequence, agent.model.get_input_embeddings()(torch.tensor(turn.ids[-1:]))))
        name = word[2:-1]
        if name in tools and f"<{name}>" in since and len(turn.calls) < 5 and len(turn.ids) < most:
            opened = len(since) - 1 - since[::-1].index(f"<{name}>")
            request = " ".join(since[opened + 1 : -1])
            result = tools[name](request)
            turn.calls.append((name, request, result))
            turn.words += ["<result>", *result.split(), "</result>"]
            sequence = torch.cat((sequence, _words(agent, f"<result> {result} </result>")))
            since = []
    turn.answer = " ".join(since)


def _hand_over(system: rm.System, role: str, receiver: str, turn: Said) -> None:
    """What the receiver will find in its slot: its own words for a text, R_out for thoughts."""
    if turn.thoughts:
        turn.sent[receiver] = outer_formula(system.links[role, receiver].state_dict(), turn.self_embeds)
    else:
        turn.sent[receiver] = _words(system.agents[receiver], text_of(system.agents[role], turn.ids))


def text_of(agent: rm.Agent, ids: list[int]) -> str:
    """The words of ids, control tokens left out."""
    words = agent.tokenizer.convert_ids_to_tokens(ids)
    return " ".join(word for word in words if word not in CONTROL)
