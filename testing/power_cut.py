"""Owns ``PowerCut``: a disk that knows what of its files is durable, and what a power cut would leave of them.

What was written since a file's last sync survives a cut by chance: each sector of 512 bytes by itself, so that writes
are torn and come in another order than they were made in; a sector of which a part was written keeps its other bytes.
A new name in a folder, and a deletion, survive by chance until they are synced. What reaches a file past SQLite counts
as durable at once. The files themselves are written as ever and never synced, so this is as fast as memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple, TypeVar

from .disk_vfs import Disk, Operation, failure

T = TypeVar("T")

SECTOR = 512
BESIDE = ("-wal", "-journal")  # of a database that was opened: perhaps there, and not opened yet
CHANCES = (0.0, 0.1, 0.5, 0.9, 1.0)  # that a sector survives; one of them for each cut


class Change(NamedTuple):
    """What a write or a truncate does to one sector of a file, or to its size."""

    offset: int  # or the size
    data: bytes | None

    def apply(self, image: bytearray) -> None:
        """Do it."""
        end = self.offset + len(self.data or b"")
        image.extend(bytes(max(0, end - len(image))))
        if self.data is None:
            del image[end:]
        else:
            image[self.offset : end] = self.data


def sectors(offset: int, data: bytes) -> Iterator[Change]:
    """Yield what a write of *data* at *offset* does to each sector."""
    begin = offset
    for end in (*range(offset - offset % SECTOR + SECTOR, offset + len(data), SECTOR), offset + len(data)):
        yield Change(begin, data[begin - offset : end - offset])
        begin = end


class Medium:
    """A file's name: what it leads to for good, and what was done since, in order."""

    def __init__(self, content: bytes | None, *, former: bytes | None = None, is_there: bool = True) -> None:
        self.is_there = is_there
        self.opened = 0  # so many times, and not closed
        self.former = former  # what the name leads to until its own file is named for good
        self._is_named = content is not None
        self._durable = bytearray(content or b"")
        self._pending: list[Change] = []

    def change(self, changes: Iterable[Change]) -> None:
        """Note what is not durable yet."""
        self._pending += changes

    def sync(self) -> None:
        """Make all of it durable; the first sync of a file is one of its name too."""
        for change in self._pending:
            change.apply(self._durable)
        self._pending.clear()
        self._is_named, self.former = True, None

    def delete(self, *, is_durable: bool) -> None:
        """Take the file away, for good or until the power goes."""
        left = bytes(self._durable) if self._is_named else self.former
        self.former = None if is_durable else left
        self.is_there = self._is_named = False

    def content(self) -> bytes:
        """Return what a reader finds."""
        return self._left(lambda: True)

    def after_cut(self, survives: Callable[[], bool]) -> bytes | None:
        """Return what may be left, None for no file."""
        if self._is_named or (self.is_there and survives()):
            return self._left(survives)
        return self.former if survives() else None

    def _left(self, survives: Callable[[], bool]) -> bytes:
        image = bytearray(self._durable)
        for change in self._pending:
            if survives():
                change.apply(image)
        return bytes(image)


class PowerCut(Disk):
    """A disk whose power goes at the *cut_at*-th operation, from 1, or with ``cut``; all later ones fail.

    That operation may be done in part. *seed* decides what is left. A disk that *lies* says that it has synced what it
    has not.
    """

    syncs = False

    def __init__(self, seed: int, *, cut_at: int | None = None, lies: bool = False) -> None:
        super().__init__()
        self.is_cut = False
        self._random = Random(seed)  # noqa: S311 - so that a failure can be repeated
        self._cut_at = cut_at
        self._lies = lies
        self._met = 0
        self._media: dict[str, Medium] = {}

    def cut(self) -> None:
        """Let the power go."""
        with self._lock:
            self.is_cut = True

    def after_cut(self, folder: Path) -> None:
        """Write the files into *folder* as the medium may have them, had the power gone now or when it was cut."""
        for name, content in self.left().items():
            folder.joinpath(name).write_bytes(content)

    def left(self) -> dict[str, bytes]:
        """Return what ``after_cut`` writes: the content of each file by its name, another one at each call."""
        with self._lock:
            chance = self._random.choice(CHANCES)
            paths = dict.fromkeys(f"{path}{ending}" for path in self._media for ending in ("", *BESIDE))
            left = {path: self._medium(path).after_cut(lambda: self._random.random() < chance) for path in paths}
            return {Path(path).name: content for path, content in left.items() if content is not None}

    def before(self, operation: Operation) -> None:
        """Do nothing; a subclass may look here at what a cut just before *operation* would leave."""

    def meet(self, operation: Operation, act: Callable[[Operation], T]) -> T:
        """Note what it changes, and do it, unless it is a sync; fail when the power is gone."""
        with self._lock:
            if self.is_cut:
                raise failure(operation, "io")
            medium = self._media[operation.path] = self._medium(operation.path)
            self.before(operation)
            self._met += 1
            if self._met == self._cut_at:
                self.cut()
            if operation.name != "open":
                self._note(operation, medium)
            if self.is_cut:
                raise failure(operation, "io")
            done = act(operation)
            if operation.name == "open":
                self._note_open(operation.path, medium)
            return done

    def closed(self, path: str) -> None:
        """Note it."""
        with self._lock:
            self._media[path].opened -= 1

    def _note_open(self, path: str, medium: Medium) -> None:
        opened = medium if medium.is_there else Medium(None, former=medium.former)
        opened.opened += 1
        self._media[path] = opened

    def _medium(self, path: str) -> Medium:
        """Return what is known of a name; what has come there past SQLite is durable."""
        known = self._media.get(path) or Medium(None, is_there=False)
        if known.opened:  # and so not replaced; to read it here would cost SQLite its locks on it
            return known
        file = Path(path)
        found = file.read_bytes() if file.exists() else None
        if found is None:
            return Medium(None, former=known.former, is_there=False)
        return known if known.is_there and known.content() == found else Medium(found)

    def _note(self, operation: Operation, medium: Medium) -> None:
        match operation.name:
            case "write":
                medium.change(sectors(operation.offset, operation.data))
            case "truncate":
                medium.change([Change(operation.offset, None)])
            case "delete":
                medium.delete(is_durable=operation.is_durable)
            case "sync" if not self._lies and not self.is_cut:
                medium.sync()
