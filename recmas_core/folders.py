"""System folders: ordinary model folders, links as safetensors, and a system.json that ties them together.

    my-system/
      system.json                 pattern, task, default thoughts, which folder holds which role's agent, prompts, tools
      <agent>/                    config.json, model.safetensors, tokenizer files, inner.safetensors
      links/<sender>-<receiver>.safetensors
      corpus.jsonl                the texts that are searched, if a tool searches
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from recmas_core.agents import Agent
from recmas_core.errors import DimensionMismatch, SystemNotFound, UnsafeCheckpoint
from recmas_core.house import House
from recmas_core.links import InnerLink, LinkVariant, OuterLink
from recmas_core.manifest import Manifest, Member, inside, open_kept_tools, read_manifest
from recmas_core.memory import count_parameters
from recmas_core.placement import HERE, Placement
from recmas_core.progress import Loading, Tell, silent
from recmas_core.storage import write_whole
from recmas_core.system import System

_CORPUS = "corpus.jsonl"


def save_system(system: System, folder: Path) -> None:
    """Write a whole system; system.json comes last, so a folder that has one is complete."""
    for role, agent in system.agents.items():
        save_agent(agent, folder / role)
    if system.alone is not None:
        save_agent(system.alone, folder / "alone")
    for edge, link in system.links.items():
        save_link(link, link_path(folder, *edge))
    Manifest(
        title=system.title,
        pattern=system.pattern,
        task=system.task,
        latent_steps=system.latent_steps,
        trained_steps=system.trained_steps,
        agents={role: Member.of(agent, role, system.pattern) for role, agent in system.agents.items()},
        alone=Member("alone", system.alone.wording, system.alone.name, "", ()) if system.alone else None,
        untrained=system.untrained,
        prompts=system.prompts,
        tools={name: _save_texts(system, name, folder) for name in system.tools},
        decoding=system.decoding,
        about=system.about,
    ).write(folder)


def _save_texts(system: System, tool: str, folder: Path) -> str | None:
    """Copy the file a tool works on into the folder; its name there, None if it has none."""
    path = getattr(system.tools[tool], "path", None)
    if path is None and system.folder is not None:  # a search of the web stands in for the texts that came along
        file = read_manifest(system.folder).tools.get(tool)
        path = None if file is None else inside(system.folder, file)
    if path is None:
        return None
    texts = Path(path).read_bytes()
    write_whole(folder / _CORPUS, lambda file: file.write(texts))
    return _CORPUS


def load_folder(
    folder: Path, *, name: str, placement: Placement = HERE, search_key: str | None = None, tell: Tell = silent
) -> System:
    """Read a system folder.

    Args:
        folder: Where it is.
        name: What the system is called from now on.
        placement: Where to put it, in what precision.
        search_key: Key of a web search, see `manifest.open_kept_tools`.
        tell: Told which agent is loaded.

    Raises:
        SystemNotFound: If the folder is no complete system.
        UnsafeCheckpoint: If a file in it is damaged.
        TooLarge: If its agents do not fit into memory.
    """
    kept = read_manifest(folder)
    members = {**kept.agents, **({} if kept.alone is None else {"alone": kept.alone})}
    sizes = {role: count_parameters(inside(folder, member.folder)) for role, member in members.items()}
    house = House.plan(sizes, placement)
    agents = {}
    for number, (role, member) in enumerate(members.items()):
        tell(Loading(member.name, number, len(members)))
        agents[role] = load_member(folder, member, house)
    alone = agents.pop("alone", None)
    links = {edge.key: load_link(link_path(folder, *edge.key)) for edge in kept.pattern.edges}
    return System(
        name,
        kept.pattern,
        agents,
        {edge: house.place_link(link, agents[edge[0]].device) for edge, link in links.items() if edge[0] in agents},
        kept.prompts,
        title=kept.title,
        task=kept.task,
        latent_steps=kept.latent_steps,
        trained_steps=kept.trained_steps,
        untrained=kept.untrained,
        alone=alone,
        tools=open_kept_tools(folder, kept, search_key),
        decoding=kept.decoding,
        about=kept.about,
        folder=folder,
        house=house,
    )


def link_path(folder: Path, sender: str, receiver: str) -> Path:
    """Where the link of an edge is kept."""
    return folder / "links" / f"{sender}-{receiver}.safetensors"


def load_member(folder: Path, member: Member, house: House) -> Agent:
    """Read an agent of a system's folder.

    Raises:
        SystemNotFound: If its folder holds no model.
        UnsafeCheckpoint: If its files are damaged.
    """
    return load_agent(
        inside(folder, member.folder), name=member.name, wording=member.wording, house=house, home=member.home,
        hears=member.hears,
    )  # fmt: skip


def save_agent(agent: Agent, folder: Path) -> None:
    """Write an agent as an ordinary model folder with its inner link beside it."""
    # as the model is here: a text model taken out of a multimodal checkpoint would be written with that one's names
    agent.model.save_pretrained(folder, save_original_format=False)
    agent.tokenizer.save_pretrained(folder)
    save_link(agent.inner, folder / "inner.safetensors")


def load_agent(
    folder: Path,
    *,
    name: str,
    wording: str = "general",
    house: House | None = None,
    inner: nn.Module | None = None,
    home: str = "",
    hears: tuple[str, ...] = (),
    source: str = "",
) -> Agent:
    """Read an agent's folder; without an inner.safetensors its inner link is new and untrained.

    Args:
        folder: An ordinary transformers model folder.
        name: Name to show.
        wording: Key of the prompts it understands.
        house: Where it will live; this machine's CPU by default.
        inner: Its inner link, if that is not in the folder.
        home: The role word under which it was taught.
        hears: The words by which it knows its senders.
        source: Where it came from, for the reader; the folder by default.

    Raises:
        SystemNotFound: If there is no model in the folder.
        UnsafeCheckpoint: If its files are damaged.
        BadInput: If it is no causal language model.
    """
    if not (folder / "config.json").is_file():
        raise SystemNotFound(f"agent {name!r}", "has no config.json", "Give the folder of a transformers model.")
    house = House() if house is None else house
    model, tokenizer = house.load_pair(folder, name)
    path = folder / "inner.safetensors"
    if inner is None:
        inner = load_link(path) if path.is_file() else InnerLink(model.config.hidden_size)
    agent = Agent(
        name, model, tokenizer, inner, wording=wording, source=source or str(folder), home=home, hears=hears,
        residence=house.residence,
    )  # fmt: skip
    house.place_link(inner, agent.device)
    return agent



_KINDS: Mapping[str, Callable[[int, int, LinkVariant], nn.Module]] = MappingProxyType(
    {"InnerLink": lambda width, _, variant: InnerLink(width, variant), "OuterLink": OuterLink}
)


def _variant(values: dict[str, Any]) -> LinkVariant:
    variant = LinkVariant(**values)
    if variant.layers not in (1, 2) or not all(isinstance(value, int) for value in values.values()):
        raise ValueError(f"no such variant: {values}")
    return variant


def save_link(link: nn.Module, path: Path) -> None:
    """Write a link with its variant in the file's metadata."""
    if not isinstance(link, InnerLink | OuterLink):
        raise UnsafeCheckpoint(f"link {path.stem}", "is of an unknown kind", "Use InnerLink or OuterLink.")
    metadata = {"kind": type(link).__name__, "variant": json.dumps(link.variant.to_json())}
    tensors = {key: value.contiguous().cpu() for key, value in link.state_dict().items()}
    write_whole(path, lambda file: file.write(save(tensors, metadata=metadata)))


