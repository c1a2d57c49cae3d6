"""RecMAS Explorer: builds the page and serves it. `python app.py --help` lists the options."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# Small models run many times slower when idle OpenMP threads spin for work.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import gradio as gr
import torch
from transformers.utils.logging import disable_progress_bar

from recmas_core.patterns import get_pattern
from visualizers.panels.api import Api
from visualizers.panels.explore import build_explore
from visualizers.panels.explore_handlers import Explore
from visualizers.panels.session import Sessions
from visualizers.panels.shelf import Shelf
from visualizers.panels.shell import Shell, build_shell

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
        system: The embedded system, or a folder of one.
        share: Whether to ask gradio for a public address.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    threads: int = 1
    system: str = "sequential"
    share: bool = False


def build_page(shelf: Shelf, shell: Shell, *, sessions: Sessions | None = None) -> gr.Blocks:
    """The whole page, not yet served. The system is loaded when the first visitor comes, if not before."""
    pattern = get_pattern("sequential")
    sessions = Sessions() if sessions is None else sessions
    handlers = Explore(shelf, sessions, tuple(role.name for role in pattern.roles))
    with gr.Blocks(title=TITLE, fill_width=True, analytics_enabled=False) as demo:
        Api(shelf, sessions).register()  # first: the names are theirs, whatever the page's own handlers are called
        gr.HTML(_HEAD, apply_default_css=False)
        build_explore(demo, shelf, handlers, pattern, shell)
    return demo.queue(default_concurrency_limit=32)


def serve(options: Options) -> None:
    """Build the page and serve it until interrupted."""
    torch.set_num_threads(options.threads)
    disable_progress_bar()  # weights load in a blink; the terminal is for the address
    shelf, shell = Shelf(options.system), build_shell()
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
    shelf.load()  # behind the page: whoever is quick to come waits for the agents only
    demo.block_thread()


def read_options(arguments: list[str] | None = None) -> Options:
    """Options from the command line; host and port also from GRADIO_SERVER_NAME and GRADIO_SERVER_PORT."""
    parser = argparse.ArgumentParser(prog="app.py", description="Serve RecMAS Explorer, a page in the browser.")
    known = Options()
    host = os.environ.get("GRADIO_SERVER_NAME", known.host)
    port = os.environ.get("GRADIO_SERVER_PORT", str(known.port))
    parser.add_argument("--host", default=host, help="where to listen (%(default)s)")
    parser.add_argument("--port", type=int, default=port, help="port to listen on (%(default)s)")
    parser.add_argument("--threads", type=int, default=known.threads, help="torch threads (%(default)s)")
    parser.add_argument("--system", default=known.system, help="embedded system, or a folder of one (%(default)s)")
    parser.add_argument("--share", action="store_true", help="ask gradio for a public address")
    return Options(**vars(parser.parse_args(arguments)))


def main() -> None:
    """The command-line entry point."""
    serve(read_options())


if __name__ == "__main__":
    main()
