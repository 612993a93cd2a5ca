"""A handler in a thread that ends the whole program: the program that is started again and again comes to its end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bequest import Engine, State
from bequest.engine.lease_store import ENDS_FORGIVEN

DEADLINE_S = 60
PROGRAM = """
import os, sys
from bequest import Engine, Retry

engine = Engine(sys.argv[1])


@engine.kind("ends all", retry=Retry(max_attempts=2))
def ends_all(job):
    os._exit(7)


with engine:
    engine.enqueue(ends_all, key="once").wait(60)
"""


def test_handler_that_ends_the_program_is_given_up_in_the_end(tmp_path: Path) -> None:
    """A supervisor that starts the program again gets it to run, and the job says why it failed (I5)."""
    database = tmp_path / "jobs.db"

    codes = [
        subprocess.run([sys.executable, "-c", PROGRAM, database], timeout=DEADLINE_S, check=False).returncode
        for _ in range(ENDS_FORGIVEN + 3)
    ]

    assert codes == [7] * (ENDS_FORGIVEN + 2) + [0]
    with Engine(database) as engine:
        (view,) = engine.jobs()
        errors = engine.find_job(view.job.id).errors()
    assert (view.job.state, {one.error.type for one in errors}) == (State.FAILED, {"program_ended"})
