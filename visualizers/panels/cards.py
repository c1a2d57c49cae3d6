"""The choice of a pattern and of its agents, as native form fields in HTML: they work with any keyboard and screen."""

from __future__ import annotations

from html import escape
from itertools import groupby

from recmas_core.loading import EmbeddedAgent
from recmas_core.patterns import Pattern
from recmas_core.system import System
from recmas_core.tasks import TASKS
from visualizers.figures.icon import pattern_icon
from visualizers.names import named_pattern, role_title, task_names
from visualizers.panels.belongings import Belongings
from visualizers.panels.catalogue import Catalogue, Lineup, Offer
from visualizers.panels.glossary import terms
from visualizers.panels.render import model_name
from visualizers.panels.titles import offer_title
from visualizers.theme import role_colour
from visualizers.words import Words

_TRAIN = '<button type="button" class="recmas-button" data-send="train" data-key="train">{text}</button>'


def cards_html(catalogue: Catalogue, chosen: str, words: Words) -> str:
    """A card per offer: radios that carry `data-send`. One that cannot be run says why.

    Args:
        catalogue: What is offered.
        chosen: The name of the offer that is chosen.
        words: What the page says.
    """
    cards = "".join(_card(offer, words, chosen=offer.name == chosen) for offer in catalogue.offers)
    legend = escape(words("explore.cards.legend"))
    return f'<fieldset class="recmas-cards"><legend>{legend}</legend>{cards}</fieldset>'


