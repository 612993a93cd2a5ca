"""Owns the questions about what it costs a program to have an engine."""

from __future__ import annotations

from question import SUBJECT, Contender, Question, Target
from questions.enqueueing import FULL

EACH = "each_ms"


def footprint(function: str, durability: str = FULL) -> Contender:
    """Return Bequest as it answers with *function*."""
    return Contender(
        name=SUBJECT,
        call=f"contenders.bequest_footprint:{function}",
        durability=durability,
        packages=("pykka", "apsw", "msgspec"),
    )


def imports(name: str, function: str) -> Contender:
    """Return an import."""
    return Contender(name=name, call=f"contenders.imports:{function}", durability="none needed")


QUESTIONS = (
    Question(
        name="memory without a browser",
        group="footprint",
        unit="MB",
        figure="peak_mb",
        count=20_000,
        quick_count=5_000,
        contenders=(footprint("memory"),),
        targets=(Target(figure="peak_mb", at_most=60.0),),
        about="The most that the process holds as it makes jobs ten thousand at a time and runs them.",
    ),
    Question(
        name="idle CPU",
        group="footprint",
        unit="% of a core",
        figure="cpu_percent",
        count=20,
        quick_count=5,
        contenders=(footprint("idle"),),
        targets=(Target(figure="cpu_percent", at_most=0.5),),
        about="What an engine uses whose jobs have all ended.",
    ),
    Question(
        name="start and stop in memory",
        group="footprint",
        unit="ms",
        figure=EACH,
        count=50,
        quick_count=20,
        contenders=(footprint("start_and_stop", durability="none: in memory"),),
        targets=(Target(figure=EACH, at_most=30.0),),
        about='`Engine(":memory:")`, from the start to the end of the stop, as a test suite has it again and again.',
    ),
    Question(
        name="engine.stats()",
        group="footprint",
        unit="ms",
        figure=EACH,
        count=5_000,
        quick_count=500,
        contenders=(footprint("stats"),),
        targets=(Target(figure=EACH, at_most=1.0),),
        about="How many jobs there are of each kind and state, asked in a file of 10,000.",
    ),
    Question(
        name="import",
        group="footprint",
        unit="ms",
        figure=EACH,
        count=10,
        quick_count=3,
        contenders=(
            imports(SUBJECT, "bequest"),
            imports("python -c pass", "nothing"),
            imports("huey", "huey"),
            imports("procrastinate", "procrastinate"),
            imports("APScheduler", "apscheduler"),
            imports("DBOS", "dbos"),
        ),
        about="A fresh interpreter that imports it and ends.",
    ),
)
