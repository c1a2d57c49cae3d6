"""What belongs to one visitor alone: links they trained here, systems they uploaded, and questions of theirs."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from recmas_core.errors import BadInput, SystemNotFound
from recmas_core.patterns import Pattern
from visualizers.panels.catalogue import Board, Catalogue, Lineup, Offer, folder_offer
from visualizers.panels.entry import Entry
from visualizers.panels.questions import read_questions
from visualizers.panels.shelf import Shelf
from visualizers.words import Words

if TYPE_CHECKING:
    from recmas_core.system import System
    from recmas_core.tasks.given import GivenQuestions

_TRAINED, _UPLOADS = 4, 3  # of one visitor: the oldest links are forgotten, further uploads refused


class Belongings:
    """The trained links and the uploaded systems of a visitor, and the catalogue with them.

    Args:
        board: What everybody is offered.
    """

    def __init__(self, board: Board) -> None:
        self._board, self._lock = board, threading.Lock()
        self._offers: tuple[Offer, ...] = ()
        self._trained: OrderedDict[Lineup, Entry] = OrderedDict()
        self._uploads: Shelf | None = None
        self._folder: Path | None = None
        self._questions: tuple[Path, dict[str, GivenQuestions]] | None = None
        self._count, self._closed = 0, False

    @property
    def catalogue(self) -> Catalogue:
        """What this visitor is offered."""
        shared, mine = self._board.catalogue, self._offers
        return shared.with_offers(mine) if mine else shared

    @property
    def uploads(self) -> Shelf | None:
        """The uploaded systems, None before the first."""
        return self._uploads

    def keep_links(self, lineup: Lineup, system: System, name: str, like: Entry) -> Lineup:
        """Keep a system with links trained here under a line-up of its own.

        Args:
            lineup: The line-up that was trained.
            system: It with its new links; nobody may change them from now on.
            name: What to call the links; a number is added where that is taken.
            like: An entry of the same agents, for their maps and where they run.

        Returns:
            The line-up to look at.
        """
        with self._lock:
            taken, title, number = {each.links for each in self._trained}, name, 1
            while title in taken:
                number += 1
                title = f"{name} ({number})"
            mine = replace(lineup, links=title)
            self._trained[mine] = like.like(system)
            while len(self._trained) > _TRAINED:
                self._trained.popitem(last=False)
            return mine

    def links_of(self, lineup: Lineup) -> tuple[str, ...]:
        """The names of the links trained here for a line-up's agents, in the order in which they were kept."""
        with self._lock:
            return tuple(each.links for each in self._trained if replace(each, links="") == replace(lineup, links=""))

    def trained(self, lineup: Lineup) -> Entry:
        """The system with links trained here.

        Raises:
            SystemNotFound: If they are not kept any more.
        """
        with self._lock:
            if lineup not in self._trained:
                todo = f"The last {_TRAINED} are: train them again, or choose others."
                raise SystemNotFound(f"links {lineup.links!r}", "are not kept any more", todo)
            return self._trained[lineup]

    def upload(self, file: Path, shelf: Shelf, words: Words) -> str:
        """Unpack a zip of a system's folder and offer it to this visitor; returns the system's name.

        Args:
            file: The zip.
            shelf: The shelf of all visitors, whose umap thread is used for the upload's maps too.
            words: What the page says.

        Raises:
            RecmasError: If the file is refused, or too many systems were uploaded.
        """
        from recmas_core.bundles import unpack_system

        with self._lock:
            if self._count >= _UPLOADS:
                raise BadInput("upload", f"is one more than {_UPLOADS}", "Reload the page to begin anew.")
            self._count += 1
            name = f"upload-{self._count}"
        folder = self.folder() / name
        try:
            unpack_system(file, folder)
            offer = folder_offer(name, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            with self._lock:
                self._count -= 1
            raise
        offer = replace(offer, title=words("train.results.yours", title=offer.title), source=str(folder))
        with self._lock:
            self._offers = (*self._offers, offer)
            if self._uploads is None:
                self._uploads = shelf.beside(self._board.catalogue)
            self._uploads.board.add(offer)
        return name

    def give(self, file: Path, pattern: Pattern) -> None:
        """Keep a file of questions, in place of the one before.

        Args:
            file: The file; a copy is kept.
            pattern: For whose roles it is read, to see that it can be.

        Raises:
            RecmasError: If it cannot be read; then the one before stays.
        """
        read = read_questions(file, pattern)
        kept = Path(tempfile.mkdtemp(prefix="questions-", dir=self.folder())) / file.name
        shutil.copyfile(file, kept)
        with self._lock:
            before, self._questions = self._questions, (kept, {pattern.name: read})
        if before is not None:
            shutil.rmtree(before[0].parent, ignore_errors=True)

    def given(self, pattern: Pattern) -> GivenQuestions | None:
        """The questions, with right turns for a pattern's roles; None where none were given.

        Raises:
            RecmasError: If the file does not fit this pattern.
        """
        with self._lock:
            if self._questions is None:
                return None
            file, read = self._questions
            if pattern.name not in read:
                read[pattern.name] = read_questions(file, pattern)
            return read[pattern.name]

    def folder(self) -> Path:
        """A folder for this visitor's files, deleted when they go.

        Raises:
            BadInput: If they have gone.
        """
        with self._lock:
            if self._closed:
                raise BadInput("session", "is over", "Reload the page.")
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="recmas-visitor-"))
            return self._folder

    def close(self) -> None:
        """Forget everything; files are deleted."""
        with self._lock:
            self._closed = True
            self._trained.clear()
            self._questions = None
            if self._uploads is not None:
                self._uploads.close()
            folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


class VisitorShelf:
    """The systems that one visitor can run: everybody's, and their own.

    Args:
        shared: The shelf of all visitors.
        mine: What belongs to this one.
    """

    def __init__(self, shared: Shelf, mine: Belongings) -> None:
        self.shared, self.mine = shared, mine

    @property
    def catalogue(self) -> Catalogue:
        """What this visitor is offered."""
        return self.mine.catalogue

    def pattern(self, lineup: Lineup) -> Pattern:
        """The pattern of a line-up."""
        return self.catalogue.pattern(lineup.system)

    def load(self, lineup: Lineup) -> Future[Entry]:
        """Load a line-up in a background thread; returns at once."""
        if lineup.links:
            future: Future[Entry] = Future()
            try:
                future.set_result(self.mine.trained(lineup))
            except SystemNotFound as error:  # handed to whoever asks for the system
                future.set_exception(error)
            return future
        return self._where(lineup).load(lineup)

    def entry(self, lineup: Lineup) -> Entry:
        """The system with these agents and links; waits for loading.

        Raises:
            RecmasError: If it cannot be loaded, or its links are not kept any more.
        """
        return self.load(lineup).result()

    def ready(self, lineup: Lineup) -> Entry | None:
        """The system if it is loaded; None while it is not, or if it could not be."""
        if lineup.links:
            future = self.load(lineup)
            return future.result() if future.exception() is None else None
        return self._where(lineup).ready(lineup)

    def _where(self, lineup: Lineup) -> Shelf:
        own = self.mine.uploads
        shipped = lineup.system in self.shared.catalogue.systems
        return self.shared if shipped or own is None else own
