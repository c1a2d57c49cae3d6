"""The choice of a pattern and of its agents, as native form fields in HTML: they work with any keyboard and screen."""

from __future__ import annotations

from html import escape
from itertools import groupby

from recmas_core.loading import EmbeddedAgent
from recmas_core.patterns import Pattern
from recmas_core.system import System
from recmas_core.tasks import TASKS
from visualizers.figures.icon import pattern_icon
from visualizers.panels.belongings import Belongings
from visualizers.panels.catalogue import Catalogue, Lineup, Offer
from visualizers.panels.render import model_name
from visualizers.theme import role_colour

_TRAIN = '<button type="button" class="recmas-button" data-send="train" data-key="train">{text}</button>'


def cards_html(catalogue: Catalogue, chosen: str) -> str:
    """A card per offer: radios that carry `data-send`. One that cannot be run says why.

    Args:
        catalogue: What is offered.
        chosen: The name of the offer that is chosen.
    """
    cards = "".join(_card(offer, chosen=offer.name == chosen) for offer in catalogue.offers)
    return f'<fieldset class="recmas-cards"><legend>Pattern</legend>{cards}</fieldset>'


def _card(offer: Offer, *, chosen: bool) -> str:
    state = " disabled" if offer.failure else " checked" if chosen else ""
    shown = offer.patterns[len(offer.patterns) // 2] if offer.patterns else None
    about = offer.failure or (shown.about if shown is not None and len(offer.patterns) == 1 else "")
    line = f'<span class="recmas-chain">{_line(offer)}</span>'
    return (
        f'<label class="recmas-card" title="{escape(about)}"><input type="radio" name="recmas-pattern" '
        f'value="{escape(offer.name)}" data-send="choose" data-key="card-{escape(offer.name)}" '
        f'aria-label="{escape(offer.title)}"{state}>'
        f'{"" if shown is None else pattern_icon(shown)}'
        f'<span class="recmas-card-words"><b>{escape(offer.title)}</b>{line}</span></label>'
    )


def _line(offer: Offer) -> str:
    if offer.failure:
        return escape(offer.failure)
    sizes = [len(pattern.roles) for pattern in offer.patterns]
    if len(sizes) > 1:
        return f"{min(sizes)} to {max(sizes)} agents of your choice ↺"
    return chain(offer.patterns[0])


def chain(pattern: Pattern) -> str:
    """A pattern in one line: who speaks, in what order, and whether it begins anew."""
    titles = {role.name: escape(role.title) for role in pattern.roles}
    loop = ' <span title="feedback: the next round begins">↺</span>' if any(e.feedback for e in pattern.edges) else ""
    return " → ".join(" + ".join(titles[name] for name in stage) for stage in pattern.stages) + loop


def cast_html(catalogue: Catalogue, lineup: Lineup, system: System | None) -> str:
    """The agent of each role: selects that carry `data-send` and `data-role`; for loops the number of agents too.

    Args:
        catalogue: What is offered.
        lineup: The system looked at, and the agents chosen for it.
        system: The loaded system, to say which of its links are trained; None while it is being loaded.
    """
    offer, pattern = catalogue.offer(lineup.system), catalogue.pattern(lineup.system)
    own, chosen = catalogue.own(lineup.system), dict(lineup.agents)
    rows = "".join(
        f'<label class="recmas-cast" style="--recmas-role:{role_colour(pattern, role.name)}">'
        f'<span class="recmas-cast-role" title="{escape(role.about)}"><span class="recmas-dot"></span>'
        f'{escape(role.title)}</span><select aria-label="{escape(role.title)}" data-send="cast" '
        f'data-role="{escape(role.name)}" '
        f'data-key="cast-{escape(role.name)}">'
        f"{_options(catalogue, offer, role.title, own[role.name], chosen[role.name])}</select></label>"
        for role in pattern.roles
    )
    trouble = f'<p class="recmas-hint recmas-outside">{escape(catalogue.trouble)}</p>' if catalogue.trouble else ""
    note = "" if system is None else links_note(system, trained_here=bool(lineup.links))
    return f"{_sizes(offer, lineup.system)}{rows}{trouble}{note}"


def _sizes(offer: Offer, system: str) -> str:
    if len(offer.patterns) == 1:
        return ""
    radios = "".join(
        f'<label class="recmas-mapname"><input type="radio" name="recmas-size" value="{escape(name)}" '
        f'data-send="choose" data-key="size-{escape(name)}"{" checked" if name == system else ""}>'
        f"<span>{len(pattern.roles)}</span></label>"
        for name, pattern in zip(offer.systems, offer.patterns, strict=True)
    )
    return f'<fieldset class="recmas-sizes"><legend>Agents in the loop</legend>{radios}</fieldset>'


def _options(catalogue: Catalogue, offer: Offer, title: str, own: str, chosen: str) -> str:
    """All agents, grouped by the system they were made for; the role's own one first."""
    agents = catalogue.agents
    first = ""
    if offer.cast:
        mine = next((agent for agent in agents if agent.key == own), None)
        detail = "" if offer.wanted is None else f" · {own.rpartition('/')[2]}"
        detail = detail if mine is None else f" · {measures(mine)}"
        first = _option(own, f"{title}'s own{detail}", chosen)
        agents = tuple(agent for agent in agents if agent.key != own)
    titles = {each.name: each.title for each in catalogue.offers}
    groups = []
    for system, members in groupby(agents, key=lambda agent: agent.system):
        listed = list(members)
        world = f": {TASKS[listed[0].task].title}" if listed[0].task else ""
        inner = "".join(_option(a.key, f"{a.title} · {measures(a)}", chosen) for a in listed)
        groups.append(f'<optgroup label="{escape(titles.get(system, system) + world)}">{inner}</optgroup>')
    return first + "".join(groups)


def measures(agent: EmbeddedAgent) -> str:
    """An agent's family, width and size: "Qwen3 · d 96 · 0.43 M"."""
    return f"{model_name(agent.family)} · d {agent.width} · {agent.parameters / 1e6:.2f} M"


def _option(value: str, text: str, chosen: str) -> str:
    return f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(text)}</option>'


