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
from collections.abc import Callable, Iterable
from concurrent.futures import Future

from bequest import (
    BequestError,
    Credential,
    Credentials,
    Definition,
    Engine,
    JobContext,
    JobFilter,
    JobHandle,
    Key,
    LoginStep,
    Retention,
    Run,
    Schedules,
    Session,
    Subscription,
)

DEADLINE_S = 20
COOKIES = "# Netscape HTTP Cookie File\n.x.example\tTRUE\t/\tFALSE\t0\tsid\tvalue\n"
STEPS = (LoginStep(goto="https://x.example/"), LoginStep(wait_for="#account"))
SESSION = Credential.from_text(COOKIES, auth_id="wiki")
engine = Engine(sys.argv[1], key=Key.generate)


@engine.kind("echo")
def echo(job: JobContext, text: str) -> str:
    """Return what it is given."""
    return text


@engine.kind("waits")
def waits(job: JobContext) -> None:
    """Wait for its end."""
    job.wait(600.0)


HARMLESS = {"manager", "job.id", "credentials.vault", "events.close", "events.put"}


def untried(asked: Iterable[str]) -> set[str]:
    """Return what is public of an engine and what it hands out, and is not asked."""
    classes = {"": Engine, "job.": JobHandle, "run.": Run, "schedules.": Schedules, "credentials.": Credentials}
    public = {
        prefix + name
        for prefix, of in {**classes, "events.": Subscription}.items()
        for name in dir(of)
        if not name.startswith("_") and not (of is Run and name in dir(JobHandle) and name not in vars(Run))
    }
    return public - set(asked) - HARMLESS


def say(*words: object) -> None:
    """Write a line, whole."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def calls() -> dict[str, Callable[[], object]]:
    """Return everything that the child tries, made in the parent."""
    job: JobHandle[str] = engine.enqueue("echo", "before")
    job.wait(DEADLINE_S)
    return {**job_calls(job), **run_calls(job.id), **schedule_calls(), **credential_calls(), **engine_calls()}


def job_calls(job: JobHandle[str]) -> dict[str, Callable[[], object]]:
    """Return what is asked of jobs."""
    waiting: JobHandle[None] = engine.enqueue("waits")
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
        "job.wait": waiting.wait,
        "job.result": waiting.result,
        "job.job": job.job,
        "job.status": job.status,
        "job.logs": job.logs,
        "job.errors": job.errors,
        "job.cancel": waiting.cancel,
        "job.retry": job.retry,
        "job.delete": job.delete,
        "future": future.result,
        "kind": lambda: engine.kind("new")(waits.handler),
        "find_job": lambda: engine.find_job(1),
        "archive": lambda: engine.archive(f"{sys.argv[1]}.jsonl", job.id),
        "logs": lambda: engine.logs(job.id),
    }


def run_calls(job_id: int) -> dict[str, Callable[[], object]]:
    """Return what is asked of runs."""
    run = engine.find_run(job_id)
    status = run.status()
    return {
        "run": lambda: engine.run(Definition.crawl("x", start_urls=["http://x.example/"])),
        "find_run": lambda: engine.find_run(1),
        "run.wait": run.wait,
        "run.documents": lambda: next(iter(run.documents())),
        "run.progress": lambda: next(iter(run.progress())),
        "run.stats": run.stats,
        "run.failure_causes": run.failure_causes,
        "run.changed_since": lambda: run.changed_since(status, timeout_s=600.0),
    }


def schedule_calls() -> dict[str, Callable[[], object]]:
    """Return what is asked of schedules."""
    schedules = engine.schedules
    schedules.put("often", "echo", "x", every_s=3600.0)
    return {
        "schedules": lambda: engine.schedules,
        "schedules.put": lambda: schedules.put("again", "echo", "x", every_s=3600.0),
        "schedules.get": lambda: schedules.get("often"),
        "schedules.list": schedules.list,
        "schedules.pause": lambda: schedules.pause("often"),
        "schedules.resume": lambda: schedules.resume("often"),
        "schedules.remove": lambda: schedules.remove("often"),
        "schedules.run_now": lambda: schedules.run_now("often"),
        "schedules.makes_runs": schedules.makes_runs,
    }


def credential_calls() -> dict[str, Callable[[], object]]:
    """Return what is asked of credentials."""
    credentials = engine.credentials
    credentials.put(SESSION)
    return {
        "credentials": lambda: engine.credentials,
        "credentials.list": credentials.list,
        "credentials.get": lambda: credentials.get("wiki"),
        "credentials.remove": lambda: credentials.remove("wiki"),
        "credentials.rotate": credentials.rotate,
        "credentials.put": lambda: credentials.put(SESSION),
        "credentials.renew": lambda: credentials.renew("wiki", Session(), sites=["x.example"]),
        "credentials.log_in": lambda: credentials.log_in("wiki", STEPS),
        "credentials.for_sites": lambda: credentials.for_sites("wiki"),
    }


def engine_calls() -> dict[str, Callable[[], object]]:
    """Return what is asked of the engine itself."""
    events = engine.events()
    return {
        "jobs": engine.jobs,
        "stats": engine.stats,
        "pause": engine.pause,
        "resume": engine.resume,
        "pauses": engine.pauses,
        "cancel_jobs": lambda: engine.cancel_jobs(JobFilter(kind="waits")),
        "wait_idle": lambda: engine.wait_idle(timeout_s=600.0),
        "events": engine.events,
        "on_event": lambda: engine.on_event(print),
        "events.get": events.get,
        "prune": lambda: engine.prune(Retention(completed_s=0.0, archive=f"{sys.argv[1]}.jsonl")),
        "prunable": lambda: engine.prunable(Retention(completed_s=0.0)),
        "backup": lambda: engine.backup(f"{sys.argv[1]}.copy"),
        "integrity": engine.integrity,
        "log_in": lambda: engine.log_in(None),
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
        say("untried", *untried(asked))
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