def _card(offer: Offer, words: Words, *, chosen: bool) -> str:
    state = " disabled" if offer.failure else " checked" if chosen else ""
    shown = named_pattern(offer.patterns[len(offer.patterns) // 2], words) if offer.patterns else None
    title = escape(offer_title(offer, words))
    about = offer.failure or (shown.about if shown is not None and len(offer.patterns) == 1 else "")
    line = f'<span class="recmas-chain">{_line(offer, words)}</span>'
    return (
        f'<label class="recmas-card" title="{escape(about)}"><input type="radio" name="recmas-pattern" '
        f'value="{escape(offer.name)}" data-send="choose" data-key="card-{escape(offer.name)}" '
        f'aria-label="{title}"{state}>'
        f'{"" if shown is None else pattern_icon(shown)}'
        f'<span class="recmas-card-words"><b>{title}</b>{line}</span></label>'
    )


def _line(offer: Offer, words: Words) -> str:
    if offer.failure:
        return escape(offer.failure)
    sizes = [len(pattern.roles) for pattern in offer.patterns]
    if len(sizes) > 1:
        return words("explore.cards.sizes", low=min(sizes), high=max(sizes))
    return chain(named_pattern(offer.patterns[0], words), words)


def chain(pattern: Pattern, words: Words) -> str:
    """A pattern in one line: who speaks, in what order, and whether it begins anew."""
    titles = {role.name: escape(role.title) for role in pattern.roles}
    hint = escape(words("explore.cards.feedback"))
    loop = f' <span title="{hint}">↺</span>' if any(e.feedback for e in pattern.edges) else ""
    return " → ".join(" + ".join(titles[name] for name in stage) for stage in pattern.stages) + loop


def cast_html(catalogue: Catalogue, lineup: Lineup, system: System | None, words: Words) -> str:
    """The agent of each role: selects that carry `data-send` and `data-role`; for loops the number of agents too.

    Args:
        catalogue: What is offered.
        lineup: The system looked at, and the agents chosen for it.
        system: The loaded system, to say which of its links are trained; None while it is being loaded.
        words: What the page says.
    """
    offer, pattern = catalogue.offer(lineup.system), named_pattern(catalogue.pattern(lineup.system), words)
    own, chosen = catalogue.own(lineup.system), dict(lineup.agents)
    rows = "".join(
        f'<label class="recmas-cast" style="--recmas-role:{role_colour(pattern, role.name)}">'
        f'<span class="recmas-cast-role" title="{escape(role.about)}"><span class="recmas-dot"></span>'
        f'{escape(role.title)}</span><select aria-label="{escape(role.title)}" data-send="cast" '
        f'data-role="{escape(role.name)}" '
        f'data-key="cast-{escape(role.name)}">'
        f"{_options(catalogue, offer, role.title, own[role.name], chosen[role.name], words)}</select></label>"
        for role in pattern.roles
    )
    trouble = f'<p class="recmas-hint recmas-outside">{escape(catalogue.trouble)}</p>' if catalogue.trouble else ""
    note = "" if system is None else links_note(system, words, trained_here=bool(lineup.links))
    return f"{_sizes(offer, lineup.system, words)}{rows}{trouble}{note}"


def _sizes(offer: Offer, system: str, words: Words) -> str:
    if len(offer.patterns) == 1:
        return ""
    radios = "".join(
        f'<label class="recmas-mapname"><input type="radio" name="recmas-size" value="{escape(name)}" '
        f'data-send="choose" data-key="size-{escape(name)}"{" checked" if name == system else ""}>'
        f"<span>{len(pattern.roles)}</span></label>"
        for name, pattern in zip(offer.systems, offer.patterns, strict=True)
    )
    legend = escape(words("explore.agents.sizes"))
    return f'<fieldset class="recmas-sizes"><legend>{legend}</legend>{radios}</fieldset>'


def _options(catalogue: Catalogue, offer: Offer, title: str, own: str, chosen: str, words: Words) -> str:
    """All agents, grouped by the system they were made for; the role's own one first."""
    agents = catalogue.agents
    first = ""
    if offer.cast:
        mine = next((agent for agent in agents if agent.key == own), None)
        detail = "" if offer.wanted is None else f" · {own.rpartition('/')[2]}"
        detail = detail if mine is None else f" · {measures(mine, words)}"
        first = _option(own, words("explore.agents.own", role=title) + detail, chosen)
        agents = tuple(agent for agent in agents if agent.key != own)
    titles = {each.name: offer_title(each, words) for each in catalogue.offers}
    groups = []
    for system, members in groupby(agents, key=lambda agent: agent.system):
        listed = list(members)
        group = _group(titles.get(system, system), listed[0].task, words)
        inner = "".join(_option(a.key, f"{agent_title(a, words)} · {measures(a, words)}", chosen) for a in listed)
        groups.append(f'<optgroup label="{escape(group)}">{inner}</optgroup>')
    return first + "".join(groups)


def _group(system: str, task: str, words: Words) -> str:
    """What agents were made for: their system, and the little world they know."""
    return words("explore.agents.world", system=system, task=task_names(TASKS[task], words).title) if task else system


def agent_title(agent: EmbeddedAgent, words: Words) -> str:
    """The name of a shipped agent to show."""
    return role_title(agent.system, agent.role, agent.title, words)


def measures(agent: EmbeddedAgent, words: Words) -> str:
    """An agent's family, width and size: "Qwen3 · d 96 · 0.43 M"."""
    return f"{model_name(agent.family)} · d {agent.width} · {words.written(f'{agent.parameters / 1e6:.2f}')} M"


def _option(value: str, text: str, chosen: str) -> str:
    return f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(text)}</option>'


def links_html(mine: Belongings, lineup: Lineup, words: Words) -> str:
    """Which links the agents use, where some were trained here: radios that carry `data-send`; else nothing."""
    names = mine.links_of(lineup)
    if not names and not lineup.links:
        return ""
    came = escape(words("explore.agents.as_came"))
    radios = "".join(
        f'<label class="recmas-mapname"><input type="radio" name="recmas-links" value="{escape(name)}" '
        f'data-send="links" data-key="links-{i}"{" checked" if name == lineup.links else ""}>'
        f"<span>{escape(name) or came}</span></label>"
        for i, name in enumerate(dict.fromkeys(("", *names, lineup.links)))
    )
    legend = escape(words("explore.agents.links"))
    return f'<fieldset class="recmas-sizes recmas-linkset"><legend>{legend}</legend>{radios}</fieldset>'


def links_note(system: System, words: Words, *, trained_here: bool = False) -> str:
    """How the links came to be; which ones the agents leave untrained, what that means, and the way to train them."""
    if not system.untrained:
        how = (
            escape(system.about)
            if system.about and not trained_here
            else words("explore.links.here")
            if trained_here
            else escape(words("explore.links.trained"))
        )
        explained = terms(words, "agent", "role", "inner", "outer")
        return f'<p class="recmas-hint">{how} {explained}</p>{_TRAIN.format(text=escape(words("explore.links.train")))}'
    pattern = named_pattern(system.pattern, words)
    titles = {role.name: role.title for role in pattern.roles}
    untrained = [e.key for e in pattern.edges if e.key in system.untrained]
    edges, many = ", ".join(f"{titles[sender]} → {titles[receiver]}" for sender, receiver in untrained), len(untrained)
    return (
        f'<p class="recmas-hint recmas-outside">{escape(words.count("explore.links.untrained", many))} '
        f"<b>{escape(edges)}</b>.</p>"
        f'<p class="recmas-hint">{escape(words.count("explore.links.noise", many))}</p>'
        f'{_TRAIN.format(text=escape(words.count("explore.links.repair", many)))}'
    )
