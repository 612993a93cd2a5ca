"""An engine does not survive a fork: in the child every call says so at once, and the child's end harms nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bequest import DatabaseOwnedError, Engine, State

PROGRAM = Path(__file__).with_name("fork_program.py")
DEADLINE_S = 120
CODES = {"returns": 0, "exits": 3, "raises": 1, "is killed": -9, "leaves at once": 4}


@pytest.mark.parametrize(("way", "code"), CODES.items(), ids=CODES)
def test_forked_child_is_refused_and_harms_nothing(tmp_path: Path, way: str, code: int) -> None:
    """Each call raises ForkError and none hangs; however the child ends, the parent goes on, and all is stored."""
    database = tmp_path / "jobs.db"

    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", PROGRAM, database, way],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )

    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    said = {name: what for name, what in lines[1:] if name not in ("parent", "threads")}
    assert lines[0] == ["untried"]
    assert len(said) > 30
    assert {name for name, what in said.items() if what != "ForkError"} == set()
    assert ["parent", f"{code} after running"] in lines
    assert ["threads", "1"] in lines
    assert done.returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["jobs.db", "jobs.db.lock"]
    with Engine(database) as engine:
        found = [(view.job.kind, view.job.state) for view in engine.jobs()]
    assert found == [
        ("echo", State.COMPLETED),
        ("waits", State.PENDING),
        ("echo", State.COMPLETED),
        ("echo", State.COMPLETED),
    ]


HOLDER = """
import os, sys
from bequest import Engine
reading, writing = os.pipe()
with Engine(sys.argv[1]):
    if os.fork() == 0:
        os.close(writing)
        os.read(reading, 1)  # until the parent has ended
        os._exit(0)
    print("forked", flush=True)
    sys.stdin.readline()
print("stopped", flush=True)
sys.stdin.readline()
"""


def test_forked_child_holds_no_lock(tmp_path: Path) -> None:
    """While the parent runs it owns the file; once it has stopped another engine can, though the child lives on."""
    database = tmp_path / "jobs.db"
    with subprocess.Popen(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", HOLDER, database],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        assert parent.stdout.readline() == "forked\n"
        with pytest.raises(DatabaseOwnedError), Engine(database):
            pass

        parent.stdin.write("\n")
        parent.stdin.flush()

        assert parent.stdout.readline() == "stopped\n"
        with Engine(database) as engine:
            assert engine.jobs() == []
