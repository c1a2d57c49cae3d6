"""Where a training's links start from, as data: as they are, damaged, or at random."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from recmas_core.errors import BadInput
from visualizers.panels.choices import number

if TYPE_CHECKING:
    from recmas_core.system import System


class Form(Protocol):
    """What a beginning reads of the Train tab's form."""

    @property
    def sigma(self) -> Any:
        """Size of the noise, unchecked."""
        ...

    @property
    def variant(self) -> Any:
        """Form of link, unchecked."""
        ...

    @property
    def whole_seed(self) -> int:
        """The seed."""
        ...


@dataclass(frozen=True)
class Beginning:
    """Where the links start from.

    Attributes:
        texts: Key of the words that say it.
        make: (system, form) -> the system whose links are trained; the one given is not touched.
        sigma: Whether it takes the size of a noise.
        variant: Whether it takes a form of link.
        inner, outer: Whether those links are new.
        follows: Whether it goes on from the links of the visitor's last training, not from the system's.
    """

    texts: str
    make: Callable[[System, Form], System]
    sigma: bool = False
    variant: bool = False
    inner: bool = False
    outer: bool = False
    follows: bool = False


def _as_it_is(system: System, form: Form) -> System:
    return system


def _fresh(system: System, form: Form, *, inner: bool) -> System:
    from recmas_core import LINK_VARIANTS
    from recmas_core.training import fresh_links

    if form.variant not in LINK_VARIANTS:
        raise BadInput("Form of link", f"is {str(form.variant)[:40]!r}", f"Choose from {sorted(LINK_VARIANTS)}.")
    return fresh_links(system, seed=form.whole_seed, variant=LINK_VARIANTS[form.variant], inner=inner)


def _damaged(system: System, form: Form) -> System:
    from recmas_core.training import damaged

    return damaged(system, sigma=number("Noise", form.sigma, 0.0, 10.0), seed=form.whole_seed)


# The keys "as they are", "random" and "damaged" are those of `recmas_core.training.Recipe.start`.
BEGINNINGS: Mapping[str, Beginning] = MappingProxyType(
    {
        "as they are": Beginning("train.beginnings.as_they_are", _as_it_is),
        "damaged": Beginning("train.beginnings.damaged", _damaged, sigma=True),
        "random": Beginning(
            "train.beginnings.random", lambda system, form: _fresh(system, form, inner=True), variant=True,
            inner=True, outer=True,
        ),
        "random outer": Beginning(
            "train.beginnings.random_outer", lambda system, form: _fresh(system, form, inner=False), variant=True,
            outer=True,
        ),
        "trained": Beginning("train.beginnings.trained", _as_it_is, follows=True),
    }
)  # fmt: skip
