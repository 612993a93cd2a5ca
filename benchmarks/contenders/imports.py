"""Answers how long a fresh interpreter takes to import something."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from stopwatch import Stopwatch


def imported(watch: Stopwatch, code: str, count: int) -> None:
    """Start *count* interpreters for *code*, one after the other."""
    command = [sys.executable, "-c", code]
    subprocess.run(command, check=True)
    with watch.over(count):
        for _ in range(count):
            subprocess.run(command, check=True)


def nothing(watch: Stopwatch, folder: Path, count: int) -> None:
    """Import nothing."""
    imported(watch, "pass", count)


def bequest(watch: Stopwatch, folder: Path, count: int) -> None:
    """Import Bequest."""
    imported(watch, "import bequest", count)


def huey(watch: Stopwatch, folder: Path, count: int) -> None:
    """Import huey."""
    imported(watch, "import huey", count)


def procrastinate(watch: Stopwatch, folder: Path, count: int) -> None:
    """Import procrastinate."""
    imported(watch, "import procrastinate", count)


def apscheduler(watch: Stopwatch, folder: Path, count: int) -> None:
    """Import APScheduler with its SQLAlchemy store."""
    imported(watch, "import apscheduler.schedulers.background, apscheduler.jobstores.sqlalchemy", count)


def dbos(watch: Stopwatch, folder: Path, count: int) -> None:
    """Import DBOS."""
    imported(watch, "import dbos", count)
