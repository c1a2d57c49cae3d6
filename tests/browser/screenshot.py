"""Makes the README's screenshot from the real page: `python -m tests.browser.screenshot assets/page/screenshot.png`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.explorer import CHROMIUM_FLAGS, Explorer
from tests.browser.serving import page_server

QUESTION = "s1 protons of heaviest carbon oxygen boron s2 + 5 s3 max with 6"


def main(target: str) -> None:
    """Run into the third round, let umap-learn get ready, and take the picture."""
    with page_server(Path(target).with_suffix(".log")) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_FLAGS)
        explorer = Explorer(browser, url, width=1440, height=900, theme="light")
        explorer.pick_pattern("Mixture")
        explorer.fill("Question", QUESTION)
        explorer.choose("fast")
        for ended in ("Round 1: Summarizer finished", "Round 2: Summarizer finished"):
            explorer.press("Round")
            explorer.until(lambda ended=ended: explorer.status.startswith(ended) and "Paused" in explorer.status)
        explorer.until(lambda: explorer.ready_map, "umap-learn to be ready")
        for _ in range(3):
            explorer.step()
        explorer.page.mouse.move(700, 5)
        explorer.page.wait_for_timeout(800)  # the picture is of a page at rest: no wait of a test
        explorer.page.screenshot(path=target)
        explorer.close()
        browser.close()
    Path(target).with_suffix(".log").unlink()


if __name__ == "__main__":
    main(sys.argv[1])
