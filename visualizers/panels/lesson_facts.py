"""What a lesson quotes: measured of the visitor's own run or training, as texts by name. Nothing else is quoted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from recmas_core.records import RunConfig, Thought, Trace, Transfer
from recmas_core.tasks import Task
from recmas_core.tasks.chain import parse_chain
from visualizers.figures.credit import number
from visualizers.panels.entry import Entry
from visualizers.panels.lessons import Run
from visualizers.panels.numbers import is_right
from visualizers.panels.render import model_name
from visualizers.panels.session import Moment
from visualizers.panels.train_moment import TrainMoment
from visualizers.words import Words

NOTHING = "–"
_BLURRED = 5  # steps whose loss is averaged: that of a single step depends on its questions


@dataclass(frozen=True, eq=False)
class Seen:
    """What facts are taken of.

    Attributes:
        moment: The visitor's run.
        training: The visitor's training.
        entry: The system that is run.
        task: Its little world.
        words: The page's language.
    """

    moment: Moment
    training: TrainMoment
    entry: Entry
    task: Task | None
    words: Words


def fits(seen: Seen, run: Run) -> bool:
    """Whether what the visitor has on the page is what a step is about."""
    if run.course:
        plan = seen.training.plan
        return plan is not None and plan.offered.key == run.course and bool(seen.training.steps)
    job, cut = seen.moment.job, seen.moment.cut
    if run.cut and (cut is None or ">".join(cut) != run.cut or seen.moment.twin is None):
        return False
    return job is None or _is(job.config, run)


def _is(config: RunConfig, run: Run) -> bool:
    return (config.question, config.rounds, config.mode) == (run.question, run.rounds, run.mode) and not config.edits


def run_facts(seen: Seen) -> dict[str, str]:
    """Of a run: its numbers, its answer, and what each role's newest thoughts say."""
    nothing = RunConfig(question="-", rounds=1, latent_steps=1)
    trace = seen.moment.trace or Trace(nothing, seen.entry.system.pattern.name)
    facts = _numbers(seen, trace)
    for role, agent in seen.entry.system.agents.items():
        thoughts = [e for e in trace.events if isinstance(e, Thought) and e.role == role]
        newest = [t for t in thoughts if t.turn == thoughts[-1].turn]
        said = [seen.entry.notes.says(t)[0][0].strip() for t in newest]
        facts[f"says_{role}"] = " ".join(said) or NOTHING
        facts[f"number_{role}"] = said[-1] if said else NOTHING
        facts[f"family_{role}"] = model_name(agent.family)
        facts[f"width_{role}"] = str(agent.hidden_size)
    word, share = seen.entry.notes.says(trace.thoughts[0])[0] if trace.thoughts else (NOTHING, 0.0)
    facts |= {"word": word.strip(), "percent": f"{100 * share:.0f}", "verdict": _verdict(seen, trace.answer or "")}
    return facts | _arrived(seen, trace)


def _numbers(seen: Seen, trace: Trace) -> dict[str, str]:
    reading = None if seen.moment.job is None else seen.moment.job.reading
    return {
        "answer": trace.answer or NOTHING,
        "truth": (reading.answer if reading is not None else None) or NOTHING,
        "thoughts": str(len(trace.thoughts)),
        "tokens": str(trace.decoded_tokens),
        "ms": f"{1000 * trace.seconds:.0f}",
        "turns": str(len(trace.turns)),
        "reached": _reached(trace),
    }


def _reached(trace: Trace) -> str:
    """Which step's value the answer is, as the name of a choice; "–" where that is not one step alone."""
    chain = parse_chain(trace.config.question)
    steps = [] if chain is None else [i for i, value in enumerate(chain.values) if i and str(value) == trace.answer]
    return f"step{steps[0]}" if len(steps) == 1 else NOTHING


def _arrived(seen: Seen, trace: Trace) -> dict[str, str]:
    """What the first transfer reads like to its receiver."""
    hops = [e for e in trace.events if isinstance(e, Transfer)]
    near = [said[0] for said in seen.entry.notes.received(hops[0])] if hops else []
    return {
        "arrived": " ".join(word.strip() for word, _ in near) or NOTHING,
        "arrived_number": near[-1][0].strip() if near else NOTHING,
        "cosine": seen.words.written(f"{near[-1][1]:.2f}") if near else NOTHING,
    }


def _verdict(seen: Seen, answer: str) -> str:
    right = is_right(seen.task, None if seen.moment.job is None else seen.moment.job.reading, answer)
    if right is None:
        return seen.words("learn.verdict.unknown")
    return seen.words("learn.verdict.right") if right else seen.words("learn.verdict.wrong")


def cut_facts(seen: Seen) -> dict[str, str]:
    """Of the same run with a link cut: its answer, and whether that differs."""
    twin, trace = seen.moment.twin, seen.moment.trace
    answer = (None if twin is None else twin.answer) or NOTHING
    same = trace is not None and trace.answer == answer
    critic = [] if twin is None else [t for t in twin.thoughts if t.role == "critic"]
    return {
        "answer": answer,
        "same": "same" if same else "other",
        "verdict": _verdict(seen, answer),
        "critic": " ".join(seen.entry.notes.says(t)[0][0].strip() for t in critic[:3]) or NOTHING,
    }


def training_facts(seen: Seen) -> dict[str, str]:
    """Of a training: steps, loss, held-out accuracy, and each link's strongest gradient at the newest step."""
    moment = seen.training
    losses = [step.loss for step in moment.steps]
    held = moment.before if moment.held is None else moment.held.held_out
    norms = {} if moment.last is None else moment.last.grad_norms
    facts = {
        "steps": str(len(losses)),
        "loss_first": seen.words.written(_mean(losses[:_BLURRED])),
        "loss": seen.words.written(_mean(losses[-_BLURRED:])),
        "before": f"{100 * moment.before[-1].accuracy:.0f}" if moment.before else NOTHING,
        "after": f"{100 * held[-1].accuracy:.0f}" if held else NOTHING,
        "n": str(held[-1].n) if held else NOTHING,
    }
    strongest: dict[str, tuple[float, int]] = {}
    for edge in seen.entry.system.pattern.edges:
        cells = [(norm, round_) for (round_, link), norm in norms.items() if link == edge.key]
        strongest["_".join(edge.key)] = max(cells, default=(0.0, 0))
    for name, (norm, round_) in strongest.items():
        facts[name], facts[f"{name}_round"] = seen.words.written(number(norm)), str(round_)
    best = max(strongest, key=lambda name: strongest[name])
    facts["strongest"] = best if strongest[best][0] > 0 else ""
    return facts


def _mean(values: list[float]) -> str:
    return f"{sum(values) / len(values):.2f}" if values else NOTHING


FACTS: Mapping[str, Callable[[Seen], dict[str, str]]] = MappingProxyType(
    {"run": run_facts, "cut": cut_facts, "training": training_facts}
)
