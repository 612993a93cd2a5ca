"""Owns the questions about parents, their children, and the metadata that these inherit."""

from __future__ import annotations

from question import SUBJECT, Contender, Question, Target
from questions.enqueueing import FULL


def chain(name: str, call: str) -> Contender:
    """Return Bequest as it answers with *call*."""
    return Contender(name=name, call=f"contenders.{call}", durability=FULL, packages=("pykka", "apsw", "msgspec"))


PLAIN = f"{SUBJECT}, plain jobs"

QUESTIONS = (
    Question(
        name="a parent's children, to its verdict",
        group="chain",
        unit="jobs/s",
        count=100_000,
        quick_count=5_000,
        contenders=(chain(SUBJECT, "bequest_chain:verdict"), chain(PLAIN, "bequest_jobs:drain")),
        targets=(Target(figure="seconds", over=PLAIN, at_most=1.3),),
        about=(
            "A parent with so many children, all there already, until the parent itself has ended; beside as many jobs"
            " without a parent."
        ),
    ),
    Question(
        name="metadata merges, 16 writers",
        group="chain",
        unit="merges/s",
        count=64_000,
        quick_count=8_000,
        contenders=(chain(SUBJECT, "bequest_chain:merge"),),
        targets=(Target(at_least=30_000),),
        about=(
            "16 threads merge keys into one job, each with 32 merges under way, and no key is lost. These are messages"
            " to the manager, as the executor sends them: a handler's own `update_metadata` waits."
        ),
    ),
    Question(
        name="the parent's metadata, 8 askers",
        group="chain",
        unit="answers/s",
        count=40_000,
        quick_count=4_000,
        contenders=(chain(SUBJECT, "bequest_chain:ask"),),
        targets=(Target(at_least=20_000),),
        about="Eight handlers ask for what their parent leaves them, each one question after the other.",
    ),
)
