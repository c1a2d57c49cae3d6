"""system.json: what ties a system's folder together. Whatever is read is checked, as it may be a stranger's."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recmas_core.errors import BadInput, RecmasError, SystemNotFound, UnsafeCheckpoint
from recmas_core.patterns import Pattern, get_pattern
from recmas_core.roleprompts import Retry, RolePrompt
from recmas_core.runconfig import Decoding, RunConfig
from recmas_core.storage import write_whole
from recmas_core.tasks import TASKS, Task

if TYPE_CHECKING:
    from recmas_core.agents import Agent
    from recmas_core.tools.base import Tool

FORMAT = "recmas-system-1"
KEY_VARIABLE = "TAVILY_API_KEY"
FILE = "system.json"
_SPEAKING = Decoding()
_LONGEST_NOTE = 2000


@dataclass(frozen=True)
class Member:
    """An agent's entry.

    Attributes:
        folder: Name of its folder beside system.json.
        wording: Key of the prompts it understands.
        name: Name to show.
        home: The role word under which it was taught.
        hears: The words by which it knows its senders.
    """

    folder: str
    wording: str
    name: str
    home: str
    hears: tuple[str, ...]

    @staticmethod
    def of(agent: Agent, role: str, pattern: Pattern) -> Member:
        """The entry of an agent in a role: one that was taught nowhere else is at home where it is now."""
        heard = agent.hears if agent.home else pattern.senders_to(role, round_=2)
        return Member(role, agent.wording, agent.name, agent.home or role, heard)


@dataclass(frozen=True)
class Manifest:
    """What a system.json says.

    Attributes:
        title: Name to show.
        pattern: The collaboration pattern.
        task: The little world its agents know; None for agents of the wide world.
        latent_steps: Thoughts per turn to use by default.
        trained_steps: Fewest and most thoughts per turn the agents saw in training; None if unknown.
        agents: The agent of each role.
        alone: The baseline that answers by itself.
        untrained: Edges whose links were never trained.
        prompts: The prompt of each role.
        tools: For each tool the name of the file it works on, None for a tool that has none.
        decoding: How its agents speak by default.
        about: How its links came to be, for the reader.
    """

    title: str
    pattern: Pattern
    task: Task | None
    latent_steps: int
    trained_steps: tuple[int, int] | None
    agents: Mapping[str, Member]
    alone: Member | None
    untrained: frozenset[tuple[str, str]]
    prompts: Mapping[str, RolePrompt]
    tools: Mapping[str, str | None]
    decoding: Decoding = _SPEAKING
    about: str = ""

    def knows(self, sender: str, receiver: str) -> bool:
        """Whether the folder holds a trained link for that edge."""
        edge = (sender, receiver)
        return edge in {each.key for each in self.pattern.edges} - self.untrained

    def write(self, folder: Path) -> None:
        """Write it as the folder's system.json."""
        kept = {
            "format": FORMAT,
            "title": self.title,
            "pattern": self.pattern.name,
            "task": self.task.name if self.task else None,
            "latent_steps": self.latent_steps,
            "trained_steps": self.trained_steps,
            "agents": {role: asdict(member) for role, member in self.agents.items()},
            "alone": asdict(self.alone) if self.alone else None,
            "untrained": sorted(self.untrained),
            "prompts": {role: _plain(prompt) for role, prompt in self.prompts.items()},
            "decoding": asdict(self.decoding),
            "about": self.about,
            "tools": {name: {} if file is None else {"corpus": file} for name, file in self.tools.items()},
        }
        text = json.dumps(kept, indent=2, ensure_ascii=False) + "\n"
        write_whole(folder / FILE, lambda file: file.write(text.encode()))


def read_manifest(folder: Path) -> Manifest:
    """The system.json of a folder.

    Raises:
        SystemNotFound: If there is none, or its pattern is unknown.
        UnsafeCheckpoint: If it is damaged, of another format, or leads out of its folder.
    """
    path = folder / FILE
    if not path.is_file():
        todo = "Give the name of an embedded system, or a folder written by system.save."
        raise SystemNotFound(f"folder {folder.name!r}", f"holds no {FILE}", todo)
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UnsafeCheckpoint(FILE, f"is damaged ({error})", "Save the system again.") from error
    if not isinstance(kept, dict) or kept.get("format") != FORMAT:
        raise UnsafeCheckpoint(FILE, "is of another format", f"Save the system again as {FORMAT}.")
    try:
        return _parsed(kept)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, RecmasError):
            raise
        raise UnsafeCheckpoint(FILE, f"does not describe a system ({error!r})", "Save the system again.") from error


def _parsed(kept: Mapping[str, Any]) -> Manifest:
    pattern = get_pattern(kept["pattern"])
    if kept["task"] is not None and kept["task"] not in TASKS:
        raise UnsafeCheckpoint(FILE, f"names the unknown task {kept['task']!r}", f"Known are {sorted(TASKS)}.")
    return Manifest(
        title=_texts([kept["title"]])[0],
        pattern=pattern,
        task=None if kept["task"] is None else TASKS[kept["task"]],
        latent_steps=_counts([kept["latent_steps"]], 1)[0],
        trained_steps=_span(kept["trained_steps"]),
        agents={
            role: _member(entry, role, pattern.senders_to(role, round_=2)) for role, entry in kept["agents"].items()
        },
        alone=_member(kept["alone"], "", ()) if kept.get("alone") else None,
        untrained=frozenset((sender, receiver) for sender, receiver in map(_texts, kept["untrained"])),
        prompts={role: _prompt(entry) for role, entry in kept["prompts"].items()},
        tools=_tools(kept.get("tools") or {}),
        decoding=_decoding(kept.get("decoding") or {}),
        about=_texts([kept.get("about", "")])[0][:_LONGEST_NOTE],
    )


