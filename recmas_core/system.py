"""A system: a pattern, an agent for each role, and the outer links between them."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Generator, Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from recmas_core.agents import Agent
from recmas_core.captures import StepKind
from recmas_core.engine import Edge, require_link
from recmas_core.errors import BadInput, DimensionMismatch, SystemNotFound
from recmas_core.patterns import ALONE, Pattern
from recmas_core.prompts import RolePrompt, check_question_text
from recmas_core.records import Edit, Event, RunConfig, Trace
from recmas_core.runconfig import Decoding
from recmas_core.stream import stream
from recmas_core.tasks import Task

if TYPE_CHECKING:
    from recmas_core.house import House
    from recmas_core.tools.base import Tool

_DECODING = Decoding()


class System:
    """A recursive multi-agent system, ready to run.

    Args:
        name: Name it was loaded by.
        pattern: The collaboration pattern.
        agents: An agent for each role.
        links: Outer links by (sender, receiver).
        prompts: The prompt of each role.
        title: Name to show.
        task: The little world its agents know; None for agents of the wide world.
        latent_steps: Thoughts per turn to use by default.
        trained_steps: Fewest and most thoughts per turn the agents saw in training; None if unknown.
        untrained: Edges whose links were never trained.
        alone: An agent taught to answer by itself, as a baseline.
        folder: Where it was loaded from.
        tools: The tools that roles of the pattern may call while they answer, by name.
        decoding: How its agents speak unless a run says otherwise.
        house: Where its agents live, and whether they share a device that is too small for all of them.
        about: How its links came to be, for the reader.

    Attributes:
        lock: Held while a model computes a step.
        threads: Whether roles of one stage compute at once, each in a thread; None where it is worth it
            (`stages.worth_threads`). What they compute is the same either way; never with gradients.
        steps: How latent steps are taken on a CUDA device: "eager", one kernel after the other; "captured", all of a
            step as one CUDA graph; "fused", as a graph of what torch.compile makes of it, which takes up to minutes
            once. Elsewhere, and with gradients, they are always taken eagerly.

    Raises:
        DimensionMismatch: If a link does not fit its two agents.
        SystemNotFound: If a role has no agent or no prompt.
    """

    def __init__(
        self,
        name: str,
        pattern: Pattern,
        agents: Mapping[str, Agent],
        links: Mapping[Edge, nn.Module],
        prompts: Mapping[str, RolePrompt],
        *,
        title: str = "",
        task: Task | None = None,
        latent_steps: int = 8,
        trained_steps: tuple[int, int] | None = None,
        untrained: frozenset[Edge] = frozenset(),
        alone: Agent | None = None,
        folder: Path | None = None,
        tools: Mapping[str, Tool] | None = None,
        decoding: Decoding = _DECODING,
        house: House | None = None,
        about: str = "",
    ) -> None:
        self.name, self.pattern, self.title = name, pattern, title or name
        self.agents, self.links, self.prompts = dict(agents), dict(links), dict(prompts)
        self.task, self.latent_steps, self.trained_steps = task, latent_steps, trained_steps
        self.untrained, self.alone, self.folder = untrained, alone, folder
        self.tools, self.decoding, self.house, self.about = dict(tools or {}), decoding, house, about
        self.lock = threading.RLock()
        self.threads: bool | None = None
        self.steps: StepKind = "captured"
        missing = [role for role in self.roles if role not in self.agents]
        if missing:
            raise SystemNotFound(f"roles {missing}", "have no agent", f"Give an agent for each of {self.roles}.")
        silent = [role for role in self.roles if role not in self.prompts]
        if silent:
            raise SystemNotFound(f"roles {silent}", "have no prompt", f"Give a prompt for each of {self.roles}.")
        for (sender, receiver), link in self.links.items():
            self._check_link(sender, receiver, link)

    @property
    def roles(self) -> tuple[str, ...]:
        """The pattern's role names, in the order they speak."""
        return tuple(role.name for role in self.pattern.roles)

    def link(self, sender: str, receiver: str) -> nn.Module:
        """The outer link of an edge.

        Raises:
            LinkMissing: If there is none.
        """
        require_link(self.links, (sender, receiver))
        return self.links[sender, receiver]

    def tools_of(self, role: str) -> dict[str, Tool]:
        """The tools that a role may call while it answers, by name.

        Raises:
            SystemNotFound: If the role names a tool that this system does not have.
        """
        names = next(each.tools for each in self.pattern.roles if each.name == role)
        for name in names:
            if name not in self.tools:
                what = f"of the {role} is not to be found; this system has {sorted(self.tools) or 'no tools'}"
                todo = "Give it to the system as tools= (see recmas_core.tools.open_tools), or run with tools=False."
                raise SystemNotFound(f"tool {name!r}", what, todo)
        return {name: self.tools[name] for name in names}

    def check(self, question: str) -> None:
        """Refuse a question that imitates a control token of any agent, or a slot mark.

        Raises:
            BadInput: Saying what was found.
        """
        special = {token for agent in self.agents.values() for token in agent.special_tokens}
        check_question_text(question, sorted(special))

    def config(self, question: str, **options: Any) -> RunConfig:
        """A run's configuration with this system's defaults; options as in `RunConfig`.

        Raises:
            BadInput: If an option is out of range or unknown, or the question cannot be asked.
            SystemNotFound: If the answering role names a tool that this system does not have, unless tools=False.
        """
        unknown = set(options) - set(RunConfig.__dataclass_fields__)
        if unknown:
            todo = f"Known are {sorted(RunConfig.__dataclass_fields__)}."
            raise BadInput("options", f"include the unknown {sorted(unknown)}", todo)
        options = {"latent_steps": self.latent_steps, "system": self.name, **asdict(self.decoding), **options}
        options["edits"] = tuple(options.get("edits", ()))
        config = RunConfig(question=question, **options)
        self.check(question)
        self._check_tools(config)
        self._check_edits(config.edits, config.rounds)
        return config

    def run(self, question: str, **options: Any) -> Generator[Event, None, None]:
        """Run a question; yields events as they happen. Closing the generator stops the run.

        Args:
            question: The question as the agents read it.
            **options: rounds, latent_steps, seed, temperature, top_p, mode, edits, max_new_tokens, tools.

        Raises:
            BadInput: At once, for a question or an option that cannot be used.
            NonFiniteLatent, LinkMissing, DimensionMismatch: From the stream, where the run cannot go on.
        """
        return self.start(self.config(question, **options))

    def start(self, config: RunConfig) -> Generator[Event, None, None]:
        """Run a configuration; see `run`."""
        return self._stream(Trace(config, self.pattern.name))

    def solve(self, question: str, **options: Any) -> Trace:
        """Run a question to its answer and return the whole trace; see `run`."""
        return self.drain(Trace(self.config(question, **options), self.pattern.name))

    def drain(self, trace: Trace) -> Trace:
        """Run on from a trace's finished turns to the answer, and return the whole trace."""
        for event in self._stream(trace):
            trace = trace.append(event)
        return trace

    def resume(
        self, trace: Trace, turn: int | None = None, edits: tuple[Edit, ...] | list[Edit] = (), *,
        rounds: int | None = None,
    ) -> Generator[Event, None, None]:  # fmt: skip
        """Go on from `turn` with turns 0..turn-1 kept; yields the new events only.

        They continue `trace.fork(turn, edits=edits, rounds=rounds)`. An edit of a kept turn has no effect.

        Args:
            trace: A run of this pattern, finished or not.
            turn: The first turn to run anew; None to go on behind the last finished one.
            edits: Further edits.
            rounds: Another number of rounds.

        Raises:
            BadInput: If the trace does not fit this system, has fewer turns or none left to run, or if a kept turn
                decoded the answer that would have to think in a run of so many rounds.
        """
        if trace.pattern != self.pattern.name:
            todo = f"Load a {trace.pattern!r} system to go on with it."
            raise BadInput("trace", f"is of the pattern {trace.pattern!r}, not {self.pattern.name!r}", todo)
        kept = len(trace.turns) if turn is None else turn
        fork = trace.fork(kept, edits=tuple(edits), rounds=rounds)
        before, after = (self.pattern.schedule(each.config.rounds) for each in (trace, fork))
        if kept >= len(after):
            what = f"is {kept}, but a run of {fork.config.rounds} rounds ends with turn {len(after) - 1}"
            raise BadInput("turn", what, "Go on from an earlier turn, or with more rounds.")
        if any(before[i].decodes and not after[i].decodes for i in range(kept)):
            what = f"is {kept}, but turn {kept - 1} decoded the answer and would think in {fork.config.rounds} rounds"
            raise BadInput("turn", what, f"Go on from turn {kept - 1} or an earlier one.")
        self._check_edits(tuple(edits), fork.config.rounds)
        return self._stream(fork)

    def _stream(self, trace: Trace) -> Generator[Event, None, None]:
        if trace.config.mode == "text" and trace.config.edits:
            raise BadInput("edits", "were given for a text run", "Edits change latents; use mode='latent'.")
        self.check(trace.config.question)
        self._check_tools(trace.config)
        return stream(self, trace)

    def single(self, agent: Agent, *, role: str) -> System:
        """One agent by itself, as a baseline: it reads its own earlier turns, in text, in place of the others'.

        It is addressed by its own role's word and hears its own turns as from one of its senders: "alone" is no role
        it was ever told of. It has the tools of the role it answers for.

        Args:
            agent: Who answers.
            role: The role in whose place it answers.
        """
        place = next(each for each in self.pattern.roles if each.name == role)
        pattern = replace(ALONE, roles=tuple(replace(each, tools=place.tools) for each in ALONE.roles))
        own = next((name for name, each in self.agents.items() if each is agent), role)
        prompt = self.prompts[own]
        word = agent.home or prompt.word(own)
        prompt = replace(
            prompt,
            think=prompt.think.replace("{role}", word),
            decode=prompt.decode.replace("{role}", word),
            slot=prompt.slot.replace("{sender}", agent.hears[0] if agent.hears else word),
        )
        return System(
            f"{agent.name} alone", pattern, {"alone": agent}, {}, {"alone": prompt}, task=self.task,
            latent_steps=self.latent_steps, tools=self.tools, decoding=self.decoding, house=self.house,
        )  # fmt: skip

    def with_links(
        self, links: Mapping[Edge, nn.Module], *, inner: Mapping[str, nn.Module] | None = None
    ) -> System:
        """This system with other links; the language models are shared.

        Args:
            links: Outer links by (sender, receiver); those not named stay.
            inner: Inner links by role; those not named stay.

        Raises:
            DimensionMismatch: If a link does not fit its agents.
        """
        twin = System.__new__(System)
        twin.__dict__.update(self.__dict__)
        twin.links = {**self.links, **links}
        if inner:
            twin.agents = {**self.agents, **{role: self.agents[role].with_inner(own) for role, own in inner.items()}}
        for (sender, receiver), link in links.items():
            twin._check_link(sender, receiver, link)
        return twin

    def save(self, path: str | Path) -> None:
        """Write the system as a folder that `load_system` reads back to the same latents."""
        from recmas_core.folders import save_system

        save_system(self, Path(path))

    def push_to_hub(self, repo_id: str, *, private: bool = True, token: str | None = None) -> str:
        """Put the system into a repository of the hub, from which `load_system(repo_id)` reads it back.

        Args:
            repo_id: "owner/name".
            private: Whether only its owners may see it.
            token: An access token with the right to write; else the one of `hf auth login`, or HF_TOKEN.

        Returns:
            The repository's address.

        Raises:
            PushFailed: If the hub does not take it.
            BadInput: If that is no name of a repository, or it is public already and should not be.
            WriteFailed: If there is no room for the files on this machine.
        """
        from recmas_core.released.pushing import push_folder

        with tempfile.TemporaryDirectory(prefix="recmas-push-") as folder:
            self.save(Path(folder, "system"))
            return push_folder(Path(folder, "system"), repo_id, private=private, token=token)

    def export_released(self, path: str | Path, *, task: str = "math", dtype: str = "bfloat16") -> Path:
        """Write the public release's layout, which its own loader reads; see `released.save_released`.

        Raises:
            BadInput: If the release has no such pattern, form of link or task, or the folder is not empty.
            WriteFailed: If it cannot be written.
        """
        from recmas_core.released.writing import save_released

        return save_released(self, Path(path), task=task, dtype=dtype)

    def fits(self, roles: Iterable[str]) -> bool:
        """Whether the agents of these roles can be at work at the same time, where they compute."""
        return self.house is None or self.house.fits(self.agents[role] for role in roles)

    def _check_tools(self, config: RunConfig) -> None:
        if config.tools:
            self.tools_of(self.pattern.decoder)

    def _check_edits(self, edits: tuple[Edit, ...], rounds: int) -> None:
        """Refuse an edit that could never apply: of no thinking turn, or for a role that turn does not send to."""
        thinking = {place.turn: place.role for place in self.pattern.schedule(rounds) if not place.decodes}
        for edit in edits:
            if edit.turn not in thinking:
                todo = f"Turns 0 to {max(thinking, default=0)} send thoughts; the last one answers."
                raise BadInput("edit", f"names turn {edit.turn}, which sends nothing in {rounds} rounds", todo)
            receivers = self.pattern.receivers_of(thinking[edit.turn])
            if edit.receiver is not None and edit.receiver not in receivers:
                what = f"names the receiver {edit.receiver!r}, to whom {thinking[edit.turn]!r} does not send"
                raise BadInput("edit", what, f"Choose from {receivers}, or leave it out.")

    def _check_link(self, sender: str, receiver: str, link: nn.Module) -> None:
        want = (self.agents[sender].hidden_size, self.agents[receiver].hidden_size)
        have = (getattr(link, "in_dim", want[0]), getattr(link, "out_dim", want[1]))
        if want != have:
            todo = "Use a link trained for these two agents."
            raise DimensionMismatch(f"link {sender}->{receiver}", f"maps {have}, the agents need {want}", todo)
