"""The released systems open from their repositories, and think as a recomputation from the same files does."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from miniature import REFUSING, SWITCHED, byte_tokenizer, make_model, make_release
from reference import inner_formula, outer_formula
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoTokenizer

import recmas_core as rm
from recmas_core.hub import Hub
from recmas_core.placement import Placement
from recmas_core.progress import Loading
from recmas_core.released.opening import open_released
from recmas_core.released.styles import STYLES

QUESTION = "What is 6 * 7?"
MULTIMODAL = ("Gemma3", "Qwen3.5")
MARK = "\ue123"


@pytest.fixture(scope="module", params=STYLES)
def release(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Path]]:
    return request.param, make_release(request.param, tmp_path_factory.mktemp(request.param))


class Role:
    """A role of a released system, read from its repository as the release's own classes are."""

    def __init__(self, repository: str, folder: Path, task: str | None) -> None:
        kind = AutoModelForImageTextToText if any(name in repository for name in MULTIMODAL) else AutoModelForCausalLM
        self.model: Any = kind.from_pretrained(folder, dtype=torch.float32).eval()
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        name = f"adapter({task}).pt" if task else "adapter.pt"
        self.inner = {k: v.float() for k, v in torch.load(folder / name, weights_only=True).items()}

    def prompt(self, text: str, slots: list[Tensor]) -> Tensor:
        """Embeddings of a chat prompt whose marks are filled with what was sent."""
        chat = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        parts: list[Tensor] = []
        for i, piece in enumerate(chat.split(MARK)):
            ids = self.tokenizer(piece, add_special_tokens=False).input_ids
            parts.append(self.model.get_input_embeddings()(torch.tensor(ids, dtype=torch.long)))
            if i < len(slots):
                parts.append(slots[i])
        return torch.cat(parts)

    def last(self, embeds: Tensor) -> Tensor:
        """The last hidden state, everything computed anew."""
        return self.model.get_decoder()(inputs_embeds=embeds[None], use_cache=False).last_hidden_state[0, -1]

    def think(self, embeds: Tensor, m: int) -> tuple[Tensor, Tensor]:
        thoughts = []
        for _ in range(m):
            thoughts.append(self.last(embeds))
            embeds = torch.cat((embeds, inner_formula(self.inner, thoughts[-1])[None]))
        stacked = torch.stack(thoughts)
        return stacked, inner_formula(self.inner, stacked)

    def speak(self, embeds: Tensor, most: int) -> list[int]:
        said: list[int] = []
        while len(said) < most:
            word = int(self.model.get_output_embeddings()(self.last(embeds)).argmax())
            if word == self.tokenizer.eos_token_id:
                break
            said.append(word)
            embeds = torch.cat((embeds, self.model.get_input_embeddings()(torch.tensor([word]))))
        return said


@torch.no_grad()
def recompute(style: str, folders: dict[str, Path], system: rm.System, *, rounds: int, m: int) -> list[Any]:
    """Each turn's thoughts, and at the end the ids that are spoken."""
    released, layout = STYLES[style], rm.released.RELEASED[STYLES[style].pattern]
    task = "math" if layout.tasks else None
    roles = {role: Role(name, folders[name], task) for role, name in released.agents.items()}
    links, sent, turns = {}, {}, []
    for edge, names in layout.edges.items():
        file = f"{names.file}({task}).pt" if task else f"{names.file}.pt"
        state = torch.load(folders[released.outer] / file, weights_only=True)
        links[edge] = {key: value.float() for key, value in state.items()}
    pattern = rm.PATTERNS[released.pattern]
    for place in pattern.schedule(rounds):
        me, prompt = roles[place.role], system.prompts[place.role]
        senders = pattern.senders_to(place.role, round_=place.round)
        slots = "".join(prompt.slot.format(sender=prompt.word(s), slot=MARK) for s in senders)
        form = prompt.decode if place.decodes else prompt.think
        text = form.format(question=QUESTION, slots=slots, role=prompt.word(place.role))
        embeds = me.prompt(text, [sent[s, place.role] for s in senders])
        if place.decodes:
            turns.append(me.speak(embeds, 6))
            continue
        thoughts, own = me.think(embeds, m)
        turns.append(thoughts)
        for (sender, receiver), state in links.items():
            if sender == place.role:
                sent[sender, receiver] = outer_formula(state, own)
    return turns


