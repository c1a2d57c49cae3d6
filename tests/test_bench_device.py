"""The benchmark of a GPU: its arithmetic, its rows on tiny agents, and its refusals. What it times needs a GPU."""

from __future__ import annotations

import re

import pytest
import torch
from recording import taped
from tiny import tiny_agent
from transformers import Qwen3Config

import recmas_core as rm
from recmas_core.__main__ import main
from recmas_core.bench import bench, device
from recmas_core.bench.device import (
    PROMPT,
    THOUGHTS,
    check_cuda,
    device_lines,
    header,
    moved_per_second,
    qwen3_1_7b,
    random_agent,
    rows,
    time_steps,
    weights_per_step,
)
from recmas_core.captures import Captures

SMALL = Qwen3Config(
    vocab_size=100, hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=4,
    num_key_value_heads=2, head_dim=8, tie_word_embeddings=True,
)  # fmt: skip


def qwen3_weights(config: Qwen3Config) -> int:
    """Weights of a Qwen3 that a thought goes through, counted by hand."""
    d, wide = config.hidden_size, config.intermediate_size
    queries, keys = (n * config.head_dim for n in (config.num_attention_heads, config.num_key_value_heads))
    attention = 2 * d * queries + 2 * d * keys + 2 * config.head_dim  # q, o; k, v; their norms
    return config.num_hidden_layers * (attention + 3 * d * wide + 2 * d) + d


def link_weights(d: int) -> int:
    return 2 * (d * d + d) + 4 * d


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("bfloat16", 2)])
def test_a_steps_weights_are_the_body_and_the_inner_link(dtype: str, size: int) -> None:
    agent = random_agent(SMALL, "cpu", dtype)
    assert weights_per_step(agent) == size * (qwen3_weights(SMALL) + link_weights(16))
    assert agent.model.lm_head.weight is agent.model.get_input_embeddings().weight


@pytest.mark.parametrize("family", ["llama", "gemma3_text"])
def test_neither_embeddings_nor_head_are_counted(family: str) -> None:
    agent = tiny_agent(family)
    tables = {id(m.weight): m.weight for m in (agent.model.get_input_embeddings(), agent.model.get_output_embeddings())}
    every = agent.parameters - sum(t.numel() for t in tables.values()) + link_weights(agent.hidden_size)
    assert weights_per_step(agent) == 4 * every


def test_the_large_agent_is_qwen3_1_7b() -> None:
    agent = random_agent(qwen3_1_7b(), "meta", "bfloat16")
    assert 1.70e9 < agent.parameters < 1.75e9
    assert weights_per_step(agent) == 2 * (qwen3_weights(qwen3_1_7b()) + link_weights(2048))
    assert {weight.dtype for weight in agent.model.parameters()} == {torch.bfloat16}
    assert {buffer.dtype for buffer in agent.model.buffers()} == {torch.float32}  # rotations keep their precision


def test_a_copy_reads_and_writes_every_byte() -> None:
    assert moved_per_second(10, 0.5) == 40


def test_rows_name_the_floor_every_kind_and_the_target() -> None:
    agent = random_agent(SMALL, "cpu", "float32")
    agent.captures = Captures(taped)
    size = weights_per_step(agent)
    lines = list(rows("small", agent, size / 0.002, repeats=1))
    kinds = ("eager", "CUDA graph", "CUDA graph of torch.compile")
    assert len(lines) == len(kinds)
    for line, kind in zip(lines, kinds, strict=True):
        number = r"\d[\d.e+-]*"
        found = re.fullmatch(
            rf"\| small \| {size / 1e6:.1f} MB \| 2 ms \| {kind} \| ({number}) ms \| ({number}) \| at most 1.6 \| "
            rf"({number}) \|", line,
        )  # fmt: skip
        assert found is not None, line
        assert float(found[2]) == pytest.approx(float(found[1]) / 2, rel=0.02, abs=0.006)
        assert float(found[3]) < 1e-5
    assert lines[0].endswith("| 0 |")
    assert all(line.count("|") == lines[0].count("|") for line in header())


def test_steps_that_could_not_be_recorded_are_named() -> None:
    agent = tiny_agent("qwen3_5_text")
    agent.captures = Captures(taped)
    lines = list(rows("recurrent", agent, 1e9, repeats=1))
    assert len(lines) == 4
    assert "could not be recorded" in lines[3]
    assert "'qwen3_5_text'" in lines[3]


def test_every_kind_takes_the_same_turn() -> None:
    agent = random_agent(SMALL, "cpu", "float32")
    agent.captures = Captures(taped)
    taken = time_steps(agent, ("eager", "captured"), repeats=2)
    assert [len(each.seconds) for each in taken.values()] == [2, 2]
    assert [key.capacity for key, _ in agent.captures._kept] == [256]
    assert PROMPT + THOUGHTS <= 256
    assert torch.allclose(taken["eager"].state, taken["captured"].state, atol=1e-5)


def test_the_report_holds_the_large_agent_and_the_embedded_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "check_cuda", lambda name: None)
    monkeypatch.setattr(device, "measure_bandwidth", lambda name: 2e9)
    monkeypatch.setattr(device, "qwen3_1_7b", lambda: SMALL)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda name: "a GPU")
    lines = list(device_lines("cpu", repeats=1))
    assert lines[0].startswith("a GPU: 2 GB/s")
    names = [line.split(" | ")[0] for line in lines if line.startswith("| ")]
    embedded = [f"| embedded {role}" for role in ("planner", "critic", "solver")]
    assert [name.split(" (")[0] for name in names[1::3]] == ["| random Qwen3 1.7B, bf16", *embedded]


@pytest.mark.skipif(torch.cuda.is_available(), reason="it can be used here")
def test_cuda_is_refused_where_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(rm.BadInput, match="device 'cuda' cannot be used") as caught:
        list(bench(repeats=1, device="cuda"))
    assert caught.value.where == "device"
    assert main(["bench", "--device", "cuda"]) == 2
    assert "'cuda' cannot be used" in capsys.readouterr().err


def test_other_devices_and_parts_of_a_device_are_refused() -> None:
    with pytest.raises(rm.BadInput, match="no CUDA device"):
        check_cuda("cpu")
    with pytest.raises(rm.BadInput, match="--only"):
        list(bench(repeats=1, only=["large"], device="cuda"))
