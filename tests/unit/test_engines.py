"""Tests of engines in a program: several at once, in memory, started and stopped again, and nothing global."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pykka
import pytest
from handler_rig import PATIENCE_S, engine_with_slots, is_unharmed, leaving_no_thread

from bequest import DatabaseOwnedError, Engine, EngineState, EngineStoppedError, Health, JobContext, State


def open_files() -> set[str]:
    """Return what this process holds open."""
    gc.collect()
    names = set()
    for path in Path("/proc/self/fd").iterdir():
        try:
            names.add(f"{path.name} {path.readlink()}")
        except FileNotFoundError:  # the folder's own
            continue
    return names


def global_state() -> dict[str, object]:
    """Return what a library could change for the whole program."""
    return {
        "root handlers": list(logging.getLogger().handlers),
        "root level": logging.getLogger().level,
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "hooks": (sys.excepthook, threading.excepthook, sys.unraisablehook),
        "switch interval": sys.getswitchinterval(),
        "actors": pykka.ActorRegistry.get_all(),
        "folder": Path.cwd(),
        "environment": dict(os.environ),
        "policy": asyncio.get_event_loop_policy(),
    }


def test_engines_of_one_process_do_not_meet(tmp_path: Path) -> None:
    """Kinds of one name are each engine's own, and the stop of one is nothing to the others."""
    engines = [Engine(tmp_path / f"{number}.db", queues={"default": 1}) for number in range(3)]

    def kind_of(number: int) -> Callable[[JobContext], int]:
        def who(job: JobContext) -> int:
            return number

        return who

    kinds = [engine.kind("who")(kind_of(number)) for number, engine in enumerate(engines)]

    with leaving_no_thread(), engines[0], engines[1], engines[2]:
        found = [engine.enqueue(kind).result(PATIENCE_S) for engine, kind in zip(engines, kinds, strict=True)]
        engines[0].stop()
        left = [engine.enqueue(kinds[1]).result(PATIENCE_S) for engine in engines[1:]]
        with pytest.raises(EngineStoppedError):
            engines[0].enqueue(kinds[0])

    assert found == [0, 1, 2]
    assert left == [1, 2]


@pytest.mark.parametrize("when", ["before the start", "after the start"])
def test_queue_that_is_named_is_worked_on(when: str) -> None:
    """A job may be enqueued in a queue that is no kind's; who gave the queue its slots means it to be run."""
    engine = Engine(queues={"mail": 2})

    def work(job: JobContext) -> str:
        return threading.current_thread().name

    kind = engine.kind("work")(work) if when == "before the start" else None
    with leaving_no_thread(), engine:
        job = engine.enqueue(kind or engine.kind("work")(work), queue="mail")

        assert job.result(PATIENCE_S) == "bequest-mail"


def test_file_has_one_engine(tmp_path: Path) -> None:
    """A second engine over one file is refused, in the same process too, and starts once the first has stopped."""
    first, second = Engine(tmp_path / "jobs.db"), Engine(tmp_path / "jobs.db")

    with leaving_no_thread():
        with first:
            with pytest.raises(DatabaseOwnedError):
                second.start()
            assert second.health() == Health(state=EngineState.STOPPED)
        with second:
            assert second.jobs() == []


def test_memory_is_forgotten_with_the_stop() -> None:
    """An engine in memory works as one on a file, and begins anew with each start; another one has its own."""
    engine, other = engine_with_slots(), engine_with_slots()

    with leaving_no_thread():
        with engine, other:
            assert is_unharmed(engine)
            assert [view.job.state for view in engine.jobs()] == [State.COMPLETED] * 2
            assert other.jobs() == []
        with engine:
            assert engine.jobs() == []
            assert is_unharmed(engine)


@pytest.mark.parametrize("path", ["file", ":memory:"])
def test_start_and_stop_leave_nothing_behind(tmp_path: Path, path: str) -> None:
    """No thread, no open file, and nothing that is the whole program's to say is there that was not there before."""
    engine = Engine(tmp_path / "jobs.db" if path == "file" else path, queues={"default": 2})

    @engine.kind("good")
    def good(job: JobContext) -> str:
        return "done"

    @engine.kind("async")
    async def waits(job: JobContext) -> None:
        await asyncio.sleep(0)

    with engine:  # what is imported late opens files for good
        engine.enqueue(waits).result(PATIENCE_S)
    before, files = global_state(), open_files()

    for _ in range(3):
        with leaving_no_thread(), engine:
            assert is_unharmed(engine, 2)
            engine.enqueue(waits).result(PATIENCE_S)

    assert global_state() == before
    assert open_files() == files


def test_start_and_stop_may_be_repeated(tmp_path: Path) -> None:
    """A start of what runs, and a stop of what does not, do nothing."""
    engine = Engine(tmp_path / "jobs.db")

    with leaving_no_thread():
        engine.stop()
        engine.start()
        engine.start()
        with engine:
            assert engine.health().state is EngineState.RUNNING
        engine.stop(1.0)

    assert engine.health() == Health(state=EngineState.STOPPED)


def test_start_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that cannot start is as if nobody had tried, and starts when the cause is gone."""
    engine = Engine(tmp_path / "jobs.db")
    engine.kind("good")(lambda job: None)

    def refuse(_: object) -> None:
        raise OSError("no more threads")

    with leaving_no_thread():
        with monkeypatch.context() as patched:
            patched.setattr("bequest.actors.worker_team.WorkerTeam.start", refuse)
            with pytest.raises(OSError, match="no more threads"):
                engine.start()
        assert engine.health().state is EngineState.STOPPED
        with engine:
            assert engine.jobs() == []


def test_start_is_light() -> None:
    """A start and stop import no asyncio, no processes and no cipher, and begin no handler's thread before its job."""
    program = (
        "import sys, threading; from bequest import Engine\n"
        "engine = Engine(':memory:', queues={'default': 50}); engine.kind('good')(lambda job: None)\n"
        "with engine: print(threading.active_count())\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    threads, modules = done.stdout.splitlines()
    assert int(threads) < 12
    heavy = {"asyncio", "cryptography", "multiprocessing", "playwright", "selectolax", "ssl", "subprocess"}
    assert heavy & set(modules.split()) == set()
