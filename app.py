"""RecMAS Explorer: builds the page and serves it. `python app.py --help` lists the options."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# Small models run many times slower when idle OpenMP threads spin for work.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

if importlib.util.find_spec("spaces") is not None:
    # Hugging Face installs it on Spaces. On ZeroGPU it has to stand in for CUDA before anything asks torch for a GPU:
    # this process must never begin with CUDA, or the processes forked from it, which are lent one, could not.
    import spaces  # noqa: F401

import gradio as gr
import torch
from starlette.middleware import Middleware
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

from recmas_core.allowed import Allowance
from recmas_core.errors import RecmasError
from recmas_core.hub import HUB, looks_like_repository
from recmas_core.released.styles import PREFIX
from recmas_core.secrets import every_handler, guard_handlers
from visualizers.panels.api import Api
from visualizers.panels.catalogue import Catalogue, read_catalogue
from visualizers.panels.compare import build_compare
from visualizers.panels.compare_api import CompareApi
from visualizers.panels.compare_handlers import Compare
from visualizers.panels.explore import build_explore
from visualizers.panels.explore_handlers import Explore
from visualizers.panels.first import Firsts
from visualizers.panels.glossary import explanations_html
from visualizers.panels.head import head_html
from visualizers.panels.influence_api import InfluenceApi
from visualizers.panels.intervene import build_intervene
from visualizers.panels.intervene_api import InterveneApi
from visualizers.panels.intervene_handlers import Intervene
from visualizers.panels.learn import build_learn, coach_card
from visualizers.panels.learn_handlers import Learn
from visualizers.panels.mcp_tools import can_serve_tools, only_our_tools
from visualizers.panels.offers import Offer, Wanted
from visualizers.panels.open_api import OpenApi
from visualizers.panels.open_form import OpenForm, devices
from visualizers.panels.shelf import Shelf
from visualizers.panels.shell import Shell, build_shell
from visualizers.panels.stream_ends import StreamEnds
from visualizers.panels.train import build_train
from visualizers.panels.train_api import TrainApi
from visualizers.panels.train_handlers import Train
from visualizers.panels.visitors import Visitors
from visualizers.panels.whole_updates import WholeUpdates
from visualizers.panels.zero import prepare_zero
from visualizers.words import LANGUAGES, Words, read_words

_log = logging.getLogger("recmas.page")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Options:
    """How to serve the page.

    Attributes:
        host, port: Where to listen.
        threads: Threads that torch uses for one operation.
        system: The system shown first: an embedded one, a folder of one, its repository on the hub, or one of the
            public release, which is opened behind the page.
        assets: Where the embedded systems are; None for those that are shipped.
        share: Whether to ask gradio for a public address.
        models: What visitors may open: "all", "released", "none", or patterns of names; None for everything where
            only this machine reaches the page, else nothing.
        folder: The only folder whose models visitors may name; None for any where only this machine reaches the page.
        task, device, weights: How the first system is opened, if it is one of the public release.
        mcp: Whether language models may call the page's tools.
        empty: Whether the stage is empty at first, rather than show a run that was made beforehand.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    threads: int = 1
    system: str | None = None
    assets: Path | None = None
    share: bool = False
    models: str | None = None
    folder: Path | None = None
    task: str = "math"
    device: str | None = None
    weights: str = "bfloat16"
    mcp: bool = True
    empty: bool = False

    @property
    def private(self) -> bool:
        """Whether nobody but this machine's own users reaches the page."""
        return self.host in _LOOPBACK and not self.share and "SPACE_ID" not in os.environ

    @property
    def allowance(self) -> Allowance:
        """What visitors may open; what the operator has chosen is theirs too."""
        if self.models is None and self.private and self.folder is None:
            return Allowance.everything()
        models = self.models if self.models is not None else "all" if self.private else "none"
        named = Allowance.parse(models, self.folder)
        return named.also(self.system) if self.system and self.system.startswith(PREFIX) else named


@dataclass(frozen=True)
class Parts:
    """What every tab is built of.

    Attributes:
        shelf: The systems that can be run.
        shell: The page's frame.
        visitors: Who looks at what.
        allowance: What else visitors may open.
        first: What is opened for everybody.
        words: What the page says, in the language of the page that is being built.
    """

    shelf: Shelf
    shell: Shell
    visitors: Visitors
    allowance: Allowance
    first: Wanted | None
    words: Words


