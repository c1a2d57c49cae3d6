"""The words of the page: a folder of TOML files for each language. What a visitor reads stands there alone."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "words"
LANGUAGES = ("en", "de")  # the first is the one whose page has no path of its own


_SWAPPED = str.maketrans(".,", ",.")


@dataclass(frozen=True, eq=False)
class Words:
    """What the page says in one language.

    A key is the name of a file, then the names of its tables, joined by dots: "explore.buttons.step".

    Attributes:
        language: Its two letters.
        texts: Every text by its key, with places for values in braces: "{n} rounds".
        english: The same in English, by which the engine's own errors are recognised.
    """

    language: str
    texts: Mapping[str, str]
    english: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, key: str, /, **values: object) -> str:
        """The text of a key, its places filled.

        Raises:
            KeyError: If there is no such text, or it has a place for which no value is given.
        """
        return self.texts[key].format(**{n: _Number(v, self) if isinstance(v, float) else v for n, v in values.items()})

    def written(self, number: str) -> str:
        """A number as this language writes it, from how Python does: "1,234.5" is "1.234,5" in German."""
        return number.translate(_SWAPPED) if self.texts.get("page.decimal") == "," else number

    def count(self, key: str, n: int, /, **values: object) -> str:
        """The text for that many of something: `key.one` or `key.other`, with `n` as a value.

        Raises:
            KeyError: As for any text.
        """
        return self(f"{key}.one" if n == 1 else f"{key}.other", n=n, **values)

    def has(self, key: str) -> bool:
        """Whether there is a text of that key."""
        return key in self.texts


@dataclass(frozen=True)
class _Number:
    """A number in a text, written as its language does, in whatever format the text asks for."""

    value: float
    words: Words

    def __format__(self, spec: str) -> str:
        return self.words.written(format(self.value, spec))


def read_words(language: str, folder: Path = FOLDER) -> Words:
    """Read the words of a language.

    Raises:
        FileNotFoundError: If there are none.
        ValueError: If a file is not TOML, or holds something that is neither a text nor a table.
    """
    texts = _read(folder / language)
    return Words(language, texts, texts if language == LANGUAGES[0] else _read(folder / LANGUAGES[0]))


def _read(folder: Path) -> dict[str, str]:
    files = sorted(folder.glob("*.toml"))
    if not files:
        raise FileNotFoundError(f"There are no words in {folder}.")
    texts: dict[str, str] = {}
    for file in files:
        texts.update(_flat(file.stem, tomllib.loads(file.read_text(encoding="utf-8"))))
    return texts


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}", inner)
    else:
        raise ValueError(f"{name} is {value!r}, neither a text nor a table.")
