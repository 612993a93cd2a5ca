"""A program that does with a secret whatever an engine does, with all loggers at debug, and writes down what it gets.

    canary_program.py URL FOLDER

FOLDER holds the secret in ``secret`` and the key in ``key``. It says ``held`` on stdout while a page is under way and
``stopped`` once the engine is, and reads a line from stdin before it goes on.
"""

from __future__ import annotations

import logging
import pickle
import pprint
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from bequest import (
    BequestError,
    Cookie,
    Credential,
    Definition,
    Engine,
    Event,
    JobContext,
    Key,
    KeyFile,
    OriginHeader,
    OriginStorage,
    Retention,
    Retry,
    Run,
    Secret,
)
from bequest.actors.browser_messages import Click, Fill, Goto, Login, WaitFor
from bequest.console.export import export_documents

OUT = Path("out")
logger = logging.getLogger("program")


def credential_for(url: str, secret: Secret) -> Credential:
    """Return a session with the secret in every place that it has."""
    origin = url.rstrip("/")
    return Credential(
        auth_id="members",
        sites=("127.0.0.1",),
        cookies=(Cookie(name="sid", value=secret, domain="127.0.0.1", host_only=True, http_only=True),),
        headers=(OriginHeader.bearer(origin, token=secret),),
        storages=(OriginStorage(origin=origin, local={"token": secret}, session={"token": secret}),),
        secrets={"password": secret},
    )


def write_down(name: str, value: object) -> None:
    """Write a value in every way that shows something of it."""
    shown = [repr(value), str(value), f"{value}", pprint.pformat(value)]
    for write in (pickle.dumps, msgspec.json.encode):
        try:
            shown.append(repr(write(value)))
        except TypeError as error:
            shown.append(repr(error))
    (OUT / f"{name}.txt").write_text("\n".join(shown))


def write_failure(name: str, error: BaseException) -> None:
    """Write an error with the variables of all its frames, and log it."""
    logger.error("failed", exc_info=error)
    frames = traceback.TracebackException.from_exception(error, capture_locals=True)
    (OUT / f"{name}.txt").write_text("".join(frames.format()))


def fail_in_many_ways(engine: Engine, credential: Credential, url: str, folder: Path) -> None:
    """Induce what goes wrong with sessions, and write the tracebacks down."""
    steps = (Goto(url=f"{url}login"), Fill(selector="#none", value=credential.secrets["password"]))
    ways: dict[str, Callable[[], object]] = {
        "login failed": lambda: engine.log_in(Login(steps=steps, allow_private=True, timeout_s=2.0)),
        "no file": lambda: Credential.from_file(folder / "secret", auth_id="members"),
        "other key": lambda: Engine("jobs.db", key=lambda: Key(b"o" * 32)).start(),
        "other type": lambda: engine.credentials.put(msgspec.structs.replace(credential, cookies=("sid",))),
    }
    for name, way in ways.items():
        try:
            way()
        except (BequestError, AttributeError) as error:
            write_failure(name, error)


def log_in(engine: Engine, url: str, secret: Secret) -> None:
    """Have the browser type the secret."""
    password = Fill(selector="input[name=password]", value=secret)
    steps = (Goto(url=f"{url}login"), password, Click(selector="button"), WaitFor(selector="p"))
    write_down("session", engine.log_in(Login(steps=steps, allow_private=True)))


def write_results(engine: Engine, run: Run, events: list[Event]) -> None:
    """Write down all that an engine gives of a run."""
    documents = list(run.documents())
    export_documents(documents, OUT / "documents.jsonl")
    (OUT / "page.md").write_text("".join(document.markdown for document in documents))
    seen: dict[str, Any] = {
        "documents": documents,
        "job": run.job(),
        "causes": run.failure_causes(),
        "entries": engine.credentials.list(),
        "credential": engine.credentials.get("members"),
        "vault": engine.credentials.vault(),
        "events": events,
        "logs": engine.logs(run.id),
        "stats": engine.stats(),
        "health": engine.health(),
    }
    for name, value in seen.items():
        write_down(name, value)


def wait_for_the_test(said: str) -> None:
    """Say where it is, and go on when the test has looked."""
    sys.stdout.write(f"{said}\n")
    sys.stdout.flush()
    sys.stdin.readline()


def main(url: str, folder: Path) -> None:
    """Do it all."""
    logging.basicConfig(level=logging.DEBUG, filename="debug.log")
    OUT.mkdir()
    file = KeyFile(folder / "key")
    engine = Engine("jobs.db", key=file, concurrency=2)

    @engine.kind("uses a session", retry=Retry(max_attempts=1))
    def use(_job: JobContext) -> None:
        raise ValueError(f"cannot use {engine.credentials.get('members')}")

    with engine, engine.events() as subscription:
        credential = credential_for(url, Secret((folder / "secret").read_text()))
        log_in(engine, url, credential.secrets["password"])
        engine.credentials.put(credential)
        run = engine.run(Definition.crawl("members", start_urls=[f"{url}held"], auth_id="members", allow_private=True))
        wait_for_the_test("held")
        run.wait(timeout_s=120)
        engine.enqueue(use).wait(timeout_s=120)
        fail_in_many_ways(engine, credential, url, folder)
        engine.backup("before.db")
        file.add()
        engine.credentials.rotate()
        write_results(engine, run, list(iter(lambda: subscription.get(0.0), None)))
        engine.backup("after.db")
        engine.archive("archive.jsonl", run.id)
        engine.prune(Retention(completed_s=0.0, failed_s=0.0))
    wait_for_the_test("stopped")


if __name__ == "__main__":
    try:
        main(sys.argv[1], Path(sys.argv[2]))
    except BequestError:
        logger.exception("the program failed")
        raise
