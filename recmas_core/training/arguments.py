"""The arguments of `python -m recmas_core train`: what a run is asked for, and what of it is kept for resuming."""

from __future__ import annotations

import argparse
import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from recmas_core.errors import BadInput
from recmas_core.evaluation import ANSWER_TOKENS
from recmas_core.links import LINK_VARIANTS
from recmas_core.placement import DTYPES
from recmas_core.training.config import TrainConfig
from recmas_core.training.course import Lap
from recmas_core.training.recipes import RECIPES, recipe
from recmas_core.training.stages import STAGES

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Argument:
    """One argument of the command line that a run's result depends on.

    Attributes:
        name: Its name, with underscores.
        default: What holds where it is not given.
        about: For the reader.
        options: For `add_argument`.
    """

    name: str
    default: Any
    about: str
    options: Mapping[str, Any]


def _argument(name: str, default: Any, about: str, **options: Any) -> Argument:
    return Argument(name, default, about, options)


# What a run's links depend on: kept in run.json; a run that is resumed has to be asked for the same.
WHAT: tuple[Argument, ...] = (
    _argument("system", "sequential", "an embedded system, or a folder written by system.save"),
    _argument("agents", [], "other agents, as role=source: the system is then the name of a pattern", nargs="+"),
    _argument("wordings", None, "a TOML file of prompts for agents that follow instructions (see "
              "recmas_core/wordings.toml)", metavar="FILE"),
    _argument("data", None, "an embedded task, a .json, .jsonl, .csv or .parquet file, a folder, or owner/name on the "
              "hub; by default the system's own task"),
    _argument("columns", [], "other names of columns, as part=column, e.g. question=problem", nargs="+"),
    _argument("split", "train", "split of the data"),
    _argument("subset", None, "configuration of a folder or data set that has several"),
    _argument("task", None, "only rows of this group, e.g. math"),
    _argument("limit", None, "how many examples to take", type=int),
    _argument("held_out", 200, "how many held-out questions to measure on; 0 for none", type=int),
    _argument("held_out_rounds", [1, 2, 3], "numbers of rounds to measure them with", nargs="+", type=int),
    _argument("answer_tokens", ANSWER_TOKENS, "tokens an answer may take when it is measured", type=int),
    _argument("recipe", "from nothing", "a course ready made", choices=sorted(RECIPES)),
    _argument("stages", None, "stages of your own choice in place of a recipe", nargs="+", choices=list(STAGES)),
    _argument("fresh", None, "begin with new links: all, or the outer ones only", nargs="?", const="all",
              choices=("all", "outer")),
    _argument("variant", None, "form of new links (with --fresh)", choices=list(LINK_VARIANTS)),
    _argument("damage", None, "begin with noise of so many standard deviations on the outer links", type=float),
    _argument("precision", None, "mixed precision: no, bf16 or fp16 (by default what accelerate is configured for)",
              choices=("no", "bf16", "fp16")),
    _argument("dtype", "float32", "precision of the frozen agents; links are trained in float32", choices=DTYPES),
    _argument("every", 50, "steps between two lines and two measurements", type=int),
)  # fmt: skip
_FILES = ("system", "wordings", "data")  # where these name files, they are kept with their whole path


def _whole(text: str) -> int:
    return int(text)


