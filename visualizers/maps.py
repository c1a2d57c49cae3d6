"""Making the shipped maps: real thoughts of a system's agents, what they say, and a UMAP of each space."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

import recmas_core as rm
from recmas_core.agents import Agent
from recmas_core.errors import BadInput
from visualizers.fitted import FittedMap, Floats, fit_map, save_map

QUALITY_NEIGHBOURS = 15
# One round more than the page's default, so that the last agent's late thoughts (its last turn decodes) are there too.
_ROUNDS = 4


@dataclass
class Harvest:
    """What was gathered of one agent: thoughts (d,), their self embeddings (d,), and what it received (d,)."""

    thoughts: list[Floats] = field(default_factory=list)
    selves: list[Floats] = field(default_factory=list)
    received: list[Floats] = field(default_factory=list)


def harvest(system: rm.System, *, thoughts: int, seed: int = 0) -> dict[str, Harvest]:
    """Run training questions until every agent has made `thoughts` thoughts.

    Half of the thoughts come from turns of the fewest, half from turns of the most latent steps seen in training.

    Raises:
        BadInput: If the system has no little world to draw questions from.
    """
    if system.task is None:
        raise BadInput(f"system {system.name!r}", "has no questions to sample", "Maps are made of embedded systems.")
    gathered = {role: Harvest() for role in system.roles}
    questions = _questions(system.task, seed)
    lengths = sorted(set(system.trained_steps or (system.latent_steps,)))
    for share, steps in enumerate(lengths, 1):
        wanted = thoughts * share // len(lengths)
        while min(len(found.thoughts) for found in gathered.values()) < wanted:
            trace = system.solve(next(questions), rounds=_ROUNDS, latent_steps=steps)
            for turn in trace.turns:
                own = gathered[turn.role]
                room = max(0, wanted - len(own.thoughts))
                own.thoughts.extend(turn.thoughts[:room])
                own.selves.extend(turn.self_embeds[:room])
                for receiver, vectors in turn.sent.items():
                    gathered[receiver].received.extend(vectors)
    return gathered


def thought_map(agent: Agent, role: str, found: Harvest, *, seed: int = 0) -> FittedMap:
    """The map of an agent's own thoughts: each coloured by its likeliest next word."""
    data = np.array(found.thoughts, np.float32)
    words = tuple(words[0].text.strip() for words in rm.lens(agent, data, 1))
    kinds = ("thought",) * len(data)
    return with_quality(fit_map(data, words, space="thoughts", role=role, kinds=kinds, seed=seed))


def received_map(agent: Agent, role: str, found: Harvest, *, size: int, seed: int = 0) -> FittedMap:
    """The map of an agent's input space: its own tokens, its self embeddings and what reached it.

    Args:
        agent: The receiver.
        role: Its role.
        found: What was gathered of it.
        size: Vectors in all: the tokens, then as many self embeddings as transfers.
        seed: Seed of the choice and of UMAP.
    """
    tokens, names = token_embeddings(agent)
    rng = np.random.default_rng(seed)
    each = max(0, size - len(tokens)) // 2
    selves, received = _choose(rng, found.selves, each), _choose(rng, found.received, each)
    rest = np.concatenate([selves, received])
    words = (*names, *(words[0].text.strip() for words in rm.nearest(agent, rest, 1)))
    kinds = ("token",) * len(tokens) + ("self",) * len(selves) + ("transfer",) * len(received)
    data = np.concatenate([tokens, rest])
    return with_quality(fit_map(data, words, space="received", role=role, kinds=kinds, seed=seed))


def token_embeddings(agent: Agent, *, most: int = 500) -> tuple[Floats, tuple[str, ...]]:
    """An agent's input embeddings of its ordinary tokens, (n, d), with their words; at most the first `most`."""
    import torch

    special = set(agent.special_tokens)
    names = {i: agent.word(i).strip() for i in range(min(len(agent.tokenizer), most))}
    kept = [i for i, name in names.items() if name not in special]
    with torch.no_grad():
        vectors = agent.embed(torch.tensor(kept)).float().cpu().numpy()
    return vectors, tuple(names[i] for i in kept)


def with_quality(fitted: FittedMap) -> FittedMap:
    """The map with its measured quality.

    "trustworthiness" (0..1): how far neighbours on the map are neighbours in the space. "same_word" (0..1): the share
    of a point's neighbours on the map that say the same word.
    """
    from sklearn.manifold import trustworthiness
    from sklearn.neighbors import NearestNeighbors

    k = min(QUALITY_NEIGHBOURS, (len(fitted.data) - 1) // 2)
    trust = trustworthiness(fitted.data, fitted.embedding, n_neighbors=k, metric=fitted.metric)
    nearest = NearestNeighbors(n_neighbors=k).fit(fitted.embedding).kneighbors(return_distance=False)
    names = np.asarray(fitted.words)
    same = float((names[nearest] == names[:, None]).mean())
    return replace(fitted, quality={"trustworthiness": float(trust), "same_word": same, "k": float(k)})


def make_maps(
    system: rm.System, out: Path, *, thoughts: int = 1000, seed: int = 0, say: Callable[[str], None] = print
) -> list[Path]:
    """Fit and write both maps of every agent of a system: `<role>.thoughts.npz` and `<role>.received.npz`.

    Args:
        system: The system, with a little world.
        out: Folder to write into.
        thoughts: Vectors per map.
        seed: Seed of the questions and of UMAP.
        say: Takes one line of progress at a time.

    Returns:
        The files written.

    Raises:
        BadInput: If the system has no little world, or `thoughts` is too small for a map.
    """
    if thoughts < 60:
        raise BadInput("thoughts", f"is {thoughts}", "A map needs at least 60 reference thoughts.")
    say(f"{system.name}: gathering {thoughts} thoughts of each agent from training questions")
    gathered = harvest(system, thoughts=thoughts, seed=seed)
    written = []
    for role in system.roles:
        agent, found = system.agents[role], gathered[role]
        for fitted in (
            thought_map(agent, role, found, seed=seed),
            received_map(agent, role, found, size=thoughts, seed=seed),
        ):
            path = out / f"{role}.{fitted.space}.npz"
            save_map(fitted, path)
            written.append(path)
            quality = fitted.quality
            say(
                f"{path.name}: {len(fitted.data)} vectors of width {fitted.data.shape[1]}, "
                f"trustworthiness {quality['trustworthiness']:.3f} and {quality['same_word']:.3f} of neighbours saying "
                f"the same word (k = {quality['k']:.0f}), {path.stat().st_size / 1e6:.2f} MB"
            )
    return written


def _questions(task: rm.tasks.Task, seed: int) -> Iterator[str]:
    """Endless distinct training questions."""
    count = 256
    seen: set[str] = set()
    while True:
        for example in task.sample(count, seed=seed, split="train"):
            if example.question not in seen:
                seen.add(example.question)
                yield example.question
        count *= 2


def _choose(rng: np.random.Generator, vectors: list[Floats], count: int) -> Floats:
    chosen = rng.permutation(len(vectors))[:count]
    return np.array([vectors[i] for i in np.sort(chosen)], np.float32)
