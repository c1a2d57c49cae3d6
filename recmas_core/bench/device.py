"""What a latent step takes on a GPU, beside the time that reading its weights takes at the least."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedConfig, Qwen3Config

from recmas_core.agents import Agent
from recmas_core.captures import StepKind
from recmas_core.engine import roll_out
from recmas_core.errors import BadInput
from recmas_core.links import InnerLink
from recmas_core.loading import load_system
from recmas_core.patterns import Place
from recmas_core.placement import place, precision
from recmas_core.pretrain.shaping import make_tokenizer
from recmas_core.reading import Reader
from recmas_core.tasks.chain import VOCABULARY

TARGET = 1.6
PROMPT, THOUGHTS = 150, 32
COPIED = 2**30  # bytes, far more than any cache of a GPU holds
KINDS: Mapping[StepKind, str] = MappingProxyType(
    {"eager": "eager", "captured": "CUDA graph", "fused": "CUDA graph of torch.compile"}
)
_TURN = Place(turn=0, round=1, stage=0, role="bench", decodes=False)


def device_lines(device: str, *, repeats: int) -> Iterator[str]:
    """Lines of the report on a CUDA device.

    Args:
        device: "cuda", "cuda:1", ...
        repeats: Counted turns of each kind.

    Raises:
        BadInput: If it is no CUDA device, or cannot be used.
    """
    check_cuda(device)
    bandwidth = measure_bandwidth(device)
    name = torch.cuda.get_device_name(device)
    yield f"{name}: {bandwidth / 1e9:.0f} GB/s (a copy in its memory, bytes read and written)."
    yield f"One latent step of a turn of {THOUGHTS} thoughts behind a prompt of {PROMPT}; target: at most {TARGET}"
    yield "times the floor, which is the weights that a step reads over that bandwidth."
    yield from header()
    large = random_agent(qwen3_1_7b(), device, "bfloat16")
    yield from rows("random Qwen3 1.7B, bf16", large, bandwidth, repeats=repeats)
    del large
    for role, agent in load_system("sequential", device=device).agents.items():
        yield from rows(f"embedded {role} ({agent.family}), float32", agent, bandwidth, repeats=repeats)


def check_cuda(device: str) -> None:
    """Refuse a device that is none of CUDA's or cannot be used.

    Raises:
        BadInput: Saying which.
    """
    place(nn.Linear(1, 1), device, "float32")
    if torch.device(device).type != "cuda":
        raise BadInput("device", f"{device!r} is no CUDA device", "Choose 'cuda', or leave it out.")


def measure_bandwidth(device: str, *, repeats: int = 10) -> float:
    """Bytes read and written per second by a large copy within a GPU's memory; the median."""
    with torch.cuda.device(device):
        free, _ = torch.cuda.mem_get_info()
        size = min(COPIED, free // 4)
        source = torch.zeros(size, dtype=torch.uint8, device=device)
        target = torch.zeros_like(source)
        seconds = []
        for count in range(repeats + 1):  # the first one is not counted
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            target.copy_(source)
            end.record()
            end.synchronize()
            if count:
                seconds.append(begin.elapsed_time(end) / 1000)
    return moved_per_second(size, statistics.median(seconds))


def moved_per_second(size: int, seconds: float) -> float:
    """Bytes per second of a copy of `size` bytes: each is read and written."""
    return 2 * size / seconds


def weights_per_step(agent: Agent) -> int:
    """Bytes of weights that a latent step reads: the body and the inner link.

    The table of embeddings is not read, nor is the head: a thought is no word.
    """
    table = {id(weight) for weight in agent.model.get_input_embeddings().parameters()}
    weights = {id(weight): weight for module in (agent.body, agent.inner) for weight in module.parameters()}
    return sum(w.numel() * w.element_size() for at, w in weights.items() if at not in table)


def qwen3_1_7b() -> PreTrainedConfig:
    """The shape of Qwen3-1.7B."""
    return Qwen3Config(
        vocab_size=151_936, hidden_size=2048, intermediate_size=6144, num_hidden_layers=28, num_attention_heads=16,
        num_key_value_heads=8, head_dim=128, max_position_embeddings=40_960, tie_word_embeddings=True,
    )  # fmt: skip


def random_agent(config: PreTrainedConfig, device: str, dtype: str) -> Agent:
    """An agent with random weights, made where it is to stand."""
    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=precision(dtype))
        inner = InnerLink(config.hidden_size).to(precision(dtype))
    return Agent("random", model, make_tokenizer(VOCABULARY, seed=0), inner)


@dataclass(frozen=True)
class Taken:
    """How an agent took the steps of some turns: seconds of a step in each, and the first step's state (1, d)."""

    seconds: Sequence[float]
    state: Tensor


def time_steps(agent: Agent, kinds: Sequence[StepKind], *, repeats: int) -> dict[StepKind, Taken]:
    """Time turns of every kind, in turn; the first of each kind records its steps and is not counted.

    A turn's time is from its prompt's last state to its last thought, copying the cache into fixed buffers and
    looking at every thought included. It is shared among the steps, one fewer than thoughts.
    """
    seconds: dict[StepKind, list[float]] = {kind: [] for kind in kinds}
    states: dict[StepKind, Tensor] = {}
    with torch.inference_mode():
        generator = torch.Generator().manual_seed(0)
        ids = torch.randint(agent.model.config.vocab_size, (PROMPT,), generator=generator)
        reader = Reader(agent)
        hidden = reader.start([agent.embed(ids)])[:, -1]
        for count in range(repeats + 1):
            for kind in kinds:
                fork = reader.fork()
                _wait(agent)
                started = time.perf_counter()
                steps = list(roll_out(fork, agent.inner, hidden, THOUGHTS, place=_TURN, kind=kind))
                _wait(agent)
                if count:
                    seconds[kind].append((time.perf_counter() - started) / (THOUGHTS - 1))
                states[kind] = steps[1].hidden
    return {kind: Taken(seconds[kind], states[kind]) for kind in kinds}


def _wait(agent: Agent) -> None:
    if agent.device.type == "cuda":
        torch.cuda.synchronize(agent.device)


def header() -> Iterator[str]:
    """The head of the table."""
    yield "| agent | weights of a step | floor | steps | a step | times the floor | target | first step differs by |"
    yield "|---" * 8 + "|"


def rows(name: str, agent: Agent, bandwidth: float, *, repeats: int) -> Iterator[str]:
    """Lines of the table: every kind of steps, and what could not be done.

    Args:
        name: What to call the agent.
        agent: Whose steps.
        bandwidth: Bytes per second.
        repeats: Counted turns of each kind.
    """
    size = weights_per_step(agent)
    floor = size / bandwidth
    before = agent.captures.fallbacks
    taken = time_steps(agent, tuple(KINDS), repeats=repeats)
    plain = taken["eager"].state
    for kind, each in taken.items():
        step = statistics.median(each.seconds)
        differs = float((each.state - plain).float().norm() / plain.float().norm())
        cells = (
            name, f"{size / 1e6:.1f} MB", _ms(floor), KINDS[kind], _ms(step), f"{step / floor:.2f}",
            f"at most {TARGET}", f"{differs:.1g}",
        )  # fmt: skip
        yield "| " + " | ".join(cells) + " |"
    for reason in agent.captures.fallbacks:
        if reason not in before:
            yield f"  (eager steps stand in for those that could not be recorded: {reason})"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms"
