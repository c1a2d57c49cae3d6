"""The Train tab's form: native fields in HTML whose values reach the page's handlers all at once, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

from recmas_core.errors import BadInput
from recmas_core.links import LINK_VARIANTS
from visualizers.names import named_pattern
from visualizers.panels.catalogue import Catalogue, Lineup
from visualizers.panels.titles import offer_title
from visualizers.panels.train_beginnings import BEGINNINGS
from visualizers.panels.train_choices import (
    MOST_BATCH,
    MOST_ROUNDS,
    MOST_STEPS,
    Offered,
    TrainForm,
    offered_courses,
    stage_texts,
)
from visualizers.panels.train_manners import WORLD, Manner
from visualizers.words import Words

EXPLORE = "explore"  # the value that stands for the line-up looked at in the Explore tab


@dataclass(frozen=True)
class Filled:
    """A filled-in form: which system, and how to train it.

    Attributes:
        system: The system's name; "" for the first.
        form: How.
        manner: The key of the manner of training that the form was drawn for.
    """

    system: str = ""
    form: TrainForm = field(default_factory=TrainForm)
    manner: str = WORLD.key

    def suited(self, manner: Manner) -> Filled:
        """These values for a system that is trained in this manner: another one brings its own course along."""
        if self.manner == manner.key:
            return self
        own = replace(
            self.form, course=manner.course, begin=manner.begin, rounds="", windows=None, grow=None, laps=()
        )  # fmt: skip
        return Filled(self.system, own, manner.key)


def read_form(text: Any) -> Filled:
    """What the page sent; "" stands for a form that was not drawn yet.

    A form drawn for another course keeps what does not belong to a stage.

    Raises:
        BadInput: If it is no form.
    """
    if text in ("", None):
        return Filled()
    try:
        sent = json.loads(text)
        course, system = str(sent["course"]), str(sent["system"])
    except (TypeError, ValueError, KeyError) as error:
        raise BadInput("form", "cannot be read", "Reload the page.") from error
    known = TrainForm()
    form = TrainForm(
        begin=sent.get("begin", known.begin), sigma=sent.get("sigma", known.sigma),
        variant=sent.get("variant", known.variant), course=course, rounds=sent.get("rounds", ""),
        seed=sent.get("seed", known.seed), inner=sent.get("inner", known.inner),
        supervise=sent.get("supervise", known.supervise), windows=sent.get("windows"), grow=sent.get("grow"),
        laps=_laps(sent),
    )  # fmt: skip
    offered = offered_courses().get(course)
    if offered is not None and sent.get("drawn_for") != course:
        form = replace(form, begin=offered.start or form.begin, rounds="", windows=None, grow=None, laps=())
    return Filled(system, form, str(sent.get("manner", WORLD.key)))


def _laps(sent: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    laps: dict[int, dict[str, Any]] = {}
    for name, value in sent.items():
        first, _, rest = name.partition(".")
        number, _, setting = rest.partition(".")
        if first == "lap" and number.isdigit() and setting in ("steps", "lr", "batch"):
            laps.setdefault(int(number), {})[setting] = value
    return tuple(laps.get(i, {}) for i in range(max(laps, default=-1) + 1))


def form_html(
    catalogue: Catalogue, explored: Lineup | None, filled: Filled, words: Words, manner: Manner = WORLD,
    questions: str = "", *, note: str = "",
) -> str:  # fmt: skip
    """The form with these values. Fields with `data-redraw` ask for it to be drawn anew.

    Args:
        catalogue: What is offered.
        explored: The line-up looked at in the Explore tab, None where it is one of the catalogue's own.
        filled: The values.
        words: What the page says.
        manner: How the system is trained unless these values say otherwise.
        questions: HTML on the questions that were given; "" for a system that has its own.
        note: What to know of the chosen system, "" for nothing.
    """
    known, form = offered_courses(manner), filled.form
    course = known.get(str(form.course)) or next(iter(known.values()))
    beginnings = {key: words(each.texts) for key, each in BEGINNINGS.items()}
    drawn_for = f'<input type="hidden" name="drawn_for" value="{escape(course.key)}">'
    drawn_for += f'<input type="hidden" name="manner" value="{escape(manner.key)}">'
    settings = f'<p class="recmas-hint">{escape(words(manner.about))}</p>' if manner.about else ""
    return (
        f'<div class="recmas-form" data-form="train">{drawn_for}'
        + _field(
            words("train.form.system"),
            _select(
                "system", _systems(catalogue, explored, words), filled.system, words("train.form.system_label"),
                redraw=True,
            ),
        )
        + (f'<p class="recmas-hint">{escape(note)}</p>' if note else "")
        + (_field(words("train.form.questions"), questions) if questions else "")
        + _field(
            words("train.form.begin"),
            _select("begin", beginnings, str(form.begin), words("train.form.begin"), redraw=True)
            + _detail(form, words),
        )
        + _field(words("train.form.course"), _courses(known, course.key, words))
        + f'<p class="recmas-hint">{escape(words(course.texts + ".about"))}</p>{settings}'
        f"{_stages(course, form, words)}{_settings(course, form, words)}</div>"
    )  # fmt: skip


def _field(label: str, inner: str) -> str:
    return f'<div class="recmas-field"><span class="recmas-label">{label}</span>{inner}</div>'


def _select(name: str, options: Mapping[str, str], chosen: str, label: str, *, redraw: bool = False) -> str:
    inner = "".join(_option(value, text, chosen) for value, text in options.items())
    return _bare_select(name, inner, label, redraw=redraw)


def _bare_select(name: str, inner: str, label: str, *, redraw: bool = False) -> str:
    again = " data-redraw" if redraw else ""
    return f'<select name="{name}" data-key="train-{name}" aria-label="{escape(label)}"{again}>{inner}</select>'


def _option(value: str, text: str, chosen: str) -> str:
    return f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(text)}</option>'


def _systems(catalogue: Catalogue, explored: Lineup | None, words: Words) -> dict[str, str]:
    options = {}
    if explored is not None:
        title = named_pattern(catalogue.pattern(explored.system), words).title
        options[EXPLORE] = (
            words("train.form.explore_links", title=title, links=explored.links)
            if explored.links
            else words("train.form.explore_agents", title=title)
        )
    for offer in catalogue.offers:
        if not offer.failure:
            for name, pattern in zip(offer.systems, offer.patterns, strict=True):
                one = len(offer.patterns) == 1
                options[name] = offer_title(offer, words) if one else named_pattern(pattern, words).title
    return options


def _detail(form: TrainForm, words: Words) -> str:
    """What a beginning needs to be told, in a line of its own that is always there."""
    beginning = BEGINNINGS.get(str(form.begin))
    if beginning is not None and beginning.sigma:
        box = _number("sigma", form.sigma, words("train.form.noise"), 0, 10, "any")
        before, after = words("train.form.noise_before"), words("train.form.noise_after")
        inner = f'<label class="recmas-inline">{before} {box} {after}</label>'
    elif beginning is not None and beginning.variant:
        known = {name: words(f"train.variants.{name}") for name in LINK_VARIANTS}
        inner = _select("variant", known, str(form.variant), words("train.form.variant"))
    else:
        inner = f'<span class="recmas-hint">{words("train.form.copied")}</span>'
    return f'<div class="recmas-detail-line">{inner}</div>'


def _courses(known: Mapping[str, Offered], chosen: str, words: Words) -> str:
    groups = {
        words("train.form.recipes"): [each for each in known.values() if each.start],
        words("train.form.stages"): [each for each in known.values() if not each.start],
    }
    inner = "".join(
        f'<optgroup label="{escape(title)}">'
        f"{''.join(_option(o.key, words(o.texts + '.title'), chosen) for o in offers)}</optgroup>"
        for title, offers in groups.items()
    )
    return _bare_select("course", inner, words("train.form.course"), redraw=True)


def _stages(course: Offered, form: TrainForm, words: Words) -> str:
    """Each stage: what it does, and its steps, rate and batch to change."""
    from recmas_core.training import STAGES

    items = []
    for i, lap in enumerate(course.laps):
        info, config, texts = STAGES[lap.stage], lap.config, stage_texts(lap.stage)
        title = words(texts + ".title")
        typed = form.laps[i] if i < len(form.laps) else {}
        boxes = "".join(
            _boxed(
                label, f"lap.{i}.{name}", typed.get(name, value),
                words("train.form.of_stage", setting=label, stage=title), low, most, step,
            )
            for label, name, value, low, most, step in (
                (words("train.form.steps"), "steps", config.steps, 1, MOST_STEPS, "1"),
                (words("train.form.rate"), "lr", f"{config.lr:g}", 0, 1, "any"),
                (words("train.form.batch"), "batch", config.batch, 1, MOST_BATCH, "1"),
            )
        )  # fmt: skip
        beyond = f'<span class="recmas-beyond">{words("train.form.beyond")}</span>' if info.beyond_paper else ""
        items.append(
            f"<li><b>{escape(title)}</b>{beyond}<p>{escape(words(texts + '.about'))}</p>"
            f'<div class="recmas-lap">{boxes}</div></li>'
        )
    return f'<ol class="recmas-laps">{"".join(items)}</ol>'


def _settings(course: Offered, form: TrainForm, words: Words) -> str:
    from recmas_core.training import STAGES

    unrolled = [lap.config for lap in course.laps if not STAGES[lap.stage].needs_turns]
    shown = (unrolled or [lap.config for lap in course.laps])[-1]
    rounds = shown.rounds if form.rounds in ("", None) else form.rounds
    windows = shown.windows if form.windows is None else bool(form.windows)
    grow = shown.grow if form.grow is None else bool(form.grow)
    boxes = _boxed(
        words("train.form.rounds"), "rounds", rounds, words("train.form.rounds_label"), 1, MOST_ROUNDS, "1"
    ) + _boxed(words("train.form.seed"), "seed", form.seed, words("train.form.seed_label"), 0, 2**31 - 1, "1")
    numbers = f'<div class="recmas-lap">{boxes}</div>'
    if not unrolled:
        return numbers
    judged = {"last": words("train.form.judged_last"), "every": words("train.form.judged_every")}
    judge = _select("supervise", judged, str(form.supervise), words("train.form.judged_label"))
    return (
        f'{numbers}<label class="recmas-inline">{words("train.form.judged")} {judge}</label>'
        f"{_check('windows', words('train.form.windows'), on=windows)}"
        f"{_check('grow', words('train.form.grow'), on=grow)}"
        f"{_check('inner', words('train.form.inner'), on=bool(form.inner))}"
    )


def _check(name: str, text: str, *, on: bool) -> str:
    box = f'<input type="checkbox" name="{name}" data-key="train-{name}"{" checked" if on else ""}>'
    return f'<label class="recmas-check">{box}<span>{text}</span></label>'


def _boxed(text: str, name: str, value: Any, label: str, low: float, high: float, step: str) -> str:
    return f"<label><span>{text}</span>{_number(name, value, label, low, high, step)}</label>"


def _number(name: str, value: Any, label: str, low: float, high: float, step: str) -> str:
    return (
        f'<input type="number" name="{name}" value="{escape(str(value))}" min="{low}" max="{high}" step="{step}" '
        f'data-key="train-{name}" aria-label="{escape(label)}">'
    )
