"""Owns the questions about files with very many jobs."""

from __future__ import annotations

from question import SUBJECT, Contender, Question, Target
from questions.enqueueing import FULL

MAKING_S = 1800.0  # the first to need the large file makes it
SMALL = f"{SUBJECT}, 10,000 jobs in the file"
LARGE = "of ten million jobs (of 200,000 in a quick measurement)"


def growth(name: str, function: str) -> Contender:
    """Return Bequest as it answers with *function*."""
    return Contender(
        name=name, call=f"contenders.bequest_growth:{function}", durability=FULL, packages=("pykka", "apsw", "msgspec")
    )


QUESTIONS = (
    Question(
        name="claims in a large file",
        group="growth",
        unit="jobs/s",
        count=5_000,
        quick_count=2_000,
        contenders=(growth(SUBJECT, "claim_large"), growth(SMALL, "claim_small")),
        targets=(Target(figure="seconds", over=SMALL, at_most=1.3),),
        timeout_s=MAKING_S,
        about=f"No-op jobs are run in a file {LARGE}, four fifths of them due, beside a file of 10,000.",
    ),
    Question(
        name="enqueue_many in a large file",
        group="growth",
        unit="jobs/s",
        count=20_000,
        quick_count=5_000,
        contenders=(growth(SUBJECT, "enqueue_large"), growth(SMALL, "enqueue_small")),
        targets=(Target(figure="seconds", over=SMALL, at_most=1.3),),
        timeout_s=MAKING_S,
        about=f"Jobs are made a thousand at a time in a file {LARGE}, beside a file of 10,000.",
    ),
    Question(
        name="start after kill -9",
        group="growth",
        unit="s",
        figure="seconds",
        count=1,
        quick_count=1,
        contenders=(growth(SUBJECT, "start_after_kill"),),
        targets=(Target(figure="seconds", at_most=2.0),),
        timeout_s=MAKING_S,
        about=f"The engine starts on a file {LARGE} whose last engine was killed as it worked, to the first handler.",
    ),
    Question(
        name="bytes a job",
        group="growth",
        unit="bytes",
        figure="bytes",
        count=100_000,
        quick_count=20_000,
        contenders=(growth(SUBJECT, "bytes_plain"),),
        targets=(Target(figure="bytes", at_most=200.0),),
        about="By how much the file grows with each pending job, indexes and all.",
    ),
    Question(
        name="bytes a job with a URL",
        group="growth",
        unit="bytes",
        figure="bytes",
        count=100_000,
        quick_count=20_000,
        contenders=(growth(SUBJECT, "bytes_url"),),
        targets=(Target(figure="bytes", at_most=350.0),),
        about="The same for children with a URL of 46 characters, which is their key too, and an `auth_id` inherited.",
    ),
)
