"""Owns the question how soon a job's handler starts where nothing else is to be done."""

from __future__ import annotations

from peers import APSCHEDULER, DBOS, HUEY, LITEQUEUE, PERSIST_QUEUE, PROCRASTINATE
from question import Question, Target
from questions.enqueueing import bequest

QUESTIONS = (
    Question(
        name="idle latency",
        group="latency",
        unit="ms, median",
        figure="p50_ms",
        count=200,
        quick_count=10,
        contenders=(
            bequest("idle_latency"),
            PERSIST_QUEUE.doing("idle_latency"),
            PROCRASTINATE.doing("idle_latency"),
            APSCHEDULER.doing("idle_latency"),
            HUEY.doing("idle_latency"),
            HUEY.doing("idle_latency_fast_poll", name="huey, polling every ms"),
            LITEQUEUE.doing("idle_latency_fast_poll", name="litequeue, polling every ms"),
            DBOS.doing("idle_latency"),
            DBOS.doing("idle_latency_fast_poll", name="DBOS, polling every ms"),
        ),
        targets=(Target(figure="p50_ms", at_most=1.0), Target(figure="p99_ms", at_most=3.0)),
        about=(
            "One job at a time, 10 to 50 ms after the last one: from just before it is made to the start of its handler"
            " in the same process. Workers have their default settings, or poll a thousand times a second."
        ),
    ),
)
