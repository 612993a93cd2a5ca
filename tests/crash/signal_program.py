"""Programs that are sent signals all the time: a daemon, and the command line whose browser is a site of numbers.

    main(WHAT, DATABASE, SAID)

What goes to stderr goes to the file SAID. It says ``listens`` once it hears signals, and ``ended CODE`` in the end.
"""

from __future__ import annotations

import os
import sys

from crawl_child import SEED, SiteEngine

from bequest import Engine, JobContext
from bequest.actors import forever
from bequest.console import main as command_line
from bequest.console import running
from bequest.console.orderly_engine import OrderlyEngine
from bequest.console.signals import stop_in_order


def say(*words: object) -> None:
    """Write a line, whole."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class OrderlySiteEngine(OrderlyEngine, SiteEngine):
    """The engine of a command whose browser is the site."""


def short(job: JobContext) -> None:
    """Take no time."""


def waits(job: JobContext) -> None:
    """Run until it is told to end."""
    job.wait(600.0)


def daemon(database: str) -> int:
    """Run jobs that take no time, and some that never end, in threads and in processes."""
    engine = Engine(database, queues={"default": 3, "processes": 1})
    engine.kind("short")(short)
    engine.kind("waits")(waits)
    engine.kind("in a process", run_in="process", queue="processes")(waits)
    to_engine = forever.signals_to

    def telling(hear: object) -> object:
        said = to_engine(hear)  # type: ignore[arg-type]
        return Telling(said)

    forever.signals_to = telling  # type: ignore[assignment]
    engine.run_forever(grace_s=0.05)
    return 0


class Telling:
    """Says when the signals are heard."""

    def __init__(self, listening: object) -> None:
        self._listening = listening

    def __enter__(self) -> None:
        self._listening.__enter__()  # type: ignore[attr-defined]
        say("listens")

    def __exit__(self, *error: object) -> None:
        self._listening.__exit__(*error)  # type: ignore[attr-defined]


def crawl(database: str) -> int:
    """Crawl, as the command line does."""
    sys.argv = ["bequest", "crawl", SEED, "--max-pages", "20000", "--max-depth", "50", "--db", database]
    vars(running).update(OrderlyEngine=OrderlySiteEngine, check_browser=lambda: None)
    listen = stop_in_order

    def listen_and_say() -> None:
        listen()
        say("listens")

    vars(command_line).update(stop_in_order=listen_and_say)
    try:
        command_line.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def main(what: str, database: str, said: str) -> None:
    """Run until it ends, and say how."""
    os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
    code = daemon(database) if what == "daemon" else crawl(database)
    say("ended", code)
