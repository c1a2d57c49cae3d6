"""What the experiments of the Intervene tab found, and how it is shown. Pure: a finding gives its HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from recmas_core.influence import Influence
from recmas_core.patching import Patches
from recmas_core.patterns import Pattern
from recmas_core.records import Trace
from recmas_core.settling import RoundAnswer, Settled, resting_round
from recmas_core.tasks import Task
from recmas_core.transplant import says
from visualizers.figures.influence import InfluenceRow, influence_html, nats
from visualizers.figures.layers import Said, layers_html
from visualizers.figures.settling import SettlingLine, settling_lines
from visualizers.panels.intervene_form import where
from visualizers.panels.intervene_session import Origin
from visualizers.panels.numbers import is_right, short
from visualizers.theme import role_colour
from visualizers.words import Words

INFLUENCE, PATCH, LAYERS, SETTLE = "influence", "patch", "layers", "settle"
MOST = 0.05  # lengths of a thought by which it may still move where it is said to rest


@dataclass(frozen=True, eq=False)
class FoundInfluence:
    """The table of influence: as far as it is made, whether its answer is the true one, and how long it took."""

    result: Influence
    true: bool
    seconds: float


@dataclass(frozen=True, eq=False)
class FoundPatch:
    """A counterfactual patch.

    Attributes:
        turn: 0-based turn whose transfers come from the donor.
        donor: The other question, "" for none chosen.
        implied: What the answer should become by the world's rules; None where nothing follows.
        answer: What it became; None before the patch is made.
        many: The same from many donors; None before that was asked for.
    """

    turn: int
    donor: str = ""
    implied: str | None = None
    answer: str | None = None
    many: Patches | None = None


@dataclass(frozen=True, eq=False)
class FoundLayers:
    """The likeliest words of one thought after each layer, the first layer first."""

    turn: int
    step: int
    layers: tuple[Said, ...]


@dataclass(frozen=True, eq=False)
class FoundSettling:
    """A longer run.

    Attributes:
        trace: The run with more rounds, as far as it is made.
        settled: How alike the thoughts are from round to round.
        answers: What the decoder answers when it is asked in each round.
        trained: The last round that the links were trained for; None if that is not known.
    """

    trace: Trace
    settled: tuple[Settled, ...]
    answers: tuple[RoundAnswer, ...] = ()
    trained: int | None = None


def influence_found(
    found: FoundInfluence, pattern: Pattern, run: Trace, chosen: tuple[int, int] | None, words: Words
) -> str:
    """The heat map and its caption."""
    result, titles = found.result, {role.name: role.title for role in pattern.roles}
    rows = [
        InfluenceRow(
            turn, run.turns[turn].round, titles[run.turns[turn].role], role_colour(pattern, run.turns[turn].role),
            tuple(float(drop) for drop in drops), float(whole),
        )
        for turn, drops, whole in zip(result.turns, result.drops, result.turn_drops, strict=True)
    ]  # fmt: skip
    which = words("intervene.influence.true") if found.true else words("intervene.influence.own")
    caption = words.count(
        "intervene.influence.caption", result.tokens, which=which, answer=short(result.answer),
        logprob=words.written(nats(result.logprob)), seconds=words.written(f"{found.seconds:.1f}"),
    )  # fmt: skip
    return f'{influence_html(rows, words, chosen=chosen)}<p class="recmas-hint">{escape(caption)}</p>'


def patch_found(found: FoundPatch, pattern: Pattern, origin: Origin, words: Words) -> str:
    """What should become of the answer, what became of it, and the share over many donors."""
    run = origin.trace
    at, parts = where(pattern, run.turns[found.turn], words), []
    if found.donor:
        parts.append(words("intervene.patch.donor", where=at, donor=found.donor))
        answer = run.answer or ""
        if found.implied is None:
            parts.append(words("intervene.patch.nothing"))
        else:
            parts.append(words("intervene.patch.implied", own=short(answer), implied=found.implied))
        if found.answer is not None:
            parts.append(words("intervene.patch.became", answer=short(found.answer) or "∅"))
            if found.implied is not None:
                follows = says(found.answer, found.implied)
                parts.append(words("intervene.patch.followed") if follows else words("intervene.patch.stayed"))
    told = "".join(f"<p>{escape(part)}</p>" for part in parts)
    return told + ("" if found.many is None else _many(found.many, at, words))


def _many(many: Patches, at: str, words: Words) -> str:
    total = many.total
    low, high = total.interval
    said = words(
        "intervene.patch.share", where=at, implied=total.implied, n=total.n, share=f"{100 * total.share:.0f}",
        low=f"{100 * low:.0f}", high=f"{100 * high:.0f}", kept=total.kept,
    )  # fmt: skip
    rows = "".join(
        f"<tr><td>{escape(case.donor)}</td><td>{escape(case.implied)}</td>"
        f'<td class="{"recmas-good" if case.followed else "recmas-bad"}">{escape(short(case.answer, 24))} '
        f"{'✓' if case.followed else '✗'}</td></tr>"
        for case in many.cases
    )
    heads = "".join(
        f'<th scope="col">{escape(name)}</th>'
        for name in (
            words("intervene.patch.question"), words("intervene.patch.should"), words("intervene.patch.is")
        )
    )  # fmt: skip
    return (
        f'<p class="recmas-i-share"><b>{escape(said)}</b></p><div class="recmas-i-wide recmas-i-cases"><table '
        f'class="recmas-cases"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def layers_found(found: FoundLayers, pattern: Pattern, run: Trace, words: Words) -> str:
    """The table of layers."""
    turn = run.turns[found.turn]
    said = words("intervene.layers.of", where=where(pattern, turn, words), step=found.step + 1)
    table = layers_html(found.layers, role_colour(pattern, turn.role), words)
    return f'<p class="recmas-i-at">{escape(said)}</p>{table}'


def settling_figure(found: FoundSettling, pattern: Pattern, words: Words) -> str:
    """The lines as a plotly figure in JSON."""
    lines = []
    for role in pattern.roles:
        mine = [each for each in found.settled if each.role == role.name and each.before is not None]
        cosines = [each.before.cosine for each in mine if each.before is not None]
        lines.append(
            SettlingLine(
                role.title, role_colour(pattern, role.name), tuple(each.round for each in mine),
                tuple(float(c.mean()) for c in cosines), tuple(float(c.min()) for c in cosines),
                tuple(float(c.max()) for c in cosines),
            )
        )  # fmt: skip
    rounds = found.trace.config.rounds
    return settling_lines(lines, words, rounds=rounds, trained=found.trained, key=f"settle-{rounds}").to_json()


def settling_found(found: FoundSettling, origin: Origin, task: Task | None, words: Words) -> str:
    """Where the thoughts come to rest, and the answers by round."""
    rest = resting_round(found.settled, MOST)
    if found.trace.answer is None:
        said = ""
    elif rest is None:
        said = words("intervene.settle.moves", most=f"{100 * MOST:.0f}")
    else:
        said = words("intervene.settle.rests", round=rest, most=f"{100 * MOST:.0f}")
    items = "".join(_answer(each, origin, task, words) for each in found.answers)
    asked = f'<p class="recmas-hint">{escape(words("intervene.settle.asked"))}</p>' if items else ""
    caption = f'<p class="recmas-hint">{escape(words("intervene.settle.caption"))}</p>'
    rounds = f'<ol class="recmas-i-rounds">{items}</ol>' if items else ""
    return f'<p class="recmas-i-share"><b>{escape(said)}</b></p>{asked}{rounds}{caption}'


def _answer(each: RoundAnswer, origin: Origin, task: Task | None, words: Words) -> str:
    right = is_right(task, origin.job.reading, each.answer)
    tone = "" if right is None else " recmas-good" if right else " recmas-bad"
    verdict = "" if right is None else words("intervene.outcome.right") if right else words("intervene.outcome.wrong")
    name = words("intervene.settle.in", round=each.round)
    return (
        f'<li class="recmas-i-round{tone}"><span>{escape(name)}</span> <b>{escape(short(each.answer, 24) or "∅")}</b> '
        f"<i>{escape(verdict)}</i></li>"
    )


def options(values: Sequence[tuple[str, str]], chosen: str) -> str:
    """The options of a select."""
    return "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(title)}</option>'
        for value, title in values
    )
