"""What many tests share: a clock that only they move, and a fresh store on a real file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    """Give a clock that stands still."""
    return ManualClock()


@pytest.fixture(scope="session")
def fresh_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a new database that nobody writes to; to copy it takes a third of the time of making one."""
    path = tmp_path_factory.mktemp("fresh") / "jobs.db"
    Store.open(path, clock=ManualClock()).close()
    return path


@pytest.fixture
def store(fresh_database: Path, tmp_path: Path, clock: ManualClock) -> Iterator[Store]:
    """Give a fresh store."""
    shutil.copy(fresh_database, tmp_path / "jobs.db")
    opened = Store.open(tmp_path / "jobs.db", clock=clock)
    yield opened
    opened.close()
