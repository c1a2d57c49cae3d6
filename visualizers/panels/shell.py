"""The page's frame: theme, styles, scripts, and where plotly.js comes from. Nothing is asked of another host."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import gradio as gr

from visualizers.figures import stylesheet

_ASSETS = Path(__file__).resolve().parents[2] / "assets" / "page"
_SCRIPTS = ("plots.js", "page.js", "lessons.js", "share.js", "access.js")
_STYLES = ("page.css", "train.css", "compare.css", "intervene.css", "learn.css", "share.css")
_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


@dataclass(frozen=True)
class Shell:
    """What launch() and the HTML components need to look and behave right.

    Attributes:
        css: The page's styles and the figures'.
        head: Script tag of the page's own code; given to every gr.HTML that mounts through it.
        plotly: URL of plotly.js on this server, relative to the page.
        theme: The theme.
    """

    css: str
    head: str
    plotly: str
    theme: gr.themes.Base


def build_shell() -> Shell:
    """Prepare the files that are served as they are.

    plotly.js is copied out of the installed package: a folder inside a virtual environment may be hidden, and gradio
    serves no hidden folders.
    """
    folder = Path(tempfile.mkdtemp(prefix="recmas-page-"))
    shutil.copyfile(str(files("plotly") / "package_data" / "plotly.min.js"), folder / "plotly.min.js")
    (folder / "page.js").write_text(_joined(*_SCRIPTS), encoding="utf-8")
    gr.set_static_paths([folder])
    return Shell(
        css=f"{stylesheet()}\n{_joined(*_STYLES)}",
        head=f'<script src="{_url(folder / "page.js")}"></script>',
        plotly=_url(folder / "plotly.min.js"),
        theme=page_theme(),
    )


def _joined(*names: str) -> str:
    return "\n".join((_ASSETS / name).read_text(encoding="utf-8") for name in names)


def page_theme() -> gr.themes.Base:
    """A quiet theme with the system's own fonts: no font is fetched from anywhere."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.blue,
        neutral_hue=gr.themes.colors.slate,
        font=_FONT,
        font_mono=_MONO,
        radius_size=gr.themes.sizes.radius_md,
        spacing_size=gr.themes.sizes.spacing_sm,
        text_size=gr.themes.sizes.text_md,
    ).set(
        body_background_fill="var(--recmas-ground)",
        body_background_fill_dark="var(--recmas-ground)",
        body_text_color="var(--recmas-ink)",
        body_text_color_dark="var(--recmas-ink)",
        block_background_fill="var(--recmas-surface)",
        block_background_fill_dark="var(--recmas-surface)",
        block_border_color="var(--recmas-line)",
        block_border_color_dark="var(--recmas-line)",
        border_color_primary="var(--recmas-line)",
        border_color_primary_dark="var(--recmas-line)",
        background_fill_primary="var(--recmas-surface)",
        background_fill_primary_dark="var(--recmas-surface)",
        block_label_text_color="var(--recmas-muted)",
        block_label_text_color_dark="var(--recmas-muted)",
        block_info_text_color="var(--recmas-muted)",
        block_info_text_color_dark="var(--recmas-muted)",
        body_text_color_subdued="var(--recmas-muted)",
        body_text_color_subdued_dark="var(--recmas-muted)",
        input_placeholder_color="var(--recmas-muted)",
        input_placeholder_color_dark="var(--recmas-muted)",
        input_background_fill_dark="var(--recmas-ground)",
        button_primary_background_fill="var(--recmas-button)",
        button_primary_background_fill_dark="var(--recmas-button)",
    )


def _url(path: Path) -> str:
    return f"gradio_api/file={path}"
