"""The named API endpoint that opens further systems."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import gradio as gr

from recmas_core.allowed import Allowance
from recmas_core.errors import BadInput
from visualizers.panels.api import as_gradio_errors
from visualizers.panels.open_form import OWN, OpenForm, devices
from visualizers.panels.opening import opened
from visualizers.panels.shelf import Shelf


class OpenApi:
    """The endpoint of one page.

    Args:
        shelf: The systems that can be run.
        allowance: What may be opened.
    """

    def __init__(self, shelf: Shelf, allowance: Allowance) -> None:
        self._shelf, self._allowance = shelf, allowance

    def register(self) -> None:
        """Add the endpoint to the page that is being built."""
        gr.api(self.open, api_name="open", concurrency_limit=32)

    def open(
        self,
        system: str,
        agents: dict[str, str] | None = None,
        task: str = "math",
        device: str = "",
        weights: str = "bfloat16",
    ) -> Iterator[dict]:
        """Open a system of the public release, or a pattern with models for its roles; stream how far it has come.

        What may be opened is the operator's choice (`--models`). The weights are fetched from the hub where needed.

        Args:
            system: "released:" and a style, e.g. "released:sequential_light"; with `agents` a pattern's name.
            agents: Models by role, e.g. {"planner": "Qwen/Qwen3-0.6B", …}; null for the released system's own.
            task: Which links of a released system: "math" or "code".
            device: Where it computes: "cpu", "cuda:0", "auto"; "" for a GPU if there is one.
            weights: "bfloat16", "float16", "float32", "8" or "4" (bits).

        Returns:
            {"type": "loading", …}: how far it has come
            {"type": "open", "system"}: the end, with the name that /run and the others take
        """
        with as_gradio_errors():
            if agents is not None and not isinstance(agents, dict):
                raise BadInput("agents", f"is {str(agents)[:40]!r}", 'Give {"role": "owner/name"}.')
            form = OpenForm(f"{OWN}{system}" if agents else system, task, device or devices()[0], weights, ())
            roles = [role.name for role in form.pattern.roles]
            unknown = sorted(set(agents or {}) - set(roles))
            if unknown:
                raise BadInput("agents", f"name the roles {unknown}", f"The roles are {roles}.")
            named = tuple((agents or {}).get(role) for role in roles)
            wanted = OpenForm(form.what, form.task, form.device, form.weights, named).wanted(self._allowance)
            opening = opened(self._shelf, wanted)
            try:
                while True:
                    now = next(opening)
                    if now is not None:
                        yield {"type": "loading", **asdict(now)}
            except StopIteration as ended:
                yield {"type": "open", "system": ended.value.system}
            finally:
                opening.close()