def build_page(
    shelf: Shelf,
    shell: Shell,
    *,
    visitors: Visitors | None = None,
    allowance: Allowance | None = None,
    first: Wanted | None = None,
) -> gr.Blocks:
    """The whole page, not yet served. A system is loaded when it is first looked at, if not before.

    Args:
        shelf: The systems that can be run.
        shell: The page's frame.
        visitors: Who looks at what.
        allowance: What else visitors may open; by default nothing.
        first: What is opened for everybody.
    """
    visitors = Visitors(shelf.board) if visitors is None else visitors
    allowance = Allowance.parse("none") if allowance is None else allowance
    english, *others = (read_words(language) for language in LANGUAGES)
    title = english("page.title")
    with WholeUpdates(title=title, fill_width=True, analytics_enabled=False, delete_cache=(600, 3600)) as demo:
        Api(shelf, visitors).register()  # first: the names are theirs, whatever the page's own handlers are called
        InterveneApi(shelf).register()
        TrainApi(shelf, visitors).register()
        CompareApi(shelf, visitors).register()
        OpenApi(shelf, allowance).register()
        InfluenceApi(shelf).register()
        _tabs(demo, Parts(shelf, shell, visitors, allowance, first, english))
    for words in others:
        with demo.route(words("page.language"), words.language, show_in_navbar=False):
            _tabs(demo, Parts(shelf, shell, visitors, allowance, first, words))
    return demo.queue(default_concurrency_limit=32)


def _tabs(demo: gr.Blocks, parts: Parts) -> None:
    """The page in one language."""
    shelf, shell, visitors, words = parts.shelf, parts.shell, parts.visitors, parts.words
    before = set(demo.fns)
    head = gr.HTML(head_html(words), apply_default_css=False, js_on_load="recmas.begin(element);", head=shell.head)
    coach = coach_card(shell)
    gr.HTML(explanations_html(words), elem_id="recmas-explanations", apply_default_css=False)
    with gr.Tabs(selected="explore", elem_id="recmas-tabs") as tabs:
        lessons = gr.Tab(words("page.tabs.learn"), id="learn")
        with gr.Tab(words("page.tabs.explore"), id="explore"):
            stage = Explore(shelf, visitors, words)
            explore = build_explore(demo, shelf, stage, shell, parts.allowance, parts.first, words)
        with gr.Tab(words("page.tabs.compare"), id="compare") as tab:
            build_compare(tabs, tab, Compare(shelf, visitors, words), explore, shell)
        with gr.Tab(words("page.tabs.intervene"), id="intervene") as tab:
            build_intervene(tabs, tab, Intervene(shelf, visitors, words), explore, shell)
        with gr.Tab(words("page.tabs.train"), id="train") as tab:
            build_train(tabs, tab, Train(shelf, visitors, words), explore, shell)
        with lessons:  # it drives the other tabs, so its content is made last, though it stands first
            build_learn(tabs, coach, Learn(stage, explore.choose), explore, shell)
    for name in set(demo.fns) - before:
        # With every message of an event gradio tells all the outputs that any event ever had how far it is: on a page
        # of this many parts that took about as long as to draw it. Its progress is not shown: one part hears of it.
        demo.fns[name].show_progress_on = [head]


def serve(options: Options) -> None:
    """Build the page and serve it until interrupted.

    Raises:
        RecmasError: If the system to show first does not exist.
    """
    guard_handlers(every_handler(), os.environ)  # no key or token gets into a log
    torch.set_num_threads(options.threads)
    disable_progress_bar()  # weights load in a blink; the terminal is for the address
    set_verbosity_error()  # nor what transformers leaves out of multimodal checkpoints: that is meant
    wanted = wanted_of(options)
    shelf, shell = Shelf(catalogue_of(options)), build_shell()
    visitors = Visitors(shelf.board, firsts=None if options.empty else Firsts())
    demo = build_page(shelf, shell, visitors=visitors, allowance=options.allowance, first=wanted)
    prepare_zero()
    with only_our_tools() if options.mcp else nullcontext():
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
            mcp_server=options.mcp,
            prevent_thread_lock=True,
            app_kwargs={"middleware": [Middleware(StreamEnds)]},
        )
    shelf.load(shelf.first)  # behind the page: whoever is quick to come waits for the agents only
    # the operator waits for it too: no visitor who leaves stops it
    waiting = nullcontext() if wanted is None else shelf.waiting(shelf.open(wanted))
    try:
        with waiting:
            demo.block_thread()
    finally:
        shelf.close()


