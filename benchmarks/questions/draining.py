"""Owns the questions about how fast jobs are run."""

from __future__ import annotations

from peers import APSCHEDULER, DBOS, HUEY, LITEQUEUE, PERSIST_QUEUE, PROCRASTINATE
from question import Question, Target
from questions.enqueueing import bequest, raw

QUESTIONS = (
    Question(
        name="drain no-op jobs, thread handlers",
        group="draining",
        unit="jobs/s",
        count=50_000,
        quick_count=5_000,
        contenders=(
            bequest("drain"),
            raw("raw APSW, batches of 64", "drain_by_64"),
            raw("raw APSW, batches of 256", "drain_by_256"),
            raw("raw APSW, batches of 16", "drain_by_16"),
        ),
        targets=(Target(over="raw APSW, batches of 64", at_least=0.7),),
        about=(
            "All jobs are there; handlers that only count run in the engine's eight slots, until none is left. A raw"
            " batch is one transaction that completes the last rows and claims the next."
        ),
    ),
    Question(
        name="drain no-op jobs, beside peers",
        group="draining",
        unit="jobs/s",
        count=4_000,
        quick_count=400,
        contenders=(
            bequest("drain", times=10),
            raw("raw APSW, one by one", "drain_by_1"),
            HUEY.doing("drain"),
            LITEQUEUE.doing("drain"),
            PERSIST_QUEUE.doing("drain"),
            PROCRASTINATE.doing("drain"),
            APSCHEDULER.doing("drain"),
            DBOS.doing("drain"),
        ),
        targets=(Target(over="huey", at_least=20.0), Target(over="persist-queue", at_least=25.0)),
        about="The same with fewer jobs, for peers that take a job at a time, each with its own worker.",
        timeout_s=300.0,
    ),
    Question(
        name="drain beside one busy thread",
        group="draining",
        unit="jobs/s",
        count=30_000,
        quick_count=3_000,
        contenders=(bequest("drain_beside_busy_thread"),),
        targets=(Target(at_least=10_000),),
        about="The same while one thread of the program computes in Python, with the default switch interval.",
    ),
)
