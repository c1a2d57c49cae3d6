"""A scene of a run as the pieces the page shows: SVG, HTML and texts. Pure: the same scene gives the same screen."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from recmas_core.agents import Agent
from recmas_core.patterns import Place
from recmas_core.records import Prompted, Thought, Token, ToolCall, Turn, TurnDone, TurnStart
from recmas_core.tasks import Task
from recmas_core.tasks.base import Reading
from visualizers.figures.calls import Called, PutThere, Written, writing_html
from visualizers.figures.probe_table import ProbeRow, probe_table_html
from visualizers.figures.prompt import prompt_html
from visualizers.figures.strip import StripTurn, turn_strip_html
from visualizers.figures.topology import Activity, topology_svg
from visualizers.names import home_name
from visualizers.panels.glossary import term
from visualizers.panels.moments import Scene
from visualizers.panels.notes import Notes, Said
from visualizers.panels.numbers import meters
from visualizers.panels.saying import when
from visualizers.theme import role_colour
from visualizers.words import Words

FAMILIES = {
    "qwen3": "Qwen3", "mistral": "Mistral", "gemma3_text": "Gemma 3", "llama": "Llama", "qwen2": "Qwen2",
    "qwen3_5_text": "Qwen3.5",
}  # fmt: skip


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


def render(view: Scene, notes: Notes | None, task: Task | None, reading: Reading | None) -> Screen:
    """All pieces of a scene; without notes those that need no agent."""
    return Screen(
        topology=topology(view, notes),
        strip=strip(view, notes),
        table=table(view, notes),
        prompt=prompt(view),
        meters=meters(view, task, reading),
        detail=detail(view, notes),
        when=when(view),
    )


def model_name(family: str) -> str:
    """A model family's name to show."""
    return FAMILIES.get(family, family)


def topology(view: Scene, notes: Notes | None) -> str:
    """The agents and their links, with whoever is at work and the transfers under way."""
    start, agents = view.start, {} if notes is None else notes.system.agents
    done = () if start is None else [e for e in view.events if isinstance(e, TurnDone) and e.turn.round == start.round]
    activity = Activity(
        active=view.at_work,
        hops=view.hops,
        spoken=[e.turn.role for e in done],
        decoding=[begun.role for begun in view.stage if begun.decodes and begun.role in view.at_work],
        round=0 if start is None else start.round,
        rounds=view.rounds,
    )
    captions = {role: caption(role, agent, view.words) for role, agent in agents.items()}
    untrained = () if notes is None else notes.system.untrained
    return topology_svg(view.pattern, activity, view.words, captions=captions, untrained=untrained)


def caption(role: str, agent: Agent, words: Words) -> str:
    """An agent in a few words: its family and width, or for one from another role what it was taught to be."""
    family = model_name(agent.family)
    if agent.home not in ("", role):
        return f"{home_name(agent.home, words)} · {family}"
    return f"{family} · d {agent.hidden_size}"


def strip(view: Scene, notes: Notes | None) -> str:
    """All turns of the run. What has happened stays written while the reader looks at the past."""
    events = () if view.whole is None else view.whole.events
    done = {e.turn.index: e.turn for e in events if isinstance(e, TurnDone)}
    begun = {e.turn for e in events if isinstance(e, TurnStart)}
    shown = {start.turn for start in view.shown}
    answer = None if view.whole is None else view.whole.answer

    def item(place: Place) -> StripTurn:
        turn = done.get(place.turn)
        return StripTurn(
            index=place.turn,
            round=place.round,
            role=place.role,
            title=view.title(place.role),
            colour=role_colour(view.pattern, place.role),
            state="done" if turn is not None else "running" if place.turn in begun else "waiting",
            saying="" if notes is None else turn_says(view, notes, place, turn, answer),
            decodes=place.decodes,
            selected=place.turn in shown,
            stage=place.stage,
            calls=tuple(e.report.tool for e in events if isinstance(e, ToolCall) and e.turn == place.turn),
        )

    return turn_strip_html([item(place) for place in view.places], view.words)


def turn_says(view: Scene, notes: Notes, place: Place, done: Turn | None, answer: str | None) -> str:
    """What a turn says, in its own words: the likeliest word of each thought, the decoded text, or the answer."""
    if place.decodes and answer is not None:
        return answer
    if done is not None and done.text:
        return done.text
    events = () if view.whole is None else view.whole.events
    words = [notes.says(e)[0][0].strip() for e in events if isinstance(e, Thought) and e.turn == place.turn]
    read = (e for e in events if isinstance(e, Token | Prompted) and e.turn == place.turn)
    return " ".join(words) or "".join(e.text for e in read if isinstance(e, Prompted) or not e.end).strip()


