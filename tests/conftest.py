"""What many tests share: a clock that only they move, and a fresh store on a real file."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

# No property is judged by how long a busy machine takes for it. Whatever else the profile in force says holds.
settings.register_profile(
    "unhurried",
    settings(),
    deadline=None,
    suppress_health_check=[*settings().suppress_health_check, HealthCheck.too_slow],
)
settings.load_profile("unhurried")


@pytest.fixture(scope="session", autouse=True)
def audible_signals() -> Iterator[None]:
    """Let the processes of tests hear Ctrl-C and a hangup, also where a shell in the background has them ignored.

    What is ignored stays so in a new process, while what is handled, even by doing nothing, is as usual in it.
    """
    numbers = (signal.SIGINT, signal.SIGHUP)
    ignored = [number for number in numbers if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, lambda _number, _frame: None)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


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
