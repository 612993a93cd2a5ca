"""A handler in a process of its own may die as it wants: its own job alone is harmed, and a stop leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import process_handlers
import pytest
from process_handlers import Place, kinds

from bequest import Engine, EngineError, EngineState, Job, JobHandle, Retry, State
from bequest.actors.messages import Request
from bequest.engine.store import Store

PATIENCE_S = 60.0


class Crash(Request, frozen=True, kw_only=True):
    """Ends the manager, and with it the workers."""

    def apply(self, store: Store) -> None:
        """Do what no message does."""
        raise SystemExit


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Give a running engine with one slot, and check that no thread and no process is left of it."""
    engine = Engine(tmp_path / "jobs.db", queues={"default": 1})
    before = set(threading.enumerate())
    for kind in kinds.values():
        engine._kinds.add(kind)
    with engine:
        yield engine
    assert set(threading.enumerate()) - before == set()
    assert children_of(os.getpid()) == []


def children_of(pid: int) -> list[int]:
    """Return the processes that *pid* has started and not waited for."""
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


def until(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds, which another process brings about."""
    pause = threading.Event()
    for _ in range(int(PATIENCE_S * 100)):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it did not come about")


def is_running(pid: int) -> bool:
    """Whether there is a process of that number that has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def number_in(path: Path) -> int:
    """Return the number that a handler wrote to *path*, once it has."""
    until(lambda: path.exists() and path.read_text() != "")
    return int(path.read_text())


def run(engine: Engine, name: str, place: Path | None = None) -> Job:
    """Run one job to its end and return its row."""
    job: JobHandle[object] = engine.enqueue(kinds[name], None if place is None else Place(path=str(place)))
    assert job.wait(PATIENCE_S).is_final
    return job.job()


def is_unharmed(engine: Engine) -> bool:
    """Return whether the only slot takes another job, and no actor had to be started again."""
    health = engine.health()
    return run(engine, "good").state is State.COMPLETED and health.state is EngineState.RUNNING and not health.restarts


FAULTS = {  # what the handler does, the type of the error, and what its message has
    "leaves": ("ProcessDiedError", "ended with code 7"),
    "killed": ("ProcessDiedError", "ended by SIGKILL"),
    "segfaults": ("ProcessDiedError", "ended by SIGSEGV"),
    "exits": ("SystemExit", "3"),
    "interrupts": ("KeyboardInterrupt", ""),
    "misses": ("FileNotFoundError", "No such file"),
    "meets_end": ("EOFError", "the file is short"),
    "refused": ("ApiError", "the server said 503"),
    "unsendable": ("LocalError", "holds a file"),
    "freezes": ("FrozenError", "503"),
    "wide": ("InvalidJobError", "Expected `str`"),
    "opaque": ("InvalidJobError", "cannot be written as JSON"),
    "discards": ("Discard", "of no use"),
    "misspeaks": ("LogLevelError", "LOUD"),
    "asks_for_too_much": ("TypeError", "not to be sent"),
}


@pytest.mark.parametrize(("name", "error", "words"), [(name, *said) for name, said in FAULTS.items()], ids=FAULTS)
def test_process_that_fails_harms_its_own_job_alone(engine: Engine, name: str, error: str, words: str) -> None:
    """The job fails with what became of its handler, and the only slot takes the next job."""
    job = run(engine, name)

    assert job.state is State.FAILED
    assert job.error is not None
    assert job.error.type == error
    assert words in job.error.message
    assert is_unharmed(engine)


def test_error_of_a_process_says_where_it_came_from(engine: Engine) -> None:
    """The traceback is that of the handler, without our own frames."""
    error = run(engine, "misses").error

    assert error is not None
    assert "process_handlers.py" in (error.traceback or "")
    assert "process_child.py" not in (error.traceback or "")


def test_policy_sees_the_class_of_an_error_from_a_process(engine: Engine) -> None:
    """A class that pickle cannot make again is the one that retry_on names all the same."""
    retry = Retry(max_attempts=2, backoff="fixed", base_s=0.0, retry_on=(process_handlers.ApiError,))
    kind = engine.kind("refused twice", run_in="process", retry=retry)(process_handlers.refused)
    job = engine.enqueue(kind)

    job.wait(PATIENCE_S)

    assert [error.attempt for error in job.errors()] == [1, 2]


def test_process_that_snoozes_is_run_again(engine: Engine, tmp_path: Path) -> None:
    """A Snooze comes through with its delay, and costs no attempt."""
    job = run(engine, "snoozes", tmp_path / "runs")

    assert job.result == 1
    assert (tmp_path / "runs").read_text() == "1 1 1 "


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("forks", 0),
        ("pools", 6),
        ("spawns", 6),
        ("ends_a_pool", 0),
        ("ends_a_process", -signal.SIGTERM),
        ("awaits", "awaited"),
    ],
)
def test_process_may_use_processes_and_loops(engine: Engine, name: str, result: object) -> None:
    """A handler may fork, use a pool, end what it has started, and be async."""
    assert run(engine, name).result == result
    assert is_unharmed(engine)


