"""A program with an engine that forks, and whose child tries everything and then ends in some way.

    fork_program.py DATABASE WAY

The child writes a line for each call: its name, and the error that it raised or ``returned``. Then the parent goes on.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future

from bequest import BequestError, Definition, Engine, JobContext, JobFilter, JobHandle

DEADLINE_S = 20
engine = Engine(sys.argv[1])


@engine.kind("echo")
def echo(job: JobContext, text: str) -> str:
    """Return what it is given."""
    return text


@engine.kind("waits")
def waits(job: JobContext) -> None:
    """Wait for its end."""
    job.wait(600.0)


def say(*words: object) -> None:
    """Write a line, whole."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def calls() -> dict[str, Callable[[], object]]:
    """Return everything that the child tries, made in the parent."""
    job: JobHandle[str] = engine.enqueue("echo", "before")
    job.wait(DEADLINE_S)
    waiting: JobHandle[None] = engine.enqueue("waits")
    run = engine.find_run(job.id)
    events = engine.events()
    future: Future[JobHandle[str]] = engine.enqueue_later("echo", "later")

    async def in_asyncio() -> None:
        await engine.aenqueue("echo", "x")

    async def await_job() -> None:
        await waiting

    return {
        "enqueue": lambda: engine.enqueue("echo", "x"),
        "enqueue_many": lambda: engine.enqueue_many("echo", ["x"]),
        "enqueue_later": lambda: engine.enqueue_later("echo", "x"),
        "aenqueue": lambda: asyncio.run(in_asyncio()),
        "await": lambda: asyncio.run(await_job()),
        "wait": waiting.wait,
        "result": waiting.result,
        "job": job.job,
        "status": job.status,
        "logs": job.logs,
        "errors": job.errors,
        "cancel": waiting.cancel,
        "retry": job.retry,
        "delete": job.delete,
        "future": future.result,
        "jobs": engine.jobs,
        "stats": engine.stats,
        "pause": engine.pause,
        "resume": engine.resume,
        "pauses": engine.pauses,
        "cancel_jobs": lambda: engine.cancel_jobs(JobFilter(kind="waits")),
        "wait_idle": lambda: engine.wait_idle(timeout_s=600.0),
        "events": engine.events,
        "on_event": lambda: engine.on_event(print),
        "event": events.get,
        "kind": lambda: engine.kind("new")(waits.handler),
        "run": lambda: engine.run(Definition.crawl("x", start_urls=["http://x.example/"])),
        "find_run": lambda: engine.find_run(1),
        "run.wait": run.wait,
        "run.documents": lambda: next(iter(run.documents())),
        "credentials": lambda: engine.credentials,
        "health": engine.health,
        "start": engine.start,
        "stop": engine.stop,
        "run_forever": engine.run_forever,
    }


def try_all(asked: dict[str, Callable[[], object]]) -> None:
    """Call everything, and say what came of it."""
    for name, call in asked.items():
        signal.alarm(DEADLINE_S)  # ends the child where a call hangs
        try:
            call()
        except BequestError as error:
            say(name, type(error).__name__)
        else:
            say(name, "returned")
    signal.alarm(0)


def leave(way: str) -> None:
    """End the child."""
    match way:
        case "exits":
            sys.exit(3)
        case "raises":
            raise ValueError("no")
        case "is killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "leaves at once":
            os._exit(4)


def main(way: str) -> None:
    """Fork, and go on."""
    with engine:
        asked = calls()
        child = os.fork()
        if child == 0:
            try_all(asked)
            leave(way)
            return  # out of the with block, and to the end of the program
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        say("parent", code, engine.enqueue("echo", "after").result(DEADLINE_S), engine.health().state)
    say("threads", threading.active_count())


if __name__ == "__main__":
    main(sys.argv[2])
