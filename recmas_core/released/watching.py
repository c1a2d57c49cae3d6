"""How far a download has come, told from many threads one at a time, and stopped from within what is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

Tell = Callable[[int, int], None]


class Watch:
    """Listens to a download in the place of its progress bars.

    What `tell` raises ends the download: every thread of it meets the same error when it next comes to tell something.

    Args:
        tell: Told (bytes so far, bytes in all as far as known); files that are here already are not counted.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell, self._lock = tell, threading.RLock()
        self._most = 0
        self.error: BaseException | None = None

    def bar(self, *_: object, **options: Any) -> Bar:
        """Where the hub's client would make a progress bar; it is one of bytes on the disk, or of no interest."""
        told = options.get("unit") == "B" and not str(options.get("desc")).startswith("Downloading")
        return Bar(self if told else None, options.get("total") or 0)

    def say(self, bar: Bar) -> None:
        """Tell; once it failed, fail for everybody."""
        with self._lock:
            if self.error is not None:
                raise self.error
            try:
                self._most = max(self._most, bar.n, bar.total)
                self._tell(bar.n, self._most)
            except BaseException as error:
                self.error = error
                raise


class Bar:
    """What the hub's client asks of a progress bar, drawing nothing.

    Args:
        watch: Who is told, if anybody.
        total: Bytes in all, which the client raises with every file it begins.
    """

    def __init__(self, watch: Watch | None, total: int) -> None:
        self._watch, self._lock = watch, threading.Lock()
        self.n, self.total = 0, total
        self.format_dict: Mapping[str, Any] = {}

    def update(self, n: float | None = 1) -> None:
        """More has come; less than nothing where a file begins anew."""
        with self._lock:
            self.n += int(n or 0)
        self.refresh()

    def refresh(self, *_: object, **__: object) -> None:
        """Tell how far it is."""
        if self._watch is not None:
            self._watch.say(self)

    def close(self) -> None:
        """Nothing is drawn, so nothing is to be cleared; likewise below."""

    def set_description(self, *_: object, **__: object) -> None:
        """See `close`."""

    def set_description_str(self, *_: object, **__: object) -> None:
        """See `close`."""

    def set_postfix_str(self, *_: object, **__: object) -> None:
        """See `close`."""

    def __enter__(self) -> Bar:
        """The bar itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """See `close`."""