def _decoding(entry: Mapping[str, Any]) -> Decoding:
    decoding = Decoding(**entry)
    RunConfig("?", **asdict(decoding))  # it knows what is in range
    return decoding


def _texts(values: Sequence[object]) -> tuple[str, ...]:
    if isinstance(values, str) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{values!r} should be texts")
    return tuple(str(value) for value in values)


def _counts(values: Iterable[object], length: int) -> tuple[int, ...]:
    counts = tuple(value for value in values if isinstance(value, int) and not isinstance(value, bool) and value > 0)
    if len(counts) != length:
        raise TypeError(f"{values!r} should be {length} whole numbers above 0")
    return counts


def _span(values: Sequence[object] | None) -> tuple[int, int] | None:
    if values is None:
        return None
    low, high = _counts(values, 2)
    return low, high


def _member(entry: Mapping[str, Any], home: str, hears: tuple[str, ...]) -> Member:
    """An agent's entry; older ones do not say what it was taught, so it was this role (`home`, `hears`)."""
    folder, wording, name = _texts([entry["folder"], entry["wording"], entry["name"]])
    inside(Path(), folder)
    return Member(folder, wording, name, _texts([entry.get("home", home)])[0], _texts(entry.get("hears", hears)))


def _plain(prompt: RolePrompt) -> dict[str, Any]:
    """A prompt as plain values; without a retry it reads as it did before there was such a thing."""
    plain = asdict(prompt)
    if prompt.retry is None:
        del plain["retry"]
    return plain


def _prompt(entry: Mapping[str, Any]) -> RolePrompt:
    retry = entry.get("retry")
    prompt = RolePrompt(**{**entry, "retry": None if retry is None else _retry(retry)})
    _texts([prompt.think, prompt.decode, prompt.slot, prompt.system, *prompt.words, *prompt.words.values()])
    return prompt


def _retry(entry: Mapping[str, Any]) -> Retry:
    try:
        return Retry(**entry)
    except BadInput as error:
        raise UnsafeCheckpoint(FILE, f"has a retry that cannot be used: {error}", "Save the system again.") from error


def _tools(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, str | None]:
    """For each tool the name of the file it works on: there is one file of texts at most."""
    for name, entry in entries.items():
        if set(entry) - {"corpus"}:
            todo = "Write {} or {'corpus': a file name}."
            raise UnsafeCheckpoint(FILE, f"says {entry!r} of the tool {name!r}", todo)
    files = [inside(Path(), entry["corpus"]).name for entry in entries.values() if "corpus" in entry]
    if len(files) > 1:
        raise UnsafeCheckpoint(FILE, f"names {len(files)} files of texts to search", "Put them into one.")
    return {name: entry.get("corpus") for name, entry in entries.items()}


def inside(folder: Path, name: object) -> Path:
    """The path of what a manifest names in its own folder: a foreign manifest must not lead out of it.

    Raises:
        UnsafeCheckpoint: If the name is more than a name.
    """
    if not isinstance(name, str) or name in ("", ".", "..") or "\\" in name or Path(name).name != name:
        todo = f"Keep agents and texts beside {FILE}, under plain names."
        raise UnsafeCheckpoint(FILE, f"names {name!r}, which is no name in its own folder", todo)
    return folder / name


def open_kept_tools(folder: Path, manifest: Manifest, search_key: str | None) -> dict[str, Tool]:
    """Open the tools that a folder's manifest names; older ones name none.

    Args:
        folder: Where the manifest lies, and the texts to search.
        manifest: What it says.
        search_key: Key of a web search that then takes the place of the texts; without one the environment variable
            TAVILY_API_KEY is asked.

    Raises:
        SystemNotFound: If the texts to search are not there.
    """
    corpus = next((inside(folder, file) for file in manifest.tools.values() if file is not None), None)
    if corpus is not None and not corpus.is_file():
        raise SystemNotFound(f"corpus {corpus.name!r}", "is not in the system's folder", "Save the system again.")
    return open_named_tools(tuple(manifest.tools), corpus, search_key)


def open_named_tools(names: tuple[str, ...], corpus: Path | None, search_key: str | None) -> dict[str, Tool]:
    """Open tools by name; see `recmas_core.tools.open_tools`, and `open_kept_tools` for the key.

    A search with neither texts nor a key tells whoever calls it that there is nothing to search.
    """
    if not names:
        return {}
    from recmas_core.tools import NoSearch, open_tools  # the sandbox's and the search's libraries only where used

    key = search_key or os.environ.get(KEY_VARIABLE) or None
    silent = NoSearch.name in names and corpus is None and not key
    wanted = [name for name in names if not (silent and name == NoSearch.name)]
    found = open_tools(wanted, corpus=corpus, search_key=key)
    return {name: found[name] if name in found else NoSearch() for name in names}