def wanted_of(options: Options) -> Wanted | None:
    """The system of the public release that is to be opened behind the page; None if it is another one.

    Raises:
        RecmasError: If there is no such system, device or precision.
    """
    if options.system is None or not options.system.startswith(PREFIX):
        return None
    form = OpenForm(options.system, options.task, options.device or devices()[0], options.weights, ())
    return form.wanted(options.allowance)


def catalogue_of(options: Options) -> Catalogue:
    """What the page offers. A system that lies on the hub is fetched for it; if it does not come, its card says why.

    Raises:
        RecmasError: If the system to show first does not exist on this machine.
    """
    first = options.system
    if first is None or first.startswith(PREFIX):
        return read_catalogue(assets=options.assets)
    if Path(first).is_dir() or not looks_like_repository(first):
        return read_catalogue(first, assets=options.assets)
    try:
        return read_catalogue(str(HUB.get(first)), assets=options.assets)
    except RecmasError as error:
        _log.warning("%s", error)
        return read_catalogue(assets=options.assets).with_offers([Offer(first, first, failure=str(error))])


def read_options(arguments: list[str] | None = None) -> Options:
    """Options from the command line, else from the environment: GRADIO_SERVER_NAME, RECMAS_SYSTEM and so on."""
    parser = argparse.ArgumentParser(prog="app.py", description="Serve RecMAS Explorer, a page in the browser.")
    known = Options()
    host = os.environ.get("GRADIO_SERVER_NAME", known.host)
    port = os.environ.get("GRADIO_SERVER_PORT", str(known.port))
    parser.add_argument("--host", default=host, help="where to listen (%(default)s)")
    parser.add_argument("--port", type=int, default=port, help="port to listen on (%(default)s)")
    parser.add_argument("--threads", type=int, default=known.threads, help="torch threads (%(default)s)")
    around = os.environ.get
    parser.add_argument(
        "--system", default=around("RECMAS_SYSTEM") or None,
        help="shown first: an embedded system, a folder or repository of one, or released:<style> (RECMAS_SYSTEM)",
    )  # fmt: skip
    parser.add_argument(
        "--models", default=around("RECMAS_MODELS"),
        help="what visitors may open: all, released, none, or names such as 'Qwen/*' with commas (RECMAS_MODELS)",
    )  # fmt: skip
    parser.add_argument(
        "--models-folder", dest="folder", type=Path, default=around("RECMAS_MODELS_FOLDER") or None,
        help="the only folder whose models visitors may name (RECMAS_MODELS_FOLDER)",
    )  # fmt: skip
    parser.add_argument(
        "--task", choices=("math", "code"), default=around("RECMAS_TASK", known.task),
        help="which links of a released system (RECMAS_TASK)",
    )  # fmt: skip
    parser.add_argument(
        "--device", default=around("RECMAS_DEVICE") or None,
        help="where a released system computes: cpu, cuda:0, auto; a GPU if there is one (RECMAS_DEVICE)",
    )  # fmt: skip
    parser.add_argument(
        "--weights", default=around("RECMAS_WEIGHTS", known.weights),
        help="its weights: bfloat16, float16, float32, 8 or 4 bits (RECMAS_WEIGHTS)",
    )  # fmt: skip
    parser.add_argument("--assets", type=Path, default=known.assets, help="folder of embedded systems, if not the own")
    parser.add_argument(
        "--empty", action="store_true", default=bool(around("RECMAS_EMPTY")),
        help="begin with an empty stage, not with a run made beforehand (RECMAS_EMPTY)",
    )  # fmt: skip
    parser.add_argument("--share", action="store_true", help="ask gradio for a public address")
    parser.add_argument(
        "--no-mcp", dest="mcp", action="store_false", default=can_serve_tools(),
        help="offer language models no tools (RECMAS_MCP=0)",
    )  # fmt: skip
    return Options(**vars(parser.parse_args(arguments)))


def main() -> None:
    """The command-line entry point."""
    try:
        serve(read_options())
    except RecmasError as error:
        sys.exit(f"Cannot serve the page: {error}")


if __name__ == "__main__":
    main()
