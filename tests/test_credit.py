"""The outer loop's gradient is exact: against finite differences in double precision, for every link and round."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from tiny import WORDS, randomise, tiny_pattern_system
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

import recmas_core as rm
from recmas_core.engine import Messages, Settings, unroll
from recmas_core.pretrain.shaping import make_tokenizer
from recmas_core.prompts import WORDINGS
from recmas_core.training.config import TrainConfig
from recmas_core.training.outer import OuterLoop, cross_entropy
from recmas_core.training.remembering import unroll_remembering_little
from recmas_core.training.rounds import RoundLinks, all_links

PATTERNS = ("sequential", "mixture", "distillation", "deliberation")
EXAMPLES = [
    rm.Example("start 7 s1 + 3 s2 * 7", "0", {}),
    rm.Example("start 2 s1 - 9 s2 * 3", "9", {}),
]


def exact_agent(role: str, width: int, *, seed: int) -> rm.Agent:
    """An agent all of whose arithmetic is double: models with RMSNorm round to single inside, LayerNorm does not."""
    tokenizer = make_tokenizer(WORDS, seed=seed)
    torch.manual_seed(seed)
    config = AutoConfig.for_model(
        "starcoder2", vocab_size=len(tokenizer), hidden_size=width, intermediate_size=2 * width, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512, initializer_range=0.15,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id, sliding_window=None,
        eos_token_id=tokenizer.eos_token_id, residual_dropout=0.0, embedding_dropout=0.0, attention_dropout=0.0,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float64)
    inner = randomise(rm.InnerLink(width)).double()
    return rm.Agent(role, model, tokenizer, inner, wording="chain")


def exact_system(pattern: rm.Pattern) -> rm.System:
    roles = [role.name for role in pattern.roles]
    agents = {role: exact_agent(role, 8 + 8 * (i % 3), seed=i) for i, role in enumerate(roles)}
    torch.manual_seed(5)
    links = {
        edge.key: randomise(rm.OuterLink(*(agents[end].hidden_size for end in edge.key))).double()
        for edge in pattern.edges
    }
    prompts = {role: WORDINGS["chain"].prompt(role) for role in roles}
    return rm.System("exact", pattern, agents, links, prompts, latent_steps=2)


@torch.no_grad()
def loss_at(run: OuterLoop, parameters: Sequence[nn.Parameter], shift: Sequence[torch.Tensor]) -> float:
    for parameter, piece in zip(parameters, shift, strict=True):
        parameter += piece
    loss = float(run.forward(torch.tensor([0, 1])).loss)
    for parameter, piece in zip(parameters, shift, strict=True):
        parameter -= piece
    return loss


@pytest.mark.parametrize("rounds", [1, 2, 3])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_links_gradient_against_finite_differences(pattern: str, rounds: int) -> None:
    system = exact_system(rm.PATTERNS[pattern])
    supervise = "every" if rounds == 3 else "last"
    run = OuterLoop(system, EXAMPLES, TrainConfig(rounds=rounds, windows=False, inner=True, supervise=supervise))
    part = run.forward(torch.tensor([0, 1]))
    part.loss.backward()
    gradients: dict[tuple[str, str], list[torch.Tensor]] = {}
    for (_, key), pieces in part.links.gradients().items():
        before = gradients.get(key, [torch.zeros_like(piece) for piece in pieces])
        gradients[key] = [a + b for a, b in zip(before, pieces, strict=True)]
    feedback = {edge.key for edge in system.pattern.edges if edge.feedback}
    silent = {*feedback, (system.pattern.decoder,) * 2}  # one round feeds nothing back
    used = {key for key in all_links(system) if rounds > 1 or key not in silent}
    assert set(gradients) == used
    for key in gradients:
        parameters = list(run.trained[key].parameters())
        generator = torch.Generator().manual_seed(3)
        # across the gradient and along it: a random direction alone may be almost flat
        size = torch.cat([g.flatten() for g in gradients[key]]).norm()
        noise = [torch.randn(p.shape, generator=generator, dtype=p.dtype) / p.numel() ** 0.5 for p in parameters]
        direction = [n + g / size for n, g in zip(noise, gradients[key], strict=True)]
        slope = sum(float((g * d).sum()) for g, d in zip(gradients[key], direction, strict=True))
        # Richardson: two central differences cancel the error of second order
        at = {h: (loss_at(run, parameters, [h * d for d in direction])
                  - loss_at(run, parameters, [-h * d for d in direction])) / (2 * h) for h in (1e-3, 5e-4)}  # fmt: skip
        measured = (4 * at[5e-4] - at[1e-3]) / 3
        assert measured == pytest.approx(slope, rel=1e-5), key


def test_the_rounds_gradients_sum_to_the_links() -> None:
    system = tiny_pattern_system(rm.PATTERNS["sequential"])
    links = all_links(system)
    rounds = RoundLinks(links, {})
    questions, answers = [e.question for e in EXAMPLES], [e.answer for e in EXAMPLES]
    out = unroll(system, questions, Settings(3, 2, carry=rounds.carry), answers=answers)
    cross_entropy(out.scored[-1]).backward()
    for link in links.values():
        link.requires_grad_(True)
    out = unroll(system, questions, Settings(3, 2), answers=answers)
    cross_entropy(out.scored[-1]).backward()
    told = rounds.gradients()
    assert {round_ for round_, key in told if key == ("solver", "planner")} == {1, 2}
    assert {round_ for round_, key in told if key == ("planner", "critic")} == {1, 2, 3}
    for key, link in links.items():
        pieces = [gradients for (_, other), gradients in told.items() if other == key]
        for i, parameter in enumerate(link.parameters()):
            assert parameter.grad is not None
            torch.testing.assert_close(sum(piece[i] for piece in pieces), parameter.grad, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("pattern", ["sequential", "mixture"])
def test_checkpointing_gives_the_same_loss_and_gradients(pattern: str) -> None:
    system = exact_system(rm.PATTERNS[pattern])
    questions, answers = [e.question for e in EXAMPLES], [e.answer for e in EXAMPLES]
    seen = []
    for run in (unroll, unroll_remembering_little):
        links = RoundLinks(all_links(system), {})
        settings = Settings(2, 2, carry=links.carry)
        out = run(system, questions, settings, answers=answers, messages=Messages(), each_round=True)
        loss = torch.stack([cross_entropy(scored) for scored in out.scored]).sum()
        loss.backward()
        seen.append((float(loss.detach()), len(out.scored), links.gradients()))
    (loss, asked, gradients), (again, asked_again, others) = seen
    assert asked == asked_again == 2
    assert again == pytest.approx(loss, rel=1e-12)
    assert set(others) == set(gradients)
    for at, pieces in gradients.items():
        for a, b in zip(pieces, others[at], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-12)
