"""Errors that say what is wrong, where, and what to do about it."""

from __future__ import annotations


class RecmasError(Exception):
    """Base of every error a user can cause or meet.

    Args:
        where: The thing that is wrong, e.g. "rounds" or "link planner->critic".
        what: What is wrong with it.
        todo: What to do about it, a full sentence.
    """

    def __init__(self, where: str, what: str, todo: str) -> None:
        super().__init__(f"{where} {what}. {todo}")
        self.where, self.what, self.todo = where, what, todo

    def __reduce__(self) -> tuple[type[RecmasError], tuple[str, str, str]]:
        """Pickled by its three parts: an exception's own way would hand the whole message to the constructor."""
        return type(self), (self.where, self.what, self.todo)


class BadInput(RecmasError, ValueError):
    """An argument or a question that cannot be used."""


class LinkMissing(RecmasError, LookupError):
    """An edge of the pattern has no outer link, or an agent no inner link."""


class DimensionMismatch(RecmasError, ValueError):
    """Vectors of one width were offered where another width is needed."""


class NonFiniteLatent(RecmasError, ArithmeticError):
    """A latent thought or a transfer holds NaN or infinity: the run stops there."""


class SystemNotFound(RecmasError, LookupError):
    """No system, agent or file is to be found under the name given."""


class UnsafeCheckpoint(RecmasError, ValueError):
    """A file is damaged, or would have to be unpickled: it is not read."""


class Diverged(RecmasError, ArithmeticError):
    """A loss or a gradient is not finite: training stops, the links keep their last good values."""


class NotAllowed(RecmasError):
    """What was asked for exists, or may, but whoever runs the server does not offer it."""


class WriteFailed(RecmasError):
    """A file or folder could not be written, e.g. because the disk is full: nothing half-written stays."""


class RunInterrupted(RecmasError):
    """What a run computes on was taken away: the run is not over, and can be asked to go on from where it was."""
