"""The one palette and the one plotly layout. Every colour is legible on white and on near-black alike.

Colours are built in OKLCH (lightness, chroma, hue as the eye sees them), so that hues of one family look equally
bright; all reach a contrast of 3:1 (WCAG's bound for graphics) on both grounds.
"""

from __future__ import annotations

import hashlib
import math
import re
from typing import Any

from recmas_core.patterns import Pattern

PAPER_LIGHT, PAPER_DARK = "#ffffff", "#0f1318"
NEUTRAL = "#858b94"  # for small print and lines in figures that are shown on both grounds
ACCENT = "#2b83c4"  # for the one thing a figure is about; the first role's blue, where no role is meant
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
# The Okabe-Ito hues (made for colour-blind readers), their lightness brought into the range legible on both grounds.
_ROLE_COLOURS = ("#2b83c4", "#d55e00", "#00936c", "#b9619a", "#937400", "#6c6fd0")
_SYMBOLS = ("+", "-", "*", "=", ";", ":", ".", ",", "?", "!")


def role_colour(pattern: Pattern, role: str) -> str:
    """The colour of a role, the same wherever it is shown: `#rrggbb`, by the role's place in its pattern.

    Raises:
        ValueError: If the pattern has no such role.
    """
    return _ROLE_COLOURS[[r.name for r in pattern.roles].index(role) % len(_ROLE_COLOURS)]


def word_colour(word: str) -> str:
    """The colour of a word, the same in every map: `#rrggbb`.

    Digits go round the hue circle in order; step labels (s1, s2, …) run through a muted ramp from violet to teal;
    signs are browns; any other word takes a pale hue drawn from its own letters.
    """
    text = word.replace("▁", " ").replace("Ġ", " ").strip()
    if re.fullmatch(r"[0-9]", text):
        return oklch(0.62, 0.17, 25 + 36 * int(text))
    if match := re.fullmatch(r"s([1-9])", text):
        return oklch(0.50 + 0.017 * int(match[1]), 0.07, 310 - 14 * int(match[1]))
    if text in _SYMBOLS:
        return oklch(0.60, 0.05, 40 + 60 * _SYMBOLS.index(text) / len(_SYMBOLS))
    hue = int.from_bytes(hashlib.sha256(text.encode()).digest()[:2], "big") / 65536 * 360
    return oklch(0.60, 0.04, hue)


def oklch(lightness: float, chroma: float, hue: float) -> str:
    """An OKLCH colour (lightness 0..1, chroma about 0..0.3, hue in degrees) as `#rrggbb`.

    A colour outside of what a screen can show loses chroma until it fits; lightness and hue stay.
    """
    for _ in range(60):
        channels = _linear_rgb(lightness, chroma, hue)
        if all(-1e-4 <= c <= 1 + 1e-4 for c in channels):
            break
        chroma *= 0.95
    return "#" + "".join(f"{round(255 * _encode(min(max(c, 0.0), 1.0))):02x}" for c in channels)


def plain(text: str) -> str:
    """Text that plotly shows as it is: no tags of its small HTML, and a blank made visible."""
    shown = text.strip() or "␣"
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")


def contrast(first: str, second: str) -> float:
    """The WCAG contrast ratio of two `#rrggbb` colours, 1 to 21."""
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def layout(*, height: int | None = None) -> dict[str, Any]:
    """The layout all plotly figures start from: calm, transparent, zoom kept over updates.

    Args:
        height: Height in pixels; None fills the container.
    """
    return {
        "autosize": True,
        **({} if height is None else {"height": height}),
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "font": {"family": FONT, "size": 13, "color": NEUTRAL},
        "hoverlabel": {"font": {"family": FONT, "size": 13}, "align": "left"},
        "hovermode": "closest",
        "dragmode": "pan",
        "showlegend": False,
        "uirevision": "recmas",
        "modebar": {"remove": ["select2d", "lasso2d", "autoScale2d", "toImage"], "bgcolor": "rgba(0,0,0,0)"},
    }


def _linear_rgb(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    """Linear sRGB channels by Ottosson's OKLab matrices."""
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    l_ = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    m_ = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    s_ = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * l_ - 3.3077115913 * m_ + 0.2309699292 * s_,
        -1.2684380046 * l_ + 2.6097574011 * m_ - 0.3413193965 * s_,
        -0.0041960863 * l_ - 0.7034186147 * m_ + 1.7076147010 * s_,
    )


def _encode(linear: float) -> float:
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055


def _luminance(colour: str) -> float:
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
