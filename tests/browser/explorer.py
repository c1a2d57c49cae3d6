"""The Explore tab as a test sees it: what it shows, and what a person can do there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Browser

CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE = 90.0  # seconds until a condition counts as never coming true


def wait_for(condition: Callable[[], Any], *, seconds: float = PATIENCE, what: str = "a condition") -> Any:
    """Wait until `condition()` is true and return its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)
    return value


class Explorer:
    """One visitor's page.

    Args:
        browser: The browser; the visitor gets a context of their own.
        url: The server.
        width, height: The window.
        theme: "light" or "dark".
        ready: How the status line begins once the page is ready.
    """

    def __init__(
        self, browser: Browser, url: str, *, width: int, height: int, theme: str, ready: str = "Ready"
    ) -> None:
        self._url, self.requests, self.errors = url, [], []  # type: ignore[var-annotated]
        self._context = browser.new_context(viewport={"width": width, "height": height})
        self.page = self._context.new_page()
        self.page.set_default_timeout(1000 * PATIENCE)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(f"{url}/?__theme={theme}")
        self.page.wait_for_selector("#recmas-map .main-svg", timeout=1000 * PATIENCE)
        self.until(lambda: self.status.startswith(ready), "the page to be ready")

    def close(self) -> None:
        self._context.close()

    def is_own(self, url: str) -> bool:
        """Whether a request stayed on this server (or in the page itself)."""
        return url.startswith((f"{self._url}/", "data:", "blob:")) or url == self._url

    def until(self, condition: Callable[[], Any], what: str = "a condition") -> Any:
        """Wait for a condition, pumping the page's events meanwhile."""
        end = time.monotonic() + PATIENCE
        while not (value := condition()):
            assert time.monotonic() < end, f"waited in vain for {what}; status: {self.status!r}"
            self.page.wait_for_timeout(30)
        return value

    # what the page shows

    @property
    def status(self) -> str:
        return self.page.locator("#recmas-status .recmas-status").inner_text().strip()

    @property
    def failed(self) -> bool:
        return self.page.locator("#recmas-status .recmas-error").count() == 1

    @property
    def answered(self) -> bool:
        return "answers:" in self.status

    def meter(self, label: str) -> str:
        """The value of a meter."""
        row = self.page.locator("#recmas-meters .recmas-meter", has=self.page.locator(f'dt:text-is("{label}")'))
        return row.locator("dd").inner_text().strip()

    @property
    def drawn(self) -> str:
        """What the topology shows, in words."""
        return self.page.locator("#recmas-topology svg").first.get_attribute("aria-label") or ""

    @property
    def turns(self) -> int:
        """Turns of the run, the coming ones too."""
        return self.page.locator("#recmas-strip .recmas-turn").count()

    @property
    def thoughts(self) -> int:
        return int(self.meter("Latent steps"))

    @property
    def points(self) -> int:
        """Live points of the map that is shown, counted in the figure itself."""
        script = "() => document.querySelector('.recmas-map').data.find((t) => t.name === 'thoughts').x.length"
        return self.page.evaluate(script)

    @property
    def map_key(self) -> str:
        return self.page.locator(".recmas-map").get_attribute("data-key") or ""

    @property
    def ranges(self) -> list[float]:
        """The map's view: x from, x to, y from, y to."""
        script = "() => { const l = document.querySelector('.recmas-map')._fullLayout; "
        return self.page.evaluate(script + "return [...l.xaxis.range, ...l.yaxis.range]; }")

    @property
    def ready_map(self) -> bool:
        """Whether umap-learn places the points; asks for the drawing again."""
        box = self.page.get_by_label("follow", exact=True)
        box.click()
        box.click()
        self.page.wait_for_timeout(500)
        return "umap-learn" in self.page.locator("#recmas-caption").inner_text()

    # what a person can do

    def press(self, name: str) -> None:
        """Press a button by its exact accessible name."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def fill(self, label: str, value: str) -> None:
        """Fill in a field by its exact label."""
        self.page.get_by_label(label, exact=True).fill(value)

    def choose(self, name: str) -> None:
        """Choose a radio button by its exact name."""
        self.page.get_by_role("radio", name=name, exact=True).check()

    def step(self) -> str:
        """Press Step and wait until it has been done. Returns the new status."""
        before = self.status
        self.press("Step")
        self.until(lambda: self.status != before and (self.status.endswith("Paused.") or self.answered), "a step")
        return self.status

    def run(self) -> str:
        """Press Run and wait for the answer, as the page writes it."""
        self.press("Run")
        self.until(lambda: self.answered, "the answer")
        return self.meter("Answer")

    def show_map(self, role: str, title: str = "") -> int:
        """Show the map of a role's thoughts; returns its number of live points."""
        self.choose(title or role.title())
        self.until(lambda: self.map_key == f"{role}.thoughts", f"the {role}'s map")
        return self.points

    def pick_pattern(self, title: str) -> None:
        """Choose a pattern's card and wait until its agents are there."""
        self.choose(title)
        drawn = "Loop of" if title == "Your own loop" else title
        self.until(lambda: drawn in self.drawn, f"{title} to be drawn")
        self.until(lambda: "loaded" not in self.status, f"{title}'s agents")

    def cast(self, title: str, agent: str) -> None:
        """Give a role another agent, by its key."""
        self.open("Agents")
        self.page.get_by_label(title, exact=True).and_(self.page.locator("select")).select_option(agent)

    def open(self, name: str) -> None:
        """Open a part of the left side that is folded away."""
        button = self.page.get_by_role("button", name=name, exact=True)
        if "open" not in (button.get_attribute("class") or ""):
            button.click()


VisitMaker = Callable[..., Explorer]