def links_html(mine: Belongings, lineup: Lineup) -> str:
    """Which links the agents use, where some were trained here: radios that carry `data-send`; else nothing."""
    names = mine.links_of(lineup)
    if not names and not lineup.links:
        return ""
    radios = "".join(
        f'<label class="recmas-mapname"><input type="radio" name="recmas-links" value="{escape(name)}" '
        f'data-send="links" data-key="links-{i}"{" checked" if name == lineup.links else ""}>'
        f"<span>{escape(name) or 'as they came'}</span></label>"
        for i, name in enumerate(dict.fromkeys(("", *names, lineup.links)))
    )
    return f'<fieldset class="recmas-sizes recmas-linkset"><legend>Links</legend>{radios}</fieldset>'


def links_note(system: System, *, trained_here: bool = False) -> str:
    """How the links came to be; which ones the agents leave untrained, what that means, and the way to train them."""
    if not system.untrained:
        how = (
            escape(system.about)
            if system.about and not trained_here
            else "All links between these agents are trained; <b>these ones here, on the Train tab</b>."
            if trained_here
            else "All links between these agents are trained: the inner ones by the paper&#39;s inner loop, the outer "
            "ones by alignment to the receiver&#39;s words. The paper&#39;s outer loop is on the Train tab."
        )
        return f'<p class="recmas-hint">{how}</p>{_TRAIN.format(text="Train them")}'
    titles = {role.name: role.title for role in system.pattern.roles}
    untrained = [e.key for e in system.pattern.edges if e.key in system.untrained]
    edges = ", ".join(f"{titles[sender]} → {titles[receiver]}" for sender, receiver in untrained)
    one = len(untrained) == 1
    return (
        f'<p class="recmas-hint recmas-outside">{"One link was" if one else f"{len(untrained)} links were"} never '
        f"trained for these agents: <b>{escape(edges)}</b>.</p>"
        f'<p class="recmas-hint">What arrives over {"it" if one else "them"} is noise to its receiver: the '
        "sender&#39;s thoughts lie in another space, and the words behind them belong to another vocabulary. Run it "
        "and see: the thoughts after such a link say anything, and the answer is a guess.</p>"
        f"{_TRAIN.format(text='Train this link' if one else 'Train these links')}"
    )
