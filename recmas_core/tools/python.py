"""The Python tool: runs a program in the WebAssembly sandbox."""

from __future__ import annotations

import copy
import textwrap
from pathlib import Path

from recmas_core.errors import BadInput, RecmasError
from recmas_core.tools.base import ERROR
from recmas_core.tools.sandbox import Sandbox, Stopped

LONGEST_RESULT = 2_000  # characters
LONGEST_PROGRAM = 100_000  # characters


class PythonTool:
    """Runs Python programs that nobody trusts. See `sandbox` for what keeps them in.

    The result is what the program printed or, if it printed nothing, the value of a last bare expression.

    Args:
        seconds: Time limit of one program.
        megabytes: Memory limit of one program.
        at_once: How many programs may run side by side; further callers wait.
        longest: Characters of a result that are kept; a longer one says that it was cut.
        folder: Where the compiled sandbox is kept. Default: this user's cache.

    Raises:
        BadInput: For a limit under which nothing can run.
    """

    name = "python"
    about = "Runs a Python program and reads what it printed."

    def __init__(
        self,
        seconds: float = 5.0,
        megabytes: int = 256,
        *,
        at_once: int = 4,
        longest: int = LONGEST_RESULT,
        folder: Path | None = None,
    ) -> None:
        if not seconds > 0 or megabytes < 32 or at_once < 1 or longest < 1:
            found = f"cannot work with {seconds} s, {megabytes} MB, {at_once} at once, {longest} characters"
            raise BadInput("python tool", found, "Give it time, at least 32 MB, one place and one character.")
        self.source = f"WebAssembly sandbox, {seconds:g} s, {megabytes} MB"
        self.facts = {"seconds": f"{seconds:g}", "megabytes": megabytes}
        self._longest = longest
        self._sandbox = Sandbox(seconds, megabytes, at_once, folder)

    def __repr__(self) -> str:
        """The limits."""
        return f"PythonTool({self.source})"

    def call(self, request: str) -> str:
        """The result of a program, in words also where it fails, is stopped, or cannot be run here."""
        if len(request) > LONGEST_PROGRAM:
            return f"{ERROR}the program is longer than {LONGEST_PROGRAM} characters"
        program = textwrap.dedent(request).strip().encode("utf-8", "replace").decode()  # no half surrogate pairs
        try:
            return self._sandbox.run(program, self._longest)
        except (Stopped, RecmasError) as reason:
            return f"{ERROR}{reason}"

    def warm(self) -> None:
        """Make and open the sandbox; only the first time on a machine takes longer than a moment.

        Raises:
            SandboxUnavailable: If this machine cannot have one.
        """
        self._sandbox.open()

    def forked(self) -> PythonTool:
        """This tool with a sandbox of its own: threads of the process that was forked may have been in the old one."""
        twin = copy.copy(self)
        twin._sandbox = self._sandbox.forked()
        return twin

    def close(self) -> None:
        """Let go of the sandbox's code."""
        self._sandbox.close()
