"""Owns how commands read a database: beside whoever owns it, and without making one."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from ..engine.clock import SystemClock
from ..engine.database import database_at
from ..engine.database_file import open_reader
from ..engine.queries import Queries

AT_ONCE = 1000  # rows that are read at once

T = TypeVar("T")


@contextmanager
def reading(database: Path) -> Generator[Queries]:
    """Give the reads over an existing database; raises ``StoreError``, also where there is none."""
    opened = open_reader(database_at(database), clock=SystemClock())
    try:
        yield Queries(opened)
    finally:
        opened.close()


def paged(read: Callable[[int], list[T]], id_of: Callable[[T], int]) -> Iterator[T]:
    """Yield all that *read*, given the last id seen, returns page by page."""
    after_id = 0
    while found := read(after_id):
        yield from found
        after_id = id_of(found[-1])
