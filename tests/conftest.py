"""What many tests share: a clock that only they move, and a fresh store on a real file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    """Give a clock that stands still."""
    return ManualClock()


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[Store]:
    """Give a fresh store."""
    opened = Store.open(tmp_path / "jobs.db", clock=clock)
    yield opened
    opened.close()
