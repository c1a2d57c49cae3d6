"""A run as the query of a link: what decides it, short enough to read; and such a query as a run. No gradio here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import parse_qsl, urlencode

from recmas_core.errors import BadInput
from recmas_core.records import MAX_NEW_TOKENS, MAX_ROUNDS, Edit, Mode, RunConfig, check_question
from recmas_core.runconfig import Decoding
from visualizers.panels.catalogue import Catalogue, Lineup
from visualizers.panels.choices import MAX_THOUGHTS, Choices
from visualizers.panels.intervene_change import Change
from visualizers.panels.link_edits import NO_LINK, WHOLE, change_text, edit_text, read_change, read_edit, read_number
from visualizers.panels.session import Job

if TYPE_CHECKING:
    from recmas_core.system import System

NAMES = (
    "system", "agents", "question", "rounds", "thoughts", "seed", "mode", "tools", "edits", "change", "put",
    "temperature", "top_p", "tokens",
)  # fmt: skip
LONGEST = 6000  # characters of a query: browsers and mail take so many
ROUNDS, SEED = 3, 0  # what a link means that does not say
_EMBEDDED = "embedded:"
_SYSTEM = re.compile(r"[\w.:@-]{1,100}")  # not a path: those lie on one machine
_EDITS = 40


@dataclass(frozen=True, eq=False)
class Linked:
    """What a link opens.

    Attributes:
        lineup: The system and its agents.
        asked: The question as it was typed; None to open the system alone.
        rounds, thoughts, seed, mode, tools, edits: As in `RunConfig`.
        speaking: How the agents speak, where that is not their system's own way: fields of `Decoding`.
        change: What is then done to the run on the Intervene tab; None for nothing.
    """

    lineup: Lineup
    asked: str | None
    rounds: int = ROUNDS
    thoughts: int = 1
    seed: int = SEED
    mode: Mode = "latent"
    tools: bool = True
    edits: tuple[Edit, ...] = ()
    speaking: tuple[tuple[str, float], ...] = ()
    change: Change | None = None

    def job(self, system: System) -> Job:
        """The run that the link asks for.

        Raises:
            BadInput: If this system cannot run it, e.g. as an edit names a turn that sends nothing.
        """
        plain = Choices(self.asked, self.rounds, self.thoughts, self.seed, self.mode, self.tools).job(system)
        if not self.edits and not self.speaking:
            return plain
        options = {name: getattr(plain.config, name) for name in ("rounds", "latent_steps", "seed", "mode", "tools")}
        config = system.config(plain.config.question, edits=self.edits, **options, **dict(self.speaking))
        return replace(plain, config=config)


def link_query(
    catalogue: Catalogue, lineup: Lineup, job: Job, usual: Decoding, change: Change | None = None
) -> str:
    """The query of the link that opens a run again, without its "?".

    Args:
        catalogue: What everybody is offered.
        lineup: Who runs it.
        job: The run.
        usual: How the system's agents speak unless a run says otherwise.
        change: What is done to the run then: the link opens the branch beside it.

    Raises:
        BadInput: If a link cannot carry it: links that were trained here, systems that only this visitor has, changes
            made of whole vectors, or a very long question.
    """
    if lineup.links:
        raise BadInput("link", "cannot carry links that were trained here", "Download the trained system, and the run.")
    if lineup.system not in catalogue.systems or not _SYSTEM.fullmatch(lineup.system):
        raise BadInput("link", "cannot name a system that only you, or only this server, has", NO_LINK)
    config, own = job.config, catalogue.own(lineup.system)
    offer = catalogue.offer(lineup.system)
    others = [(role, key) for role, key in lineup.agents if not offer.cast or key != own[role]]
    if any(not key.startswith(_EMBEDDED) for _, key in others):
        raise BadInput("link", "cannot name agents that are not shipped", NO_LINK)
    values = {
        "system": lineup.system,
        "agents": ",".join(f"{role}:{key.removeprefix(_EMBEDDED)}" for role, key in others),
        "question": job.asked,
        "rounds": config.rounds,
        "thoughts": config.latent_steps,
        "seed": config.seed,
        "mode": "" if config.mode == "latent" else config.mode,
        "tools": "" if config.tools else "no",
        "edits": ",".join(edit_text(edit) for edit in config.edits),
        "change": "" if change is None else change_text(change),
        "put": "" if change is None else change.text,
        **_speaking(config, usual),
    }
    query = urlencode({name: value for name, value in values.items() if value != ""}, safe=":,/@")
    if len(query) > LONGEST:
        raise BadInput("link", f"would have {len(query):,} characters", NO_LINK)
    read_link(parse_qsl(query), catalogue)  # a run made elsewhere may be out of the page's bounds: no link then
    return query


def _speaking(config: RunConfig, usual: Decoding) -> dict[str, object]:
    values = {"temperature": "temperature", "top_p": "top_p", "tokens": "max_new_tokens"}
    return {
        short: getattr(config, name) for short, name in values.items() if getattr(config, name) != getattr(usual, name)
    }


def read_link(pairs: Iterable[tuple[str, str]], catalogue: Catalogue) -> Linked | None:
    """What a page's query asks for; None if it asks for nothing. Names that are not a link's are left alone.

    Args:
        pairs: Names and values, decoded; unchecked.
        catalogue: What is offered.

    Raises:
        BadInput: If a value is not as it should be, or is given twice.
        SystemNotFound: If the system, a role or an agent is not offered here.
    """
    said = _once(pairs)
    if not said:
        return None
    system = said.get("system", catalogue.systems[0] if catalogue.systems else "")
    lineup = catalogue.lineup(system, _agents(said.get("agents", "")))
    question = said.get("question")
    if question is not None:
        check_question(question)
    thoughts = int(catalogue.thoughts(lineup))
    return Linked(
        lineup,
        question,
        _whole("rounds", said, ROUNDS, 1, MAX_ROUNDS),
        _whole("thoughts", said, thoughts, 1, MAX_THOUGHTS),
        _whole("seed", said, SEED, 0, 2**31 - 1),
        _one_of("mode", said, get_args(Mode)),
        _one_of("tools", said, ("yes", "no")) == "yes",
        tuple(read_edit(text) for text in _split("edits", said.get("edits", ""), _EDITS)),
        tuple(_spoken(said)),
        _change(said),
    )


def _change(said: dict[str, str]) -> Change | None:
    if "change" not in said:
        return None
    if "question" not in said:
        raise BadInput("link: change", "is given without the run that is changed", "Copy it again from the page.")
    return read_change(said["change"], said.get("put", ""))


def _once(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    said: dict[str, str] = {}
    for name, value in pairs:
        if name in said:
            raise BadInput("link", f"says {name} twice", "Copy it again from the page.")
        if name in NAMES:
            said[name] = value
    return said


def _agents(text: str) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for part in _split("agents", text, 8):
        role, colon, key = part.partition(":")
        if not colon or not role or not key or role in chosen:
            raise BadInput("link: agents", f"has {part[:60]!r}", "Say role:agent, with commas between them.")
        chosen[role] = _EMBEDDED + key
    return chosen


def _split(name: str, text: str, most: int) -> Sequence[str]:
    parts = text.split(",") if text else []
    if len(parts) > most:
        raise BadInput(f"link: {name}", f"has {len(parts)} parts", f"At most {most} are taken.")
    return parts


def _whole(name: str, said: dict[str, str], default: int, low: int, high: int) -> int:
    text = said.get(name, str(default))
    if not WHOLE.fullmatch(text) or not low <= int(text) <= high:
        raise BadInput(f"link: {name}", f"is {text[:40]!r}", f"Choose a whole number from {low} to {high}.")
    return int(text)


def _one_of(name: str, said: dict[str, str], known: Sequence[Any]) -> Any:
    value = said.get(name, known[0])
    if value not in known:
        raise BadInput(f"link: {name}", f"is {value[:40]!r}", f"Choose one of {', '.join(known)}.")
    return value


def _spoken(said: dict[str, str]) -> Iterable[tuple[str, float]]:
    if "temperature" in said:
        yield "temperature", read_number("temperature", said["temperature"])
    if "top_p" in said:
        yield "top_p", read_number("top_p", said["top_p"])
    if "tokens" in said:
        yield "max_new_tokens", _whole("tokens", said, 1, 1, MAX_NEW_TOKENS)
