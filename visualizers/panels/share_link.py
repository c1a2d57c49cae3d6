"""A run as the query of a link: what decides it, short enough to read; and such a query as a run. No gradio here."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import parse_qsl, urlencode

from recmas_core.errors import BadInput
from recmas_core.records import EDIT_KINDS, MAX_NEW_TOKENS, MAX_ROUNDS, Edit, Mode, RunConfig, check_question
from recmas_core.runconfig import Decoding
from visualizers.panels.catalogue import Catalogue, Lineup
from visualizers.panels.choices import MAX_THOUGHTS, Choices
from visualizers.panels.session import Job

if TYPE_CHECKING:
    from recmas_core.system import System

NAMES = (
    "system", "agents", "question", "rounds", "thoughts", "seed", "mode", "tools", "edits", "temperature", "top_p",
    "tokens",
)  # fmt: skip
LONGEST = 6000  # characters of a query: browsers and mail take so many
ROUNDS, SEED = 3, 0  # what a link means that does not say
_EMBEDDED = "embedded:"
_SYSTEM = re.compile(r"[\w.:@-]{1,100}")  # not a path: those lie on one machine
_EDITS = 40
_WHOLE, _NUMBER = re.compile(r"\d{1,19}"), re.compile(r"-?\d{1,12}(\.\d{1,20})?(e-?\d{1,2})?")
_NO_LINK = "Download the run as a trace instead: that holds everything."


@dataclass(frozen=True, eq=False)
class Linked:
    """What a link opens.

    Attributes:
        lineup: The system and its agents.
        asked: The question as it was typed; None to open the system alone.
        rounds, thoughts, seed, mode, tools, edits: As in `RunConfig`.
        speaking: How the agents speak, where that is not their system's own way: fields of `Decoding`.
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


def link_query(catalogue: Catalogue, lineup: Lineup, job: Job, usual: Decoding) -> str:
    """The query of the link that opens a run again, without its "?".

    Args:
        catalogue: What everybody is offered.
        lineup: Who runs it.
        job: The run.
        usual: How the system's agents speak unless a run says otherwise.

    Raises:
        BadInput: If a link cannot carry it: links that were trained here, systems that only this visitor has, changes
            made of whole vectors, or a very long question.
    """
    if lineup.links:
        raise BadInput("link", "cannot carry links that were trained here", "Download the trained system, and the run.")
    if lineup.system not in catalogue.systems or not _SYSTEM.fullmatch(lineup.system):
        raise BadInput("link", "cannot name a system that only you, or only this server, has", _NO_LINK)
    config, own = job.config, catalogue.own(lineup.system)
    offer = catalogue.offer(lineup.system)
    others = [(role, key) for role, key in lineup.agents if not offer.cast or key != own[role]]
    if any(not key.startswith(_EMBEDDED) for _, key in others):
        raise BadInput("link", "cannot name agents that are not shipped", _NO_LINK)
    values = {
        "system": lineup.system,
        "agents": ",".join(f"{role}:{key.removeprefix(_EMBEDDED)}" for role, key in others),
        "question": job.asked,
        "rounds": config.rounds,
        "thoughts": config.latent_steps,
        "seed": config.seed,
        "mode": "" if config.mode == "latent" else config.mode,
        "tools": "" if config.tools else "no",
        "edits": ",".join(_edit_text(edit) for edit in config.edits),
        **_speaking(config, usual),
    }
    query = urlencode({name: value for name, value in values.items() if value != ""}, safe=":,/@")
    if len(query) > LONGEST:
        raise BadInput("link", f"would have {len(query):,} characters", _NO_LINK)
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
        tuple(_edit(text) for text in _split("edits", said.get("edits", ""), _EDITS)),
        tuple(_spoken(said)),
    )


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
    if not _WHOLE.fullmatch(text) or not low <= int(text) <= high:
        raise BadInput(f"link: {name}", f"is {text[:40]!r}", f"Choose a whole number from {low} to {high}.")
    return int(text)


def _one_of(name: str, said: dict[str, str], known: Sequence[Any]) -> Any:
    value = said.get(name, known[0])
    if value not in known:
        raise BadInput(f"link: {name}", f"is {value[:40]!r}", f"Choose one of {', '.join(known)}.")
    return value


def _spoken(said: dict[str, str]) -> Iterable[tuple[str, float]]:
    if "temperature" in said:
        yield "temperature", _number("temperature", said["temperature"])
    if "top_p" in said:
        yield "top_p", _number("top_p", said["top_p"])
    if "tokens" in said:
        yield "max_new_tokens", _whole("tokens", said, 1, 1, MAX_NEW_TOKENS)


def _number(name: str, text: str) -> float:
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise BadInput(f"link: {name}", f"is {text[:40]!r}", "Give a number.")
    return float(text)


def _edit_text(edit: Edit) -> str:
    """An edit as "turn:kind", then where they count its value, "at-0-2" for its positions and "to-solver"."""
    if edit.kind not in ("zero", "noise", "scale") or not isinstance(edit.value, int | float | None):
        raise BadInput("link", "cannot carry vectors that were put in", _NO_LINK)
    parts = [str(edit.turn), edit.kind]
    if edit.value is not None:
        parts.append(repr(float(edit.value)))
    if edit.positions is not None:
        parts.append("at-" + "-".join(map(str, edit.positions)))
    if edit.receiver is not None:
        parts.append(f"to-{edit.receiver}")
    return ":".join(parts)


def _edit(text: str) -> Edit:
    turn, _, rest = text.partition(":")
    kind, *more = rest.split(":")
    if not _WHOLE.fullmatch(turn) or kind not in EDIT_KINDS or kind in ("swap", "set"):
        raise BadInput("link: edits", f"has {text[:60]!r}", "Copy the link again from the page.")
    value: float | None = None
    positions: tuple[int, ...] | None = None
    receiver: str | None = None
    for part in more:
        if part.startswith("at-"):
            positions = tuple(_position(each) for each in part[3:].split("-"))
        elif part.startswith("to-"):
            receiver = part[3:]
        else:
            value = _number("edits", part)
    return Edit(int(turn), kind, positions, value, receiver=receiver)


def _position(text: str) -> int:
    if not _WHOLE.fullmatch(text) or int(text) >= MAX_THOUGHTS:
        raise BadInput("link: edits", f"names the thought {text[:20]!r}", f"Thoughts count from 0 to {MAX_THOUGHTS}.")
    return int(text)
