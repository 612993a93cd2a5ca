"""Runs an engine on a disk that is really full: a small one of its own, where it may be mounted, else under a limit."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from bequest.engine.database_file import open_reader
from bequest.engine.queries import Queries
from bequest.testing.manual_clock import ManualClock

CHILD = Path(__file__).with_name("real_full_child.py")
PATIENCE_S = 120
SIZE = "4m"
# In a mount namespace of its own, which ends with it; what is left is copied out before.
MOUNTED = f'mount -t tmpfs -o size={SIZE} tmpfs "$1" && "$2" "$3" "$1" ballast && cp "$1"/jobs.db* "$4"'


class RealFull(NamedTuple):
    """What came of it."""

    way: str
    acknowledged: int
    lost: int
    errors: list[str]
    is_well: bool  # all the time, and every job that was acknowledged was done


def work_under_a_limit(folder: Path) -> RealFull:
    """Let no file of the engine's process grow beyond some size, which anybody may ask for; then lift it."""
    done = run([sys.executable, str(CHILD), str(folder), "limit"])
    return look("a limit on the size of files", folder, done)


def work_on_a_small_disk(folder: Path) -> RealFull | None:
    """Mount a disk of 4 MB and fill it; None where this process may not mount one."""
    unshare = shutil.which("unshare")
    (mounted := folder / "mounted").mkdir()
    (left := folder / "left").mkdir()
    ways = [] if unshare is None else [[unshare, "-m"], [unshare, "-r", "-m"]]
    for way in ways:
        if (
            subprocess.run(
                [*way, "mount", "-t", "tmpfs", "tmpfs", mounted], capture_output=True, check=False
            ).returncode
            == 0
        ):
            names = [str(mounted), sys.executable, str(CHILD), str(left)]
            return look("a tmpfs of 4 MB", left, run([*way, "sh", "-c", MOUNTED, "sh", *names]))
    return None


def run(command: list[str]) -> dict[str, Any]:
    """Return what the child printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def look(way: str, folder: Path, done: dict[str, Any]) -> RealFull:
    """Hold what the database in *folder* has against what the child was told."""
    reader = open_reader(str(folder / "jobs.db"), clock=ManualClock())
    try:
        queries = Queries(reader)
        found = {view.job.key: view.job.id for view in queries.jobs(limit=10_000)}
        findings = queries.integrity()
    finally:
        reader.close()
    assert findings == []
    lost = [key for key, job_id in done["acknowledged"].items() if found.get(key) != job_id]
    return RealFull(way, len(done["acknowledged"]), len(lost), done["errors"], done["is_well"])
