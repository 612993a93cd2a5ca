"""Owns the records of the harness: what is asked of whom, what is to be reached, and what came of it.

All are frozen, and are what ``docs/benchmarks.json`` holds.
"""

from __future__ import annotations

import msgspec

SUBJECT = "Bequest"  # whose figures the targets are about
RATE = "per_s"


class Target(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a figure of the subject is to reach: by itself, or divided by the same figure of another contender."""

    figure: str = RATE
    over: str | None = None  # the other contender's name
    at_least: float | None = None
    at_most: float | None = None
    at_most_more: float | None = None  # than the other's: a difference, not a ratio


class Contender(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who answers a question, and with what durability it does so."""

    name: str
    call: str  # "contenders.huey_jobs:enqueue_one"
    durability: str
    packages: tuple[str, ...] = ()  # distributions whose versions are written down
    times: int = 1  # as many as the question says, where it is so much faster than others that it would end at once
    servers: tuple[str, ...] = ()  # "postgres:serving", context managers run by the harness; see Server


class Question(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is compared, of how many things, and how it is to end."""

    name: str
    group: str
    unit: str
    count: int
    quick_count: int
    contenders: tuple[Contender, ...]
    targets: tuple[Target, ...] = ()
    about: str = ""  # what exactly is measured, in a sentence or two
    figure: str = RATE  # which figure of a sample is shown; see Sample
    timeout_s: float = 600.0  # of one sample


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """What the context manager that ``Contender.servers`` names gives, called with a folder; it ends on leaving."""

    address: str  # ``watch.servers["postgres:serving"]`` in the contender
    pid: int  # its CPU and memory, and those of its children, count for the contender


class Sample(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one contender did in one round.

    Figures always there are ``per_s``, ``seconds``, ``each_ms``, ``cpu_s``, ``cpu_percent`` (of one core) and
    ``peak_mb``; then what the contender noted, of values ``latencies_ms`` the percentiles ``p50_ms`` and ``p99_ms``.
    """

    contender: str
    round: int
    count: int = 0
    figures: dict[str, float] = {}
    error: str = ""  # why there are no figures


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a target fared: the median of what each round says, and the lowest and highest of them."""

    target: Target
    value: float | None
    low: float | None = None
    high: float | None = None
    is_met: bool = False


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a question, of one invocation."""

    question: Question
    measured_on: str  # a date
    load: float  # of the machine in the minute before, which takes nothing else then if it is to count
    is_quick: bool
    samples: tuple[Sample, ...]
    verdicts: tuple[Verdict, ...]


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """On what it was measured."""

    system: str
    processor: str
    cores: int
    memory_gb: int
    disk: str  # file system of the folder
    python: str
    sqlite: str
    versions: dict[str, str]  # of distributions


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All answers that one machine gave."""

    machine: Machine
    outcomes: tuple[Outcome, ...]