def test_process_says_what_it_does(engine: Engine) -> None:
    """All that a context offers is there in a process too."""
    job: JobHandle[object] = engine.enqueue(kinds["talks"])

    assert job.result(PATIENCE_S) == 2
    children = [view.job for view in engine.jobs(parent_id=job.id)]
    assert job.job().metadata == {"team": "harbour", "seen": 2}
    assert [(line.level, line.message, line.fields) for line in job.logs()] == [
        ("WARNING", "from a process", {"where": "there"})
    ]
    assert [(child.key, child.on_failure) for child in children] == [("a", "count"), ("b", "ignore")]
    assert all(child.state is State.COMPLETED for child in children)


def test_processes_are_used_again(engine: Engine) -> None:
    """Jobs that come after one another in one slot share its process."""
    assert run(engine, "good").result == run(engine, "good").result


def test_process_that_is_over_time_is_killed(engine: Engine, tmp_path: Path) -> None:
    """A handler that never returns ends with its time, and the slot has a new process."""
    job: JobHandle[object] = engine.enqueue(
        kinds["spins"], Place(path=str(tmp_path / "pid")), timeout_s=3.0, max_attempts=1
    )
    pid = number_in(tmp_path / "pid")

    assert job.wait(PATIENCE_S) is State.FAILED

    found = job.job().error
    assert found is not None
    assert found.type == "TimedOutError"
    assert is_unharmed(engine)
    until(lambda: not is_running(pid))
    assert engine.health().abandoned == 0


def test_process_is_killed_with_its_job(engine: Engine, tmp_path: Path) -> None:
    """A job that is cancelled takes its process with it."""
    job: JobHandle[object] = engine.enqueue(kinds["spins"], Place(path=str(tmp_path / "pid")))
    pid = number_in(tmp_path / "pid")

    job.cancel()

    assert is_unharmed(engine)
    until(lambda: not is_running(pid))
    assert job.job().state is State.CANCELLED


def test_process_takes_its_own_children_with_it(engine: Engine, tmp_path: Path) -> None:
    """What a handler started ends with it when it is killed."""
    job: JobHandle[object] = engine.enqueue(kinds["has_a_child"], Place(path=str(tmp_path / "pid")))
    pid = number_in(tmp_path / "pid")

    job.cancel()

    until(lambda: not is_running(pid))


def test_stop_kills_what_runs_in_a_process(engine: Engine, tmp_path: Path) -> None:
    """On return of a stop the process has ended, and its job is due again with its attempt refunded."""
    job: JobHandle[object] = engine.enqueue(kinds["spins"], Place(path=str(tmp_path / "pid")))
    pid = number_in(tmp_path / "pid")

    engine.stop()

    assert not is_running(pid)
    with Engine(tmp_path / "jobs.db") as again:
        row = again.find_job(job.id).job()
    assert (row.state, row.attempts) == (State.PENDING, 0)


def has_restarted(engine: Engine, times: int) -> bool:
    """Whether parts of *engine* were started again so often."""
    return engine.health().restarts >= times


def test_process_of_a_worker_that_crashed_ends(engine: Engine) -> None:
    """Each worker that takes its place has a process of its own for a slot, and there is no other."""
    for times in range(1, 4):
        run(engine, "good")
        with pytest.raises(EngineError):
            engine.manager.ask(Crash())
        until(partial(has_restarted, engine, times))

    assert run(engine, "good").state is State.COMPLETED
    assert len(children_of(os.getpid())) == 1


@pytest.mark.parametrize("name", ["spins", "has_a_child"])
def test_process_ends_with_the_program(tmp_path: Path, name: str) -> None:
    """A program that is killed leaves no handler's process behind, nor what that started, whatever it does."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from process_handlers import *\n"
        "with engine: engine.enqueue(kinds[sys.argv[3]], Place(path=sys.argv[2])).wait()"
    )
    arguments = [sys.executable, "-c", program, str(Path(__file__).parent), str(tmp_path / "pid"), name]
    killed = subprocess.Popen(arguments)
    pid = number_in(tmp_path / "pid")

    killed.kill()

    killed.wait(PATIENCE_S)
    until(lambda: not is_running(pid))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_process_leaves_signals_to_the_program(engine: Engine, tmp_path: Path, number: signal.Signals) -> None:
    """A signal that a terminal or a service manager sends to all processes does not end a handler's."""
    job: JobHandle[object] = engine.enqueue(kinds["has_a_child"], Place(path=str(tmp_path / "pid")))
    number_in(tmp_path / "pid")
    (handler,) = children_of(os.getpid())

    os.kill(handler, number)

    os.kill(number_in(tmp_path / "pid"), signal.SIGKILL)
    assert job.wait(PATIENCE_S) is State.COMPLETED
