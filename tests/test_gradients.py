"""The unrolled recursion carries the answer's gradient to every link through every round, and to no agent."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tiny import LONG, MIXED, QUESTION, tiny_pattern_system, tiny_system

import recmas_core as rm
from recmas_core.engine import Settings, unroll

# the fourth reads three slots, and so must see further back than these models' sliding windows
FAR_SIGHTED = ("qwen3", "gemma3_text", "qwen3_5_text", "llama")
QUESTIONS, ANSWERS = [QUESTION, LONG], ["3", "1"]


def answer_loss(system: rm.System, *, rounds: int = 2) -> torch.Tensor:
    out = unroll(system, QUESTIONS, Settings(rounds, 2), answers=ANSWERS)
    return F.cross_entropy(out.logits, out.labels)


def train_links(system: rm.System) -> None:
    for link in (*system.links.values(), *(agent.inner for agent in system.agents.values())):
        link.requires_grad_(True)


@pytest.mark.parametrize("families", MIXED, ids="-".join)
def test_gradients_reach_every_link_and_no_agent(families: tuple[str, ...]) -> None:
    system = tiny_system(families)
    train_links(system)
    answer_loss(system).backward()
    for link in (*system.links.values(), *(agent.inner for agent in system.agents.values())):
        for name, parameter in link.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 0, name
    for agent in system.agents.values():
        assert all(p.grad is None and not p.requires_grad for p in agent.model.parameters())


@pytest.mark.parametrize("pattern", ["mixture", "distillation", "deliberation", "loop5"])
def test_gradients_reach_every_link_of_every_pattern(pattern: str) -> None:
    """Every hop of every round has its part in the answer: so has every link."""
    system = tiny_pattern_system(rm.PATTERNS[pattern], FAR_SIGHTED)
    train_links(system)
    out = unroll(system, QUESTIONS, Settings(2, 2, tools=False), answers=ANSWERS)
    hops = [hop for hop in out.sent if out.sent[hop].requires_grad]
    loss = F.cross_entropy(out.logits, out.labels)
    grads = torch.autograd.grad(loss, [out.sent[hop] for hop in hops], retain_graph=True)
    loss.backward()
    assert {(system.pattern.schedule(2)[turn].role, to) for turn, to in hops} == set(system.links)
    assert all(grad.abs().max() > 0 for grad in grads)
    for edge, link in system.links.items():
        assert all(parameter.grad.abs().max() > 0 for parameter in link.parameters()), edge
    for role, agent in system.agents.items():
        assert all(parameter.grad.abs().max() > 0 for parameter in agent.inner.parameters()), role
        assert all(p.grad is None and not p.requires_grad for p in agent.model.parameters())


@pytest.mark.parametrize("families", MIXED, ids="-".join)
def test_the_first_rounds_transfers_receive_credit(families: tuple[str, ...]) -> None:
    """d loss / d transfer is not zero for every hop of every round: the signal passes all of them."""
    system = tiny_system(families)
    train_links(system)
    out = unroll(system, QUESTIONS, Settings(3, 2), answers=ANSWERS)
    hops = list(out.sent)
    grads = torch.autograd.grad(F.cross_entropy(out.logits, out.labels), [out.sent[hop] for hop in hops])
    assert [turn for turn, _ in hops] == list(range(8))
    assert all(grad.abs().max() > 0 for grad in grads)


def test_values_are_those_of_a_run(own_system: rm.System) -> None:
    train_links(own_system)
    out = unroll(own_system, [QUESTION], Settings(2, 3), answers=["3"])
    trace = own_system.solve(QUESTION, rounds=2, latent_steps=3, max_new_tokens=1)
    for turn in trace.turns[:-1]:
        assert torch.allclose(out.thoughts[turn.index][0], torch.tensor(turn.thoughts), atol=1e-4)
    assert out.thoughts[0].requires_grad
    assert int(out.logits[0].argmax()) == trace.turns[-1].tokens[0]


@torch.no_grad()
def test_scored_logits_are_the_models_own(system: rm.System) -> None:
    """Rows and labels name each answer's tokens, an end token last; logits equal the whole sequence's."""
    agent = system.agents["solver"]
    answers = ["3", "s1 = 4"]
    out = unroll(system, QUESTIONS, Settings(1, 2), answers=answers)
    end = agent.tokenizer.eos_token_id
    for row, answer in enumerate(answers):
        ids = [*agent.tokenizer.convert_tokens_to_ids(answer.split()), end]
        assert out.labels[out.rows == row].tolist() == ids
        before, after = "<bos> " + QUESTIONS[row] + " ; critic :", "; answer : " + answer
        embed = agent.model.get_input_embeddings()
        words = [embed(torch.tensor(agent.tokenizer.convert_tokens_to_ids(t.split()))) for t in (before, after)]
        whole = torch.cat((words[0], out.sent[1, "solver"][row], words[1]))
        logits = agent.model(inputs_embeds=whole[None], use_cache=False).logits[0, -len(ids) :]
        assert torch.allclose(out.logits[out.rows == row], logits, atol=1e-4)


@pytest.mark.parametrize(
    ("pattern", "families"), [("sequential", MIXED[0]), ("sequential", MIXED[1]), ("mixture", FAR_SIGHTED)]
)
def test_gradients_against_finite_differences(pattern: str, families: tuple[str, ...]) -> None:
    """One direction per link, in double precision (the models' norms round to single inside)."""
    system = tiny_pattern_system(rm.PATTERNS[pattern], families)
    for agent in system.agents.values():
        agent.model.double()
        agent.inner.double()
    for link in system.links.values():
        link.double()
    train_links(system)
    answer_loss(system).backward()
    for edge, link in system.links.items():
        parameters = list(link.parameters())
        gradient = torch.cat([p.grad.flatten() for p in parameters])
        torch.manual_seed(7)
        direction = F.normalize(F.normalize(gradient, dim=0) + F.normalize(torch.randn_like(gradient), dim=0), dim=0)
        slope = float(gradient @ direction)
        step = 2e-3
        measured = (shifted_loss(system, parameters, step * direction)
                    - shifted_loss(system, parameters, -step * direction)) / (2 * step)  # fmt: skip
        assert measured == pytest.approx(slope, rel=0.02), edge


@torch.no_grad()
def shifted_loss(system: rm.System, parameters: list[torch.nn.Parameter], shift: torch.Tensor) -> float:
    pieces = shift.split([p.numel() for p in parameters])
    for parameter, piece in zip(parameters, pieces, strict=True):
        parameter += piece.view_as(parameter)
    loss = answer_loss(system).item()
    for parameter, piece in zip(parameters, pieces, strict=True):
        parameter -= piece.view_as(parameter)
    return loss
