"""What language models may call over the Model Context Protocol: four tools, each of them a named API endpoint."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import gradio as gr

# Each gives one small result at its end: of a stream, such as that of /train, a caller gets the last piece.
TOOLS: Mapping[str, str] = MappingProxyType(
    {"run": "/solve", "probe": "/probe", "intervene": "/intervene", "train": "/train"}
)


def can_serve_tools() -> bool:
    """Whether what gradio needs for it is installed, and RECMAS_MCP is not 0."""
    return importlib.util.find_spec("mcp") is not None and os.environ.get("RECMAS_MCP", "1") != "0"


def limit_tools(page: gr.Blocks) -> None:
    """Leave `TOOLS` alone of what a launched page offers at /gradio_api/mcp/, under their own names and in JSON.

    Gradio makes a tool of every public endpoint. The others are good for programs; a language model that is shown a
    dozen of them chooses worse. On a Space gradio puts the Space's name before a tool's, so that several do not clash.
    """
    server = page.mcp_server_obj
    if server is not None:
        server.tool_to_endpoint = {f"{server.tool_prefix}{name}": endpoint for name, endpoint in TOOLS.items()}
        server.postprocess_output_data = _as_json  # type: ignore[method-assign]


def _as_json(data: Sequence[Any], root_url: str) -> list[Any]:
    """Results as the client gets them: JSON, where gradio would write Python's own form of it (True, None)."""
    from mcp.types import TextContent

    return [TextContent(type="text", text=json.dumps(each, ensure_ascii=False)) for each in data]
