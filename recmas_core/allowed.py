"""What a visitor may ask a server for: which models of the hub, which released systems, which folders."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from recmas_core.errors import BadInput, NotAllowed, SystemNotFound
from recmas_core.loading import EMBEDDED, RELEASED_PREFIX, embedded_systems

_LONGEST = 255
_SHOWN = 60  # letters of what came that an error repeats
_WORDS = {"released": f"{RELEASED_PREFIX}*", "all": "*"}
_KEY = re.compile(r"embedded:[\w-]{1,20}(/[\w-]{1,20})?")
_PATTERN = re.compile(r"[\w.*?:-]+(/[\w.*?-]+)?", re.ASCII)
_HUB = "Write a model of the hub as owner/name, a folder as folder/name."


@dataclass(frozen=True)
class Allowance:
    """What may be asked for. Embedded systems and their agents always may.

    Attributes:
        models: Patterns, as of file names, of the hub's models and of released systems: "released:*", "Qwen/*", "*".
        folder: Folders under this one may be named, relative to it; None for no folders.
        anywhere: Any folder of the machine may be named, as on a machine of one's own.
    """

    models: tuple[str, ...]
    folder: Path | None = None
    anywhere: bool = False

    @staticmethod
    def everything() -> Allowance:
        """Every model and every folder of the machine: for a server that only its owner reaches."""
        return Allowance(("*",), anywhere=True)

    @staticmethod
    def parse(text: str, folder: Path | None = None) -> Allowance:
        """An allowance as it is written in an environment variable.

        Args:
            text: "none", or words with commas between them: "released" for all released systems, "all" for every
                model of the hub, or patterns such as "Qwen/*".
            folder: The only folder under which folders may be named.

        Raises:
            BadInput: If a word is no pattern.
        """
        words = [word.strip() for word in text.split(",") if word.strip()]
        if words in ([], ["none"]):
            return Allowance((), folder)
        for word in words:
            if word == "none" or len(word) > _LONGEST or not _PATTERN.fullmatch(word):
                todo = 'Write "none", or "released", "all" and patterns such as "Qwen/*", with commas between them.'
                raise BadInput("the allowance", f"has the word {_short(word)}", todo)
        return Allowance(tuple(_WORDS.get(word, word) for word in words), folder)

    @property
    def opens_models(self) -> bool:
        """Whether anything but embedded and released systems may be asked for."""
        wide = [model for model in self.models if not model.startswith(RELEASED_PREFIX)]
        return bool(wide) or self.anywhere or self.folder is not None

    def also(self, model: str) -> Allowance:
        """This allowance, and one model more."""
        return replace(self, models=(*self.models, model))

    def check(self, spec: str) -> str | Path:
        """What `build_system` and `load_system` may be given for what a visitor asked for.

        Args:
            spec: An embedded system or agent, "released:…", a model of the hub as "owner/name", or a folder.

        Returns:
            The same name, or the path of the folder.

        Raises:
            BadInput: If it is malformed.
            NotAllowed: If it is not offered here.
            SystemNotFound: If there is no such folder or released system.
        """
        where = f"the name {_short(spec)}"
        if not isinstance(spec, str) or not 0 < len(spec) <= _LONGEST or not spec.isprintable():
            raise BadInput(where, "is empty, too long, or has letters that cannot be seen", _HUB)
        if spec in embedded_systems():
            return spec
        if spec.startswith(EMBEDDED):
            if not _KEY.fullmatch(spec):
                raise BadInput(where, "is no embedded agent", 'Write it as "embedded:role".')
            return spec
        if spec.startswith(RELEASED_PREFIX):
            return self._released(spec, where)
        if self.anywhere:
            return Path(spec) if Path(spec).is_dir() or not _may_be_hub(spec) else self._hub(spec, where)
        inside = self._inside(spec, where) if self.folder is not None or not _may_be_hub(spec) else None
        if inside is not None:
            return inside
        if Path(spec).is_dir():  # a folder where the server runs would be taken for it
            raise NotAllowed(where, "is also a folder's, which is not offered here", self._offer())
        return self._hub(spec, where)

    def _released(self, spec: str, where: str) -> str:
        from recmas_core.released.styles import STYLES

        names = [f"{RELEASED_PREFIX}{name}" for name in STYLES]
        if spec not in names:
            raise SystemNotFound(where, "is not in the release", f"There are {names}.")
        return self._matched(spec, where)

    def _hub(self, spec: str, where: str) -> str:
        from recmas_core.released.fetching import check_repository

        try:
            check_repository(spec)
        except BadInput as error:
            raise BadInput(where, "is no name of a model", _HUB) from error
        return self._matched(spec, where)

    def _matched(self, spec: str, where: str) -> str:
        if not any(fnmatchcase(spec.lower(), pattern.lower()) for pattern in self.models):
            raise NotAllowed(where, "is not offered here", self._offer())
        return spec

    def _inside(self, spec: str, where: str) -> Path | None:
        """The folder it names under the one that is offered; None if it is none, but may be a model of the hub."""
        parts = spec.split("/")
        if any(not part or part.startswith((".", "~")) or part != part.strip() for part in parts):
            raise BadInput(where, "is no plain path: it is absolute, hidden, or leads upwards", _HUB)
        if "\\" in spec or ":" in spec:
            raise BadInput(where, "has letters that stand in no folder's name here", _HUB)
        if self.folder is None:
            raise NotAllowed(where, "is a folder's, and folders are not offered here", self._offer())
        try:
            root = self.folder.resolve()
            target = (root / spec).resolve()
            found = target.is_dir()
        except (OSError, RuntimeError) as error:  # a name too long for the disk, or links that go in a circle
            raise BadInput(where, "is no folder's", _HUB) from error
        if not target.is_relative_to(root):
            raise NotAllowed(where, "leads out of the folder that is offered here", self._offer())
        if found:
            return target
        if _may_be_hub(spec):
            return None
        raise SystemNotFound(where, "does not exist", _HUB)

    def _offer(self) -> str:
        offered = [f"models like {', '.join(self.models)}"] if self.models else []
        offered += ["folders by their names"] if self.folder is not None else []
        return f"Embedded systems are offered{''.join(f', and {each}' for each in offered)}."


def _may_be_hub(spec: str) -> bool:
    """Whether it has the form of a model's name on the hub."""
    return spec.count("/") == 1 and not spec.startswith((".", "/", "~")) and not re.search(r"[\\:]", spec)


def _short(text: object) -> str:
    shown = str(text)
    return repr(shown if len(shown) <= _SHOWN - 10 else f"{shown[: _SHOWN - 10]}…") if shown.isprintable() else "given"