def load_link(path: Path) -> nn.Module:
    """Read a link, frozen.

    Raises:
        SystemNotFound: If there is no such file.
        UnsafeCheckpoint: If it is damaged, or holds numbers that are not finite.
        DimensionMismatch: If its tensors do not make a link of the variant it names.
    """
    if not path.is_file():
        raise SystemNotFound(f"link {path.stem!r}", "has no file", "Save the system again, with all its links.")
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            state = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118 (not a dict)
        kind, variant = _KINDS[metadata["kind"]], _variant(json.loads(metadata["variant"]))
    except (SafetensorError, OSError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise UnsafeCheckpoint(f"link {path.stem!r}", f"cannot be read ({error})", "Save it again.") from error
    for key, value in state.items():
        if not value.is_floating_point() or not bool(value.isfinite().all()):
            what = f"holds something other than finite numbers, in {key!r}"
            raise UnsafeCheckpoint(f"link {path.stem!r}", what, "Take links from before they broke.")
    try:
        width, out = state["proj1.weight"].shape[1], state.get("proj2.weight", state["proj1.weight"]).shape[0]
        with torch.device("meta"):  # the width is a stranger's word until all shapes agree with it
            kind(width, out, variant).load_state_dict(state, assign=True)
        link = kind(width, out, variant)
        link.load_state_dict(state)
    except (RuntimeError, ValueError, LookupError) as error:
        todo = "Load the link with the variant it was saved with."
        raise DimensionMismatch(f"link {path.stem!r}", f"has other tensors ({error})", todo) from error
    return link.requires_grad_(False).eval()
