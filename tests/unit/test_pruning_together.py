"""Several threads of one program prune at the same time, by hand and by the engine itself, into one archive."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from housekeeping_rig import PATIENCE_S, Program, lines_in

from bequest.actors import pruner
from bequest.engine import archive as archives
from bequest.engine.retention import Retention
from bequest.testing.manual_clock import ManualClock


class TellingLock:
    """A lock that tells when somebody has to wait for it."""

    def __init__(self, is_waited_for: threading.Event) -> None:
        self._lock = threading.Lock()
        self._is_waited_for = is_waited_for

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            self._is_waited_for.set()
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def prune(program: Program, archive: Path) -> None:
    """Prune all that has completed."""
    program.engine.prune(Retention(completed_s=0.0, archive=str(archive)))


def move(program: Program, archive: Path) -> None:
    """Move one run."""
    program.engine.archive(archive, 1)


@pytest.mark.parametrize("act", [prune, move])
def test_archive_that_this_engine_writes_to_is_waited_for(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, act: Callable[[Program, Path], None]
) -> None:
    """Whoever comes while another thread of the engine writes to the archive waits, and is not told of another one."""
    archive, met, faults = tmp_path / "old.jsonl", threading.Event(), list[BaseException]()

    def come() -> None:
        try:
            act(program, archive)
        except BaseException as error:  # noqa: BLE001 - it is looked at below
            faults.append(error)
        finally:
            met.set()

    second = threading.Thread(target=come)

    def append(file: Path, lines: Iterable[bytes]) -> None:
        with archives._opened(file):
            if second.ident is None:
                second.start()
            assert met.wait(PATIENCE_S)
        archives.append(file, lines)

    program = Program(tmp_path / "jobs.db", clock=clock)
    with program.engine:
        program.grow(2, 2)
        assert program.engine._pruner is not None
        program.engine._pruner._lock = TellingLock(met)
        monkeypatch.setattr(pruner, "append", append)

        prune(program, archive)

        second.join(PATIENCE_S)
    assert [str(fault) for fault in faults if act is prune] == []
    assert not any("another engine" in str(fault) for fault in faults)
    assert len(lines_in(archive)) == 6
