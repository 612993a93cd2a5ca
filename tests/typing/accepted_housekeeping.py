"""What an embedder writes to keep house; mypy and pyright accept it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import assert_type

from bequest import BackupProgress, Engine, Finding, Health, Keep, LogEntry, LogLine, Prunable, Retention

RETENTION = Retention(
    completed_s=60,
    failed_s=30 * 86_400.0,
    kinds={"page": Keep(failed_s=math.inf), "thumbnail": Keep(completed_s=0)},
    archive="old.jsonl",
)


def keep_house(folder: Path) -> list[str]:
    """Prune, archive, back up, examine and read logs."""
    with Engine("wiki.db", retention=RETENTION) as engine:
        assert_type(engine.prunable(RETENTION), list[Prunable])
        assert_type(engine.prune(Retention()), int)
        engine.archive(folder / "old.jsonl", 7)
        assert_type(engine.backup("backup.db"), BackupProgress)
        assert_type(engine.backup(folder / "backup.db", on_progress=lambda one: print(one.done)), BackupProgress)  # noqa: T201
        assert_type(engine.integrity(is_quick=True, timeout_s=5), list[Finding])
        assert_type(engine.health(), Health)
        assert_type(engine.health().wal_bytes, int | None)
        lines = engine.logs(7, level="WARNING", after=12, limit=10)
        assert_type(lines, list[LogLine])
        assert_type([line.entry for line in lines], list[LogEntry])
        return [f"{number} {entry.message}" for number, entry in lines]
