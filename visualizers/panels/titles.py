"""What the page calls what it offers."""

from __future__ import annotations

from recmas_core.released.styles import released_style
from visualizers.names import named_pattern, system_title
from visualizers.panels.offers import Offer
from visualizers.words import Words


def offer_title(offer: Offer, words: Words) -> str:
    """The name to show of an offer."""
    wanted = offer.wanted
    if wanted is None:
        return system_title(offer.name, offer.title, words)
    title = (
        words("open.offer.released", title=released_style(wanted.system).title.replace("-", " "))
        if wanted.released
        else words("open.offer.own", pattern=named_pattern(offer.patterns[0], words).title)
    )
    if wanted.task == "math":
        return title
    return words("open.offer.task", title=title, task=words(f"open.tasks.{wanted.task}"))
