"""A scene of a run as the pieces the page shows: SVG, HTML and texts. Pure: the same scene gives the same screen."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from recmas_core.patterns import Place
from recmas_core.records import Answer, Thought, Token, Transfer, Turn, TurnDone, TurnStart
from recmas_core.tasks.base import Reading
from visualizers.figures.meters import Meter, meters_html
from visualizers.figures.probe_table import ProbeRow, probe_table_html
from visualizers.figures.prompt import prompt_html
from visualizers.figures.similarity import round_similarity
from visualizers.figures.strip import StripTurn, turn_strip_html
from visualizers.figures.topology import topology_svg
from visualizers.panels.moments import Scene
from visualizers.panels.notes import Notes, Said
from visualizers.theme import role_colour

FAMILIES = {"qwen3": "Qwen3", "mistral": "Mistral", "gemma3_text": "Gemma 3", "llama": "Llama", "qwen2": "Qwen2"}


@dataclass(frozen=True)
class Screen:
    """What the page shows of a scene, piece by piece, apart from the map."""

    topology: str
    strip: str
    table: str
    prompt: str
    meters: str
    detail: str
    when: str


def render(view: Scene, notes: Notes, reading: Reading | None) -> Screen:
    """All pieces of a scene."""
    return Screen(
        topology=topology(view, notes),
        strip=strip(view, notes),
        table=table(view, notes),
        prompt=prompt(view),
        meters=meters(view, reading),
        detail=detail(view, notes),
        when=when(view),
    )


def model_name(family: str) -> str:
    """A model family's name to show."""
    return FAMILIES.get(family, family)


def topology(view: Scene, notes: Notes | None) -> str:
    """The agents and their links, with whoever is at work and the transfer under way."""
    start, agents = view.start, {} if notes is None else notes.system.agents
    done = () if start is None else [e for e in view.events if isinstance(e, TurnDone) and e.turn.round == start.round]
    return topology_svg(
        view.pattern,
        active=None if start is None or view.over else start.role,
        hop=view.hop,
        spoken=[e.turn.role for e in done],
        decoding=start is not None and start.decodes and not view.over,
        round_=0 if start is None else start.round,
        rounds=view.rounds,
        captions={role: f"{model_name(a.family)} · d {a.hidden_size}" for role, a in agents.items()},
    )


def strip(view: Scene, notes: Notes | None) -> str:
    """All turns of the run. What has happened stays written while the reader looks at the past."""
    events = () if view.whole is None else view.whole.events
    done = {e.turn.index: e.turn for e in events if isinstance(e, TurnDone)}
    begun = {e.turn for e in events if isinstance(e, TurnStart)}
    shown = None if view.start is None else view.start.turn

    def item(place: Place) -> StripTurn:
        return StripTurn(
            index=place.turn,
            round=place.round,
            role=place.role,
            title=view.title(place.role),
            colour=role_colour(view.pattern, place.role),
            state="done" if place.turn in done else "running" if place.turn in begun else "waiting",
            saying="" if notes is None else _saying(view, notes, place.turn, done.get(place.turn)),
            decodes=place.decodes,
            selected=place.turn == shown,
        )

    return turn_strip_html([item(place) for place in view.places])


def _saying(view: Scene, notes: Notes, turn: int, done: Turn | None) -> str:
    """What a turn says, in its own words: the likeliest word of each thought, or the decoded text."""
    if done is not None and done.text:
        return done.text
    events = () if view.whole is None else view.whole.events
    words = [notes.says(e)[0][0].strip() for e in events if isinstance(e, Thought) and e.turn == turn]
    tokens = "".join(e.text for e in events if isinstance(e, Token) and e.turn == turn and not e.end)
    return " ".join(words) or tokens.strip()


def table(view: Scene, notes: Notes | None) -> str:
    """The likeliest words after each thought of the turn that is shown."""
    start = view.start
    if notes is None or start is None:
        return probe_table_html([])
    thoughts = [e for e in view.events if isinstance(e, Thought) and e.turn == start.turn]
    if not thoughts and (start.decodes or (view.trace is not None and view.trace.config.mode == "text")):
        return decoded(view, start)
    title, colour = view.title(start.role), role_colour(view.pattern, start.role)
    picked = None if view.cursor is None or view.cursor.step is None else view.cursor.step
    rows = [
        ProbeRow(e.turn, e.step, e.round, title, colour, notes.says(e), selected=e.step == picked) for e in thoughts
    ]
    return probe_table_html(rows, measure="probability")


def decoded(view: Scene, start: TurnStart) -> str:
    """The tokens of a turn that speaks in text."""
    tokens = [e for e in view.events if isinstance(e, Token) and e.turn == start.turn]
    chips = "".join(
        f'<button type="button" class="recmas-token" data-turn="{e.turn}" data-step="{e.step}" '
        f'data-key="token-{e.turn}-{e.step}">{escape("end" if e.end else e.text.strip() or "␣")}</button>'
        for e in tokens
    )
    what = "writes the answer" if start.decodes else "writes text for the next agent"
    lead = f"{view.title(start.role)} {what}, token by token."
    return f'<p class="recmas-empty">{escape(lead)}</p><div class="recmas-tokens">{chips}</div>'


