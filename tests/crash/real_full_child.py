"""Works on a disk that is really full, makes room, and goes on in the same engine; prints what it was told.

argv: the folder, and whether room is made there by removing a ballast ("ballast") or by lifting a limit ("limit").
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from bequest import DiskError, Engine, EngineState, JobContext, State
from bequest.engine.errors import CommitInDoubtError
from bequest.testing.manual_clock import ManualClock

LIMIT_BYTES = 1_000_000  # of each file; a new database has 170,000
BALLAST_BYTES = 1_000_000
CONFIG = "x" * 20_000
MOST = 1_000  # jobs, long before which it is full
PATIENCE_S = 30.0


def main(folder: Path, way: str) -> None:
    """Fill it, make room, and go on."""
    acknowledged: dict[str, int] = {}
    ballast = folder / "ballast"
    if way == "ballast":
        ballast.write_bytes(bytes(BALLAST_BYTES))
    clock = ManualClock()
    with Engine(folder / "jobs.db", clock=clock) as engine:

        @engine.kind("work")
        def work(job: JobContext, config: str) -> str:
            return config[:10]

        if way == "limit":
            limit = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, limit[1]))
        errors = []
        for number in range(MOST):
            try:
                acknowledged[str(number)] = engine.enqueue(work, CONFIG, key=str(number)).id
            except (CommitInDoubtError, DiskError) as error:
                errors.append(str(error))
                if len(errors) == 5:
                    break
        while_full = engine.health().state
        if way == "limit":
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        else:
            ballast.unlink()
        for number in range(MOST, MOST + 5):
            acknowledged[str(number)] = engine.enqueue(work, CONFIG, key=str(number)).id
        clock.advance(1.0)
        states = [engine.find_job(job_id).wait(PATIENCE_S) for job_id in acknowledged.values()]
        is_well = while_full is engine.health().state is EngineState.RUNNING and set(states) == {State.COMPLETED}
    sys.stdout.write(json.dumps({"acknowledged": acknowledged, "errors": errors, "is_well": is_well}))


main(Path(sys.argv[1]), sys.argv[2])
