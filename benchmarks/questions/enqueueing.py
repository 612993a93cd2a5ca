"""Owns the questions about how fast jobs are stored."""

from __future__ import annotations

from peers import APSCHEDULER, DBOS, HUEY, LITEQUEUE, PERSIST_QUEUE, PROCRASTINATE
from question import SUBJECT, Contender, Question, Target

FULL = "WAL, synchronous=FULL"


def bequest(function: str, *, times: int = 1) -> Contender:
    """Return Bequest as it answers with *function*."""
    return Contender(
        name=SUBJECT,
        call=f"contenders.bequest_jobs:{function}",
        durability=FULL,
        packages=("pykka", "apsw", "msgspec"),
        times=times,
    )


def raw(name: str, function: str, *, times: int = 1) -> Contender:
    """Return the limit that *function* measures."""
    call = f"contenders.raw_apsw:{function}"
    return Contender(name=name, call=call, durability=FULL, packages=("apsw",), times=times)


QUESTIONS = (
    Question(
        name="enqueue, one blocking caller",
        group="enqueueing",
        unit="jobs/s",
        count=5_000,
        quick_count=500,
        contenders=(
            bequest("enqueue_one"),
            raw("raw APSW", "enqueue_one"),
            HUEY.doing("enqueue_one"),
            LITEQUEUE.doing("enqueue_one"),
            PERSIST_QUEUE.doing("enqueue_one"),
            PROCRASTINATE.doing("enqueue_one"),
            APSCHEDULER.doing("enqueue_one"),
            DBOS.doing("enqueue_one"),
        ),
        targets=(Target(over="huey", at_least=1.2), Target(over="raw APSW", at_least=0.9)),
        about="One thread makes jobs one after the other, each durable before the next; nobody works on them.",
    ),
    Question(
        name="enqueue, 16 threads",
        group="enqueueing",
        unit="jobs/s",
        count=8_000,
        quick_count=800,
        contenders=(bequest("enqueue_threads"), HUEY.doing("enqueue_threads")),
        targets=(Target(over="huey", at_least=2.0),),
        about="Each of 16 threads makes jobs one after the other; raw SQLite has one writer, so it has no such form.",
    ),
    Question(
        name="enqueue, futures 256 deep",
        group="enqueueing",
        unit="jobs/s",
        count=4_000,
        quick_count=400,
        contenders=(
            bequest("enqueue_futures", times=10),
            HUEY.doing("enqueue_one"),
            raw("raw APSW, 256 a transaction", "enqueue_groups", times=10),
        ),
        targets=(Target(over="huey", at_least=10.0),),
        about="One thread makes jobs and waits for the oldest of 256; huey has no such form and makes them one by one.",
    ),
    Question(
        name="enqueue_many by 1,000",
        group="enqueueing",
        unit="jobs/s",
        count=100_000,
        quick_count=10_000,
        contenders=(
            bequest("enqueue_bulk"),
            raw("raw APSW", "enqueue_bulk"),
            LITEQUEUE.doing("enqueue_bulk"),
            PROCRASTINATE.doing("enqueue_bulk"),
        ),
        targets=(Target(over="raw APSW", at_least=0.7), Target(over="litequeue", at_least=1.0)),
        about="One thread makes jobs a thousand in a transaction, in the form for many that each has.",
    ),
)
