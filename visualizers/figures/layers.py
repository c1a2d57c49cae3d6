"""The lens at every layer of one thought, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from visualizers.figures.probe_table import shown_word
from visualizers.words import Words

Said = tuple[tuple[str, float], ...]  # (word, probability), the likeliest first


def layers_html(layers: Sequence[Said], colour: str, words: Words) -> str:
    """A row for every layer, the last one at the top, as a reading rises through the model.

    Args:
        layers: The likeliest words after each layer, the first layer first.
        colour: The role's colour, `#rrggbb`.
        words: What the page says.
    """
    width = max((len(said) for said in layers), default=0)
    ranks = "".join(f'<th scope="col">{rank}.</th>' for rank in range(1, width + 1))
    rows = "".join(_row(number, said, len(layers), words) for number, said in reversed(list(enumerate(layers, 1))))
    return (
        f'<div class="recmas-i-wide" style="--recmas-role:{escape(colour)}"><table class="recmas-layers"><thead><tr>'
        f'<th scope="col">{escape(words("intervene.layers.layer"))}</th>{ranks}</tr></thead><tbody>{rows}</tbody>'
        "</table></div>"
    )


def _row(number: int, said: Said, last: int, words: Words) -> str:
    name = words("intervene.layers.last", n=number) if number == last else str(number)
    cells = "".join(
        f'<td><span class="recmas-bar" style="width:{100 * min(max(share, 0.0), 1.0):.1f}%"></span>'
        f'<span class="recmas-w">{escape(shown_word(word))}</span> '
        f'<span class="recmas-score">{words.written(f"{share:.2f}")}</span></td>'
        for word, share in said
    )
    return f'<tr data-layer="{number}"><th scope="row">{escape(name)}</th>{cells}</tr>'