def test_every_released_system_equals_its_recomputation(release: tuple[str, dict[str, Path]]) -> None:
    style, folders = release
    system = open_released(f"released:{style}", placement=Placement(), hub=Hub.of(folders.__getitem__))
    trace = system.solve(QUESTION, rounds=3, latent_steps=3, max_new_tokens=6, temperature=0, tools=False)
    expected = recompute(style, folders, system, rounds=3, m=3)
    assert len(trace.turns) == len(expected)
    for turn, wanted in zip(trace.turns[:-1], expected, strict=False):
        assert torch.allclose(torch.tensor(turn.thoughts), wanted, atol=2e-4), turn.role
    assert list(trace.turns[-1].tokens)[: len(expected[-1])] == expected[-1]


def test_the_text_model_alone_is_loaded_of_a_multimodal_one(release: tuple[str, dict[str, Path]]) -> None:
    style, folders = release
    system = open_released(style, placement=Placement(), hub=Hub.of(folders.__getitem__))
    for role, repository in STYLES[style].agents.items():
        names = [name for name, _ in system.agents[role].model.named_parameters()]
        assert not any("vision" in name or "projector" in name for name in names), repository
        assert system.agents[role].tokenizer.padding_side == "left"


def test_what_is_opened_is_told_one_after_the_other(release: tuple[str, dict[str, Path]]) -> None:
    style, folders = release
    told: list[Loading] = []
    open_released(style, hub=Hub.of(folders.__getitem__), tell=told.append)
    names = [*(name.rpartition("/")[2] for name in STYLES[style].agents.values()), ""]
    assert [(each.what, each.done) for each in told] == [(name, i) for i, name in enumerate(names)]


@pytest.mark.parametrize("style", ["sequential_light", "mixture"])
def test_links_are_found_without_their_manifests(style: str, tmp_path: Path) -> None:
    folders = make_release(style, tmp_path, manifests=False)
    system = open_released(style, hub=Hub.of(folders.__getitem__))
    assert set(system.links) == {edge.key for edge in system.pattern.edges}


def test_the_task_chooses_the_links(tmp_path: Path) -> None:
    folders = make_release("distillation", tmp_path)
    hub = Hub.of(folders.__getitem__)
    math, code = (open_released("distillation", task=task, hub=hub) for task in ("math", "code"))
    for edge in math.links:
        a, b = (system.links[edge].state_dict()["proj1.weight"] for system in (math, code))
        assert not torch.equal(a, b)


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    folders = make_release("deliberation", tmp_path)
    folder = folders[STYLES["deliberation"].agents["reflector"]]
    shard = sorted(folder.glob("model-*.safetensors"))[1]
    shard.unlink()
    with pytest.raises(rm.SystemNotFound, match=shard.name):
        open_released("deliberation", hub=Hub.of(folders.__getitem__))
    shutil.rmtree(folder)


def test_an_unknown_system_is_refused_with_those_there_are() -> None:
    with pytest.raises(rm.SystemNotFound, match="released:sequential_light"):
        open_released("released:sequential_huge")


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (SWITCHED, "<turn>system\nBe brief.</s><turn>user\nHello</s><turn>assistant\n[no thinking]"),
        (REFUSING, "<turn>Be brief.\nHello</s><turn>model"),
        (None, "Be brief.\nHello\n"),
    ],
)
def test_a_system_text_takes_the_role_a_template_has_for_it(template: str | None, text: str) -> None:
    tokenizer = byte_tokenizer(template)
    model = make_model("qwen3", {"head_dim": 8}, tokenizer, 0)
    agent = rm.Agent("one", model, tokenizer, rm.InnerLink(32))
    assert agent.chat("Hello", system="Be brief.") == text
