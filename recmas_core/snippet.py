"""A run as a few lines of Python that make it again, as a script and as a notebook."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields

from recmas_core.errors import BadInput
from recmas_core.records import Edit, RunConfig
from recmas_core.runconfig import Decoding

_INDENT = "    "
_CLOSING = f"\nfor tool in system.tools.values():\n{_INDENT}tool.close()\n"


@dataclass(frozen=True)
class Opened:
    """How a system is opened in Python.

    Attributes:
        function: "load_system" or "build_system".
        name: Its first argument.
        agents: For `build_system`, the agent of each role.
        options: Further arguments.
        tools: Whether its agents have tools, which are to be closed at the end.
    """

    function: str
    name: str
    agents: tuple[tuple[str, str], ...] = ()
    options: tuple[tuple[str, object], ...] = ()
    tools: bool = False

    def code(self) -> str:
        """The expression that opens it."""
        arguments = [repr(self.name)]
        if self.agents:
            pairs = ", ".join(f"{role!r}: {key!r}" for role, key in self.agents)
            arguments.append(f"agents={{{pairs}}}")
        arguments += [f"{name}={value!r}" for name, value in self.options]
        return f"rm.{self.function}({', '.join(arguments)})"


def python_code(
    opened: Opened, config: RunConfig, usual: Decoding, *, link: str = "", answer: str | None = None
) -> str:
    """A script that makes a run again and looks at its thoughts.

    Args:
        opened: How its system is opened.
        config: What was run.
        usual: How the system's agents speak unless a run says otherwise.
        link: Address of the run, for the comment at its head; "" for none.
        answer: What it answered, for a comment.

    Raises:
        BadInput: If the run holds changes made of whole vectors: they are in its trace alone.
    """
    options: dict[str, str] = {
        "rounds": repr(config.rounds), "latent_steps": repr(config.latent_steps), "seed": repr(config.seed),
    }  # fmt: skip
    if config.mode != "latent":
        options["mode"] = repr(config.mode)
    if not config.tools:
        options["tools"] = "False"
    for part in fields(Decoding):
        if getattr(config, part.name) != getattr(usual, part.name):
            options[part.name] = repr(getattr(config, part.name))
    if config.edits:
        inner = "".join(f"{2 * _INDENT}{_edit(edit)},\n" for edit in config.edits)
        options["edits"] = f"[\n{inner}{_INDENT}]"
    settings = "".join(f"{_INDENT}{name}={value},\n" for name, value in options.items())
    head = "# Makes a run of RecMAS Explorer again: run it where recmas_core lies.\n"
    # one line each, whatever stands in them: nothing may leave the comment
    head += f"# {_one_line(link)}\n" if link else ""
    said = f"  # it answered {_one_line(ascii(answer))[:200]}" if answer is not None else ""
    return (
        f"{head}import recmas_core as rm\n\n"
        f"system = {opened.code()}\n"
        f"trace = system.solve(\n{_INDENT}{config.question!r},\n{settings})\n"
        f"print(trace.answer){said}\n\n"
        "# What each thought says: the likeliest next words by its agent's own head.\n"
        "for thought in trace.thoughts:\n"
        f"{_INDENT}words = rm.lens(system.agents[thought.role], thought.hidden[None], k=3)[0]\n"
        f'{_INDENT}said = ", ".join(f"{{word.text.strip()}} {{word.score:.2f}}" for word in words)\n'
        f'{_INDENT}print(f"round {{thought.round}} {{thought.role}} thought {{thought.step + 1}}: {{said}}")\n\n'
        'trace.save("run.npz")  # the page opens it, and so does rm.Trace.load\n'
        f"{_CLOSING if opened.tools else ''}"
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _edit(edit: Edit) -> str:
    if edit.trace is not None or not isinstance(edit.value, int | float | None):
        raise BadInput("code", "cannot hold vectors that were put in", "Download the trace: it does.")
    parts = [repr(edit.turn), repr(edit.kind)]
    parts += [
        f"{name}={getattr(edit, name)!r}"
        for name in ("positions", "value", "receiver")
        if getattr(edit, name) is not None
    ]
    return f"rm.Edit({', '.join(parts)})"


def notebook(code: str) -> str:
    """A script as a Jupyter notebook: a cell for each of its paragraphs."""
    cells: list[dict[str, object]] = [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"cell-{number}",
            "metadata": {},
            "outputs": [],
            "source": part.strip("\n").splitlines(keepends=True),
        }
        for number, part in enumerate(code.split("\n\n"))
    ]
    kernel: Mapping[str, str] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False)
