"""RecMAS Explorer: builds the page and serves it. `python app.py --help` lists the options."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# Small models run many times slower when idle OpenMP threads spin for work.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import gradio as gr
import torch
from transformers.utils.logging import disable_progress_bar

from recmas_core.errors import RecmasError
from visualizers.panels.api import Api
from visualizers.panels.catalogue import read_catalogue
from visualizers.panels.explore import build_explore
from visualizers.panels.explore_handlers import Explore
from visualizers.panels.shelf import Shelf
from visualizers.panels.shell import Shell, build_shell
from visualizers.panels.train import build_train
from visualizers.panels.train_api import TrainApi
from visualizers.panels.train_handlers import Train
from visualizers.panels.visitors import Visitors

TITLE = "RecMAS Explorer"
_HEAD = (
    f'<header class="recmas-head"><h1>{TITLE}</h1><p>Small language models that think together in latent space: '
    "no text passes between them, and only the last one speaks.</p></header>"
)


@dataclass(frozen=True)
class Options:
    """How to serve the page.

    Attributes:
        host, port: Where to listen.
        threads: Threads that torch uses for one operation.
        system: The system shown first: an embedded one, or a folder of one.
        assets: Where the embedded systems are; None for those that are shipped.
        share: Whether to ask gradio for a public address.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    threads: int = 1
    system: str | None = None
    assets: Path | None = None
    share: bool = False


def build_page(shelf: Shelf, shell: Shell, *, visitors: Visitors | None = None) -> gr.Blocks:
    """The whole page, not yet served. A system is loaded when it is first looked at, if not before."""
    visitors = Visitors(shelf.catalogue) if visitors is None else visitors
    with gr.Blocks(title=TITLE, fill_width=True, analytics_enabled=False, delete_cache=(600, 3600)) as demo:
        Api(shelf, visitors).register()  # first: the names are theirs, whatever the page's own handlers are called
        TrainApi(shelf, visitors).register()
        gr.HTML(_HEAD, apply_default_css=False)
        with gr.Tabs(selected="explore", elem_id="recmas-tabs") as tabs:
            with gr.Tab("Explore", id="explore"):
                explore = build_explore(demo, shelf, Explore(shelf, visitors), shell)
            with gr.Tab("Train", id="train") as tab:
                build_train(tabs, tab, Train(shelf, visitors), explore, shell)
    return demo.queue(default_concurrency_limit=32)


def serve(options: Options) -> None:
    """Build the page and serve it until interrupted.

    Raises:
        RecmasError: If the system to show first does not exist.
    """
    torch.set_num_threads(options.threads)
    disable_progress_bar()  # weights load in a blink; the terminal is for the address
    shelf, shell = Shelf(read_catalogue(options.system, assets=options.assets)), build_shell()
    demo = build_page(shelf, shell)
    demo.launch(
        server_name=options.host,
        server_port=options.port,
        share=options.share,
        theme=shell.theme,
        css=shell.css,
        footer_links=[],
        run_history=False,
        max_threads=80,
        ssr_mode=False,
        prevent_thread_lock=True,
    )
    shelf.load(shelf.first)  # behind the page: whoever is quick to come waits for the agents only
    try:
        demo.block_thread()
    finally:
        shelf.close()


def read_options(arguments: list[str] | None = None) -> Options:
    """Options from the command line; host and port also from GRADIO_SERVER_NAME and GRADIO_SERVER_PORT."""
    parser = argparse.ArgumentParser(prog="app.py", description="Serve RecMAS Explorer, a page in the browser.")
    known = Options()
    host = os.environ.get("GRADIO_SERVER_NAME", known.host)
    port = os.environ.get("GRADIO_SERVER_PORT", str(known.port))
    parser.add_argument("--host", default=host, help="where to listen (%(default)s)")
    parser.add_argument("--port", type=int, default=port, help="port to listen on (%(default)s)")
    parser.add_argument("--threads", type=int, default=known.threads, help="torch threads (%(default)s)")
    parser.add_argument("--system", default=known.system, help="shown first: an embedded system, or a folder of one")
    parser.add_argument("--assets", type=Path, default=known.assets, help="folder of embedded systems, if not the own")
    parser.add_argument("--share", action="store_true", help="ask gradio for a public address")
    return Options(**vars(parser.parse_args(arguments)))


def main() -> None:
    """The command-line entry point."""
    try:
        serve(read_options())
    except RecmasError as error:
        sys.exit(f"Cannot serve the page: {error}")


if __name__ == "__main__":
    main()