def prompt(view: Scene) -> str:
    """What the agent reads in the turn that is shown."""
    start, trace = view.start, view.trace
    if start is None or trace is None:
        return '<p class="recmas-empty">Before a run there is nothing to read yet.</p>'
    latent = trace.config.mode == "latent"
    slots = [segment.sender for segment in start.prompt if segment.sender is not None]
    filled = {sender: trace.config.latent_steps if latent else 0 for sender in slots}
    return prompt_html(start.prompt, view.pattern, filled=filled)


def meters(view: Scene, reading: Reading | None) -> str:
    """The run's numbers at this moment."""
    start, trace = view.start, view.trace
    answer = None if trace is None else trace.answer
    tokens = 0 if trace is None else trace.decoded_tokens
    steps = 0 if trace is None else len(trace.thoughts)
    seconds = 0.0 if trace is None else trace.seconds
    alike = round_similarity(() if trace is None else trace.turns)
    last = max(alike, default=None)
    similarity = "–" if last is None else f"{alike[last]:.2f}"
    return meters_html(
        [
            Meter("Round", f"{0 if start is None else start.round} of {view.rounds}"),
            Meter("Latent steps", str(steps), "Thoughts made: no token is decoded for them."),
            Meter("Tokens decoded", str(tokens), "The end token counts too."),
            Meter("Time", f"{1000 * seconds:.0f} ms", "The engine's own work, waiting for you left out."),
            Meter(
                "Like round before",
                similarity,
                "Mean cosine of the newest turn's thoughts with the same role's thoughts one round before.",
            ),
            Meter("Answer", "–" if answer is None else short(answer, 40) or "(empty)"),
            verdict(answer, reading),
        ]
    )


def verdict(answer: str | None, reading: Reading | None) -> Meter:
    """Right or wrong against the true answer, where there is one."""
    truth = None if reading is None else reading.answer
    if reading is None or truth is None:
        return Meter("True answer", "not known", "The question is outside of what can be checked.")
    if answer is None:
        return Meter("True answer", truth, "Worked out by the task itself; the agents never see it.")
    if answer.split()[:1] == truth.split()[:1]:
        return Meter("True answer", f"{truth} · right", tone="good")
    return Meter("True answer", f"{truth} · wrong", tone="bad")


def detail(view: Scene, notes: Notes | None) -> str:
    """What the chosen thought would say."""
    thought = view.chosen
    if notes is None or thought is None:
        return '<p class="recmas-empty">Choose a thought, on the map or in the table, to see what it would say.</p>'
    name = f"{view.title(thought.role)}, round {thought.round}, thought {thought.step + 1}"
    return (
        f'<div class="recmas-detail" data-turn="{thought.turn}" data-step="{thought.step}"><h4>{escape(name)}</h4><dl>'
        f"<dt>Its agent would say next</dt><dd>{words_html(notes.says(thought), percent=True)}</dd>"
        f"<dt>As an input it is nearest to</dt><dd>{words_html(notes.nearest(thought.role, thought.embed))}</dd>"
        "</dl></div>"
    )


def words_html(said: Said, *, percent: bool = False) -> str:
    """Words with their scores, in one line."""
    parts = (
        f'<span class="recmas-said"><b>{escape(word.strip() or "␣")}</b> '
        f"{f'{100 * score:.0f} %' if percent else f'{score:.2f}'}</span>"
        for word, score in said
    )
    return " ".join(parts)


def when(view: Scene) -> str:
    """Which moment is shown, when it is not now."""
    if view.cursor is None:
        return ""
    start = view.start
    step = "" if view.cursor.step is None else f", step {view.cursor.step + 1}"
    where = "before the run" if start is None else f"round {start.round}, {view.title(start.role)}{step}"
    return (
        f'<div class="recmas-when">Looking back: {escape(where)}. '
        '<button type="button" class="recmas-now" data-now="1" data-key="now">Back to now</button></div>'
    )


def status(view: Scene, *, running: bool) -> str:
    """One sentence on what happens, for the status line."""
    last = view.last
    if last is None:
        return "Ready. Press Step for one thought, Run for the whole way to the answer."
    sentence = _happened(view, last)
    if isinstance(last, Answer):
        return sentence
    return sentence if running else f"{sentence} Paused."


def short(text: str, limit: int = 60) -> str:
    """A text cut to a length that fits in one line."""
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[:limit].rstrip()} …"


def _happened(view: Scene, last: object) -> str:
    match last:
        case Answer(role=role, text=text):
            return f"{view.title(role)} answers: {short(text) or '(nothing)'}."
        case Thought(role=role, round=round_, step=step):
            return f"Round {round_}: {view.title(role)} made thought {step + 1}."
        case Transfer(sender=sender, receiver=receiver, round=round_):
            return f"Round {round_}: {view.title(sender)}'s thoughts went over the link to {view.title(receiver)}."
        case Token(role=role, text=text, end=end):
            return f"{view.title(role)} ended its text." if end else f"{view.title(role)} writes “{text.strip()}”."
        case TurnDone(turn=turn):
            hops = [f"to {view.title(r)}" for r in turn.sent]
            tail = f" and sent its thoughts {' and '.join(hops)}" if hops else ""
            return f"Round {turn.round}: {view.title(turn.role)} finished{tail}."
        case TurnStart(role=role, round=round_):
            return f"Round {round_}: {view.title(role)} reads its prompt."
    return ""
