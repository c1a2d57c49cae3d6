"""What language models may call over the Model Context Protocol: four tools, each of them a named API endpoint."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

# Each gives one small result at its end: of a stream, such as that of /train, a caller gets the last piece.
TOOLS: Mapping[str, str] = MappingProxyType(
    {"run": "/solve", "probe": "/probe", "intervene": "/intervene", "train": "/train"}
)


def can_serve_tools() -> bool:
    """Whether what gradio needs for it is installed, and RECMAS_MCP is not 0."""
    return importlib.util.find_spec("mcp") is not None and os.environ.get("RECMAS_MCP", "1") != "0"


@contextmanager
def only_our_tools() -> Iterator[None]:
    """A page that is launched in here with `mcp_server=True` offers `TOOLS` at /gradio_api/mcp/, and nothing else.

    Gradio makes a tool of every public endpoint. The others are good for programs; a language model that is shown a
    dozen of them chooses worse. Gradio has no way to say so: it makes its server inside `launch`, by this name.
    """
    import gradio.mcp

    class OurServer(gradio.mcp.GradioMCPServer):
        def get_tool_to_endpoint(self) -> dict[str, str]:
            # on a Space the Space's name stands before a tool's, so that those of several do not clash
            return {f"{self.tool_prefix}{name}": endpoint for name, endpoint in TOOLS.items()}

        def postprocess_output_data(self, data: Sequence[Any], root_url: str) -> list[Any]:
            # gradio would write Python's own form: True, None, single quotes
            return [
                self.types.TextContent(type="text", text=json.dumps(each, ensure_ascii=False)) for each in data
            ]

    theirs = gradio.mcp.GradioMCPServer
    gradio.mcp.GradioMCPServer = OurServer  # type: ignore[misc]
    try:
        yield
    finally:
        gradio.mcp.GradioMCPServer = theirs  # type: ignore[misc]