def table(view: Scene, notes: Notes | None) -> str:
    """The likeliest words after each thought of the turns that go on, or what a turn writes."""
    start = view.start
    if notes is None or start is None:
        return probe_table_html([], view.words)
    turns = {begun.turn for begun in view.stage}
    thoughts = [e for e in view.events if isinstance(e, Thought) and e.turn in turns]
    text = view.trace is not None and view.trace.config.mode == "text"
    if start.decodes or (text and not thoughts):
        return "".join(written(view, begun) for begun in view.shown)
    picked = None if view.cursor is None or view.cursor.step is None else (view.cursor.turn, view.cursor.step)
    rows = [
        ProbeRow(
            e.turn, e.step, e.round, view.title(e.role), role_colour(view.pattern, e.role), notes.says(e),
            selected=(e.turn, e.step) == picked,
        )
        for e in thoughts
    ]  # fmt: skip
    return probe_table_html(rows, view.words)


def written(view: Scene, start: TurnStart) -> str:
    """The tokens of a turn that speaks in text, its tool calls among them, and words that were put there."""
    parts: list[Written | Called | PutThere] = []
    calls = 0
    for event in view.events:
        if isinstance(event, Token) and event.turn == start.turn:
            parts.append(Written(event.step, event.text, event.end))
        elif isinstance(event, Prompted) and event.turn == start.turn:
            parts.append(PutThere(event.text))
        elif isinstance(event, ToolCall) and event.turn == start.turn:
            report = event.report
            chosen = view.cursor is not None and view.cursor.call == calls
            parts.append(Called(calls, report.tool, report.call, report.result, report.seconds, selected=chosen))
            calls += 1
    what, who = "answer" if start.decodes else "text", view.title(start.role)
    lead = view.words(f"explore.writes.{what}", who=who)
    return writing_html(start.turn, lead, parts, view.words, live=view.cursor is None)


def prompt(view: Scene) -> str:
    """What the agents read in the turns that are shown."""
    trace = view.trace
    if trace is None or not view.shown:
        return f'<p class="recmas-empty">{escape(view.words("explore.prompt.empty"))}</p>'
    latent = trace.config.mode == "latent"
    parts = []
    for start in view.shown:
        slots = [segment.sender for segment in start.prompt if segment.sender is not None]
        filled = {sender: trace.config.latent_steps if latent else 0 for sender in slots}
        name = "" if len(view.shown) == 1 else _reader(view, start)
        parts.append(name + prompt_html(start.prompt, view.pattern, view.words, filled=filled))
    return "".join(parts)


def _reader(view: Scene, start: TurnStart) -> str:
    colour = role_colour(view.pattern, start.role)
    reads = view.words("explore.prompt.reader", who=view.title(start.role))
    return f'<p class="recmas-reader" style="--recmas-role:{colour}">{escape(reads)}</p>'


def detail(view: Scene, notes: Notes | None) -> str:
    """What the chosen thought would say."""
    thought, words = view.chosen, view.words
    if notes is None or thought is None:
        return f'<p class="recmas-empty">{escape(words("explore.detail.empty"))}</p>'
    who = view.title(thought.role)
    name = words("explore.detail.thought", who=who, round=thought.round, thought=thought.step + 1)
    return (
        f'<div class="recmas-detail" data-turn="{thought.turn}" data-step="{thought.step}"><h3>{escape(name)}</h3><dl>'
        f'<dt>{escape(words("explore.detail.next"))} · {term(words, "lens")}</dt>'
        f"<dd>{words_html(notes.says(thought), words, percent=True)}</dd>"
        f'<dt>{escape(words("explore.detail.nearest"))}</dt>'
        f"<dd>{words_html(notes.nearest(thought.role, thought.embed), words)}</dd></dl></div>"
    )


def words_html(said: Said, words: Words, *, percent: bool = False) -> str:
    """Words with their scores, in one line."""
    parts = (
        f'<span class="recmas-said"><b>{escape(word.strip() or "␣")}</b> '
        f"{f'{100 * score:.0f} %' if percent else words.written(f'{score:.2f}')}</span>"
        for word, score in said
    )
    return " ".join(parts)
