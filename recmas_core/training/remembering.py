"""The unrolled loop with gradient checkpointing: only transfers are kept, a stage is computed again on the way back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from recmas_core.decoding import Script
from recmas_core.engine import Messages, Settings, Unrolled, unroll
from recmas_core.patterns import Place
from recmas_core.steps import Scored
from recmas_core.system import System


def unroll_remembering_little(
    system: System,
    questions: Sequence[str],
    settings: Settings,
    *,
    answers: Sequence[str | Script],
    messages: Messages,
    first: int = 0,
    each_round: bool = False,
) -> Unrolled:
    """As `engine.unroll` with answers to score, with the activations of one stage in memory at a time.

    Thoughts and self embeddings are not returned. Prompts are read anew in every stage. Of agents that do not fit on
    their device together each turn is computed again by itself: the way back needs its agent's weights there.
    """
    schedule = system.pattern.schedule(settings.rounds)
    starts = [p.turn for before, p in zip((None, *schedule), schedule, strict=False) if _new_stage(system, before, p)]
    bounds = [*[start for start in starts if start >= first], len(schedule)]
    latents, scored = dict(messages.latents), []
    for begin, end in pairwise(bounds):
        edges = tuple(latents)
        made: list[tuple[str, str]] = []
        shapes: list[tuple[Place, Tensor, Tensor]] = []

        def stage(*received: Tensor, begin: int = begin, end: int = end, edges: tuple[tuple[str, str], ...] = edges,
                  made: list[tuple[str, str]] = made,
                  shapes: list[tuple[Place, Tensor, Tensor]] = shapes) -> tuple[Tensor, ...]:  # fmt: skip
            out = unroll(
                system, questions, settings, first=begin, stop=end, answers=answers, each_round=each_round,
                messages=Messages(dict(zip(edges, received, strict=True)), dict(messages.texts)),
            )  # fmt: skip
            made[:] = [(schedule[turn].role, receiver) for turn, receiver in out.sent]
            shapes[:] = [(each.place, each.labels, each.rows) for each in out.scored]
            return (*out.sent.values(), *(each.logits for each in out.scored))

        results = checkpoint(stage, *latents.values(), use_reentrant=False, preserve_rng_state=False)
        latents |= dict(zip(made, results, strict=False))
        scored += [
            Scored(place, logits, labels, rows)
            for (place, labels, rows), logits in zip(shapes, results[len(made) :], strict=True)
        ]
    last = scored[-1]
    return Unrolled(
        {}, {}, {}, (), (), torch.zeros(len(questions), dtype=torch.long), last.logits, last.labels, last.rows,
        tuple(scored),
    )  # fmt: skip


def _new_stage(system: System, before: Place | None, place: Place) -> bool:
    if before is None or (before.round, before.stage) != (place.round, place.stage):
        return True
    return not system.fits(system.pattern.stages[place.stage])
