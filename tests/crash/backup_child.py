"""A program that writes and backs up at the same time, and is killed.

    backup_child.py DATABASE FILE

Between two steps of the backup it makes a job; it writes ``step N`` to stdout, where N jobs are acknowledged, and reads
one byte from stdin before it goes on. It writes ``durable N`` once the backup is, which has them all.
"""

from __future__ import annotations

import sys

from bequest import BackupProgress, Engine
from bequest.actors.messages import CreateJob
from bequest.engine.records import NewJob


def main(database: str, file: str) -> None:
    """Back up."""
    with Engine(database, resume=False) as engine:
        acknowledged = 0

        def write_on(progress: BackupProgress) -> None:
            nonlocal acknowledged
            if not progress.is_complete:
                engine.manager.ask(CreateJob(job=NewJob(kind="meanwhile")))
            acknowledged = sum(counted.jobs.total for counted in engine.stats())
            sys.stdout.write(f"step {acknowledged}\n")
            sys.stdout.flush()
            sys.stdin.buffer.read(1)

        engine.backup(file, on_progress=write_on)
        sys.stdout.write(f"durable {acknowledged}\n")
        sys.stdout.flush()
        sys.stdin.buffer.read(1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