def _none_or(read: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: None if text == "none" else read(text)


_READERS: Mapping[str, Callable[[str], Any]] = MappingProxyType(
    {
        "int": _whole,
        "float": float,
        "int | None": _none_or(_whole),
        "float | None": _none_or(float),
        "Supervision": str,
        "tuple[float, ...]": lambda text: tuple(float(part) for part in text.split(",")),
    }
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add everything the command takes; what is not given is None."""
    for each in WHAT:
        parser.add_argument(_flag(each.name), default=None, help=_help(each.about, each.default), **each.options)
    group = parser.add_argument_group(
        "settings of the stages", "for all of them, or for some: --lr 1e-3, --steps inner=400 outer=200"
    )
    abouts = _abouts()
    for field in fields(TrainConfig):
        about = abouts.get(field.name, "").replace("%", "%%")
        if field.type == "bool":
            group.add_argument(_flag(field.name), action=argparse.BooleanOptionalAction, default=None, help=about)
        else:
            group.add_argument(_flag(field.name), nargs="+", default=None, metavar="[STAGE=]VALUE", help=about)
    how = parser.add_argument_group("conduct of the run")
    how.add_argument("--out", type=Path, required=True, help="an empty or a new folder: checkpoints and result")
    how.add_argument("--resume", action="store_true", help="go on in --out where a run stopped")
    how.add_argument("--checkpoint-every", type=int, default=50, help="steps between checkpoints (default: 50)")
    how.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: a GPU if there is one")
    how.add_argument("--released", action="store_true", help="also write the released layout, to OUT-released")
    how.add_argument("--push-to-hub", metavar="REPO", help="also push the system to this repository, privately")


def given(options: argparse.Namespace) -> dict[str, Any]:
    """What was given of the arguments that the result depends on, as JSON values."""
    names = [*(each.name for each in WHAT), *TrainConfig.names()]
    found = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    for name in _FILES:
        if name in found and Path(found[name]).exists():
            found[name] = str(Path(found[name]).resolve())
    return found


def resumed(now: Settings, kept: Settings) -> dict[str, Any]:
    """What a run was asked for, where what is asked for on resuming agrees with it.

    Raises:
        BadInput: If something else is asked for now; the first difference is named.
    """
    for name, value in now.items():
        before = kept.get(name, _defaults().get(name))
        if value != before:
            what = f"is {_said(value)}, but the run in this folder has {_said(before)}"
            raise BadInput(_flag(name), what, "Leave it out to go on, or begin anew in another folder.")
    return dict(kept)


def complete(settings: Settings) -> dict[str, Any]:
    """What was given, and the defaults of the rest; settings of stages that were not given are left to the stages."""
    return {**_defaults(), **settings}


def laps_of(settings: Settings) -> tuple[Lap, ...]:
    """The stages that are asked for, with their settings.

    Args:
        settings: What was given.

    Raises:
        BadInput: If a setting is no value of its kind or out of range, or is for a stage that is not in the course.
    """
    if "stages" in settings and "recipe" in settings:
        raise BadInput("--stages", "were given with --recipe", "Give one of them.")
    if "stages" in settings:
        laps = tuple(Lap(stage, STAGES[stage].config) for stage in settings["stages"])
    else:
        laps = recipe(complete(settings)["recipe"])
    known = {lap.stage for lap in laps}
    return tuple(replace(lap, config=replace(lap.config, **_changes(settings, lap.stage, known))) for lap in laps)


def seed_of(settings: Settings) -> int:
    """The seed that was given for all stages, 0 if none: new links, damage and data go by it too."""
    for word in settings.get("seed", ()):
        if "=" not in word:
            return int(_read("seed", "int", word))
    return 0


def pairs(name: str, words: Sequence[str]) -> dict[str, str]:
    """Words of the form key=value as a dict.

    Raises:
        BadInput: If one is of another form.
    """
    parts = [word.partition("=") for word in words]
    for word, (key, _, value) in zip(words, parts, strict=True):
        if not (key and value):
            raise BadInput(_flag(name), f"has {word!r}", "Write key=value.")
    return {key: value for key, _, value in parts}


def laps_json(laps: Sequence[Lap]) -> list[dict[str, Any]]:
    """Stages with all their settings as plain values."""
    plain: list[dict[str, Any]] = json.loads(json.dumps([asdict(lap) for lap in laps]))
    return plain


def _changes(settings: Settings, stage: str, known: set[str]) -> dict[str, Any]:
    changes = {}
    for field in fields(TrainConfig):
        value = settings.get(field.name)
        if isinstance(value, bool):
            changes[field.name] = value
        for word in value if isinstance(value, list) else ():
            where, is_for_one, text = word.rpartition("=")
            if is_for_one and where not in known:
                raise BadInput(_flag(field.name), f"has {word!r}", f"The stages of this run are {sorted(known)}.")
            if where in ("", stage):
                changes[field.name] = _read(field.name, str(field.type), text)
    return changes


def _read(name: str, kind: str, text: str) -> Any:
    try:
        return _READERS[kind](text)
    except ValueError as error:
        raise BadInput(_flag(name), f"is {text!r}", f"Give a value of the kind {kind}.") from error


def _defaults() -> dict[str, Any]:
    return {each.name: each.default for each in WHAT}


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _help(about: str, default: Any) -> str:
    return (f"{about} (default: {default})" if default else about).replace("%", "%%")


def _said(value: Any) -> str:
    if value is None or value == []:
        return "none"
    return " ".join(map(str, value)) if isinstance(value, list) else repr(value)


def _abouts() -> dict[str, str]:
    """What `TrainConfig` says about each setting."""
    text = (inspect.getdoc(TrainConfig) or "").partition("Attributes:")[2]
    found = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", text, flags=re.MULTILINE)
    return {name: " ".join(about.split()) for name, about in found}
