"""Any causal language models as agents: from the hub, from folders, with or without a chat template."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from miniature import PLAIN, byte_tokenizer, make_model, make_release
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertModel,
    CLIPConfig,
    CLIPModel,
    T5Config,
    T5ForConditionalGeneration,
)

import recmas_core as rm
from recmas_core.folders import load_agent
from recmas_core.house import House
from recmas_core.hub import Hub
from recmas_core.placement import Placement
from recmas_core.progress import Loading
from recmas_core.released.styles import STYLES

RUN = {"rounds": 2, "latent_steps": 2, "max_new_tokens": 4}


def write_model(folder: Path, *, template: str | None = PLAIN, seed: int = 0, kind: str = "qwen3") -> Path:
    tokenizer = byte_tokenizer(template)
    make_model(kind, {"head_dim": 8}, tokenizer, seed).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    write_model(tmp_path / "Some/Model-1B", seed=1)
    write_model(tmp_path / "Other/base", template=None, kind="llama")

    def get(repository: str) -> Path:
        if not (tmp_path / repository).is_dir():
            raise rm.SystemNotFound(f"repository {repository!r}", "does not exist", "See to the name.")
        return tmp_path / repository

    return Hub.of(get)


def test_agents_from_the_hub_a_folder_and_the_shipped_ones_run_together(hub: Hub, tmp_path: Path) -> None:
    agents = {
        "planner": "Some/Model-1B", "critic": str(write_model(tmp_path / "mine")), "solver": "embedded:solver",
    }  # fmt: skip
    system = rm.build_system("sequential", agents, hub=hub)
    assert system.untrained == {edge.key for edge in system.pattern.edges}
    assert system.solve("start 3 s1 + 4", **RUN).answer is not None


def test_an_agent_from_the_hub_says_where_it_came_from(hub: Hub) -> None:
    system = rm.build_system("sequential", {"planner": "Some/Model-1B"}, hub=hub)
    assert (system.agents["planner"].name, system.agents["planner"].source) == ("Model-1B", "Some/Model-1B")


def test_a_repository_in_two_roles_is_loaded_once(hub: Hub) -> None:
    told: list[Loading] = []
    agents = dict.fromkeys(("planner", "critic", "solver"), "Some/Model-1B")
    system = rm.build_system("sequential", agents, hub=hub, tell=told.append)
    assert system.agents["planner"] is system.agents["solver"]
    assert [(each.what, each.done, each.of) for each in told] == [("Model-1B", 0, 1), ("", 1, 1)]


def test_a_model_without_a_chat_template_has_a_plain_one(hub: Hub) -> None:
    agents = dict.fromkeys(("planner", "critic", "solver"), "Other/base")
    trace = rm.build_system("sequential", agents, hub=hub).solve("What is 6 * 7?", **RUN)
    prompt = "".join(segment.text for segment in trace.turns[0].prompt)
    assert prompt.startswith("Question: What is 6 * 7?")
    assert prompt.endswith("\n")


def test_a_missing_repository_is_named(hub: Hub) -> None:
    with pytest.raises(rm.SystemNotFound, match="No/Such"):
        rm.build_system("sequential", {"planner": "No/Such"}, hub=hub)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: BertModel(BertConfig(**_SMALL)), "saved as BertModel"),
        (lambda: BertForMaskedLM(BertConfig(**_SMALL)), "saved as BertForMaskedLM|is an encoder"),
        (lambda: T5ForConditionalGeneration(T5Config(vocab_size=260, d_model=16, d_kv=8, d_ff=32, num_layers=1,
                                                     num_heads=2)), "an encoder with a decoder"),
        (lambda: CLIPModel(CLIPConfig()), "no causal language model"),
    ],
    ids=["encoder", "encoder with a head", "encoder-decoder", "pictures"],
)  # fmt: skip
def test_what_cannot_be_an_agent_is_refused(make: Callable[[], torch.nn.Module], told: str, tmp_path: Path) -> None:
    make().save_pretrained(tmp_path)  # type: ignore[operator]
    byte_tokenizer(PLAIN).save_pretrained(tmp_path)
    with pytest.raises(rm.BadInput, match=told):
        rm.build_system("sequential", {"planner": str(tmp_path)})


_SMALL = {"vocab_size": 260, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
          "intermediate_size": 32}  # fmt: skip


def test_half_precision_leaves_the_tables_of_positions_alone(tmp_path: Path) -> None:
    agent = load_agent(write_model(tmp_path), name="one", house=House(Placement(dtype="bfloat16")))
    assert agent.model.dtype == torch.bfloat16
    assert {buffer.dtype for name, buffer in agent.model.named_buffers() if "inv_freq" in name} == {torch.float32}


def test_a_checkpoint_of_the_release_brings_its_inner_link(tmp_path: Path) -> None:
    folders = make_release("sequential_light", tmp_path)
    planner = STYLES["sequential_light"].agents["planner"]
    state = torch.load(folders[planner] / "adapter(code).pt", weights_only=True)
    for spec in (planner, str(folders[planner])):
        hub = Hub.of(folders.__getitem__)
        system = rm.build_system("sequential", {"planner": spec}, hub=hub, task="code", dtype="bfloat16")
        own = system.agents["planner"].inner.state_dict()
        assert all(torch.equal(own[key], state[key]) for key in state), spec


def test_checkpoints_of_one_released_system_keep_the_link_between_them(tmp_path: Path) -> None:
    folders, style = make_release("sequential_light", tmp_path), STYLES["sequential_light"]
    agents = {role: style.agents[role] for role in ("planner", "critic")} | {"solver": "embedded:solver"}
    system = rm.build_system("sequential", agents, hub=Hub.of(folders.__getitem__))
    assert system.untrained == {("critic", "solver"), ("solver", "planner")}


@pytest.mark.parametrize("style", ["deliberation", "sequential_scaled"])
def test_a_released_system_is_saved_and_read_back_to_the_same_latents(style: str, tmp_path: Path) -> None:
    folders = make_release(style, tmp_path / "hub")
    system = rm.load_system(f"released:{style}", hub=Hub.of(folders.__getitem__))
    system.save(tmp_path / "saved")
    again = rm.load_system(str(tmp_path / "saved"), dtype="bfloat16")
    assert (again.decoding, again.latent_steps) == (system.decoding, system.latent_steps)
    one, other = (each.solve("What is 6 * 7?", **RUN, seed=3) for each in (system, again))
    for a, b in zip(one.turns, other.turns, strict=True):
        assert (a.thoughts == b.thoughts).all()
        assert a.tokens == b.tokens


def test_a_system_is_exported_as_the_release_lays_it_out(tmp_path: Path) -> None:
    folders = make_release("deliberation", tmp_path / "hub")
    system = rm.load_system("released:deliberation", hub=Hub.of(folders.__getitem__))
    out = system.export_released(tmp_path / "out")
    inner, outer = rm.released.read_released_links(out, system.pattern)
    for role, state in inner.items():
        assert all(torch.equal(state[k], v) for k, v in system.agents[role].inner.state_dict().items())
    for edge, state in outer.items():
        assert all(torch.equal(state[k], v) for k, v in system.links[edge].state_dict().items())


def test_a_system_is_pushed_as_a_folder_that_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pushed = {}

    def push(folder: Path, repo_id: str, **options: object) -> str:
        pushed.update(options, repo=repo_id, roles=rm.load_system(str(folder)).roles)
        return f"https://huggingface.co/{repo_id}"

    monkeypatch.setattr("recmas_core.released.pushing.push_folder", push)
    address = rm.load_system("sequential").push_to_hub("me/mine", private=False, token="hf_x")
    assert address.endswith("me/mine")
    assert pushed == {
        "private": False, "token": "hf_x", "repo": "me/mine", "roles": ("planner", "critic", "solver"),
    }  # fmt: skip
